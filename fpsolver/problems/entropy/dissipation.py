"""Relative entropies, their slopes and what dissipates them, at points: functions of h = rho/pi given by log h.

    phi(h) = (h^p - 1 - p (h - 1))/(p - 1),   p -> 1: h log h - h + 1
    H = integral of pi phi(h),   I = integral of phi''(h) grad h . D grad h pi,   dH/dt = integral of phi'(h) d rho/dt

p = 1 is the Kullback-Leibler divergence (kl), p = 2 is chi2. Along every Fokker-Planck equation with a stationary
density and no flux through the walls dH/dt = -I, whether detailed balance holds or not and however degenerate D is: the
current of pi contributes integral of pi v . grad phi(h) with div(pi v) = 0, which vanishes.

Everything is formed from logarithms: where pi is e^-700 and rho e^-690, neither their quotient nor its powers are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

EXPONENTS = {"kl": 1.0, "chi2": 2.0}
"""p of the kinds that have no exponent of their own."""

NEAR = 0.05
"""Below this |log h| a series replaces differences of numbers near 1."""

TERMS = 12


@dataclass(frozen=True)
class Entropy:
    """One kind of relative entropy.

    Attributes:
        name: "kl", "chi2" or "power".
        exponent: p, from 1 to 2.
    """

    name: str
    exponent: float

    def density(self, log_ratio: Array, log_target: Array) -> Array:
        """Pi phi(h) >= 0, with relative accuracy near h = 1, from log h and log pi."""
        p = self.exponent
        target = np.exp(log_target)
        power = np.polynomial.polynomial.polyval(np.clip(log_ratio, -NEAR, NEAR), _series(p))
        density = np.exp(log_target + log_ratio)
        if p == 1.0:
            far = density * log_ratio - density + target
        else:
            far = (np.exp(log_target + p * log_ratio) - target - p * (density - target)) / (p - 1.0)
        return np.asarray(np.where(np.abs(log_ratio) <= NEAR, target * power, far))

    def slope(self, log_ratio: Array) -> Array:
        """Phi'(h)."""
        p = self.exponent
        return log_ratio if p == 1.0 else np.asarray(p * np.expm1((p - 1.0) * log_ratio) / (p - 1.0))

    def dissipation(self, log_ratio: Array, log_target: Array, square: Array) -> Array:
        """Phi''(h) grad h . D grad h pi, from square = grad log h . D grad log h."""
        p = self.exponent
        return np.asarray(p * np.exp(log_target + p * log_ratio) * square)

    def loss(self, log_before: Array, log_after: Array) -> Array:
        """Phi(b) - phi(a) - phi'(a) (b - a) >= 0: what a jump dissipates that takes h from a to b backward in time.

        It is a^p times the entropy of b/a, so nothing is subtracted.
        """
        return self.density(log_before - log_after, self.exponent * log_after)


def entropies(kinds: tuple[str, ...], power: float) -> tuple[Entropy, ...]:
    """The kinds that a case asks for."""
    return tuple(Entropy(kind, EXPONENTS.get(kind, power)) for kind in kinds)


def _series(p: float) -> list[float]:
    """Coefficients of phi(e^l) in powers of l: p (1 + p + ... + p^(n-2))/n! from n = 2."""
    return [0.0, 0.0] + [p * sum(p**i for i in range(n - 1)) / math.factorial(n) for n in range(2, TERMS)]
