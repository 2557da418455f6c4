"""What Dynkin's formula says of the mass in a ball, from constants r and s with L V <= 2 (s - r V) in it.

V is the square of the distance from the centre, τ when a path leaves the ball V < R², q(t) the mass in it, p its mass
at the start, and M(t) the integral of V over it.

    E[V; τ > t] <= e^(-2rt) M(0) + p (s/r) (1 - e^(-2rt))
    M(t) <= e^(-2rt) M(0) + ∫ e^(-2r(t - u)) (2 s q(u) du + R² dq(u))                      (flux)
    P(τ <= t, starts inside) <= e^(-θR²) (E e^(θV) + C t p),   0 < θ < r/2δ,   C = sup L e^(θV)

The second one holds for all that is in the ball, whether it began there or came in, since what crosses the sphere has
V = R² and the noise pushes V outwards there: dM/dt <= 2 s q - 2 r M + R² dq/dt. With C = 2θs where θs <= a = r - 2θδ,
else 2a e^(θs/a - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TRIED = 40
"""Values of θ, as fractions of the largest."""

LARGEST = 50.0
"""Logarithms are cut here: no probability is bounded by e^50."""


def second_moment(times: Array, moment: float, mass: float, pairs: Array) -> Array:
    """The bound of E[V; τ > t] at times (n,), the best one of the pairs (k, 2): (n,)."""
    rate, noise = pairs.T
    left = np.exp(-2.0 * rate * times[:, None])
    bounds: Array = left * moment + mass * noise / rate * (1.0 - left)
    return np.asarray(bounds.min(axis=1))


def by_flux(before: Array, masses: tuple[float, float], step: float, pairs: Array, square: float) -> Array:
    """The bounds of M at the end of a step in time, one for each pair (k,).

    Only the masses at both ends are known. What is between them is taken to be such that the bound is largest: where
    the noise floor s/r is below R², what comes in does so at the end, and what leaves at the beginning.

    Args:
        before: The bounds at its beginning, (k,).
        masses: q at both ends.
        step: Its length.
        pairs: r and s, (k, 2).
        square: R².
    """
    rate, noise = pairs.T
    left = np.exp(-2.0 * rate * step)
    floor = noise / rate
    between = np.where(floor < square, min(masses), max(masses))
    found: Array = left * before + square * (masses[1] - left * masses[0]) + (floor - square) * (1.0 - left) * between
    return np.asarray(np.minimum(found, square * max(masses[1], 0.0)))


@dataclass(frozen=True)
class ExitLadder:
    """For several θ the logarithms of what bounds the probability to leave: e^(-θR²) E e^(θV), and e^(-θR²) C.

    Attributes:
        theta: (k,).
        growth: log C - θR², (k,).
        radius: R.
    """

    theta: Array
    growth: Array
    radius: float

    @classmethod
    def of(cls, pairs: Array, spread: float, radius: float) -> ExitLadder:
        """Of a ball with constants; empty where there is no noise.

        Args:
            pairs: r and s, (k, 2).
            spread: δ.
            radius: R.
        """
        if spread <= 0.0:
            return cls(np.zeros(0), np.zeros(0), radius)
        rate, noise = pairs.T[:, :, None]
        theta = rate / (2.0 * spread) * (np.arange(TRIED) + 0.5) / TRIED
        inner = rate - 2.0 * theta * spread
        with np.errstate(divide="ignore"):
            steep = np.log(2.0 * inner) + theta * noise / inner - 1.0
            growth = np.where(theta * noise <= inner, np.log(2.0 * theta * noise), steep)
        return cls(theta.ravel(), (growth - theta * radius**2).ravel(), radius)

    def probability(self, times: Array, starts: Array, mass: float) -> Array:
        """The bound of P(τ <= t, starts inside) at times (n,): (n,).

        Args:
            times: The times.
            starts: E exp(θ (V - R²)) over what starts inside, for each θ (k,).
            mass: What starts inside.
        """
        if not len(self.theta):
            return np.zeros_like(times)
        rates = np.exp(np.minimum(self.growth, LARGEST))
        return np.asarray(np.minimum((starts + mass * rates * times[:, None]).min(axis=1), mass))

    def log_time(self) -> float:
        """Logarithm of a lower bound of the mean time to leave the ball from its centre; infinite: it may never."""
        if not len(self.theta):
            return np.inf
        return float((np.log1p(-np.exp(-self.theta * self.radius**2)) - self.growth).max())


def time_to_gather(moment: float, mass: float, pairs: Array, within: float, share: float) -> float | None:
    """When at most a share of the mass that has stayed in the ball is farther than a distance from its centre.

    The first time at which E[V; τ > t] <= share mass within² by the bound; None: below the noise floor, never.
    """
    rate, noise = pairs.T
    floor, wanted, begin = noise / rate, share * within**2, moment / mass
    able = wanted > floor
    if not able.any():
        return None
    if begin <= wanted:
        return 0.0
    ratio = (begin - floor[able]) / (wanted - floor[able])
    return float((np.log(ratio) / (2.0 * rate[able])).min())
