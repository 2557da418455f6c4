"""A logarithmic Sobolev inequality for densities with several wells, by the lemma of Holley and Stroock.

Let y be coordinates in which the noise is the identity: y = D^(-1/2) x for constant D > 0, y = ∫ dx/√D on a line. Let V
be -log of the stationary density in them, and F** the convex envelope of F = V - m|y|²/2. Then F** + m|y|²/2 is
m-convex, its density fulfils the inequality with the constant m (Bakry and Émery), and V differs from it by a function
that varies by δ(m) = max(F - F**), so

    KL <= I/(2 κ)   with   κ = max over m of m e^(-δ(m))

δ(m) is the least possible among all m-convex functions in place of F** + m|y|²/2, and convex in m. Walls do no harm,
since a convex domain is convex in y.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import cumulative_simpson
from scipy.optimize import minimize_scalar
from scipy.spatial import ConvexHull, QhullError

from fpsolver.model.coefficients import Array
from fpsolver.model.field import Field
from fpsolver.model.stated import stated

POINTS = {1: (1001, 8001), 2: (31, 61), 3: (9, 13)}
"""Lattice points per direction: in the search for m, and for the result."""

SAFE = 1.0
"""The difference between the two lattices, times this, is added to δ."""

FACETS = 1000
"""Facets of the envelope evaluated at a time."""


@dataclass(frozen=True)
class Envelope:
    """A constant of the logarithmic Sobolev inequality.

    Attributes:
        rate: κ, per time; None where there is none.
        convexity: m.
        oscillation: δ(m), in nats.
        why: Why there is no rate.
    """

    rate: float | None
    convexity: float = 0.0
    oscillation: float = 0.0
    why: str | None = None


def envelope(field: Field) -> Envelope:
    """The best constant that convex envelopes give for the stationary density of a model in a domain."""
    coarse, fine = POINTS[field.dimension]
    try:
        rough, exact = _flat(field, coarse), _flat(field, fine)
    except _NoCoordinates as reason:
        return Envelope(None, why=str(reason))
    span = float((np.ptp(rough[0], axis=0) ** 2).sum())

    def loss(logarithm: float) -> float:
        return _oscillation(*rough, float(np.exp(logarithm))) - logarithm

    best = minimize_scalar(
        loss, bounds=(np.log(1e-6 / span), np.log(1e6 / span)), method="bounded", options={"xatol": 1e-3}
    )
    m = float(np.exp(best.x))
    delta = _oscillation(*exact, m)
    delta += SAFE * abs(delta - _oscillation(*rough, m))
    return Envelope(m * float(np.exp(-delta)), m, delta)


class _NoCoordinates(Exception):
    """Noise is not the identity in any coordinates, or the stationary density is not known; says which."""


def _flat(field: Field, count: int) -> tuple[Array, Array]:
    """Lattice points in coordinates with unit noise, (n, d), and V there, (n,)."""
    if not field.convex:
        raise _NoCoordinates("the domain is not convex")
    points, held = field.grid(count)
    points = np.concatenate([points[held], *(at.points for _, at in field.walls() if not held.all())])
    if field.dimension == 1:
        return _line(field, points)
    if field.diffusion is None:
        raise _NoCoordinates("D depends on the point")
    values, vectors = np.linalg.eigh(field.diffusion)
    if not values[0] > 1e-12 * values[-1]:
        raise _NoCoordinates("D is singular")
    if field.model.potential is None or stated(field) is None:
        raise _NoCoordinates("the stationary density is not known before it is solved for")
    with np.errstate(all="ignore"):
        potential = field.model.potential(points)[0]
    if not np.isfinite(potential).all():
        raise _NoCoordinates("the stationary density vanishes somewhere in the box")
    return points @ (vectors / np.sqrt(values)), potential


def _line(field: Field, points: Array) -> tuple[Array, Array]:
    """The same on a line, where dy = dx/√D and dV = (D'/2 - b)/D dx."""
    at = field.at(points)
    noise, slope = at.diffusion[:, 0, 0], at.slope[:, 0, 0, 0]
    if not (noise > 1e-12 * noise.max()).all():
        raise _NoCoordinates("D vanishes somewhere")
    x = points[:, 0]
    flat = cumulative_simpson(1.0 / np.sqrt(noise), x=x, initial=0.0)
    steep = cumulative_simpson((slope / 2.0 - at.drift[:, 0]) / noise, x=x, initial=0.0)
    return flat[:, None], steep


def _oscillation(points: Array, values: Array, m: float) -> float:
    """max (F - F**) for F = values - m |y|²/2."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2.0
    bent = values - m * ((points - middle) ** 2).sum(axis=1) / 2.0
    size = float(np.ptp(bent)) or 1.0
    height = (bent - bent.min()) / size
    span = np.ptp(points, axis=0)
    unit = (points - points.min(axis=0)) / span
    if points.shape[1] == 1:
        return size * float((height - _lower(unit[:, 0], height)).max())
    try:
        planes = ConvexHull(np.column_stack([unit, height])).equations
    except QhullError:  # all in one plane: F is its own envelope
        return 0.0
    planes = planes[planes[:, -2] < -1e-9]
    slopes, heights = -planes[:, :-2] / planes[:, -2:-1], -planes[:, -1] / planes[:, -2]
    below = np.full(len(unit), -np.inf)
    for start in range(0, len(slopes), FACETS):
        part = slice(start, start + FACETS)
        below = np.maximum(below, (unit @ slopes[part].T + heights[part]).max(axis=1))
    return size * float(np.maximum(height - below, 0.0).max())


def _lower(x: Array, y: Array) -> Array:
    """The convex envelope of points on a line, at these points."""
    hull = ConvexHull(np.column_stack([x, y])) if np.ptp(y - y[0] - (y[-1] - y[0]) * x) > 0.0 else None
    if hull is None:
        return y
    corners = np.sort(hull.vertices)
    chord = y[0] + (y[-1] - y[0]) * (x[corners] - x[0]) / (x[-1] - x[0])
    corners = corners[(y[corners] <= chord) | (corners == 0) | (corners == len(x) - 1)]
    return np.asarray(np.interp(x, x[corners], y[corners]))
