"""Box meshes whose facets follow the boundaries of regions, so that every cell lies on one side of each of them.

The mesh is made in numpy on rank 0 and then distributed; what belongs to it (which cells are inside, where curved
edges have their middles) goes to all ranks and is looked up by the original numbers of cells and vertices. So all
ranks, ghost cells included, agree to the last digit, whatever their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import basix
import basix.ufl
import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh
from mpi4py import MPI

from fpsolver.domain.anchors import anchored
from fpsolver.domain.conform import conform, inside
from fpsolver.domain.curved import CurvedEdges, curved_edges
from fpsolver.domain.levelset import Level
from fpsolver.domain.smoothing import smoothed
from fpsolver.domain.triangulation import Triangulation, box_triangulation
from fpsolver.runtime.ranks import agree

NAMES = {1: "interval", 2: "triangle", 3: "tetrahedron"}

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
    made: Triangulation | None = None
    shared: _Shared | None = None
    error: Exception | None = None
    if comm.rank == 0:
        try:
            made, shared = _fit(box_triangulation(lower, upper, cells, diagonal), levels, anchors)
        except Exception as raised:
            error = raised
    agree(comm, error)
    shared = comm.bcast(shared, root=0)
    assert shared is not None
    straight = _distributed(comm, made, len(cells))
    original = straight.topology.original_cell_index
    return FittedMesh(
        _bent(straight, shared) if len(shared.bent.edges) else straight,
        tuple(np.flatnonzero(marks[original]).astype(np.int32) for marks in shared.marks.T),
        shared.moved,
        shared.added,
        len(shared.bent.edges),
        shared.bent.limited,
        shared.quality_before,
        shared.quality_after,
    )


def _fit(
    background: Triangulation, levels: Sequence[Level], anchors: Sequence[npt.ArrayLike]
) -> tuple[Triangulation, _Shared]:
    before = float(background.quality().min())
    fitted = smoothed(conform(anchored(background, anchors), levels), levels, SMOOTHED * before)
    marks = inside(fitted, levels)
    old = len(background.points)
    return fitted, _Shared(
        len(fitted.points),
        marks,
        curved_edges(fitted, levels, marks),
        int((fitted.points[:old] != background.points).any(axis=1).sum()),
        len(fitted.points) - old,
        before,
        float(fitted.quality().min()),
    )


def _distributed(comm: MPI.Intracomm, made: Triangulation | None, dimension: int) -> mesh.Mesh[np.float64]:
    cells = np.empty((0, dimension + 1), dtype=np.int64) if made is None else made.cells
    points = np.empty((0, dimension)) if made is None else made.points
    element: Any = basix.ufl.element("Lagrange", NAMES[dimension], 1, shape=(dimension,))
    partitioner = mesh.create_cell_partitioner(mesh.GhostMode.shared_facet, 2)
    return mesh.create_mesh(comm, cells, element, points, partitioner)


def _bent(straight: mesh.Mesh[np.float64], shared: _Shared) -> mesh.Mesh[np.float64]:
    """The mesh with a geometry of degree 2, the middles of curved edges in their places."""
    vertices = straight.geometry.input_global_indices[straight.geometry.dofmaps[0]]
    kind = straight.topology.cell_type
    bent = fem.interpolate_geometry(straight, fem.coordinate_element(kind, 2))
    nodes = bent.geometry.dofmaps[0]
    dimension = straight.topology.dim
    # the last digit of interpolated coordinates depends on the order of a cell's vertices, which differs over the ranks
    corners = straight.geometry.x[straight.geometry.dofmaps[0]]
    bent.geometry.x[nodes[:, : dimension + 1]] = corners
    keys = shared.bent.edges[:, 0] * shared.vertices + shared.bent.edges[:, 1]
    for i, local in enumerate(basix.topology(straight.basix_cell())[1]):
        middle = nodes[:, dimension + 1 + i]
        bent.geometry.x[middle] = (corners[:, local[0]] + corners[:, local[1]]) / 2
        ends = np.sort(vertices[:, local], axis=1)
        key = ends[:, 0] * shared.vertices + ends[:, 1]
        place = np.searchsorted(keys, key).clip(max=len(keys) - 1)
        hit = keys[place] == key
        bent.geometry.x[middle[hit], :dimension] = shared.bent.middles[place[hit]]
    return bent
