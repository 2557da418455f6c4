"""The lowest way out of a region: how high a flood from a start must rise to reach the exit, and what it covers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fpsolver.generator.wells import connected
from fpsolver.wrapping import wrapped

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
        closes: Which coordinates are periodic, so that the last points of the lattice are the first ones, (d,).
    """

    points: Array
    potential: Array
    exits: Bools
    closes: Bools

    @property
    def spacing(self) -> Array:
        """Distance of lattice points along each axis, (d,)."""
        flat = self.points.reshape(-1, self.points.shape[-1])
        return np.asarray((flat[-1] - flat[0]) / (np.array(self.potential.shape) - 1))

    def place(self, point: Array) -> tuple[int, ...]:
        """The lattice point nearest to a point."""
        first, last = self.points.reshape(-1, self.points.shape[-1])[[0, -1]]
        point = wrapped(point, first, np.where(self.closes, last - first, np.inf))
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
        return bool(part[self._around(point, REACH)].any())

    def _start(self, point: Array) -> tuple[int, ...] | None:
        window = self._around(point, 1)
        near = np.where(self.exits[window], np.inf, self.potential[window])
        if not np.isfinite(near).any():
            return None
        local = np.unravel_index(int(near.argmin()), near.shape)
        return tuple(int(axis.ravel()[i]) for axis, i in zip(window, local, strict=True))

    def _around(self, point: Array, reach: int) -> tuple[npt.NDArray[np.intp], ...]:
        """The lattice points so many steps around a point, as indices that make a block."""
        axes = []
        for i, count, closes in zip(self.place(point), self.potential.shape, self.closes, strict=True):
            near = np.arange(i - reach, i + reach + 1)
            axes.append(near % (count - 1) if closes else near[(near >= 0) & (near < count)])
        return np.ix_(*axes)

    def _part(self, start: tuple[int, ...], level: float) -> Bools:
        parts, _ = connected(self.potential <= level, self.closes)
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
        lower: Its lower corner, (d,); needed where something is periodic.
        periods: Length of each periodic coordinate, infinite for the others, (d,); empty: none is periodic.
    """

    level: Callable[[Array], Array]
    nodes: Array
    size: Array
    lower: Array = field(default_factory=lambda: np.empty(0))
    periods: Array = field(default_factory=lambda: np.empty(0))

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
