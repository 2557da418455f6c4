"""How the drift gathers paths around a point, against the noise that scatters them: constants of a ball around it.

With y = x - c, V = |y|² and b the drift, in the ball V < R²

    λ = inf -b·y/V,   T = sup tr D,   δ = sup of the largest eigenvalue of D,   tr D <= T₀ + T₁ V

so that L V = 2 (tr D + b·y) <= 2 (T - λ V), and also L V <= 2 (T₀ - (λ - T₁) V). A path that leaves the ball has to
climb λR²/2δ nats, in the exponent of every bound.

Of the pairs with T₀ = sup (tr D - T₁ V) that one is taken whose noise floor T₀/(λ - T₁) is lowest. Where the noise
vanishes at c and T₁ = sup tr D/V is below λ, that is 0: paths that stay in the ball come to c, at the rate 2 (λ - T₁).

Infima and suprema are taken over a lattice and polished (`fpsolver.model.field`), without the thousandth part of the
radius around c, where quotients by V are round-off: estimates from samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from fpsolver.case import Ball
from fpsolver.model.coefficients import Array, Model
from fpsolver.model.derivatives import Local
from fpsolver.model.field import Field

NEAR = 1e-3
"""So much of the radius around the centre is left out."""

RADII = {1: 1000, 2: 200, 3: 60}
RAYS = {1: 2, 2: 128, 3: 400}
"""Samples in the search for a radius."""

AS_GOOD = 1e-3
"""Of radii whose exponents are this close to the best one, relative, the largest is taken."""

VANISHES = 1e-9
"""The noise vanishes at the centre if tr D is below this fraction of what it is in the ball."""

STEADY = 1e-6
"""tr D is the same all over the ball if it varies by less than this fraction."""


@dataclass(frozen=True)
class Funnel:
    """The constants of a ball; λ > 0.

    Attributes:
        centre: c, (d,).
        radius: R.
        pull: λ, per time.
        trace: T, length² per time.
        spread: δ, length² per time.
        still: T₀, length² per time.
        growth: T₁, per time.
        steepest: sup tr D/V where the noise vanishes at c, per time; None where it does not vanish there.
    """

    centre: Array
    radius: float
    pull: float
    trace: float
    spread: float
    still: float
    growth: float
    steepest: float | None

    @property
    def gathers(self) -> bool:
        """Paths that stay in the ball come to its centre, and not only close to it."""
        return self.still == 0.0

    @property
    def pairs(self) -> Array:
        """Rates and noises (r, s) with L V <= 2 (s - r V), r > 0: (1 or 2, 2)."""
        plain = (self.pull, self.trace)
        better = (self.pull - self.growth, self.still)
        return np.array([plain] if self.growth == 0.0 else [plain, better])

    @property
    def exponent(self) -> float:
        """λR²/2δ, in nats; infinite without noise."""
        return np.inf if self.spread == 0.0 else self.pull * self.radius**2 / (2.0 * self.spread)


def best_radius(model: Model, centre: Array, farthest: float) -> float | None:
    """The radius R of the largest exponent λR²/2δ; None where λ <= 0 in every ball.

    Where the noise vanishes at the centre that would be the smallest ball of all. There (λ - sup tr D/V) R² is taken
    instead, or λR² where the noise grows too fast in every ball.

    Args:
        model: Drift and diffusion.
        centre: (d,).
        farthest: The largest radius that counts.
    """
    d = len(centre)
    radii = farthest * (np.arange(RADII[d]) + 1.0) / RADII[d]
    rays = _rays(d)
    there = model((centre + radii[:, None, None] * rays).reshape(-1, d))
    inward = -np.einsum("rki,ki->rk", (there.extra - there.gradient).reshape(len(radii), -1, d), rays)
    pull = np.minimum.accumulate(np.nan_to_num(inward, nan=-np.inf).min(axis=1) / radii)
    values = np.linalg.eigvalsh(there.diffusion).reshape(len(radii), -1, d)
    spread = np.maximum.accumulate(values[..., -1].max(axis=1))
    if np.linalg.eigvalsh(model(centre[None]).diffusion)[0, -1] > VANISHES * spread[-1]:
        exponent = pull * radii**2 / spread
    else:
        margin = pull - np.maximum.accumulate(values.sum(axis=2).max(axis=1) / radii**2)
        exponent = np.where(margin.max() > 0.0, margin, pull) * radii**2
    if not exponent.max() > 0.0:
        return None
    return float(radii[np.flatnonzero(exponent >= (1.0 - AS_GOOD) * exponent.max())[-1]])


def funnel(model: Model, centre: Array, radius: float) -> Funnel | float:
    """The constants of a ball, or λ alone where it is not positive."""
    names = tuple("xyz"[: len(centre)])
    field = Field(model, Ball(tuple(centre.tolist()), radius, radius, names))

    def square(at: Local) -> Array:
        return np.asarray(((at.points - centre) ** 2).sum(axis=1))

    def over_square(values: Array, at: Local) -> Array:
        squares = square(at)
        far = squares >= (NEAR * radius) ** 2
        return np.where(far, values / np.where(far, squares, 1.0), np.nan)

    pull = field.lowest(lambda at: over_square(-np.vecdot(at.drift, at.points - centre), at)).value
    if not pull > 0.0:
        return pull
    trace = -field.lowest(lambda at: -_trace(at)).value
    spread = -field.lowest(lambda at: -np.linalg.eigvalsh(at.diffusion)[:, -1]).value
    middle = float(np.trace(model(centre[None]).diffusion[0]))
    steepest = None
    if middle <= VANISHES * trace:
        steepest = max(-field.lowest(lambda at: over_square(-_trace(at), at)).value, 0.0)
    growth = _growth(_trace(field.lattice), square(field.lattice), pull, steepest)
    if steepest is not None and growth == steepest:
        still = 0.0
    else:
        still = -field.lowest(lambda at: growth * square(at) - _trace(at)).value
    return Funnel(centre, radius, pull, max(trace, 0.0), max(spread, 0.0), max(still, 0.0), growth, steepest)


def _growth(trace: Array, square: Array, pull: float, steepest: float | None) -> float:
    """T₁ in [0, λ) of the lowest noise floor, from tr D and V at points of the ball."""
    if steepest is not None and steepest < pull:
        return steepest
    if np.ptp(trace) <= STEADY * np.abs(trace).max():
        return 0.0

    def floor(growth: float) -> float:
        return float((trace - growth * square).max() / (pull - growth))

    best = minimize_scalar(floor, bounds=(0.0, (1.0 - STEADY) * pull), method="bounded")
    return float(best.x) if best.fun < (1.0 - STEADY) * floor(0.0) else 0.0


def _trace(at: Local) -> Array:
    return np.asarray(np.trace(at.diffusion, axis1=1, axis2=2))


def _rays(d: int) -> Array:
    """Unit vectors that cover the sphere evenly, (n, d)."""
    if d == 1:
        return np.array([[-1.0], [1.0]])
    turn = np.arange(float(RAYS[d]))
    if d == 2:
        angle = 2.0 * np.pi * turn / RAYS[d]
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    height, angle = 1.0 - (2.0 * turn + 1.0) / RAYS[d], np.pi * (3.0 - np.sqrt(5.0)) * turn
    across = np.sqrt(1.0 - height**2)
    return np.stack([across * np.cos(angle), across * np.sin(angle), height], axis=1)
