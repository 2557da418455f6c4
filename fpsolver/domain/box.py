"""Boxes in one, two and three dimensions as distributed meshes of simplices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from dolfinx import mesh
from mpi4py import MPI

from fpsolver.domain.curved import no_edges
from fpsolver.domain.distributed import distributed
from fpsolver.domain.triangulation import box_triangulation

DIAGONALS = {
    "right": mesh.DiagonalType.right,
    "left": mesh.DiagonalType.left,
    "crossed": mesh.DiagonalType.crossed,
}


def box_mesh(
    comm: MPI.Intracomm,
    lower: Sequence[float],
    upper: Sequence[float],
    cells: Sequence[int],
    diagonal: str = "right",
    periods: Sequence[float] = (),
) -> mesh.Mesh[np.float64]:
    """A box cut into simplices: an interval, right triangles or Kuhn tetrahedra.

    Ghost cells share facets with the owned ones, which the facet terms of the generator need.

    Args:
        comm: Communicator over which the cells are distributed.
        lower: Lower corner, one number per dimension.
        upper: Upper corner.
        cells: Cells per direction.
        diagonal: How a rectangle is cut in two dimensions: "right", "left" or "crossed".
        periods: For each coordinate its period or infinity; empty: none is periodic.
    """
    if np.isfinite(periods).any():
        made = box_triangulation(lower, upper, cells, diagonal, periods) if comm.rank == 0 else None
        return distributed(comm, made, len(cells), 0, no_edges(len(cells)))[0]
    shared = mesh.GhostMode.shared_facet
    low, high = np.asarray(lower, float), np.asarray(upper, float)
    if len(cells) == 1:
        return mesh.create_interval(comm, cells[0], [low[0], high[0]], ghost_mode=shared)
    if len(cells) == 2:
        return mesh.create_rectangle(comm, [low, high], list(cells), diagonal=DIAGONALS[diagonal], ghost_mode=shared)
    return mesh.create_box(comm, [low, high], list(cells), ghost_mode=shared)
