"""Boxes cut into simplices, held in numpy on one rank, and the two ways to change them: moving and bisecting.

An edge is bisected together with all cells around it, which keeps the mesh conforming in any dimension and never
turns a cell over, wherever on the edge the new vertex lies.

Along a periodic coordinate the last vertices are the first ones, and an edge goes from its first vertex to the nearest
image of the other. All edges are shorter than half a period, so nothing else need be known of the seam.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from fpsolver.wrapping import nearest, wrapped

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Triangulation:
    """Simplices that fill a box, or what has been left of it.

    Attributes:
        points: Vertices, (n, d).
        cells: Vertices of each cell, positively oriented, (m, d + 1).
        lower: Lower corner of the box, (d,).
        upper: Upper corner.
        spacing: Size of a background cell per direction, (d,): the unit in which lengths and shapes are measured.
        sides: Side of each vertex for each level fitted so far: -1, 0 (on its zero set) or 1, (n, levels).
        locked: Vertices that must not move, (n,).
        outer: So many levels, the first ones, bound the domain itself, where that is no box.
        given: So many of these were there before anything was fitted: the boundary of a mesh from a file, of which
            only ``sides`` are known, and no level function.
        periods: Length of each periodic coordinate, infinite for the others, (d,); empty: there are none.
    """

    points: Array
    cells: Ints
    lower: Array
    upper: Array
    spacing: Array
    sides: npt.NDArray[np.int8]
    locked: Bools
    outer: int = 0
    given: int = 0
    periods: Array = field(default_factory=lambda: np.empty(0))

    @property
    def dimension(self) -> int:
        """Dimension of the space."""
        return int(self.points.shape[1])

    @property
    def closes(self) -> Bools:
        """Which coordinates are periodic, (d,)."""
        return np.isfinite(self.periods) if self.periods.size else np.zeros(self.dimension, dtype=bool)

    def walls(self, points: Array) -> Bools:
        """Which coordinates of points (n, d) are those of a face of the box, exactly; they must not change."""
        return np.asarray(((points == self.lower) | (points == self.upper)) & ~self.closes)

    def kept(self, points: Array) -> Array:
        """Points (..., d) brought back into the box: to its faces, or round where a coordinate is periodic."""
        if not self.periods.size:
            return np.clip(points, self.lower, self.upper)
        return np.where(self.closes, wrapped(points, self.lower, self.periods), np.clip(points, self.lower, self.upper))

    def apart(self, vectors: Array) -> Array:
        """Differences (..., d) of points, each to the nearest image."""
        return nearest(vectors, self.periods) if self.periods.size else vectors

    def along(self, edges: Ints) -> Array:
        """From the first to the second vertex of edges (k, 2), (k, d)."""
        return self.apart(self.points[edges[:, 1]] - self.points[edges[:, 0]])

    def ends(self, edges: Ints) -> tuple[Array, Array]:
        """Both ends of edges (k, 2) as points in one piece, (k, d) each; the second may be outside of the box."""
        if not self.periods.size:
            return self.points[edges[:, 0]], self.points[edges[:, 1]]
        start = self.points[edges[:, 0]]
        return start, start + self.along(edges)

    def corners(self, chosen: npt.NDArray[np.integer] | slice = slice(None), points: Array | None = None) -> Array:
        """The corners of the chosen cells, (m, d + 1, d), each cell in one piece, its middle in the box.

        Args:
            chosen: Cells.
            points: The vertices, if they are elsewhere, (n, d).
        """
        return self.together((self.points if points is None else points)[self.cells[chosen]])

    def together(self, points: Array) -> Array:
        """Groups (m, k, d) of neighbouring points, each in one piece with its middle in the box."""
        if not self.periods.size:
            return points
        return np.asarray(points + self._turns(points) * np.where(self.closes, self.periods, 0.0))

    def images(self) -> npt.NDArray[np.int8]:
        """By how many periods the corners of cells are beside their vertices, (m, d + 1, d)."""
        return self._turns(self.points[self.cells]).astype(np.int8)

    def _turns(self, points: Array) -> Array:
        length = np.where(self.closes, self.periods, 1.0)
        turns = np.where(self.closes, np.rint((points[:, :1] - points) / length), 0.0)
        middle = (points + turns * length).mean(axis=1, keepdims=True)
        return np.asarray(turns - np.where(self.closes, np.floor((middle - self.lower) / length), 0.0))

    def middles(self, groups: Ints) -> Array:
        """The middles of edges or facets (k, vertices), (k, d)."""
        middles = self.together(self.points[groups]).mean(axis=1)
        return self.kept(middles) if self.periods.size else np.asarray(middles)

    def lengths(self, vectors: Array) -> Array:
        """Lengths of vectors (..., d) in background cells."""
        return np.asarray(np.linalg.norm(vectors / self.spacing, axis=-1))

    def quality(self, chosen: npt.NDArray[np.integer] | slice = slice(None), points: Array | None = None) -> Array:
        """Shape of the chosen cells, also where the vertices would be at other points (n, d)."""
        return self.shape(self.corners(chosen, points))

    def shape(self, corners: Array) -> Array:
        """Volume over (longest edge)^d of cells (m, d + 1, d), 1 where regular, negative where turned over.

        Measured in background cells. In one dimension, where all shapes are alike, the length.
        """
        scaled = corners / self.spacing
        d = self.dimension
        determinant = np.linalg.det(scaled[:, 1:] - scaled[:, :1])
        if d == 1:
            return np.asarray(determinant)
        first, second = np.triu_indices(d + 1, 1)
        longest = np.linalg.norm(scaled[:, first] - scaled[:, second], axis=-1).max(axis=1)
        return np.asarray(determinant / longest**d * (2 ** (d / 2) / math.sqrt(d + 1)))

    def around(self, edges: Ints) -> tuple[Ints, Ints, Ints]:
        """The cells that hold each edge (k, 2).

        Returns:
            One entry per pair of edge and cell: the index of the edge, of the cell, and the two positions of the
            edge's ends in the cell, (pairs, 2).
        """
        ends = np.zeros(len(self.points), dtype=bool)
        ends[edges] = True
        near = np.flatnonzero(ends[self.cells].sum(axis=1) > 1)
        local = np.array(list(itertools.permutations(range(self.dimension + 1), 2)))
        keys = self.keys(self.cells[near][:, local])
        wanted = self.keys(edges)
        order = np.argsort(wanted)
        place = np.searchsorted(wanted, keys, sorter=order).clip(max=max(len(edges) - 1, 0))
        hit, which = np.nonzero(wanted[order[place]] == keys) if len(edges) else (np.empty(0, int), np.empty(0, int))
        return order[place[hit, which]] if len(edges) else hit, near[hit], local[which]

    def keys(self, edges: Ints) -> Ints:
        """One number for each directed edge (..., 2)."""
        return np.asarray(edges[..., 0] * len(self.points) + edges[..., 1])

    def bisected(self, edges: Ints, points: Array, sides: npt.NDArray[np.int8]) -> Triangulation:
        """Put new vertices (k, d) with their sides (k, levels) on edges (k, 2) of which no cell has two."""
        edge, cell, ends = self.around(edges)
        new = len(self.points) + edge
        rows = np.arange(len(cell))
        front, back = self.cells[cell], self.cells[cell]
        front[rows, ends[:, 1]] = new
        back[rows, ends[:, 0]] = new
        cells = self.cells.copy()
        cells[cell] = front
        return replace(
            self,
            points=np.vstack([self.points, points]),
            cells=np.vstack([cells, back]),
            sides=np.vstack([self.sides, sides]),
            locked=np.concatenate([self.locked, (sides[:, : self.given] == 0).any(axis=1)]),
        )

    def restricted(self, keep: Bools) -> Triangulation:
        """Some of the cells alone, with the vertices that they have."""
        used, cells = np.unique(self.cells[keep], return_inverse=True)
        return replace(
            self,
            points=self.points[used],
            cells=cells.reshape(-1, self.dimension + 1).astype(np.int64),
            sides=self.sides[used],
            locked=self.locked[used],
        )

    def independent(self, edges: Ints, rank: Array) -> Ints:
        """Indices of edges that come first, by ``rank`` (k,), in all the cells around them: no cell has two."""
        order = np.lexsort((edges[:, 1], edges[:, 0], rank))
        place = np.empty(len(edges), dtype=np.int64)
        place[order] = np.arange(len(edges))
        edge, cell, _ = self.around(edges)
        first = np.full(len(self.cells), len(edges), dtype=np.int64)
        np.minimum.at(first, cell, place[edge])
        beaten = np.zeros(len(edges), dtype=bool)
        beaten[edge[first[cell] < place[edge]]] = True
        return np.flatnonzero(~beaten)


def edges_of(cells: Ints) -> Ints:
    """The edges of cells (m, d + 1), each once, lower vertex first: (k, 2), sorted."""
    first, second = np.triu_indices(cells.shape[1], 1)
    pairs = np.sort(np.stack([cells[:, first], cells[:, second]], axis=-1).reshape(-1, 2), axis=1)
    base = int(pairs.max(initial=0)) + 1
    keys = np.unique(pairs[:, 0] * base + pairs[:, 1])
    return np.stack([keys // base, keys % base], axis=1)


def boundary_facets(cells: Ints) -> tuple[Ints, Ints]:
    """The facets that belong to one cell only, vertices ascending (k, d), and that cell (k,)."""
    d = cells.shape[1] - 1
    local = np.array(list(itertools.combinations(range(d + 1), d)))
    facets = np.sort(cells[:, local].reshape(-1, d), axis=1)
    base = int(cells.max(initial=0)) + 1
    keys = facets[:, 0]
    for i in range(1, d):
        keys = keys * base + facets[:, i]
    _, first, count = np.unique(keys, return_index=True, return_counts=True)
    alone = first[count == 1]
    return facets[alone], alone // (d + 1)


def box_triangulation(
    lower: Sequence[float],
    upper: Sequence[float],
    cells: Sequence[int],
    diagonal: str = "right",
    periods: Sequence[float] = (),
) -> Triangulation:
    """The structured background: intervals, triangles with the given diagonals, or Kuhn tetrahedra.

    Args:
        lower: Lower corner of the box.
        upper: Upper corner.
        cells: Cells per direction.
        diagonal: How a rectangle is cut in two dimensions: "right", "left" or "crossed".
        periods: For each coordinate its period or infinity; empty: none is periodic.
    """
    low, high, count = np.asarray(lower, float), np.asarray(upper, float), np.asarray(cells, dtype=np.int64)
    d = len(count)
    axes = [np.linspace(low[i], high[i], count[i] + 1) for i in range(d)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    corner = np.stack(np.meshgrid(*[np.arange(n) for n in count], indexing="ij"), axis=-1).reshape(-1, d)
    stride = np.array([int(np.prod(count[i + 1 :] + 1)) for i in range(d)], dtype=np.int64)
    start = corner @ stride
    if d == 2 and diagonal == "crossed":
        middle = len(points) + np.arange(len(start))
        points = np.vstack([points, (points[start] + points[start + stride.sum()]) / 2])
        ring = [start, start + stride[0], start + stride.sum(), start + stride[1]]
        parts = [np.stack([ring[i], ring[(i + 1) % 4], middle], axis=1) for i in range(4)]
    elif d == 2 and diagonal == "left":
        a, b = start + stride[0], start + stride[1]
        parts = [np.stack([start, a, b], axis=1), np.stack([a, start + stride.sum(), b], axis=1)]
    else:
        parts = []
        for path in itertools.permutations(range(d)):
            steps = np.concatenate([[0], np.cumsum(stride[list(path)])])
            odd = sum(path[i] > path[j] for i in range(d) for j in range(i + 1, d)) % 2
            if odd:
                steps[[-2, -1]] = steps[[-1, -2]]
            parts.append(start[:, None] + steps)
    simplices = np.stack(parts, axis=1).reshape(-1, d + 1)
    made = Triangulation(
        points,
        simplices,
        low,
        high,
        (high - low) / count,
        np.empty((len(points), 0), dtype=np.int8),
        np.zeros(len(points), dtype=bool),
    )
    return _closed(made, count, np.asarray(periods)) if np.isfinite(periods).any() else made


def _closed(t: Triangulation, count: Ints, periods: Array) -> Triangulation:
    """The box with the last vertices of its lattice along periodic coordinates replaced by the first ones."""
    place = np.rint(2 * (t.points - t.lower) / t.spacing).astype(np.int64)  # twice: there are middles of squares
    around = np.where(np.isfinite(periods), 2 * count, 2 * count + 1)
    key = np.ravel_multi_index(tuple((place % around).T), tuple(around))
    _, first, same = np.unique(key, return_index=True, return_inverse=True)
    return replace(
        t,
        points=t.points[first],
        cells=same.reshape(-1)[t.cells].astype(np.int64),
        sides=t.sides[first],
        locked=t.locked[first],
        periods=periods,
    )
