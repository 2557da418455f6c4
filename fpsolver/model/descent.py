"""Paths of the drift alone, dx/dt = b(x) in a box that they cannot leave, many at a time, and where they end.

Steps are those of Rodas (Hairer and Wanner, Solving Ordinary Differential Equations II, IV.7): six stages, order four,
L-stable, so that the narrow valleys of a loss cost nothing, with an estimate of the error of order three for the step
of each path. Jacobians are differences of the drift. On a wall that b points out of, a path slides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import NdBSpline, make_interp_spline

from fpsolver.model.coefficients import Array, Model

type Bools = NDArray[np.bool_]
type Ints = NDArray[np.int64]
type Field = Callable[[Array], Array]
"""Points (n, d) to vectors (n, d)."""

WALL, REST, LOST = -1, -2, -3
"""A path ends at a wall, or at rest but at none of the ends; or it comes nowhere in all its steps."""

UNDER_WAY = -9

STEPS = 400
TOLERANCE = 1e-6
"""Error of a step, as a fraction of the box."""

AT_REST = 1e-14
"""A path that moves less in a step, as a fraction of the box, is at rest."""

DIFFERENCE = 1e-8
"""Step of the differences, as a fraction of the box: the square root of round-off."""

LATTICE = {1: 4001, 2: 161, 3: 41}
SPLINE_DEGREE = 5
FAITHFUL = 1e-6
"""A spline may differ from the drift by this fraction of its largest size."""

GAMMA = 0.25

INNER = (
    (),
    (1.544,),
    (0.9466785280815826, 0.2557011698983284),
    (3.314825187068521, 2.896124015972201, 0.9986419139977817),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950),
    (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1.0),
)
"""Where a stage evaluates b, as factors of the stages before it; the last such place and the last stage give the new
point."""

CARRIED = (
    (),
    (-5.6688,),
    (-2.430093356833875, -0.2063599157091915),
    (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
    (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
    (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
)
"""What a stage carries over from those before it, over the step."""


def drift_of(model: Model) -> Field:
    """b = -grad f + extra."""

    def drift(points: Array) -> Array:
        found = model(points)
        return np.asarray(found.extra - found.gradient)

    return drift


def splined(drift: Field, lower: Sequence[float], upper: Sequence[float]) -> Field:
    """A spline through a drift that is expensive, or the drift itself where the spline does not follow it."""
    d = len(lower)
    axes = [np.linspace(a, b, LATTICE[d]) for a, b in zip(lower, upper, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    values = drift(lattice.reshape(-1, d)).reshape(lattice.shape)
    if not np.isfinite(values).all():
        return drift
    largest, knots, coefficients = float(np.abs(values).max()), [], values
    for axis in range(d):
        spline = make_interp_spline(axes[axis], coefficients, k=SPLINE_DEGREE, axis=axis)
        knots.append(spline.t)
        coefficients = np.moveaxis(spline.c, 0, axis)
    found = NdBSpline(tuple(knots), coefficients, SPLINE_DEGREE)
    half = (np.asarray(upper) - np.asarray(lower)) / (LATTICE[d] - 1) / 2.0
    middles = (lattice[(slice(0, -1, 7),) * d] + half).reshape(-1, d)
    if not np.abs(found(middles) - drift(middles)).max() <= FAITHFUL * largest:
        return drift
    return lambda points: np.asarray(found(points))


@dataclass(frozen=True)
class Descent:
    """The flow of a drift in a box.

    Attributes:
        drift: b.
        lower: Lower corner of the box, (d,).
        upper: Upper corner.
        ends: Points that attract, (m, d).
        reach: A path has ended at an end that it comes so close to, (m,).
        absorbing: Whether points on walls (n, d) end a path.
        inside: Whether points (n, d) are in the domain, where that is less than the box: its edge ends a path.
    """

    drift: Field
    lower: Array
    upper: Array
    ends: Array
    reach: Array
    absorbing: Callable[[Array], Bools] | None = None
    inside: Callable[[Array], Bools] | None = None

    def __call__(self, points: Array, known: Callable[[Array], Ints] | None = None) -> Ints:
        """Where the path from each point (n, d) ends: the row of ``ends``, or WALL, REST or LOST.

        Args:
            points: Starts.
            known: Points (n, d) to the answer where it is known, UNDER_WAY elsewhere.
        """
        labels = np.full(len(points), UNDER_WAY, dtype=np.int64)
        x = np.clip(points, self.lower, self.upper)
        labels[:] = self._arrived(x, known)
        going = np.flatnonzero(labels == UNDER_WAY)
        x = x[going]
        step = np.full(len(going), np.nan)
        for _ in range(STEPS):
            if not len(going):
                break
            x, step, still = self._advanced(x, step)
            found = self._arrived(x, known)
            resting = still & (found == UNDER_WAY)
            found[resting] = np.where(self._on_wall(x[resting]), WALL, REST)
            labels[going] = found
            under_way = found == UNDER_WAY
            going, x, step = going[under_way], x[under_way], step[under_way]
        labels[going] = LOST
        return labels

    def _arrived(self, x: Array, known: Callable[[Array], Ints] | None) -> Ints:
        found = np.full(len(x), UNDER_WAY, dtype=np.int64) if known is None else known(x)
        if len(self.ends):
            distance = np.linalg.norm(x[:, None] - self.ends, axis=2) / self.reach
            close = distance.min(axis=1) < 1.0
            found = np.where(close, distance.argmin(axis=1), found)
        if self.absorbing is not None:
            found = np.where(self._on_wall(x) & self.absorbing(x), WALL, found)
        if self.inside is not None:
            found = np.where(self.inside(x), found, WALL)
        return np.asarray(found)

    def _on_wall(self, x: Array) -> Bools:
        return np.asarray(((x <= self.lower) | (x >= self.upper)).any(axis=1))

    def _speed(self, x: Array) -> Array:
        """b at the nearest points of the box, without what would lead out of it."""
        inside = np.clip(x, self.lower, self.upper)
        b = np.nan_to_num(self.drift(inside), nan=0.0, posinf=1e150, neginf=-1e150)
        out = ((x <= self.lower) & (b < 0.0)) | ((x >= self.upper) & (b > 0.0))
        return np.where(out, 0.0, b)

    def _advanced(self, x: Array, step: Array) -> tuple[Array, Array, Bools]:
        """The paths after a step each, the lengths of their next steps, and which are at rest.

        Steps that are refused leave a path where it is.
        """
        size, d = self.upper - self.lower, x.shape[1]
        speed = self._speed(x)
        width = np.where(x + DIFFERENCE * size > self.upper, -DIFFERENCE, DIFFERENCE) * size
        jacobian = np.empty((len(x), d, d))
        for axis in range(d):
            moved = x.copy()
            moved[:, axis] += width[:, axis]
            jacobian[:, :, axis] = (self._speed(moved) - speed) / width[:, axis, None]
        # no longer than an instability takes to show: an implicit step across it would damp it, and end at a saddle
        growth = np.linalg.eigvalsh((jacobian + jacobian.transpose(0, 2, 1)) / 2.0)[:, -1]
        step = np.where(np.isnan(step), self._first(jacobian, speed), step)
        step = np.where(growth > 0.0, np.minimum(step, 1.0 / np.where(growth > 0.0, growth, 1.0)), step)
        inverse = np.linalg.inv(np.eye(d) / (GAMMA * step)[:, None, None] - jacobian)

        stages: list[Array] = []
        place, right = x, speed
        for inner, carried in zip(INNER, CARRIED, strict=True):
            if stages:
                place = x + np.tensordot(inner, stages, 1)
                right = self._speed(place) + np.tensordot(carried, stages, 1) / step[:, None]
            stages.append(np.einsum("nij,nj->ni", inverse, right))
        error = np.abs(stages[-1] / size).max(axis=1) / TOLERANCE
        good = error <= 1.0
        factor = 0.9 * np.maximum(error, 1e-30) ** -0.25
        new = np.where(good[:, None], np.clip(place + stages[-1], self.lower, self.upper), x)
        still = good & (np.abs(new - x) <= AT_REST * size).all(axis=1)
        return new, step * np.clip(np.nan_to_num(factor, nan=0.2), 0.2, 5.0), still

    def _first(self, jacobian: Array, speed: Array) -> Array:
        """Lengths of first steps, cautious."""
        rate = np.abs(jacobian).sum(axis=2).max(axis=1) + np.abs(speed / (self.upper - self.lower)).max(axis=1)
        return np.asarray(0.1 / np.where(rate > 0.0, rate, 1.0))
