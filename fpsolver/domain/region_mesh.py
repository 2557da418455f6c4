"""The mesh of a region: the domain fitted to the region's boundary, and only the cells inside.

A region {g < 0} with g made of maxima and minima is fitted to its smooth parts one by one, so that its corners are
vertices. The mesh is made on rank 0 and then distributed; it does not depend on the number of ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import mesh
from mpi4py import MPI

from fpsolver.case import Box, Domain, Region
from fpsolver.case.expressions import smooth_parts
from fpsolver.domain.box import box_mesh
from fpsolver.domain.curved import CurvedEdges, bent_edges
from fpsolver.domain.distributed import distributed
from fpsolver.domain.fitted import fit
from fpsolver.domain.grading import Grading, graded
from fpsolver.domain.ground import Ground, ground_of, same_edges
from fpsolver.domain.levelset import Level
from fpsolver.domain.refinement import numbered_edges, opened
from fpsolver.domain.regions import at_points
from fpsolver.domain.surface import curved_part, exit_surface, wall_ends, walls_among
from fpsolver.domain.triangulation import Triangulation
from fpsolver.errors import BadUsage
from fpsolver.runtime.ranks import on_root

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RegionMesh:
    """The cells inside a region.

    Attributes:
        mesh: Of degree 1, or 2 where the boundary is curved; ghost cells share facets with owned ones.
        numbers: For each local cell the vertices as numbered on all ranks alike, (cells, d + 1).
        leaving: Facets of the exit set by such numbers, ascending, (k, d): the boundary of the region, and those walls
            of the domain that absorb.
        of_walls: Which of them are walls, (k,).
        vertices: Number of vertices, over all ranks.
        cells: Number of cells, over all ranks.
        moved: Vertices of the background that are not where they were.
        added: Vertices put where moving was not enough.
        curved: Edges on the boundary whose middles were moved onto it.
        limited: Edges whose middles do not reach it, for the sake of the cells around them.
        refined: Cells that bisection has added to the fitted ones.
        quality: Least quality of the cells: 1 is regular, 0 flat, measured in background cells. Small where paths
            graze the exit set: cells there are stretched on purpose.
    """

    mesh: mesh.Mesh[np.float64]
    numbers: Ints
    leaving: Ints
    of_walls: Bools
    vertices: int
    cells: int
    moved: int
    added: int
    curved: int
    limited: int
    refined: int
    quality: float

    def without_walls(self) -> RegionMesh:
        """The same where all walls reflect."""
        return replace(self, leaving=self.leaving[~self.of_walls], of_walls=self.of_walls[~self.of_walls])

    def exit_facets(self) -> tuple[Ints, Ints]:
        """The facets of this rank's own cells that belong to the exit set: cells (k,), numbers within the cell (k,)."""
        domain = self.mesh
        d = domain.topology.dim
        owned = domain.topology.index_map(d).size_local
        local = np.array(basix.topology(domain.basix_cell())[d - 1]).reshape(d + 1, d)
        facets = np.sort(self.numbers[:owned][:, local], axis=2)
        keys, wanted = _keys(facets, self.vertices), _keys(self.leaving, self.vertices)
        cells, number = np.nonzero(np.isin(keys, wanted))
        return cells.astype(np.int64), number.astype(np.int64)


@dataclass(frozen=True)
class _Shared:
    """What all ranks know of the mesh on rank 0."""

    leaving: Ints
    of_walls: Bools
    vertices: int
    cells: int
    bent: CurvedEdges
    moved: int
    added: int
    refined: int
    quality: float


def domain_mesh(comm: MPI.Intracomm, domain: Domain) -> mesh.Mesh[np.float64]:
    """The mesh of a whole domain; collective."""
    if isinstance(domain, Box):
        return box_mesh(comm, domain.lower, domain.upper, domain.cells, domain.diagonal, domain.periods)
    return region_mesh(comm, domain, None).mesh


def graded_mesh(comm: MPI.Intracomm, domain: Domain, grading: Grading) -> mesh.Mesh[np.float64] | None:
    """The whole domain, finer where the weight is too steep for its cells; None where it is nowhere; collective."""
    made = region_mesh(comm, domain, None, None, grading)
    return made.mesh if made.refined else None


