"""The density in a one-dimensional well by a spectral method: an answer that owes nothing to finite elements.

For a constant D and a potential V with walls at both ends, rho = g e^(-V/2D) turns the equation into a symmetric one,
dg/dt = -A g with A(g, p) = D * integral of (g' + V'g/2D)(p' + V'p/2D). A is diagonalised in Legendre polynomials, and
then all times cost the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy.linalg import eigh

Array = npt.NDArray[np.float64]

DEGREE = 120
POINTS = 400


def spectral_density(
    potential: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    diffusion: float,
    walls: tuple[float, float],
    mean: float,
    deviation: float,
) -> Callable[[float, Array], Array]:
    """The density (t, x) -> rho(x, t) that starts as a Gaussian.

    Args:
        potential: V at points (n,).
        slope: V' at points (n,).
        diffusion: D.
        walls: Ends of the interval; both reflect.
        mean: Of the start.
        deviation: Of the start.
    """
    nodes, weights = legendre.leggauss(POINTS)
    middle, half = (walls[0] + walls[1]) / 2, (walls[1] - walls[0]) / 2
    x, weights = middle + half * nodes, half * weights
    norms = np.sqrt((2 * np.arange(DEGREE + 1) + 1) / (2 * half))

    def polynomials(z: Array) -> Array:
        return np.asarray(legendre.legvander(z, DEGREE) * norms)

    derivatives = legendre.legval(nodes, legendre.legder(np.eye(DEGREE + 1))).T / half * norms
    values = polynomials(nodes)
    twisted = derivatives + (slope(x) / (2 * diffusion))[:, None] * values
    rates, modes = eigh(diffusion * (twisted.T * weights) @ twisted)
    start = np.exp(-(((x - mean) / deviation) ** 2) / 2)
    start /= weights @ start
    amplitudes = modes.T @ (values.T @ (weights * start * np.exp(potential(x) / (2 * diffusion))))

    def density(time: float, points: Array) -> Array:
        decayed = modes @ (np.exp(-time * np.maximum(rates, 0.0)) * amplitudes)
        shape = polynomials((points - middle) / half) @ decayed
        return np.asarray(np.exp(-potential(points) / (2 * diffusion)) * shape)

    return density
