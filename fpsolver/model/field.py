"""The coefficients of a model and their derivatives in a domain, and where in it a function of them is lowest.

What theory needs is an infimum over the domain. It is taken over a lattice and polished by a search that halves its
steps, from the lowest places of the lattice: an estimate from samples, exact to about eight digits for what the lattice
sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fpsolver.case import Ball, Box, Domain
from fpsolver.model.coefficients import Array, Model
from fpsolver.model.derivatives import Local, local

type Bools = NDArray[np.bool_]

POINTS = {1: 1001, 2: 61, 3: 21}
"""Lattice points per direction, by dimension."""

STARTS = {1: 16, 2: 8, 3: 4}
"""So many of the lowest places of the lattice are polished, by dimension."""

SAME = 1e-8
"""Relative differences below this come from differentiation."""

FINE, FINEST = 1e-5, 1e-7
"""Steps at which the search pauses and ends, as a fraction of the box."""

SUSPECT, FALLING = 30.0, 2.0
"""A minimum so many times lower than anything on the lattice that is, by the second factor, lower at the end than at
the pause, is none: the function falls without bound."""

MOVES = 200

DIRECTIONS = {2: 256, 3: 1024}
"""Points on a circle or sphere that is a wall."""


@dataclass(frozen=True)
class Lowest:
    """An infimum over the domain.

    Attributes:
        value: It; minus infinity where the function has no lower bound.
        point: Where, (d,); None where the function is the same everywhere.
    """

    value: float
    point: Array | None


class Field:
    """Coefficients and their derivatives on a lattice of a domain and at any other of its points.

    Args:
        model: Drift and diffusion.
        domain: Where.
    """

    def __init__(self, model: Model, domain: Domain) -> None:
        self.model, self.domain = model, domain
        self.lower, self.upper = np.asarray(domain.lower, dtype=float), np.asarray(domain.upper, dtype=float)
        self.size = self.upper - self.lower
        self.dimension = len(self.lower)

    @property
    def convex(self) -> bool:
        """Every segment between two points of the domain lies in it."""
        whole = isinstance(self.domain, Box) or (isinstance(self.domain, Ball) and self.domain.hole == 0.0)
        return whole or self.dimension == 1

    def grid(self, count: int) -> tuple[Array, Bools]:
        """A lattice of the bounding box, (n, d), and which of its points are in the domain."""
        axes = np.linspace(self.lower, self.upper, count).T
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, self.dimension)
        return points, self.domain.inside(points)

    @cached_property
    def _held(self) -> Bools:
        """Which points of the lattice of the bounding box are in the domain; all for a domain that it misses."""
        held = self.grid(POINTS[self.dimension])[1]
        return held if held.any() else ~held

    @cached_property
    def points(self) -> Array:
        """The lattice, (n, d)."""
        return self.grid(POINTS[self.dimension])[0][self._held]

    @cached_property
    def lattice(self) -> Local:
        """The coefficients there."""
        return self.at(self.points)

    def at(self, points: Array) -> Local:
        """The coefficients at points (n, d) of the box."""
        with np.errstate(all="ignore"):
            return local(self.model, points, tuple(self.lower), tuple(self.upper), bends=self.diffusion is None)

    @cached_property
    def diffusion(self) -> Array | None:
        """D where it is the same everywhere, (d, d); else None."""
        with np.errstate(all="ignore"):
            values = self.model(self.points).diffusion
        middle = values[len(values) // 2]
        return middle if np.abs(values - middle).max() <= 1e-13 * np.abs(middle).max(initial=0.0) else None

    @cached_property
    def jacobian(self) -> Array | None:
        """B_ij = ∂_j b_i where the drift is linear, (d, d); else None."""
        values = self.lattice.jacobian
        middle = values[len(values) // 2]
        scale = np.abs(self.size[:, None] ** -1 * values * self.size).max()  # of a box with sides 1
        spread = np.abs(self.size[:, None] ** -1 * (values - middle) * self.size).max()
        if not spread <= 10.0 * SAME * scale:
            return None
        return np.where(np.abs(middle) * self.size / self.size[:, None] > SAME * scale, middle, 0.0)

    def walls(self) -> Iterator[tuple[Array, Local]]:
        """Points of each smooth part of the walls of a box or a ball: outward normals (n, d) and coefficients."""
        if isinstance(self.domain, Ball):
            normals = _directions(self.dimension)
            yield normals, self.at(np.array(self.domain.center) + self.domain.radius * normals)
            return
        for axis in range(self.dimension):
            for side, corner in ((-1.0, self.lower), (1.0, self.upper)):
                rows = np.flatnonzero(self.points[:, axis] == corner[axis])
                yield np.tile(side * np.eye(self.dimension)[axis], (len(rows), 1)), self.lattice[rows]

    def place(self, values: Array) -> Array:
        """Where a function on the lattice is lowest, (d,)."""
        return self._tidy(self._central(self.points[values <= values.min() + SAME * np.abs(values.min())]))

    def lowest(self, function: Callable[[Local], Array]) -> Lowest:
        """The infimum of a function (n,) of the coefficients; what is not a number counts as infinite."""
        values = _values(function, self.lattice)
        if (values == -np.inf).any():
            return Lowest(-np.inf, self._tidy(self._central(self.points[values == -np.inf])))
        finite = values[np.isfinite(values)]
        if not len(finite):
            return Lowest(np.inf, None)
        least, scale = float(finite.min()), float(np.median(np.abs(finite)))
        if len(finite) == len(values) and np.ptp(values) <= SAME * np.abs(values).max():
            return Lowest(float(values[len(values) // 2]), None)
        points, paused = self._polished(function, *self._starts(values), 1.0 / (POINTS[self.dimension] - 1), FINE)
        points, polished = self._polished(function, points, paused.copy(), FINE, FINEST)
        lowest = float(polished.min())
        if lowest < -SUSPECT * (abs(least) + scale) and lowest < FALLING * paused.min():
            return Lowest(-np.inf, self._tidy(points[polished.argmin()]))
        low = polished <= lowest + SAME * (abs(least) + scale)
        return Lowest(lowest, self._tidy(self._central(points[low])))

    def _starts(self, values: Array) -> tuple[Array, Array]:
        """The lowest local minima of the lattice and the values there."""
        grid = np.full(self._held.shape, np.inf)
        grid[self._held] = values
        grid = grid.reshape((POINTS[self.dimension],) * self.dimension)
        slack = SAME * np.median(np.abs(grid[np.isfinite(grid)]))
        low = (grid <= ndimage.minimum_filter(grid, size=3) + slack) & np.isfinite(grid)
        lowest = np.flatnonzero(low.ravel()[self._held])
        rounded = np.round(values[lowest] / (slack or 1.0))
        chosen = lowest[np.lexsort((self._away(self.points[lowest]), rounded))[: STARTS[self.dimension]]]
        return self.points[chosen], values[chosen]

    def _polished(
        self, function: Callable[[Local], Array], points: Array, values: Array, first: float, last: float
    ) -> tuple[Array, Array]:
        """Each point moved to the lowest of its neighbours at a distance that halves where none is lower."""
        d = self.dimension
        around = np.stack(np.meshgrid(*[[-1.0, 0.0, 1.0]] * d, indexing="ij"), axis=-1).reshape(-1, d)
        around = around[np.abs(around).sum(axis=1) > 0.0]
        step = np.full(len(points), first)
        for _ in range(MOVES):
            going = np.flatnonzero(step > last)
            if not len(going):
                break
            trial = points[going, None] + step[going, None, None] * self.size * around
            trial = self._pulled_in(trial)
            found = np.full(trial.shape[:2], np.inf)
            held = self.domain.inside(trial.reshape(-1, d)).reshape(found.shape)
            found[held] = _values(function, self.at(trial[held]))
            best = found.argmin(axis=1)
            there = found[np.arange(len(going)), best]
            better = there < values[going] - 1e-14 * np.abs(values[going])
            points[going[better]] = trial[better, best[better]]
            values[going[better]] = there[better]
            step[going[~better]] /= 2.0
        return points, values

    def _pulled_in(self, points: Array) -> Array:
        """Points beyond the walls of a box or a ball moved onto them, so that a search can slide along."""
        points = np.clip(points, self.lower, self.upper)
        if isinstance(self.domain, Ball):
            centre = np.array(self.domain.center)
            distance = np.linalg.norm(points - centre, axis=-1, keepdims=True)
            points = centre + (points - centre) * np.minimum(1.0, self.domain.radius / np.maximum(distance, 1e-300))
        return points

    def _away(self, points: Array) -> Array:
        """Squared distances from the middle of the box, to the digits that are known, (n,)."""
        return np.asarray(np.round((((points - self.lower) / self.size - 0.5) ** 2).sum(axis=1), 6))

    def _central(self, points: Array) -> Array:
        """The point nearest to the middle of the box; of several, the first by coordinates."""
        rounded = np.round(points / self.size, 6)
        return np.asarray(points[np.lexsort((*rounded.T[::-1], self._away(points)))[0]])

    def _tidy(self, point: Array) -> Array:
        """Without the last digits, which the search does not know."""
        near = 100.0 * FINEST * self.size
        for corner in (np.zeros(self.dimension), self.lower, self.upper):
            point = np.where(np.abs(point - corner) <= near, corner, point)
        return point


def _directions(dimension: int) -> Array:
    """Unit vectors that cover the circle or the sphere evenly, those of the axes among them, (n, d)."""
    if dimension == 1:
        return np.array([[-1.0], [1.0]])
    angle = np.arange(float(DIRECTIONS[dimension]))
    if dimension == 2:
        angle = 2.0 * np.pi * angle / len(angle)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    height, turn = 1.0 - (2.0 * angle + 1.0) / len(angle), np.pi * (3.0 - np.sqrt(5.0)) * angle
    across = np.sqrt(1.0 - height**2)
    spiral = np.stack([across * np.cos(turn), across * np.sin(turn), height], axis=1)
    return np.concatenate([spiral, np.eye(3), -np.eye(3)])


def _values(function: Callable[[Local], Array], at: Local) -> Array:
    """Its values, infinite where the coefficients or they themselves are no numbers."""
    sound = np.ones(len(at.points), dtype=bool)
    for part in (at.drift, at.jacobian, at.diffusion, at.slope, at.bend):
        sound &= np.isfinite(part).reshape(len(sound), -1).all(axis=1)
    values = np.full(len(sound), np.inf)
    with np.errstate(all="ignore"):
        found = function(at[np.flatnonzero(sound)])
    values[sound] = np.where(np.isnan(found), np.inf, found)
    return values
