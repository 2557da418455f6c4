"""In one dimension every drift has a potential: Psi' = a / D, integrated to round-off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fpsolver.generator.weight import Potential
from fpsolver.model.coefficients import Model

Array = npt.NDArray[np.float64]

PIECES = 2000
ORDER = 12

SINGULAR = 1e-3
"""Where D falls below this fraction of its mean, the weight (never the equation) is taken from a larger D."""


def integrated_potential(model: Model, lower: float, upper: float) -> Potential:
    """Psi = integral of a/D on [lower, upper]; its gradient is a/D itself, so that the weight absorbs the drift.

    The pieces are narrow enough that Psi within one is the integral of the Legendre interpolant of a/D.
    """
    edges = np.linspace(lower, upper, PIECES + 1)
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    half = (upper - lower) / (2 * PIECES)
    x = (edges[:-1, None] + half * (nodes + 1)).ravel()[:, None]
    regular = _regularization(model, x)

    def slope(points: Array) -> Array:
        values = model(points)
        return np.asarray(values.advection[:, 0] / (values.diffusion[:, 0, 0] + regular))

    samples = slope(x).reshape(PIECES, ORDER)
    start = np.concatenate([[0.0], np.cumsum(half * samples @ weights)])
    # Legendre coefficients of the samples, and their antiderivatives that vanish at the left end of a piece
    legendre = np.polynomial.legendre.legvander(nodes, ORDER - 1)
    coefficients = (samples * weights) @ legendre * (np.arange(ORDER) + 0.5)
    antiderivative = half * np.polynomial.legendre.legint(coefficients, lbnd=-1, axis=1)

    def potential(points: Array) -> tuple[Array, Array]:
        position = (points[:, 0] - lower) / (2 * half)
        piece = np.clip(position.astype(int), 0, PIECES - 1)
        local = 2 * (position - piece) - 1
        basis = np.polynomial.legendre.legvander(local, ORDER)
        return start[piece] + (basis * antiderivative[piece]).sum(axis=1), slope(points)[:, None]

    return potential


def _regularization(model: Model, x: Array) -> float:
    diffusion = model(x).diffusion[:, 0, 0]
    mean = float(diffusion.mean())
    return 0.0 if diffusion.min() > SINGULAR * mean else SINGULAR * mean