def region_mesh(
    comm: MPI.Intracomm,
    domain: Domain,
    region: Region | None,
    absorbing: Level | None = None,
    grading: Grading | None = None,
    anchors: Sequence[npt.ArrayLike] = (),
) -> RegionMesh:
    """The mesh of a region's cells; collective.

    Args:
        comm: Communicator over which the cells are distributed.
        domain: The domain.
        region: The region {level < 0} with its name; None: all of the domain.
        absorbing: Negative on the absorbing part of the walls; None: all walls reflect.
        grading: How fine the mesh has to be; None: as the domain is.
        anchors: Points that shall be vertices, such as the starts of exit times.

    Raises:
        BadUsage: The region holds no cell, or an anchor lies outside the domain.
        LevelUndefined: The region's level is not a number at some point of the domain.
    """
    made: list[Triangulation] = []

    def make() -> _Shared:
        ground = ground_of(domain)
        background, levels = ground.triangulation, list(ground.levels)
        own = len(levels)
        parts = None if region is None else smooth_parts(region.level)
        if region is not None and parts is not None:
            levels += [_within(at_points(leaf, domain.coordinates), ground) for leaf in parts.leaves]
        ends: list[Array] = []
        if absorbing is not None and isinstance(domain, Box):
            everywhere = (
                (lambda points: -np.ones(len(points)))
                if region is None
                else at_points(region.level, domain.coordinates)
            )
            ends = wall_ends(background, absorbing, everywhere)
        fitted = fit(background, levels, [*anchors, *ends])
        keep = fitted.marks[:, :own].all(axis=1)
        if parts is not None:
            keep &= parts.inside(fitted.marks[:, own:])
        if not keep.any():
            assert region is not None
            raise BadUsage(
                f'region "{region.name}" ({region.source}) holds no cell of the mesh; write smaller cells, or a '
                "region that is not empty"
            )
        t = fitted.triangulation.restricted(keep)
        before = len(t.cells)
        t = opened(t, levels, absorbing)
        if grading is not None:
            t = graded(t, levels, absorbing, grading)
        bent = with_given(t, ground, bent_edges(t, levels, *curved_part(t, levels)))
        made.append(t)
        surface = exit_surface(t, levels, absorbing)
        return _Shared(
            surface.facets,
            walls_among(t, surface.facets),
            len(t.points),
            len(t.cells),
            bent,
            fitted.moved,
            fitted.added,
            len(t.cells) - before,
            float(t.quality().min()),
        )

    shared = on_root(comm, make)
    found, numbers = distributed(comm, made[0] if made else None, domain.dimension, shared.vertices, shared.bent)
    return RegionMesh(
        found,
        numbers,
        shared.leaving,
        shared.of_walls,
        shared.vertices,
        shared.cells,
        shared.moved,
        shared.added,
        len(shared.bent.edges),
        shared.bent.limited,
        shared.refined,
        shared.quality,
    )


def _within(level: Level, ground: Ground) -> Level:
    """A level that may be undefined beyond the boundary of a domain that has to be fitted first."""
    if not ground.levels or ground.triangulation.given:
        return level

    def defined(points: Array) -> Array:
        values = np.asarray(level(points), dtype=float)
        lost = np.isnan(values)
        if lost.any():
            beyond = np.max([own(points[lost]) for own in ground.levels], axis=0) > 0
            values = values.copy()
            values[np.flatnonzero(lost)[beyond]] = 1.0
        return values

    return defined


def with_given(t: Triangulation, ground: Ground, bent: CurvedEdges) -> CurvedEdges:
    """The curved edges with those of the file that are still there; one that has been cut is straight."""
    if not len(ground.bent):
        return bent
    edges, _ = numbered_edges(t)
    place = same_edges(t.points, edges, ground.bent)
    kept = place >= 0
    both = np.concatenate([bent.edges.reshape(-1, 2), edges[place[kept]]])
    middles = np.concatenate([bent.middles.reshape(-1, t.dimension), ground.middles[kept]])
    _, once = np.unique(t.keys(both), return_index=True)
    return CurvedEdges(both[once], middles[once], bent.limited)


def _keys(facets: Ints, vertices: int) -> Ints:
    """One number for each facet (..., d)."""
    keys = facets[..., 0].astype(np.int64)
    for i in range(1, facets.shape[-1]):
        keys = keys * vertices + facets[..., i]
    return np.asarray(keys)
