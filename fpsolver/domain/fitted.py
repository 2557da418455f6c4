"""Box meshes whose facets follow the boundaries of regions, so that every cell lies on one side of each of them.

The mesh is made in numpy on rank 0 and then distributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from dolfinx import mesh
from mpi4py import MPI

from fpsolver.domain.anchors import anchored
from fpsolver.domain.conform import conform, inside
from fpsolver.domain.curved import CurvedEdges, curved_edges
from fpsolver.domain.distributed import distributed
from fpsolver.domain.levelset import Level
from fpsolver.domain.smoothing import smoothed
from fpsolver.domain.triangulation import Triangulation, box_triangulation
from fpsolver.runtime.ranks import on_root

SMOOTHED = 0.4
"""Cells worse than this fraction of the worst background cell are smoothed."""


@dataclass(frozen=True)
class FittedMesh:
    """A mesh with cells on one side of each level.

    Attributes:
        mesh: Of degree 1, or 2 where a set is curved; ghost cells share facets with owned ones.
        inside: For each level the local cells, ghosts included, in {level < 0}, ascending.
        moved: Vertices of the background that are not where they were.
        added: Vertices put where moving was not enough.
        curved: Edges whose middles were moved onto a curved set.
        limited: Edges on a set whose middles do not reach it, for the sake of the cells around them.
        quality_before: Least quality of the background cells: 1 is regular, 0 flat, measured in background cells.
        quality_after: The same of the fitted mesh, its edges taken as straight.
    """

    mesh: mesh.Mesh[np.float64]
    inside: tuple[npt.NDArray[np.int32], ...]
    moved: int
    added: int
    curved: int
    limited: int
    quality_before: float
    quality_after: float


@dataclass(frozen=True)
class _Shared:
    """What all ranks know of the mesh on rank 0: marks of cells, curved edges, figures."""

    vertices: int
    marks: npt.NDArray[np.bool_]
    bent: CurvedEdges
    moved: int
    added: int
    quality_before: float
    quality_after: float


def fitted_box_mesh(
    comm: MPI.Intracomm,
    lower: Sequence[float],
    upper: Sequence[float],
    cells: Sequence[int],
    diagonal: str,
    levels: Sequence[Level],
    anchors: Sequence[npt.ArrayLike] = (),
) -> FittedMesh:
    """A box mesh in one, two or three dimensions fitted to the zero sets of level functions; collective.

    The corners of a set are met if its smooth parts are given as levels of their own: for {g < 0 and h < 0} give
    g and h instead of max(g, h), whose corners are cut off within a cell.

    Args:
        comm: Communicator over which the cells are distributed.
        lower: Lower corner of the box.
        upper: Upper corner.
        cells: Background cells per direction.
        diagonal: How a rectangle is cut in two dimensions: "right", "left" or "crossed".
        levels: Functions from points (n, d) to values (n,), called on rank 0 only.
        anchors: Points that shall be vertices.

    Raises:
        LevelUndefined: A level is not a number at some point.
        BadUsage: An anchor lies outside the box.
    """
    made: list[Triangulation] = []

    def make() -> _Shared:
        fitted = fit(box_triangulation(lower, upper, cells, diagonal), levels, anchors)
        made.append(fitted.triangulation)
        bent = curved_edges(fitted.triangulation, levels, fitted.marks)
        return _Shared(
            len(fitted.triangulation.points),
            fitted.marks,
            bent,
            fitted.moved,
            fitted.added,
            fitted.quality_before,
            fitted.quality_after,
        )

    shared = on_root(comm, make)
    domain, _ = distributed(comm, made[0] if made else None, len(cells), shared.vertices, shared.bent)
    original = domain.topology.original_cell_index
    return FittedMesh(
        domain,
        tuple(np.flatnonzero(marks[original]).astype(np.int32) for marks in shared.marks.T),
        shared.moved,
        shared.added,
        len(shared.bent.edges),
        shared.bent.limited,
        shared.quality_before,
        shared.quality_after,
    )


@dataclass(frozen=True)
class Fit:
    """A triangulation that conforms to level functions, and what it took.

    Attributes:
        triangulation: ``sides`` has a column per level.
        marks: Which cells are in {level < 0}, (cells, levels).
        moved: Vertices of the background that are not where they were.
        added: Vertices put where moving was not enough.
        quality_before: Least quality of the background cells.
        quality_after: The same of the fitted cells.
    """

    triangulation: Triangulation
    marks: npt.NDArray[np.bool_]
    moved: int
    added: int
    quality_before: float
    quality_after: float


def fit(background: Triangulation, levels: Sequence[Level], anchors: Sequence[npt.ArrayLike] = ()) -> Fit:
    """The background with vertices at the anchors and facets on the zero sets, badly shaped cells smoothed."""
    before = float(background.quality().min())
    fitted = smoothed(conform(anchored(background, anchors), levels), levels, SMOOTHED * before)
    old = len(background.points)
    return Fit(
        fitted,
        inside(fitted, levels),
        int((fitted.points[:old] != background.points).any(axis=1).sum()),
        len(fitted.points) - old,
        before,
        float(fitted.quality().min()),
    )
