"""Zeros of noise and drift in one dimension, found on a lattice and polished to round-off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import optimize

from fpsolver.model.coefficients import Model

POINTS = 4001
"""Lattice on which zeros are looked for."""

INNER = 201
"""Lattice for the drift inside an interval without noise."""

VANISHES = 1e-13
"""D below this fraction of its largest value is zero."""

QUIET = 1e-25
"""The same on an interval: near a zero of fourth order D is already below the other one on some lattice points."""

LOW = 0.1
"""A zero of D lies beside a lattice point where D is below this fraction of its largest value."""

STILL = 1e-7
"""|b| below this fraction of its largest value is zero: zeros of D are known to half of the digits at worst."""

ROUND_OFF = 1e-12
"""Zeros closer to 0 than this fraction of the length are 0."""

MERGED = 1e-6
"""Points closer than this fraction of the length are one."""


class Profile:
    """The coefficients of a model of one dimension on an interval.

    Attributes:
        quiet: Intervals where D = 0.
        places: Zeros of D, ends of the quiet intervals and zeros of b in them, and both ends; in ascending order.
    """

    def __init__(self, model: Model, lower: float, upper: float) -> None:
        self._model = model
        self._x = np.linspace(lower, upper, POINTS)
        values = model(self._x[:, None])
        self._lattice = values.diffusion[:, 0, 0]
        self._none = VANISHES * float(self._lattice.max())
        self._zero = QUIET * float(self._lattice.max())
        self._still = STILL * float(np.abs(values.extra - values.gradient).max())
        self._outward = STILL * float(np.abs(values.advection).max())
        self.quiet = self._quiet()
        cuts = [lower, upper, *self._zeros(self.quiet), *(z for part in self.quiet for z in self._split(*part))]
        self.places: list[float] = []
        for z in sorted(cuts):
            if not self.places or z - self.places[-1] > MERGED * (upper - lower):
                self.places.append(z)
        self.places[-1] = upper  # an end stays where it is

    def noise(self, x: float) -> float:
        """D, or 0 where it vanishes to round-off."""
        value = self._value("D", x)
        return value if value > self._none else 0.0

    def drift(self, x: float) -> int:
        """The sign of b, 0 where it vanishes to round-off."""
        return self._sign(self._value("b", x))

    def carries(self, x: float, side: int) -> bool:
        """Whether b - D' points to the side of x."""
        return side * (self._value("b", x) - self._value("slope", x)) > self._outward

    def _value(self, name: str, x: float) -> float:
        values = self._model(np.array([[x]]))
        if name == "D":
            return float(values.diffusion[0, 0, 0])
        if name == "slope":
            return float(values.divergence[0, 0])
        return float(values.extra[0, 0] - values.gradient[0, 0])

    def _sign(self, drift: float) -> int:
        return 0 if abs(drift) <= self._still else int(np.sign(drift))

    def _zeros(self, quiet: list[tuple[float, float]]) -> list[float]:
        """Where D touches zero at a point."""
        d, x = self._lattice, self._x
        low = (d[1:-1] <= d[:-2]) & (d[1:-1] <= d[2:]) & (d[1:-1] <= LOW * d.max())
        for a, b in quiet:
            low &= (x[1:-1] < a) | (x[1:-1] > b)
        found = [self._lowest(x[i - 1], x[i + 1]) for i in np.flatnonzero(low) + 1]
        tiny = ROUND_OFF * (x[-1] - x[0])
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
        padded = np.concatenate([[False], self._lattice <= self._zero, [False]])
        edges = np.flatnonzero(padded[1:] != padded[:-1])
        x = self._x

        def edge(inside: int, outside: int) -> float:
            if not 0 <= outside < len(x):
                return float(x[inside])
            return _bisected(lambda z: self._value("D", z) <= self._zero, float(x[inside]), float(x[outside]))

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
                continue
            still, moving = (i, i + 1) if signs[i] == 0.0 else (i + 1, i)
            before = 2 * still - moving  # the neighbour on the other side
            if 0 <= before < len(x) and signs[before] != 0.0:
                found.append(float(x[still]))
            else:
                at_rest = _bisected(lambda z: self._sign(self._value("b", z)) == 0, float(x[still]), float(x[moving]))
                found.append(at_rest)
        return found


def _bisected(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """The last point from ``inside`` to ``outside`` at which a condition holds."""
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return inside
