"""The basins of the minima of the loss: where the drift alone leads, and how far around a minimum counts as there.

A neighbourhood is a ball, as wide as the noise shakes a process there, sqrt(tr D / lambda) with lambda the smallest
eigenvalue of the Hessian, but neither so small beside the next critical point that meshes suffer, nor so large that it
comes close to it. A ball from whose edge the drift leads elsewhere is halved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsolver.case import Box
from fpsolver.errors import BadUsage
from fpsolver.model.basins import Basins
from fpsolver.model.coefficients import Model
from fpsolver.model.critical import CriticalPoint
from fpsolver.model.descent import Descent, Field, drift_of, splined
from fpsolver.model.formulas import Formulas, gradient
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.theory import critical_of
from fpsolver.problems.wording import tuple_of

Array = npt.NDArray[np.float64]

LEAST, MOST = 0.1, 1.0 / 3.0
"""Bounds of a radius, as fractions of the distance to the nearest other critical point."""

ARRIVED = 0.02
"""A path has come to a minimum within this fraction of that distance."""

HALVINGS = 5
NEWTON = 30
DIFFERENCE = 1e-6
SAME = 1e-9
"""The drift comes to rest at the minimum itself if it does so within this fraction of that distance."""

AROUND = {1: 2, 2: 48, 3: 150}
"""Points on the edge of a ball that are followed."""


@dataclass(frozen=True)
class Basin:
    """The basin of a minimum.

    Attributes:
        minimum: Of the loss.
        centre: Where the drift comes to rest near it: the minimum itself unless there is a drift beside -grad f.
        radius: Of the ball around the centre that counts as there.
    """

    minimum: CriticalPoint
    centre: Array
    radius: float

    @property
    def name(self) -> str:
        """The minimum in words."""
        return f"the minimum at {tuple_of(self.minimum.point)}"


@dataclass(frozen=True)
class Landscape:
    """All basins of a case, by ascending loss of their minima.

    Attributes:
        basins: One for each minimum.
        attraction: Which of them the drift leads to.
    """

    basins: Sequence[Basin]
    attraction: Basins

    @property
    def count(self) -> int:
        return len(self.basins)

    @property
    def centres(self) -> Array:
        """(m, d)."""
        return np.array([basin.centre for basin in self.basins])

    @property
    def radii(self) -> Array:
        """(m,)."""
        return np.array([basin.radius for basin in self.basins])

    def inside(self, points: Array) -> npt.NDArray[np.int64]:
        """The basin whose ball points (n, d) are in or nearest to, (n,)."""
        distance = np.linalg.norm(points[:, None] - self.centres, axis=2) - self.radii
        return np.asarray(distance.argmin(axis=1))


def basins_of(setting: Setting) -> Landscape | None:
    """The basins of a case, made once and kept; None where the loss has no isolated minimum. Collective.

    Raises:
        BadUsage: ``splitting.radius`` is too large.
    """
    critical = critical_of(setting)
    return setting.of_model.once("basins", lambda: _made(setting, critical))


def _made(setting: Setting, critical: Sequence[CriticalPoint]) -> Landscape | None:
    case = setting.case
    given = None if case.splitting is None else case.splitting.radius
    minima = [place for place in critical if place.index == 0]
    if not minima:
        return None
    lower, upper = np.array(case.domain.lower), np.array(case.domain.upper)
    drift = _drift(setting)
    room = np.array([_room(place, critical, float((upper - lower).min())) for place in minima])
    rests = [_rest(setting.model, drift, place.point, near) for place, near in zip(minima, room, strict=True)]
    centres = np.array([centre for centre, _ in rests])
    reach = np.where([stable for _, stable in rests], ARRIVED * room, 1e-300)
    outside = None if isinstance(case.domain, Box) else case.domain.inside
    level = setting.absorbing
    absorbing = None if level is None else lambda points: np.asarray(level(points) < 0.0)
    flow = Descent(drift, lower, upper, centres, reach, absorbing, outside)
    if given is None:
        radii = np.array([_radius(place, near) for place, near in zip(minima, room, strict=True)])
        radii = _within(flow, radii)
    else:
        radii = np.full(len(minima), given)
        _check_apart(minima, centres, given)
    basins = [Basin(*each) for each in zip(minima, centres, radii.tolist(), strict=True)]
    return Landscape(basins, Basins(flow))


def _drift(setting: Setting) -> Field:
    """b as fast as it can be had: it is wanted at millions of points."""
    case = setting.case
    if case.data is not None:
        return splined(drift_of(setting.model), case.domain.lower, case.domain.upper)
    is_plain = setting.model.gradient_drift and case.noise.order == 1
    if case.loss is None or case.loss.expression is None or not is_plain:
        return drift_of(setting.model)
    slopes = Formulas(gradient(case.loss.expression, case.coordinates), case.coordinates)
    return lambda points: -slopes(points)


def _room(place: CriticalPoint, critical: Sequence[CriticalPoint], otherwise: float) -> float:
    """The distance to the nearest other critical point."""
    distances = [float(np.linalg.norm(other.point - place.point)) for other in critical if other is not place]
    return min([otherwise, *distances])


def _radius(place: CriticalPoint, room: float) -> float:
    shaken = float(np.sqrt(max(place.trace, 0.0) / place.eigenvalues[0]))
    return float(np.clip(shaken, LEAST * room, MOST * room))


def _within(flow: Descent, radii: Array) -> Array:
    """Radii halved until the drift leads from the edges of the balls to their centres."""
    d = len(flow.lower)
    directions = _directions(d)
    radii = radii.copy()
    for _ in range(HALVINGS):
        points = flow.ends[:, None] + radii[:, None, None] * directions
        inside = ((points > flow.lower) & (points < flow.upper)).all(axis=2)
        ends = flow(points.reshape(-1, d)).reshape(points.shape[:2])
        astray = (inside & (ends != np.arange(len(radii))[:, None])).any(axis=1) & (flow.reach > 1e-299)
        if not astray.any():
            break
        radii[astray] /= 2.0
    return radii


def _directions(d: int) -> Array:
    """Unit vectors, (k, d)."""
    count = AROUND[d]
    if d == 1:
        return np.array([[-1.0], [1.0]])
    angle = 2.0 * np.pi * (np.arange(count) + 0.5) / count
    if d == 2:
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    height = 1.0 - 2.0 * (np.arange(count) + 0.5) / count
    turn = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    flat = np.sqrt(1.0 - height**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)


def _rest(model: Model, drift: Field, minimum: Array, room: float) -> tuple[Array, bool]:
    """Where the drift comes to rest near a minimum, and whether it does: by Newton's method, given up half way out."""
    if model.gradient_drift:
        return minimum, True
    point, d = minimum.copy(), len(minimum)
    for _ in range(NEWTON):
        moved = point + DIFFERENCE * room * np.concatenate([np.eye(d), -np.eye(d)])
        values = drift(moved)
        jacobian = (values[:d] - values[d:]).T / (2.0 * DIFFERENCE * room)
        if not np.isfinite(jacobian).all() or np.linalg.matrix_rank(jacobian) < d:
            return minimum, False
        step = -np.linalg.solve(jacobian, drift(point[None])[0])
        point = point + step
        if not np.linalg.norm(point - minimum) < room / 2.0:
            return minimum, False
        if np.linalg.norm(step) < 1e-12 * room:
            break
    if np.linalg.norm(point - minimum) < SAME * room:
        point = minimum
    return point, bool(np.linalg.eigvals(jacobian).real.max() < 0.0)


def _check_apart(minima: Sequence[CriticalPoint], centres: Array, radius: float) -> None:
    distance = np.linalg.norm(centres[:, None] - centres, axis=2)
    np.fill_diagonal(distance, np.inf)
    one, other = np.unravel_index(int(distance.argmin()), distance.shape)
    if distance[one, other] <= 2.0 * radius:
        names = [tuple_of(minima[int(i)].point) for i in (one, other)]
        raise BadUsage(
            f"splitting.radius = {radius:g}: the neighbourhoods of the minima at {names[0]} and {names[1]}, "
            f"{distance[one, other]:.4g} apart, meet; write less than {distance[one, other] / 2.0:.4g}"
        )
