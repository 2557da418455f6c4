"""One dimension exactly: where noise vanishes, which way such places are crossed, and what a process can reach.

Between the zeros of D the process goes wherever it likes. At a zero z with b(z) != 0 it crosses one way only (a gate).
Where b(z) = 0 too it never arrives in finite time, but may converge: with y the distance from z, the speed measure has
the density m = (1/D) exp(integral of b/D dy) and y m ~ y^q with

    q = 1 + y b/D - y D'/D,        b and D' counted away from z.

Where q > 0 paths are thrown back and m can be integrated; where q < 0 they are caught, and where q = 0 they linger so
close to z that mean times are infinite and no stationary density exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.sparse import csgraph

from fpsolver.model.coefficients import Model

POINTS = 4001
"""Lattice on which zeros are looked for."""

INNER = 201
"""Lattice for the drift inside an interval without noise."""

VANISHES = 1e-13
"""D below this fraction of its largest value is zero."""

LOW = 0.1
"""A zero of D lies beside a lattice point where D is below this fraction of its largest value."""

STILL = 1e-7
"""|b| below this fraction of its largest value is zero: zeros of D are known to half of the digits at worst."""

NARROW = 1e-9
"""Points closer than this fraction of the length are one."""

NEAR = 1e-5
"""Distance from z at which the exponent q is read, as a fraction of the stretch."""

FLAT = 1e-3
"""|q| below this is zero."""


@dataclass(frozen=True)
class Place:
    """A point where noise vanishes, or an end of the line.

    Attributes:
        x: Where.
        noise: D > 0: an end like any other.
        drift: Sign of b.
        leaves: The process can leave the line here.
    """

    x: float
    noise: bool
    drift: int
    leaves: bool = False


@dataclass(frozen=True)
class Stretch:
    """An open interval between two neighbouring places.

    Attributes:
        lower: Its lower end.
        upper: Its upper end.
        noise: D > 0 inside.
        drift: Sign of b where there is no noise.
    """

    lower: float
    upper: float
    noise: bool
    drift: int


@dataclass(frozen=True)
class Line:
    """An interval and what a process can do on it.

    Its parts are numbered along the line: places have even numbers, stretches odd ones.

    Attributes:
        places: In ascending order, one more than stretches.
        stretches: Between them.
        moves: (parts, parts): whether paths go from one part to a neighbouring one, or converge to it.
        lingers: The same where they neither converge nor come back in a finite mean time.
    """

    places: tuple[Place, ...]
    stretches: tuple[Stretch, ...]
    moves: NDArray[np.bool_]
    lingers: NDArray[np.bool_]

    def part_at(self, x: float) -> int:
        """The number of the part that holds a point; outside, that of the nearest end."""
        at = np.array([place.x for place in self.places])
        nearest = int(np.abs(at - x).argmin())
        if abs(at[nearest] - x) <= NARROW * (at[-1] - at[0]):
            return 2 * nearest
        return int(np.clip(2 * np.searchsorted(at, x) - 1, 0, 2 * len(at) - 2))

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """(parts, parts): whether paths from one part come to another, however unlikely."""
        distance = csgraph.shortest_path(self.moves.astype(float), unweighted=True)
        return np.asarray(np.isfinite(distance))

    @cached_property
    def closed(self) -> tuple[tuple[int, ...], ...]:
        """Sets of parts that are never left, each part reached from all others of its set; ends to leave do not count."""
        both = self.reachable & self.reachable.T
        sets = {tuple(np.flatnonzero(row).tolist()) for row in both}
        return tuple(sorted(c for c in sets if self._is_closed(c)))

    @property
    def traps(self) -> tuple[int, ...]:
        """Places that are never left."""
        return tuple(c[0] for c in self.closed if len(c) == 1 and c[0] % 2 == 0)

    def attracts(self, part: int) -> bool | None:
        """Whether paths nearby converge to a trap: from all sides, from none, or from one of two (None)."""
        sides = [s for s in (part - 1, part + 1) if 0 <= s < len(self.moves)]
        if any(self.lingers[s, part] for s in sides):
            return None
        into = {bool(self.moves[s, part]) for s in sides}
        return into.pop() if len(into) == 1 else None

    def _is_closed(self, parts: tuple[int, ...]) -> bool:
        if any(part % 2 == 0 and (self.places[part // 2].noise or self.places[part // 2].leaves) for part in parts):
            return False
        beyond = self.reachable[list(parts)].any(axis=0)
        beyond[list(parts)] = False
        return not beyond.any()


def line(model: Model, lower: float, upper: float, exits: tuple[bool, bool] = (False, False)) -> Line:
    """The exact analysis of a model on [lower, upper].

    Args:
        model: Of one dimension.
        lower: An end, which reflects, or is where the process ends.
        upper: The other one.
        exits: Whether the process ends at the lower and at the upper end, if it gets there.
    """
    return _Search(model, lower, upper).run(exits)


class _Search:
    """Zeros of the coefficients of one model on one interval."""

    def __init__(self, model: Model, lower: float, upper: float) -> None:
        self._model = model
        self._x = np.linspace(lower, upper, POINTS)
        values = model(self._x[:, None])
        self._noise = values.diffusion[:, 0, 0]
        self._none = VANISHES * float(self._noise.max())
        self._still = STILL * float(np.abs(values.extra - values.gradient).max())
        self._outward = STILL * float(np.abs(values.advection).max())

    def run(self, exits: tuple[bool, bool]) -> Line:
        x = self._x
        quiet = self._quiet()
        cuts = [float(x[0]), float(x[-1]), *self._zeros(quiet), *(z for interval in quiet for z in self._split(*interval))]
        distinct: list[float] = []
        for z in sorted(cuts):
            if not distinct or z - distinct[-1] > NARROW * (x[-1] - x[0]):
                distinct.append(z)
        distinct[-1] = float(x[-1])
        stretches = tuple(self._stretch(a, b, quiet) for a, b in pairwise(distinct))
        places = [self._place(z) for z in distinct]
        for end, side in ((0, -1), (-1, 1)):
            if exits[end]:
                places[end] = self._exit(places[end], side)
        size = 2 * len(places) - 1
        moves, lingers = np.zeros((size, size), dtype=bool), np.zeros((size, size), dtype=bool)
        for i, place in enumerate(places):
            for j, side in ((2 * i - 1, 1), (2 * i + 1, -1)):  # side: where the place lies, as seen from the stretch
                if not 0 <= j < size:
                    continue
                moves[j, 2 * i], lingers[j, 2 * i] = self._arrives(stretches[j // 2], place, side)
                moves[2 * i, j] = not (place.noise or place.leaves) and place.drift == -side
        return Line(tuple(places), stretches, moves, lingers)

    def _value(self, name: str, x: float) -> float:
        values = self._model(np.array([[x]]))
        if name == "D":
            return float(values.diffusion[0, 0, 0])
        if name == "slope":
            return float(values.divergence[0, 0])
        return float(values.extra[0, 0] - values.gradient[0, 0])

    def _sign(self, drift: float) -> int:
        return 0 if abs(drift) <= self._still else int(np.sign(drift))

    def _place(self, x: float) -> Place:
        return Place(x, self._value("D", x) > self._none, self._sign(self._value("b", x)))

    def _exit(self, place: Place, side: int) -> Place:
        """An end where the process ends, if noise or b - D' carries it there."""
        outward = side * (self._value("b", place.x) - self._value("slope", place.x))
        return Place(place.x, place.noise, place.drift, place.noise or outward > self._outward)

    def _zeros(self, quiet: list[tuple[float, float]]) -> list[float]:
        """Where D touches zero at a point."""
        d, x = self._noise, self._x
        low = (d[1:-1] <= d[:-2]) & (d[1:-1] <= d[2:]) & (d[1:-1] <= LOW * d.max())
        for a, b in quiet:
            low &= (x[1:-1] < a) | (x[1:-1] > b)
        found = [self._lowest(x[i - 1], x[i + 1]) for i in np.flatnonzero(low) + 1]
        tiny = 1e-3 * NARROW * (x[-1] - x[0])
        return [0.0 if abs(z) < tiny else z for z in found if self._value("D", z) <= self._none]

    def _lowest(self, a: float, b: float) -> float:
        if self._value("slope", a) < 0.0 < self._value("slope", b):
            return float(
                optimize.brentq(lambda z: self._value("slope", z), a, b, xtol=1e-15 * (b - a), maxiter=200, disp=False)
            )
        if self._value("D", (a + b) / 2) == 0.0:
            return float((a + b) / 2)
        found = optimize.minimize_scalar(
            lambda z: self._value("D", z), bounds=(a, b), method="bounded", options={"xatol": 1e-12 * (b - a)}
        )
        return float(found.x)

    def _quiet(self) -> list[tuple[float, float]]:
        """Intervals where D = 0."""
        padded = np.concatenate([[False], self._noise <= self._none, [False]])
        edges = np.flatnonzero(padded[1:] != padded[:-1])
        x = self._x

        def edge(inside: int, outside: int) -> float:
            if not 0 <= outside < len(x):
                return float(x[inside])
            return _bisected(lambda z: self._value("D", z) <= self._none, float(x[inside]), float(x[outside]))

        runs = zip(edges[::2], edges[1::2] - 1, strict=True)
        return [(edge(i, i - 1), edge(j, j + 1)) for i, j in runs if j - i >= 2]

    def _split(self, lower: float, upper: float) -> list[float]:
        """The ends of an interval without noise, and the zeros of the drift in it."""
        x = np.linspace(lower, upper, INNER)
        values = self._model(x[:, None])
        drift = (values.extra - values.gradient)[:, 0]
        signs = np.where(np.abs(drift) <= self._still, 0.0, np.sign(drift))
        found = [lower, upper]
        for i in np.flatnonzero(signs[1:] != signs[:-1]):
            if signs[i] * signs[i + 1] < 0.0:
                found.append(float(optimize.brentq(lambda z: self._value("b", z), x[i], x[i + 1])))
            else:
                found.append(float(x[i] if signs[i] == 0.0 else x[i + 1]))
        return found

    def _stretch(self, lower: float, upper: float, quiet: list[tuple[float, float]]) -> Stretch:
        middle = (lower + upper) / 2
        noise = not any(a < middle < b for a, b in quiet)
        return Stretch(lower, upper, noise, 0 if noise else self._sign(self._value("b", middle)))

    def _arrives(self, stretch: Stretch, place: Place, side: int) -> tuple[bool, bool]:
        """Whether paths of a stretch come to a place, or converge to it; and whether they linger there."""
        if not stretch.noise:
            return stretch.drift == side, False
        if place.noise or place.leaves:
            return place.leaves, False
        if place.drift:
            return place.drift == side, False
        y = NEAR * (stretch.upper - stretch.lower)
        values = self._model(np.array([[place.x - side * y]]))
        drift = -side * float(values.extra[0, 0] - values.gradient[0, 0])
        noise, slope = float(values.diffusion[0, 0, 0]), -side * float(values.divergence[0, 0])
        exponent = noise + y * drift - y * slope  # q D, which exists even where D is too small to divide by
        return exponent <= FLAT * noise, abs(exponent) <= FLAT * noise


def _bisected(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """The last point from ``inside`` to ``outside`` at which a condition holds."""
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside
