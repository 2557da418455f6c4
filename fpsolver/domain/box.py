"""Boxes in one, two and three dimensions as distributed meshes of simplices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dolfinx import mesh
from mpi4py import MPI

DIAGONALS = {
    "right": mesh.DiagonalType.right,
    "left": mesh.DiagonalType.left,
    "crossed": mesh.DiagonalType.crossed,
}


def box_mesh(
    comm: MPI.Comm,
    lower: Sequence[float],
    upper: Sequence[float],
    cells: Sequence[int],
    diagonal: str = "right",
) -> mesh.Mesh:
    """A box cut into simplices: an interval, right triangles or Kuhn tetrahedra.

    Ghost cells share facets with the owned ones, which the facet terms of the generator need.

    Args:
        comm: Communicator over which the cells are distributed.
        lower: Lower corner, one number per dimension.
        upper: Upper corner.
        cells: Cells per direction.
        diagonal: How a rectangle is cut in two dimensions: "right", "left" or "crossed".
    """
    shared = mesh.GhostMode.shared_facet
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    if len(cells) == 1:
        return mesh.create_interval(comm, cells[0], [low[0], high[0]], ghost_mode=shared)
    if len(cells) == 2:
        return mesh.create_rectangle(comm, [low, high], list(cells), diagonal=DIAGONALS[diagonal], ghost_mode=shared)
    return mesh.create_box(comm, [low, high], list(cells), ghost_mode=shared)
