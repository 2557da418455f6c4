"""In one dimension every drift has a potential: Psi' = a / D, integrated to round-off.

On a circle it has one but for a constant force, which drives a current round: Psi' = a / D - mean of a / D.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import optimize

from fpsolver.generator.weight import Potential
from fpsolver.model.coefficients import Model
from fpsolver.wrapping import wrapped

Array = npt.NDArray[np.float64]

PIECES = 500
ORDER = 12
MOST_PIECES = 40_000
ROUNDS = 40

RESOLVED = 1e-13
"""A piece is halved until the last Legendre coefficients of a/D add less than this to Psi, relative to its range."""

NO_FORCE = 1e-13
"""A mean force below this fraction of the mean size of the force is round-off: there is detailed balance."""

VANISHING = 1e-9
"""D below this fraction of its mean vanishes ..."""

SINGULAR = 1e-3
"""... and then the weight (never the equation) is taken from D with this fraction of the mean added."""


def integrated_potential(model: Model, lower: float, upper: float, *, periodic: bool = False) -> Potential:
    """Psi = integral of a/D on [lower, upper]; its gradient is a/D itself, so that the weight absorbs the drift.

    The pieces are narrow enough that Psi within one is the integral of the Legendre interpolant of a/D.

    Args:
        model: Drift and diffusion.
        lower: Where the interval begins.
        upper: Where it ends.
        periodic: Both ends are one place: the weight absorbs all of the drift but its mean.
    """
    regular = _regularization(model, lower, upper)

    def slope(points: Array) -> Array:
        values = model(points)
        return np.asarray(values.advection[:, 0] / (values.diffusion[:, 0, 0] + regular))

    edges, coefficients = _resolved(slope, np.linspace(lower, upper, PIECES + 1))
    half = np.diff(edges) / 2
    # antiderivatives that vanish at the left end of a piece
    antiderivative = half[:, None] * np.polynomial.legendre.legint(coefficients, lbnd=-1, axis=1)
    start = np.concatenate([[0.0], np.cumsum(2 * half * coefficients[:, 0])])
    mean = float(start[-1]) / (upper - lower) if periodic else 0.0
    if abs(float(start[-1])) <= NO_FORCE * float((2 * half * np.abs(coefficients[:, 0])).sum()):
        mean = 0.0

    def potential(points: Array) -> tuple[Array, Array]:
        x = wrapped(points, (lower,), (upper - lower,))[:, 0] if periodic else points[:, 0]
        piece = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, len(half) - 1)
        local = (x - edges[piece]) / half[piece] - 1
        basis = np.polynomial.legendre.legvander(local, ORDER)
        height = start[piece] + (basis * antiderivative[piece]).sum(axis=1) - mean * (x - lower)
        return height, slope(points)[:, None] - mean

    return potential


def _resolved(slope: Callable[[Array], Array], edges: Array) -> tuple[Array, Array]:
    """Edges of pieces, and the Legendre coefficients of a/D on each, (pieces, ORDER)."""
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    legendre = np.polynomial.legendre.legvander(nodes, ORDER - 1) * (np.arange(ORDER) + 0.5)
    for _ in range(ROUNDS):
        half = np.diff(edges) / 2
        x = edges[:-1, None] + half[:, None] * (nodes + 1)
        coefficients = (slope(x.reshape(-1, 1)).reshape(x.shape) * weights) @ legendre
        tail = half * np.abs(coefficients[:, -2:]).max(axis=1)
        rough = tail > RESOLVED * max(1.0, float((half * np.abs(coefficients[:, 0])).sum()))
        if not rough.any() or len(half) > MOST_PIECES:
            break
        edges = np.sort(np.concatenate([edges, (edges[:-1] + half)[rough]]))
    return edges, np.asarray(coefficients)


def _regularization(model: Model, lower: float, upper: float) -> float:
    """What is added to D where it vanishes somewhere; 0 elsewhere."""

    def diffusion(x: Array) -> Array:
        return np.asarray(model(np.reshape(x, (-1, 1))).diffusion[:, 0, 0])

    x = np.linspace(lower, upper, 4 * PIECES + 1)
    values = diffusion(x)
    lowest = int(values.argmin())
    around = (x[max(lowest - 1, 0)], x[min(lowest + 1, len(x) - 1)])
    found = optimize.minimize_scalar(
        lambda place: float(diffusion(np.array([place]))[0]), bounds=around, method="bounded", options={"xatol": 1e-12}
    )
    mean = float(values.mean())
    return 0.0 if min(float(values.min()), float(found.fun)) > VANISHING * mean else SINGULAR * mean
