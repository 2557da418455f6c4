"""The linear sub-mesh on which fields are written: a cell of degree k becomes k^d linear ones.

Viewers interpolate linear cells exactly as drawn; Lagrange cells of high order are drawn well but probed wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from dolfinx import fem

from fpsolver.domain.cells import Cells
from fpsolver.domain.periodic import periods_of
from fpsolver.domain.simplex import element_subcells

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lattice:
    """This rank's piece of a linear mesh.

    Attributes:
        points: (n, 3), padded with zeros below three dimensions.
        cells: Corners of the cells as indices into ``points``, (m, dimension + 1).
        dimension: 1, 2 or 3: lines, triangles or tetrahedra.
    """

    points: Array
    cells: npt.NDArray[np.int64]
    dimension: int


def sublattice(space: fem.FunctionSpace) -> tuple[Lattice, npt.NDArray[np.int64]]:
    """The sub-mesh on the nodes of a Lagrange space, and the local degree of freedom of each of its points, (n,).

    Where coordinates are periodic, a node on the seam is a point on either side of it.
    """
    domain = space.mesh
    element = space.element.basix_element
    owned = domain.topology.index_map(domain.topology.dim).size_local
    small = element_subcells(np.asarray(element.points), element.degree)
    nodes, places = space.dofmap.list[:owned].astype(np.int64), space.tabulate_dof_coordinates()
    periods, turns = periods_of(domain), np.zeros((*nodes.shape, 0), dtype=np.int64)
    closed = np.flatnonzero(np.isfinite(periods))
    if len(closed):
        there = Cells.of(domain).points(np.asarray(element.points))[:owned]
        turns = np.rint((there - places[nodes][:, :, : len(periods)]) / periods)[:, :, closed].astype(np.int64)
    images = np.concatenate([nodes[:, :, None], turns], axis=2)[:, small].reshape(-1, 1 + len(closed))
    found, index = np.unique(images, axis=0, return_inverse=True)
    used, points = found[:, 0], places[found[:, 0]]
    points[:, closed] += found[:, 1:] * periods[closed]
    cells = index.reshape(-1, domain.topology.dim + 1)
    return Lattice(points, _upright(points, cells), domain.topology.dim), used


def _upright(points: Array, cells: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The cells with positive orientation, which viewers expect of tetrahedra."""
    corners = points[cells][:, :, : cells.shape[1] - 1]
    turned = np.linalg.det(corners[:, 1:] - corners[:, :1]) < 0
    upright = cells.astype(np.int64)
    upright[turned, :2] = upright[turned, 1::-1]
    return upright
