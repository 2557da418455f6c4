"""The lowest way out of a region: how high a flood from a start must rise to reach the exit, and what it covers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REACH = 2
"""So many lattice points around what the flood covers count as touching it."""


@dataclass(frozen=True)
class Flood:
    """A flood that has just reached the exit.

    Attributes:
        level: Of the potential, on the lattice.
        below: What it covers without the last point before it rises to the way out, as a mask of the lattice.
        above: What it covers when it has reached the exit.
    """

    level: float
    below: Bools
    above: Bools


@dataclass(frozen=True)
class Basins:
    """A potential on a regular lattice with places where the process leaves.

    Attributes:
        points: (..., d).
        potential: In nats, (...).
        exits: Points where the process has left.
    """

    points: Array
    potential: Array
    exits: Bools

    @property
    def spacing(self) -> Array:
        """Distance of lattice points along each axis, (d,)."""
        flat = self.points.reshape(-1, self.points.shape[-1])
        return np.asarray((flat[-1] - flat[0]) / (np.array(self.potential.shape) - 1))

    def place(self, point: Array) -> tuple[int, ...]:
        """The lattice point nearest to a point."""
        first = self.points.reshape(-1, self.points.shape[-1])[0]
        index = np.rint((point - first) / self.spacing).astype(int)
        return tuple(int(i) for i in np.clip(index, 0, np.array(self.potential.shape) - 1))

    def flood(self, point: Array) -> Flood | None:
        """The flood from a point, or from the lowest of its neighbours inside; None if it never reaches an exit."""
        start = self._start(point)
        if start is None:
            return None
        levels = np.unique(self.potential[np.isfinite(self.potential)])
        low, high = int(np.searchsorted(levels, self.potential[start])), len(levels) - 1
        if not self._leaves(self._part(start, levels[high])):
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._leaves(self._part(start, levels[middle])) else (middle + 1, high)
        dry = self._part(start, levels[high - 1]) if high else np.zeros_like(self.exits)
        return Flood(float(levels[high]), dry, self._part(start, levels[high]))

    def touches(self, part: Bools, point: Array) -> bool:
        """Whether a part of the lattice comes close to a point."""
        window = tuple(slice(max(i - REACH, 0), i + REACH + 1) for i in self.place(point))
        return bool(part[window].any())

    def _start(self, point: Array) -> tuple[int, ...] | None:
        window = tuple(slice(max(i - 1, 0), i + 2) for i in self.place(point))
        near = np.where(self.exits[window], np.inf, self.potential[window])
        if not np.isfinite(near).any():
            return None
        local = np.unravel_index(int(near.argmin()), near.shape)
        return tuple(int(s.start + i) for s, i in zip(window, local, strict=True))

    def _part(self, start: tuple[int, ...], level: float) -> Bools:
        parts, _ = ndimage.label(self.potential <= level, np.ones((3,) * self.potential.ndim))
        return np.asarray((parts == parts[start]) & (parts[start] > 0))

    def _leaves(self, part: Bools) -> bool:
        return bool((part & self.exits).any())


@dataclass(frozen=True)
class Door:
    """Where the process leaves: a level function that is positive outside, and points of the exit set.

    Attributes:
        level: Of the region, points (n, d) to (n,); negative inside.
        nodes: Points of the exit set, (n, d).
        size: Of the box, (d,).
    """

    level: Callable[[Array], Array]
    nodes: Array
    size: Array

    def along(self, point: Array, direction: Array, reach: float) -> float | None:
        """Distance from a point to the edge of the region along a line, the nearest one, signed; None: not in reach."""
        at = np.linspace(-reach, reach, 801)
        values = self.level(point + at[:, None] * direction)
        change = np.flatnonzero((values[:-1] < 0.0) != (values[1:] < 0.0))
        if not len(change):
            return None
        nearest = change[np.abs(at[change]).argmin()]
        low, high = float(at[nearest]), float(at[nearest + 1])
        side = bool(values[nearest] < 0.0)
        for _ in range(50):
            middle = (low + high) / 2.0
            same = bool(self.level((point + middle * direction)[None])[0] < 0.0) == side
            low, high = (middle, high) if same else (low, middle)
        return high if abs(high) > 1e-12 * float(self.size.max()) else 0.0

    def slope(self, points: Array) -> Array:
        """Gradient of the level, (n, d), by central differences."""
        step = 1e-5 * self.size
        moved = points[:, None, None, :] + np.array([1.0, -1.0])[:, None, None] * np.diag(step)
        values = self.level(moved.reshape(-1, points.shape[1])).reshape(len(points), 2, points.shape[1])
        return np.asarray((values[:, 0] - values[:, 1]) / (2.0 * step))

    def bend(self, points: Array) -> Array:
        """Hessian of the level, (n, d, d)."""
        count, d = points.shape
        step = 1e-4 * self.size
        moved = points[:, None, None, :] + np.array([1.0, -1.0])[:, None, None] * np.diag(step)
        slope = self.slope(moved.reshape(-1, d)).reshape(count, 2, d, d)
        rows = (slope[:, 0] - slope[:, 1]) / (2.0 * step[:, None])
        return np.asarray(rows + rows.transpose(0, 2, 1)) / 2.0
