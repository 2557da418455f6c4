"""The linear sub-mesh that viewers see: it tiles the domain and carries the values of its nodes."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from dolfinx import fem

from fpsolver.domain.box import box_mesh
from fpsolver.domain.lattice import sublattice
from tests.equations import COMM, box, curved_square, largest, total

pytestmark = pytest.mark.parallel

CELLS = {1: (7,), 2: (3, 4), 3: (2, 3, 2)}


@pytest.mark.parametrize(("dimension", "degree"), [(1, 1), (1, 4), (2, 1), (2, 2), (2, 4), (3, 1), (3, 2), (3, 3)])
def test_the_pieces_of_all_ranks_tile_the_box_upright(dimension: int, degree: int) -> None:
    domain = box([0.0] * dimension, [2.0] * dimension, CELLS[dimension])
    space = fem.functionspace(domain, ("Lagrange", degree))
    lattice, nodes = sublattice(space)
    corners = lattice.points[lattice.cells][:, :, :dimension]
    signed = np.linalg.det(corners[:, 1:] - corners[:, :1]) / factorial(dimension)
    assert signed.min(initial=1.0) > 0.0
    assert total(signed.sum()) == pytest.approx(2.0**dimension, rel=1e-12)
    count = domain.topology.index_map(dimension).size_global
    assert total(len(lattice.cells)) == count * degree**dimension
    # no point is idle, and each is where its degree of freedom is
    assert set(np.unique(lattice.cells)) == set(range(len(lattice.points)))
    assert largest(lattice.points - space.tabulate_dof_coordinates()[nodes]) == 0.0


def test_points_of_curved_cells_lie_on_the_curves() -> None:
    lattice, _ = sublattice(fem.functionspace(curved_square(4), ("Lagrange", 4)))
    corners = lattice.points[lattice.cells][:, :, :2]
    area = np.linalg.det(corners[:, 1:] - corners[:, :1]) / 2
    assert area.min(initial=1.0) > 0.0
    assert total(area.sum()) == pytest.approx(1.0, rel=1e-12)  # the outer edges are straight


@pytest.mark.parametrize("degree", [1, 3])
def test_a_torus_is_drawn_from_end_to_end(degree: int) -> None:
    """No cell reaches across the picture, and their areas add up to all of it."""
    size = np.array([2.0, 3.0])
    made = box_mesh(COMM, [-1.0, 0.0], [1.0, 3.0], [5, 4], periods=size)
    found, used = sublattice(fem.functionspace(made, ("Lagrange", degree)))
    corners = found.points[found.cells][:, :, :2]
    sides = corners[:, 1:] - corners[:, :1]
    assert (np.abs(sides) < size / 2).all()
    assert COMM.allreduce(float(np.abs(np.linalg.det(sides)).sum() / 2)) == pytest.approx(6.0, rel=1e-12)
    assert len(used) == len(found.points)
    if COMM.size == 1:
        assert len(found.points) == (5 * degree + 1) * (4 * degree + 1)
        assert len(np.unique(used)) == 20 * degree**2
