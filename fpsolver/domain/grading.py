"""Cells made smaller where an exit time needs it.

- Where the weight is steep: across a cell at the exit set, where a layer forms, its exponent varies by little, across
  other cells by more. What is higher than the lowest way out counts less and may be steeper.
- Towards the points where an exit time is not smooth: where the noise is along the exit set and the drift across it
  changes its sign (grazing), at corners of the exit set that point inwards, and where it ends at a wall at more than
  a right angle, as where an absorbing part of a wall begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fpsolver.domain.levelset import Level
from fpsolver.domain.refinement import refined, with_vertices
from fpsolver.domain.singular import Singular, Way, singular_points
from fpsolver.domain.surface import Surface, exit_surface
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation

MARGIN = 15.0
"""Nats above the lowest way out from where on nothing matters."""

RELAXED = 0.5
"""A cell so many nats above the lowest way out may vary by this fraction of them more."""

WITHIN = 0.3
"""A facet is bisected where the drift across it changes its sign if that is no farther from its middle than this."""

STEEPEST = 2.0**-14
"""No cell becomes smaller than this for the sake of a steep weight, in background cells."""

SMALLEST = 2.0**-8
"""Size of the cells at points where an exit time is not smooth, in background cells; in two dimensions."""

ROUNDS = 60

GROWTH = {1: 20.0, 2: 4.0, 3: 3.0}
"""The mesh stops growing at so many times its cells, by dimension, or at `ALWAYS`, whatever is more."""

ALWAYS = 12000


@dataclass(frozen=True)
class Grading:
    """How fine a region's mesh has to be.

    Attributes:
        potential: Points (n, d) to the exponent Psi of the weight in nats, (n,). Called on rank 0 only.
        leaving: Points and outward unit normals (n, d) to n . D n as a fraction of the trace of D, and to the outward
            drift, (n,) each. Called on rank 0 only.
        at_exit: The most nats across a cell that touches the exit set.
        elsewhere: The most nats across any other cell.
        ceiling: Cells higher than this above the lowest, in nats, are left as they are.
    """

    potential: Callable[[Array], Array]
    leaving: Callable[[Array, Array], tuple[Array, Array]]
    at_exit: float = 2.0
    elsewhere: float = 10.0
    ceiling: float = 60.0


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
    for _ in range(ROUNDS):
        heights.update(t)
        surface = exit_surface(t, levels, absorbing)
        way = Way.across(t, surface, levels, grading.leaving)
        lowest = float(heights.vertices[surface.facets[way.out]].min(initial=np.inf))
        marked = _too_steep(t, surface, way, heights, grading, lowest)
        if t.dimension == 2:
            points = singular_points(t, surface, way, grading.leaving)
            matters = heights.vertices - lowest < MARGIN
            marked |= _too_large(t, surface, points, matters)
            edges, roots = _to_divide(t, surface, points, matters)
        if not marked.any() or len(t.cells) >= most:
            break
        if t.dimension == 2 and len(edges):
            # which cells are marked is told by number, and new cells come last
            t = with_vertices(t, levels, edges, roots)
            marked = np.append(marked, np.zeros(len(t.cells) - len(marked), dtype=bool))
        t = refined(t, levels, marked)
    return t


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
        corners = t.points[t.cells[changed]]
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


def _too_steep(
    t: Triangulation, surface: Surface, way: Way, heights: Heights, grading: Grading, lowest: float
) -> Bools:
    """Cells across which the exponent varies by more than it may."""
    above = np.maximum(heights.low - lowest, 0.0)
    matters = (above < MARGIN) & (heights.low - heights.low.min(initial=0.0) < grading.ceiling)
    at_exit = np.zeros(len(t.points), dtype=bool)
    at_exit[surface.facets[way.out]] = True
    near = at_exit[t.cells].any(axis=1)
    allowed = np.where(near, min(grading.at_exit, grading.elsewhere), grading.elsewhere) + RELAXED * above
    return np.asarray(matters & (heights.high - heights.low > allowed) & (_sizes(t) > STEEPEST))


def _too_large(t: Triangulation, surface: Surface, singular: Singular, matters: Bools) -> Bools:
    """Cells at singular points that are still large."""
    there = np.zeros(len(t.points), dtype=bool)
    there[singular.vertices] = True
    ends = surface.facets[singular.facets]
    there[ends[np.arange(len(ends)), (singular.fractions > 0.5).astype(int)]] = True
    return np.asarray((there & matters)[t.cells].any(axis=1) & (_sizes(t) > SMALLEST))


def _to_divide(t: Triangulation, surface: Surface, singular: Singular, matters: Bools) -> tuple[Ints, Array]:
    """Facets with a singular point well between their ends, to be bisected there: edges and points."""
    edges = surface.facets[singular.facets]
    length = t.lengths(t.points[edges[:, 0]] - t.points[edges[:, 1]])
    off = np.abs(singular.fractions - 0.5) > WITHIN
    chosen = ~off & matters[edges].any(axis=1) & (length > SMALLEST)
    first = np.unique(surface.cells[singular.facets[chosen]], return_index=True)[1]  # no cell has two
    return edges[chosen][first], singular.points[chosen][first]


def _sizes(t: Triangulation) -> Array:
    """Longest edge of each cell in background cells."""
    corners = t.points[t.cells]
    first, second = np.triu_indices(t.dimension + 1, 1)
    return np.asarray(t.lengths(corners[:, first] - corners[:, second]).max(axis=1))
