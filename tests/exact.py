"""Exact solutions of the Fokker-Planck equation, independent of the program."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.polynomial import legendre
from scipy.linalg import eigh, expm, solve_continuous_lyapunov

Array = npt.NDArray[np.float64]
Density = Callable[[float, Array], Array]

PANELS, ORDER = 4000, 16
"""Gauss points for integrals along a line."""


def in_one_dimension(
    potential: Callable[[Array], Array],
    slope: Callable[[Array], Array],
    d: float,
    ends: tuple[float, float],
    start: tuple[float, float],
    modes: int = 120,
) -> Density:
    """rho(t, x) of drift -V' and noise d between reflecting ends, from a Gaussian (mean, std).

    Spectral: rho = exp(-V/2d) g turns the equation into dg/dt = -A g with A symmetric, here on Legendre polynomials.
    """
    lower, upper = ends
    nodes, weights = legendre.leggauss(400)
    x, w = lower + (upper - lower) * (nodes + 1) / 2, weights * (upper - lower) / 2
    norm = np.sqrt((2 * np.arange(modes + 1) + 1) / (upper - lower))
    basis = legendre.legvander(nodes, modes) * norm
    derivatives = legendre.legder(np.eye(modes + 1), axis=0)
    slopes = legendre.legvander(nodes, modes - 1) @ derivatives * norm * 2 / (upper - lower)
    twisted = slopes + slope(x)[:, None] / (2 * d) * basis
    rates, vectors = eigh(d * (twisted.T * w) @ twisted)
    rates[0] = 0.0  # mass is kept: known exactly, computed to round-off
    rho = np.exp(-((x - start[0]) ** 2) / (2 * start[1] ** 2))
    rho /= w @ rho
    first = vectors.T @ (basis.T @ (w * rho * np.exp(potential(x) / (2 * d))))

    def density(time: float, points: Array) -> Array:
        there = legendre.legvander(2 * (points - lower) / (upper - lower) - 1, modes) * norm
        decayed = vectors @ (np.exp(-time * np.maximum(rates, 0.0)) * first)
        return np.exp(-potential(points) / (2 * d)) * (there @ decayed)

    return density


def double_well(d: float, start: float = -1.0, std: float = 0.1, modes: int = 120) -> Density:
    """rho(t, points) for f = (x^2 - 1)^2 / 4 + 2 y^2 on [-2, 2] x [-1.5, 1.5], from a Gaussian at (start, 0)."""
    x = in_one_dimension(lambda x: (x * x - 1) ** 2 / 4, lambda x: x**3 - x, d, (-2.0, 2.0), (start, std), modes)
    y = in_one_dimension(lambda y: 2 * y * y, lambda y: 4 * y, d, (-1.5, 1.5), (0.0, std), modes)
    return lambda time, points: x(time, points[:, 0]) * y(time, points[:, 1])


def gibbs_double_well(d: float) -> Callable[[Array], Array]:
    """The stationary density of `double_well`, normalised by quadrature."""
    nodes, weights = legendre.leggauss(200)
    partition = 3.0 * (weights @ np.exp(-((4 * nodes**2 - 1) ** 2) / (4 * d)))
    partition *= weights @ np.exp(-2 * (1.5 * nodes) ** 2 / d)
    return lambda p: np.exp(-((p[:, 0] ** 2 - 1) ** 2 / 4 + 2 * p[:, 1] ** 2) / d) / partition


def linear_moments(
    drift: npt.ArrayLike, diffusion: npt.ArrayLike, mean: npt.ArrayLike, covariance: npt.ArrayLike, time: float
) -> tuple[Array, Array]:
    """Mean and covariance of dX = -A X dt + sqrt(2 D) dW: e^{-At} m and e^{-At} (C - S) e^{-A't} + S, AS + SA' = 2D."""
    a = np.asarray(drift, dtype=float)
    stationary = solve_continuous_lyapunov(a, 2 * np.asarray(diffusion, dtype=float))
    flow = expm(-time * a)
    return flow @ np.asarray(mean), flow @ (np.asarray(covariance) - stationary) @ flow.T + stationary


def gaussian(mean: npt.ArrayLike, covariance: npt.ArrayLike) -> Callable[[Array], Array]:
    """The normal density at points (n, d)."""
    m, c = np.atleast_1d(np.asarray(mean, dtype=float)), np.atleast_2d(np.asarray(covariance, dtype=float))
    inverse, scale = np.linalg.inv(c), 1.0 / np.sqrt(np.linalg.det(2 * np.pi * c))
    return lambda p: scale * np.exp(-0.5 * np.einsum("ni,ij,nj->n", p - m, inverse, p - m))


def exit_times_on_a_line(
    slope: Callable[[Array], Array],
    noise: Callable[[Array], Array],
    ends: tuple[float, float],
    starts: npt.ArrayLike,
    moments: int = 2,
) -> tuple[Array, Array]:
    """Moments (moments, starts) and variances (starts,) of the time to leave through the right end.

    D u'' - f' u' = -g has -u'(x) = integral up to x of (g/D)(y) exp(Phi(x) - Phi(y)) dy with Phi' = f'/D, and u is the
    integral of that from x to the exit: numbers of one sign only. g = 1 for the mean, k times the moment before for
    the k-th, and 2 D u'^2 for the variance.
    """
    nodes, weights = legendre.leggauss(ORDER)
    invert = np.linalg.inv(legendre.legvander(nodes, ORDER - 1))
    running = legendre.legval(nodes, legendre.legint(np.eye(ORDER), lbnd=-1)).T @ invert
    half = (ends[1] - ends[0]) / PANELS / 2
    edges = np.linspace(*ends, PANELS + 1)
    x = edges[:-1, None] + half * (nodes + 1)
    d, steepness = noise(x), half * slope(x) / noise(x)
    phi, rise = steepness @ running.T, steepness @ weights

    def inverse(g: Array) -> tuple[Array, Array]:
        inflow = half * np.exp(-phi) * g / d
        carried, fresh = np.zeros(PANELS), inflow @ weights
        for i in range(PANELS - 1):
            carried[i + 1] = np.exp(rise[i]) * (carried[i] + fresh[i])
        fall = np.exp(phi) * (carried[:, None] + inflow @ running.T)
        beyond = np.append(np.cumsum((half * fall @ weights)[::-1])[::-1], 0.0)
        return beyond[:-1, None] - half * fall @ running.T, fall

    first, fall = inverse(np.ones_like(x))
    found = [first]
    for k in range(2, moments + 1):
        found.append(inverse(k * found[-1])[0])
    found.append(inverse(2 * d * fall**2)[0])
    panel = np.clip(np.searchsorted(edges, starts, side="right") - 1, 0, PANELS - 1)
    basis = legendre.legvander((np.asarray(starts) - edges[panel]) / half - 1, ORDER - 1) @ invert
    values = np.array([(basis * values[panel]).sum(axis=1) for values in found])
    return values[:-1], values[-1]


def mass_on_a_line(potential: Callable[[Array], Array], part: tuple[float, float]) -> float:
    """Integral of exp(-potential)."""
    nodes, weights = legendre.leggauss(ORDER)
    half = (part[1] - part[0]) / PANELS / 2
    x = np.linspace(*part, PANELS + 1)[:-1, None] + half * (nodes + 1)
    return float((half * np.exp(-potential(x)) @ weights).sum())
