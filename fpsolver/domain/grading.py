"""Cells made smaller where an exit time needs it.

- Where the weight is steep: across a cell at the exit set, where a layer forms, its exponent varies by little, across
  other cells by more. What is higher than the lowest way out counts less and may be steeper.
- Towards the points of an exit set in the plane at which an exit time is not smooth: where the noise is along the set
  and the drift across it changes its sign (grazing), at corners of the set that point inwards, and where it ends at a
  wall at more than a right angle, as where an absorbing part of a wall begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from fpsolver.domain.levelset import Level, evaluate, slopes
from fpsolver.domain.refinement import in_background_cells, numbered_edges, refined, with_vertices
from fpsolver.domain.singular import Grazing, Leaving, Way, bad_corners, grazing_points, turning_points
from fpsolver.domain.surface import Surface, exit_surface
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation

MARGIN = 15.0
"""Nats above the lowest way out from where on nothing matters."""

RELAXED = 0.5
"""A cell so many nats above the lowest way out may vary by this fraction of them more."""

STEEPEST = 2.0**-14
"""No cell becomes smaller than this for the sake of a steep weight, in background cells."""

CORNER = 2.0**-8
"""Size of the cells at bad corners, in background cells."""

THINNEST = 2.0**-6
"""Thickness of the cells at grazing points, in background cells."""

ALONG, ACROSS = 0.5, 0.7
"""Lengths of edges in the units in which an exit time varies near a grazing point."""

ROUNDS = 60

GROWTH = {1: 20.0, 2: 4.0, 3: 1.5}
"""The mesh stops growing at so many times its cells, by dimension, or at `ALWAYS`, whatever is more."""

ALWAYS = 12000


@dataclass(frozen=True)
class Finer:
    """Where smaller cells are wanted for other reasons.

    Attributes:
        points: (n, d).
        reach: A cell whose centroid is no farther from a point than this ..., (n,).
        size: ... has no edge longer than this, (n,).
    """

    points: Array
    reach: Array
    size: Array

    def too_large(self, t: Triangulation) -> Bools:
        """Cells that are larger than wanted; of several points the nearest counts."""
        if not len(self.points):
            return np.zeros(len(t.cells), dtype=bool)
        corners = t.corners()
        distance, nearest = KDTree(self.points).query(corners.mean(axis=1))
        first, second = np.triu_indices(t.dimension + 1, 1)
        longest = np.linalg.norm(corners[:, first] - corners[:, second], axis=2).max(axis=1)
        return np.asarray((distance <= self.reach[nearest]) & (longest > self.size[nearest]))


@dataclass(frozen=True)
class Grading:
    """How fine a region's mesh has to be.

    Attributes:
        potential: Points (n, d) to the exponent Psi of the weight in nats, (n,). Called on rank 0 only.
        leaving: Points and outward unit normals (n, d) to n . D n as a fraction of the trace of D, the outward drift,
            and the trace of D, (n,) each. Called on rank 0 only.
        at_exit: The most nats across a cell that touches the exit set.
        elsewhere: The most nats across any other cell.
        ceiling: Cells higher than this above the lowest, in nats, are left as they are.
        passes: Height in nats of the highest pass on the way out above the lowest point; the exit may lie far below it.
        finer: Where smaller cells are wanted for other reasons; None: nowhere.
    """

    potential: Callable[[Array], Array]
    leaving: Leaving
    at_exit: float = 2.0
    elsewhere: float = 10.0
    ceiling: float = 60.0
    passes: float = 0.0
    finer: Finer | None = None


def graded(t: Triangulation, levels: Sequence[Level], absorbing: Level | None, grading: Grading) -> Triangulation:
    """The cells of a region refined until they are as fine as they have to be.

    Args:
        t: The cells inside the region.
        levels: The levels whose zero sets bound it.
        absorbing: Walls where it is negative belong to the exit set.
        grading: How fine.
    """
    most = max(GROWTH[t.dimension] * len(t.cells), ALWAYS)
    heights = Heights(grading.potential)
    rough = _Rough(levels, [], np.empty(0, dtype=np.int64))
    if t.dimension == 2:
        t = _grazed_at_vertices(t, levels, absorbing, grading.leaving)
    for first in [True] + [False] * ROUNDS:
        heights.update(t)
        surface = exit_surface(t, levels, absorbing)
        way = Way.across(t, surface, levels, grading.leaving)
        lowest = float(heights.vertices[surface.facets[way.out]].min(initial=np.inf))
        lowest = max(lowest, float(heights.low.min()) + grading.passes)
        if first and t.dimension == 2:
            matters = heights.vertices - lowest < MARGIN
            grazing = [point for point in grazing_points(t, surface, way) if matters[point.vertex]]
            corners = bad_corners(t, surface, way)
            rough = _Rough(levels, grazing, corners[matters[corners]])
        marked = rough.too_large(t) | _steepest(_steepness(t, surface, way, heights, grading, lowest), most)
        if grading.finer is not None:
            marked |= grading.finer.too_large(t)
        if not marked.any() or len(t.cells) >= most:
            break
        t = refined(t, levels, marked, rough.lengths)
    return t


def _grazed_at_vertices(
    t: Triangulation, levels: Sequence[Level], absorbing: Level | None, leaving: Leaving
) -> Triangulation:
    """Facets bisected where paths graze them, so that such points are vertices, to a fiftieth of a facet."""
    for _ in range(5):
        surface = exit_surface(t, levels, absorbing)
        facets, fractions, points = turning_points(t, surface, Way.across(t, surface, levels, leaving), leaving)
        inner = np.minimum(fractions, 1 - fractions)
        wanted = np.flatnonzero(inner > 0.02)
        wanted = wanted[np.unique(surface.cells[facets[wanted]], return_index=True)[1]]  # no cell has two
        if not wanted.size:
            break
        edges = surface.facets[facets[wanted]]
        near = inner[wanted, None] > 0.2
        t = with_vertices(t, levels, edges, np.where(near, points[wanted], t.middles(edges)))
    return t


class _Rough:
    """The points at which an exit time is not smooth, and how small cells near them have to be."""

    def __init__(self, levels: Sequence[Level], grazing: Sequence[Grazing], corners: Ints) -> None:
        self._levels = levels
        self._grazing = grazing
        self._corners = corners
        self._depths: list[Array] = [np.empty(0) for _ in grazing]

    def too_large(self, t: Triangulation) -> Bools:
        """Cells that are larger than they should be."""
        there = np.zeros(len(t.points), dtype=bool)
        there[self._corners] = True
        large = there[t.cells].any(axis=1) & (_sizes(t) > CORNER)
        if self._grazing:
            edges, of_cell = numbered_edges(t)
            large |= (self._stretched(t, edges) > 1.0)[of_cell].any(axis=1)
        return np.asarray(large)

    def lengths(self, t: Triangulation, edges: Ints) -> Array:
        """Lengths of edges (k, 2) in background cells or, near grazing points, in the units of an exit time there."""
        return np.asarray(np.hypot(in_background_cells(t, edges), self._stretched(t, edges)))

    def _stretched(self, t: Triangulation, edges: Ints) -> Array:
        """Lengths of edges in what is allowed near grazing points."""
        longest = np.zeros(len(edges))
        vectors = t.along(edges)
        middles = t.middles(edges)
        for i, point in enumerate(self._grazing):
            known = self._depths[i]
            self._depths[i] = known = np.append(known, self._depth(t, point, t.points[len(known) :]))
            across = np.abs(known[edges[:, 1]] - known[edges[:, 0]])
            along = np.sqrt(np.maximum((vectors**2).sum(axis=1) - across**2, 0.0))
            n = np.abs(known[edges].mean(axis=1))
            s = np.sqrt(np.maximum((t.apart(middles - t.points[point.vertex]) ** 2).sum(axis=1) - n**2, 0.0))
            thinnest = THINNEST * float(np.abs(point.normal) @ t.spacing)
            least = np.cbrt(point.stray * thinnest / ACROSS)
            rho = np.maximum(np.maximum(s, np.cbrt(point.stray * n)), least)
            lengths = np.hypot(along / (ALONG * rho), across * point.stray / (ACROSS * rho**3))
            longest = np.maximum(longest, lengths)
        return longest

    def _depth(self, t: Triangulation, point: Grazing, points: Array) -> Array:
        """How far inside points (n, 2) are, measured from the set on which paths graze."""
        if point.level < 0:
            return np.asarray(t.apart(t.points[point.vertex] - points) @ point.normal)
        level = self._levels[point.level]
        slope = np.linalg.norm(slopes(level, t, points) / t.spacing, axis=1)
        return np.asarray(-evaluate(level, points) / np.maximum(slope, 1e-150))


class Heights:
    """The exponent of the weight at the vertices and its range over the cells, kept while cells are refined.

    Attributes:
        vertices: At the vertices, (n,).
        low: Least value in each cell, as far as vertices, middles of edges and the centroid show it, (m,).
        high: Largest value in each cell, (m,).
    """

    def __init__(self, potential: Callable[[Array], Array]) -> None:
        self._potential = potential
        self._cells = np.empty((0, 0), dtype=np.int64)
        self.vertices = np.empty(0)
        self.low = np.empty(0)
        self.high = np.empty(0)

    def update(self, t: Triangulation) -> None:
        """Evaluate what has changed since the last call."""
        self.vertices = np.append(self.vertices, self._at(t.points[len(self.vertices) :]))
        old = len(self._cells)
        changed = np.ones(len(t.cells), dtype=bool)
        if old:
            changed[:old] = (self._cells != t.cells[:old]).any(axis=1)
        corners = t.corners(changed)
        first, second = np.triu_indices(t.dimension + 1, 1)
        samples = np.concatenate([(corners[:, first] + corners[:, second]) / 2, corners.mean(axis=1)[:, None]], axis=1)
        values = self._at(samples.reshape(-1, t.dimension)).reshape(samples.shape[:2])
        values = np.hstack([values, self.vertices[t.cells[changed]]])
        self.low = np.append(self.low, np.zeros(len(t.cells) - old))
        self.high = np.append(self.high, np.zeros(len(t.cells) - old))
        self.low[changed], self.high[changed] = values.min(axis=1), values.max(axis=1)
        self._cells = t.cells

    def _at(self, points: Array) -> Array:
        return np.nan_to_num(np.asarray(self._potential(points)), nan=0.0, posinf=1e150, neginf=-1e150)


def _steepness(
    t: Triangulation, surface: Surface, way: Way, heights: Heights, grading: Grading, lowest: float
) -> Array:
    """How much the exponent varies across each cell, as a fraction of what it may; 0 where that does not matter."""
    above = np.maximum(heights.low - lowest, 0.0)
    matters = (above < MARGIN) & (heights.low - heights.low.min(initial=np.inf) < grading.ceiling)
    at_exit = np.zeros(len(t.points), dtype=bool)
    at_exit[surface.facets[way.out]] = True
    near = at_exit[t.cells].any(axis=1)
    allowed = np.where(near, min(grading.at_exit, grading.elsewhere), grading.elsewhere) + RELAXED * above
    return np.where(matters & (_sizes(t) > STEEPEST), (heights.high - heights.low) / allowed, 0.0)


def _steepest(steepness: Array, most: float) -> Bools:
    """Cells that are too steep; the worst of them where there would be too many cells."""
    room = max(int(most - len(steepness)) // 3, 0)  # a cell is hardly ever bisected alone
    marked = steepness > 1.0
    if marked.sum() > room:
        marked[np.argsort(-steepness, kind="stable")[room:]] = False
    return np.asarray(marked)


def _sizes(t: Triangulation) -> Array:
    """Longest edge of each cell in background cells."""
    corners = t.corners()
    first, second = np.triu_indices(t.dimension + 1, 1)
    return np.asarray(t.lengths(corners[:, first] - corners[:, second]).max(axis=1))
