"""The basins of attraction of a drift in a box: at which end the path from a point ends.

Most points are far from the ridges between basins. So a lattice is labelled first, coarse and then finer where labels
differ; a path whose surroundings have one label need not be followed any further, and only those next to a ridge are
followed until they leave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from fpsolver.model.coefficients import Array
from fpsolver.model.descent import UNDER_WAY, Bools, Descent, Ints

COARSE = {1: 50, 2: 20, 3: 10}
"""Cells of the first lattice per direction, by dimension."""

FINER = {1: 5, 2: 3, 3: 2}
"""How often its cells are halved."""


@dataclass(frozen=True)
class Basins:
    """The basins of a flow.

    Attributes:
        flow: The flow and its ends.
    """

    flow: Descent

    def labels(self, points: Array) -> Ints:
        """The row of the end that each point (n, d) comes to; `WALL`, `REST` or `LOST` where it comes to none."""
        return self.flow(points, self._lattice.known)

    @cached_property
    def _lattice(self) -> _Lattice:
        d = len(self.flow.lower)
        counts = np.full(d, COARSE[d])
        lattice = _Lattice(self.flow, counts, np.full(tuple(counts + 1), UNDER_WAY, dtype=np.int64))
        labels = self.flow(lattice.points.reshape(-1, d)).reshape(lattice.points.shape[:-1])
        for _ in range(FINER[d]):
            coarse = _Lattice(self.flow, counts, labels)
            counts = 2 * counts
            fine = _Lattice(self.flow, counts, np.full(tuple(counts + 1), UNDER_WAY, dtype=np.int64))
            labels = self.flow(fine.points.reshape(-1, d), coarse.known).reshape(fine.points.shape[:-1])
        return _Lattice(self.flow, counts, labels)


@dataclass(frozen=True)
class _Lattice:
    """Labels of a lattice.

    Attributes:
        flow: Gives the box and the ends.
        counts: Cells per direction, (d,).
        labels: Of its points.
    """

    flow: Descent
    counts: Ints
    labels: Ints

    @property
    def points(self) -> Array:
        """One axis per coordinate and the coordinates last."""
        ends = zip(self.flow.lower, self.flow.upper, self.counts, strict=True)
        axes = [np.linspace(low, high, count + 1) for low, high, count in ends]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    @cached_property
    def _even(self) -> Bools:
        """Cells around which all points of the lattice have one label, and no other end is near."""
        d = len(self.counts)
        window = (slice(0, -1),) * d
        # the points of a cell and of those around it: from one before its lower corner to two beyond
        low = ndimage.minimum_filter(self.labels, size=4, origin=-1, mode="nearest")[window]
        high = ndimage.maximum_filter(self.labels, size=4, origin=-1, mode="nearest")[window]
        even = np.asarray(low == high)
        for row, place in enumerate(self._cells(self.flow.ends)):
            around = tuple(slice(max(i - 1, 0), i + 2) for i in place)
            even[around] &= low[around] == row
        return even

    def _cells(self, points: Array) -> Ints:
        size = (self.flow.upper - self.flow.lower) / self.counts
        place = np.floor((points - self.flow.lower) / size).astype(np.int64)
        return np.asarray(np.clip(place, 0, self.counts - 1))

    def known(self, points: Array) -> Ints:
        """The labels of points (n, d) in cells with one label around them, UNDER_WAY elsewhere."""
        place = tuple(self._cells(points).T)
        return np.where(self._even[place], self.labels[place], UNDER_WAY)
