"""The equation of SGD that is of second order in the learning rate η: gradient descent follows a loss that is changed.

    f̃ = f + η/4 |∇f|²,   ∇f̃ = ∇f + η/2 ∇²f ∇f,   the same noise

Weak order 2 (Li, Tai and E, 2017 and 2019): means over k steps of SGD and over the time kη differ by O(η²), where the
equation with f itself is off by O(η).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from fpsolver.model.analytic import gibbs_potential
from fpsolver.model.coefficients import Array, Coefficients, Model, Potential


class CurvedModel(Model, Protocol):
    """A model that knows how its loss bends."""

    def hessian(self, points: Array) -> Array:
        """∇²f at points (n, d), shape (n, d, d)."""
        ...


class SecondOrderModel:
    """A model whose drift is -∇f̃; its loss is f as before.

    Args:
        model: f and D, with the drift -∇f alone.
        rate: η.
        stated: -log of the stationary density where the case states it; None: e^(-f̃/d) for D = d I.

    Attributes:
        first_order: The model with the drift -∇f.
    """

    gradient_drift = True

    def __init__(self, model: CurvedModel, rate: float, stated: Potential | None) -> None:
        self.dimension = model.dimension
        self.constant_scalar_diffusion = model.constant_scalar_diffusion
        self.first_order, self._rate = model, rate
        self.potential = stated or gibbs_potential(self._modified, self.constant_scalar_diffusion)

    def _modified(self, points: Array) -> tuple[Array, Array]:
        """f̃ (n,) and ∇f̃ (n, d) at points (n, d)."""
        found = self.first_order(points)
        loss = found.loss + self._rate / 4.0 * np.vecdot(found.gradient, found.gradient)
        return loss, self._followed(points, found.gradient)

    def _followed(self, points: Array, gradient: Array) -> Array:
        """∇f̃ from ∇f."""
        bent = np.einsum("nij,nj->ni", self.first_order.hessian(points), gradient)
        return np.asarray(gradient + self._rate / 2.0 * bent)

    def loss(self, points: Array) -> Array:
        """f at points (n, d), shape (n,)."""
        return self.first_order.loss(points)

    def __call__(self, points: Array) -> Coefficients:
        """All coefficients at points (n, d): f, but ∇f̃."""
        found = self.first_order(points)
        return replace(found, gradient=self._followed(points, found.gradient))
