"""The mesh of a region: the box fitted to the region's boundary, and only the cells inside.

A region {g < 0} with g made of maxima and minima is fitted to its smooth parts one by one, so that its corners are
vertices. The mesh is made on rank 0 and then distributed; it does not depend on the number of ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import mesh
from mpi4py import MPI

from fpsolver.case import Box, Expression, Region
from fpsolver.case.expressions import smooth_parts
from fpsolver.domain.curved import CurvedEdges, bent_edges
from fpsolver.domain.distributed import distributed
from fpsolver.domain.fitted import fit
from fpsolver.domain.grading import Grading, graded
from fpsolver.domain.levelset import Level, evaluate
from fpsolver.domain.refinement import opened
from fpsolver.domain.regions import at_points
from fpsolver.domain.surface import curved_part, on_walls, wall_ends
from fpsolver.domain.triangulation import Triangulation, box_triangulation
from fpsolver.errors import BadUsage
from fpsolver.runtime.ranks import on_root

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RegionMesh:
    """The cells inside a region.

    Attributes:
        mesh: Of degree 1, or 2 where the boundary is curved; ghost cells share facets with owned ones.
        lower: Lower corner of the box, (d,).
        upper: Upper corner, (d,).
        absorbing: Walls of the box where it is negative belong to the exit set; None: all walls reflect.
        vertices: Number of vertices, over all ranks.
        cells: Number of cells, over all ranks.
        moved: Vertices of the background that are not where they were.
        added: Vertices put where moving was not enough.
        curved: Edges on the exit set whose middles were moved onto it.
        limited: Edges whose middles do not reach it, for the sake of the cells around them.
        refined: Cells that bisection has added to the fitted ones.
        quality: Least quality of the cells: 1 is regular, 0 flat, measured in background cells. Small where paths
            graze the exit set: cells there are stretched on purpose.
    """

    mesh: mesh.Mesh[np.float64]
    lower: Array
    upper: Array
    absorbing: Level | None
    vertices: int
    cells: int
    moved: int
    added: int
    curved: int
    limited: int
    refined: int
    quality: float

    def exit_facets(self) -> tuple[Ints, Ints]:
        """The facets of this rank's own cells that belong to the exit set: cells (k,), numbers within the cell (k,).

        All of the boundary does but for the reflecting walls. A facet is on a wall if all its vertices are on one
        face of the box.
        """
        domain = self.mesh
        d = domain.topology.dim
        domain.topology.create_connectivity(d, d - 1)
        domain.topology.create_connectivity(d - 1, d)
        owned = domain.topology.index_map(d).size_local
        facets = domain.topology.connectivity(d, d - 1).array.reshape(-1, d + 1)[:owned]
        alone = np.diff(domain.topology.connectivity(d - 1, d).offsets)[facets] == 1
        cells, local = np.nonzero(alone)
        vertices = np.array(basix.topology(domain.basix_cell())[d - 1])[local]
        nodes = domain.geometry.dofmaps[0][cells[:, None], vertices]
        corners = domain.geometry.x[nodes][:, :, :d]
        wall = on_walls(corners, self.lower, self.upper)
        leaving = ~wall
        if self.absorbing is not None and wall.any():
            leaving[wall] = evaluate(self.absorbing, corners[wall].mean(axis=1)) < 0
        return cells[leaving].astype(np.int64), local[leaving].astype(np.int64)


@dataclass(frozen=True)
class _Shared:
    """What all ranks know of the mesh on rank 0."""

    vertices: int
    cells: int
    bent: CurvedEdges
    moved: int
    added: int
    refined: int
    quality: float


def region_mesh(
    comm: MPI.Intracomm,
    box: Box,
    region: Region,
    absorbing: Expression | None = None,
    grading: Grading | None = None,
    anchors: Sequence[npt.ArrayLike] = (),
) -> RegionMesh:
    """The mesh of a region's cells; collective.

    Args:
        comm: Communicator over which the cells are distributed.
        box: The domain.
        region: The region {level < 0} with its name.
        absorbing: Level function of the absorbing part of the walls; None: all walls reflect.
        grading: How fine the mesh has to be; None: as the box is.
        anchors: Points that shall be vertices, such as the starts of exit times.

    Raises:
        BadUsage: The region holds no cell, or an anchor lies outside the box.
        LevelUndefined: The region's level is not a number at some point of the box.
    """
    absorbs = None if absorbing is None else at_points(absorbing, box.coordinates)
    made: list[Triangulation] = []

    def make() -> _Shared:
        parts = smooth_parts(region.level)
        levels = [at_points(leaf, box.coordinates) for leaf in parts.leaves]
        background = box_triangulation(box.lower, box.upper, box.cells, box.diagonal)
        ends = [] if absorbs is None else wall_ends(background, absorbs, at_points(region.level, box.coordinates))
        fitted = fit(background, levels, [*anchors, *ends])
        keep = parts.inside(fitted.marks)
        if not keep.any():
            raise BadUsage(
                f'region "{region.name}" ({region.source}) holds no cell of the mesh; write more domain.cells, or a '
                "region that is not empty"
            )
        t = fitted.triangulation.restricted(keep)
        before = len(t.cells)
        t = opened(t, levels, absorbs)
        if grading is not None:
            t = graded(t, levels, absorbs, grading)
        bent = bent_edges(t, levels, *curved_part(t, levels))
        made.append(t)
        return _Shared(
            len(t.points),
            len(t.cells),
            bent,
            fitted.moved,
            fitted.added,
            len(t.cells) - before,
            float(t.quality().min()),
        )

    shared = on_root(comm, make)
    domain = distributed(comm, made[0] if made else None, box.dimension, shared.vertices, shared.bent)
    return RegionMesh(
        domain,
        np.asarray(box.lower, dtype=float),
        np.asarray(box.upper, dtype=float),
        absorbs,
        shared.vertices,
        shared.cells,
        shared.moved,
        shared.added,
        len(shared.bent.edges),
        shared.bent.limited,
        shared.refined,
        shared.quality,
    )


def graded_box_mesh(comm: MPI.Intracomm, box: Box, grading: Grading) -> mesh.Mesh[np.float64] | None:
    """The whole box, finer where the weight is too steep for its cells; None where it is nowhere; collective."""
    made: list[Triangulation] = []

    def make() -> int:
        background = box_triangulation(box.lower, box.upper, box.cells, box.diagonal)
        made.append(graded(background, [], None, grading))
        return len(made[0].points) if len(made[0].cells) > len(background.cells) else 0

    vertices = on_root(comm, make)
    if not vertices:
        return None
    nothing_bent = CurvedEdges(np.empty((0, 2), dtype=np.int64), np.empty((0, box.dimension)), 0)
    return distributed(comm, made[0] if made else None, box.dimension, vertices, nothing_bent)
