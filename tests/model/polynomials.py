"""Polynomials in two variables as arrays of coefficients c[i, j] of x^i y^j: an exact algebra beside differences."""

from __future__ import annotations

from itertools import combinations_with_replacement, product

import numpy as np
from numpy.polynomial import polynomial
from scipy.signal import convolve2d

from fpsolver.model import Array

X, Y = np.array([[0.0], [1.0]]), np.array([[0.0, 1.0]])


def plus(*terms: Array) -> Array:
    """Their sum."""
    shape = tuple(np.max([term.shape for term in terms], axis=0))
    total = np.zeros(shape)
    for term in terms:
        total[: term.shape[0], : term.shape[1]] += term
    return total


def times(one: Array, two: Array) -> Array:
    """Their product."""
    return np.asarray(convolve2d(one, two))


def along(axis: int, term: Array) -> Array:
    """The derivative in x (0) or y (1)."""
    return np.asarray(polynomial.polyder(term, axis=axis))


def at(point: Array, term: Array) -> float:
    """The value at a point."""
    return float(polynomial.polyval2d(point[0], point[1], term))


def text(term: Array) -> str:
    """As an expression of a case file."""
    return " + ".join(f"({float(c)!r})*x**{i}*y**{j}" for (i, j), c in np.ndenumerate(term) if c) or "0"


class Operator:
    """L u = D:∇²u + b·∇u with polynomial coefficients, and what Γ and Γ₂ are by their definitions."""

    def __init__(self, drift: list[Array], diffusion: list[list[Array]]) -> None:
        self.drift, self.diffusion = drift, diffusion

    def apply(self, u: Array) -> Array:
        """L u."""
        second = [times(self.diffusion[i][j], along(j, along(i, u))) for i, j in product(range(2), repeat=2)]
        return plus(*second, *[times(self.drift[i], along(i, u)) for i in range(2)])

    def carre_du_champ(self, u: Array, v: Array) -> Array:
        """Γ(u, v) = (L(uv) - u Lv - v Lu)/2."""
        product_rule = plus(self.apply(times(u, v)), -times(u, self.apply(v)), -times(v, self.apply(u)))
        return product_rule / 2.0

    def iterated(self, u: Array, v: Array) -> Array:
        """Γ₂(u, v) = (L Γ(u, v) - Γ(u, Lv) - Γ(v, Lu))/2."""
        gamma = self.carre_du_champ
        return plus(self.apply(gamma(u, v)), -gamma(u, self.apply(v)), -gamma(v, self.apply(u))) / 2.0

    def forms(self, point: Array) -> tuple[Array, Array]:
        """Γ₂ and Γ at a point as matrices over (∂₁u, ∂₂u, ∂₁∂₁u, ∂₁∂₂u, ∂₂∂₂u)."""
        dx, dy = plus(X, np.array([[-point[0]]])), plus(Y, np.array([[-point[1]]]))
        basis = [dx, dy, times(dx, dx) / 2.0, times(dx, dy), times(dy, dy) / 2.0]
        second, first = np.zeros((2, len(basis), len(basis)))
        for (i, u), (j, v) in combinations_with_replacement(enumerate(basis), 2):
            second[i, j] = second[j, i] = at(point, self.iterated(u, v))
            first[i, j] = first[j, i] = at(point, self.carre_du_champ(u, v))
        return second, first
