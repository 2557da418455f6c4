"""Quadrature over boundaries: areas, the theorem of Gauss, and normals that point outward, on any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from mpi4py import MPI

from fpsolver.case import Ball
from fpsolver.domain.boundary_rule import boundary_rule
from fpsolver.domain.box import box_mesh
from fpsolver.domain.cells import Cells
from fpsolver.domain.region_mesh import domain_mesh

pytestmark = pytest.mark.parallel
COMM = MPI.COMM_WORLD


def integrals(domain, power: int = 3) -> tuple[float, float, np.ndarray]:
    """The area, the integral of n . F with F_i = x_i^power, and that of n."""
    found = boundary_rule(domain, Cells.of(domain), power + 1)
    weights, points, normals = found.rule.weights, found.rule.points, found.normals
    assert np.allclose(np.linalg.norm(normals, axis=1), 1.0)
    flux = float(weights @ (normals * points**power).sum(axis=1))
    return COMM.allreduce(float(weights.sum())), COMM.allreduce(flux), COMM.allreduce(weights @ normals)


@pytest.mark.parametrize(
    ("lower", "upper", "cells", "area"),
    [
        ([-1.0], [2.0], [7], 2.0),
        ([0.0, -1.0], [2.0, 0.5], [5, 4], 7.0),
        ([0.0, 0.0, -1.0], [1.0, 2.0, 0.5], [3, 4, 2], 2 * (2.0 + 1.5 + 3.0)),
    ],
)
def test_boxes(lower: list[float], upper: list[float], cells: list[int], area: float) -> None:
    """Exact, as facets are flat: the flux of x_i^3 is the integral of its divergence 3 sum x_i^2."""
    found, flux, normal = integrals(box_mesh(COMM, lower, upper, cells))
    assert found == pytest.approx(area, rel=1e-13)
    sides = np.subtract(upper, lower)
    volume = float(np.prod(sides))
    squares = [(u**3 - low**3) / (3 * (u - low)) for low, u in zip(lower, upper, strict=True)]
    assert flux == pytest.approx(3 * volume * sum(squares), rel=1e-12)
    assert np.abs(normal).max() < 1e-12


@pytest.mark.parametrize(("hole", "area"), [(0.0, 2 * np.pi), (0.4, 2.8 * np.pi)])
def test_curved_boundaries(hole: float, area: float) -> None:
    """Quadratic edges meet circles to fourth order; inner boundaries have normals that point into the hole."""
    domain = domain_mesh(COMM, Ball((0.0, 0.0), 1.0, 0.2, ("x", "y"), hole))
    found, flux, normal = integrals(domain, power=1)
    assert found == pytest.approx(area, rel=2e-4)
    assert flux == pytest.approx(2 * np.pi * (1 - hole**2), rel=2e-4)
    assert np.abs(normal).max() < 1e-10
