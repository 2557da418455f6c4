"""The linear sub-mesh on which fields are written: a cell of degree k becomes k^d linear ones.

Viewers interpolate linear cells exactly as drawn; Lagrange cells of high order are drawn well but probed wrongly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from dolfinx import fem

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
    """The sub-mesh on the nodes of a Lagrange space, and the local degree of freedom of each of its points, (n,)."""
    domain = space.mesh
    element = space.element.basix_element
    owned = domain.topology.index_map(domain.topology.dim).size_local
    small = element_subcells(np.asarray(element.points), element.degree)
    cells = space.dofmap.list[:owned].astype(np.int64)[:, small].reshape(-1, domain.topology.dim + 1)
    used, index = np.unique(cells, return_inverse=True)
    points = space.tabulate_dof_coordinates()[used]
    return Lattice(points, _upright(points, index.reshape(cells.shape)), domain.topology.dim), used


def _upright(points: Array, cells: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """The cells with positive orientation, which viewers expect of tetrahedra."""
    corners = points[cells][:, :, : cells.shape[1] - 1]
    turned = np.linalg.det(corners[:, 1:] - corners[:, :1]) < 0
    upright = cells.astype(np.int64)
    upright[turned, :2] = upright[turned, 1::-1]
    return upright
