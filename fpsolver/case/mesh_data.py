"""Simplices from a file as arrays, and which of them holds a point."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

INSIDE = 1e-9
"""Barycentric coordinates down to minus this count as inside."""


@dataclass(frozen=True)
class MeshData:
    """Simplices and the names of their parts.

    Attributes:
        points: Vertices, (n, d).
        cells: Vertices of each cell, positively oriented, (m, d + 1).
        bent_edges: Edges that are not straight, lower vertex first, (k, 2).
        bent_middles: Their middles, (k, d).
        cell_groups: Names of sets of cells, (m,) each.
        facet_groups: Names of sets of facets, by their vertices, ascending, (k, d) each.
    """

    points: Array
    cells: Ints
    bent_edges: Ints
    bent_middles: Array
    cell_groups: Mapping[str, Bools]
    facet_groups: Mapping[str, Ints]

    @property
    def dimension(self) -> int:
        """Dimension of the space and of the cells."""
        return int(self.points.shape[1])

    @cached_property
    def corners(self) -> Array:
        """Points whose convex hull holds the cells: vertices, and the control points of curved edges."""
        control = 2.0 * self.bent_middles - self.points[self.bent_edges].mean(axis=1)
        return np.concatenate([self.points, control]) if len(control) else self.points

    @cached_property
    def volumes(self) -> Array:
        """Lengths, areas or volumes of the cells with straight edges, (m,)."""
        return np.abs(determinants(self.points, self.cells)) / float(np.prod(np.arange(1, self.dimension + 1)))

    @cached_property
    def facets(self) -> Ints:
        """The facets of the boundary, vertices ascending, (k, d)."""
        d = self.dimension
        local = np.array(list(itertools.combinations(range(d + 1), d)))
        facets, count = np.unique(np.sort(self.cells[:, local].reshape(-1, d), axis=1), axis=0, return_counts=True)
        return np.asarray(facets[count == 1])

    @cached_property
    def boundary_points(self) -> Array:
        """Middles of the facets of the boundary, (k, d)."""
        return np.asarray(self.points[self.facets].mean(axis=1))

    @cached_property
    def mean_edge(self) -> float:
        """Mean length of the edges of the cells."""
        corners = self.points[self.cells]
        first, second = np.triu_indices(self.dimension + 1, 1)
        return float(np.linalg.norm(corners[:, first] - corners[:, second], axis=2).mean())

    @cached_property
    def _bins(self) -> tuple[Array, Array, Ints, Ints, Ints]:
        """A lattice of bins: corner, size, count per direction, and the cells that overlap each, row by row."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        count = np.full(self.dimension, max(1, int(len(self.cells) ** (1.0 / self.dimension))), dtype=np.int64)
        size = (high - low) / count
        corners = self.points[self.cells]
        first = np.clip(((corners.min(axis=1) - low) / size - 1e-6).astype(np.int64), 0, count - 1)
        last = np.clip(((corners.max(axis=1) - low) / size + 1e-6).astype(np.int64), 0, count - 1)
        span = last - first + 1
        total = span.prod(axis=1)
        cell = np.repeat(np.arange(len(self.cells)), total)
        left = np.arange(len(cell)) - np.repeat(np.cumsum(total) - total, total)
        place = np.zeros(len(cell), dtype=np.int64)
        for axis in range(self.dimension):
            place = place * count[axis] + first[cell, axis] + left % span[cell, axis]
            left = left // span[cell, axis]
        order = np.argsort(place, kind="stable")
        starts = np.searchsorted(place[order], np.arange(int(count.prod()) + 1))
        return low, size, count, cell[order], starts.astype(np.int64)

    def cells_at(self, points: Array) -> Ints:
        """A cell that holds each point (n, d), -1 where there is none; edges are taken as straight."""
        low, size, count, cells, starts = self._bins
        found = np.full(len(points), -1, dtype=np.int64)
        near = np.isfinite(points).all(axis=1) & (points >= low - INSIDE * size).all(axis=1)
        near &= (points <= low + size * count + INSIDE * size).all(axis=1)
        here = np.flatnonzero(near)
        index = np.clip(((points[here] - low) / size).astype(np.int64), 0, count - 1)
        place = np.zeros(len(here), dtype=np.int64)
        for axis in range(self.dimension):
            place = place * count[axis] + index[:, axis]
        many = starts[place + 1] - starts[place]
        which = np.repeat(np.arange(len(here)), many)
        cell = cells[np.repeat(starts[place] - np.cumsum(many) + many, many) + np.arange(int(many.sum()))]
        corners = self.points[self.cells[cell]]
        edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
        share = np.linalg.solve(edges, (points[here][which] - corners[:, 0])[:, :, None])[:, :, 0]
        holds = (share.min(axis=1) >= -INSIDE) & (share.sum(axis=1) <= 1.0 + INSIDE)
        found[here[which[holds]]] = cell[holds]
        return found

    def holds(self, points: Array) -> Bools:
        """Which points (n, d) lie in a cell; edges are taken as straight."""
        return np.asarray(self.cells_at(points) >= 0)


def determinants(points: Array, cells: Ints) -> Array:
    """Those of the edges from the first vertex of each cell, (m,)."""
    corners = points[cells]
    return np.asarray(np.linalg.det(corners[:, 1:] - corners[:, :1]))
