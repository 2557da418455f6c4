"""A model whose noise and drift are multiplied by numbers: what a schedule makes of it at one time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fpsolver.model.coefficients import Array, Coefficients, Model, Potential


class ScaledModel:
    """D' = noise (D - ε I) + drift ε I, and the drift times a factor.

    Args:
        model: D and drift.
        noise: Factor of D without ε I, at least 0.
        drift: Factor of loss, extra drift and ε, at least 0.
        regularization: ε of the case, part of the model's D.
    """

    def __init__(self, model: Model, noise: float, drift: float, regularization: float = 0.0) -> None:
        self.dimension = model.dimension
        self.gradient_drift = model.gradient_drift
        self._model = model
        self._noise = noise
        self._drift = drift
        self._more = (drift - noise) * regularization
        scalar = model.constant_scalar_diffusion
        self.constant_scalar_diffusion = None if scalar is None else noise * scalar + self._more
        self.potential = self._potential(model, scalar)

    def _potential(self, model: Model, scalar: float | None) -> Potential | None:
        """That of the model over the factor by which D has grown against the drift, where D grows by one factor."""
        given = model.potential
        if given is None or self._drift <= 0.0:
            return None
        if scalar is not None and scalar > 0.0:
            assert self.constant_scalar_diffusion is not None
            ratio = self.constant_scalar_diffusion / scalar / self._drift
        elif self._more == 0.0:
            ratio = self._noise / self._drift
        else:
            return None
        if ratio <= 0.0:
            return None

        def potential(points: Array) -> tuple[Array, Array]:
            value, gradient = given(points)
            return value / ratio, gradient / ratio

        return potential

    def loss(self, points: Array) -> Array:
        """The loss times the factor of the drift, shape (n,)."""
        return self._drift * self._model.loss(points)

    def __call__(self, points: Array) -> Coefficients:
        """All coefficients at points (n, d)."""
        found = self._model(points)
        return Coefficients(
            self._drift * found.loss,
            self._drift * found.gradient,
            self._drift * found.extra,
            self._noise * found.diffusion + self._more * np.eye(self.dimension),
            self._noise * found.divergence,
        )


def noise_and_drift(coefficients: Coefficients, regularization: float) -> tuple[Coefficients, Coefficients]:
    """The part of the coefficients that the factor of the noise multiplies, and the rest; their sum is the whole."""
    added = regularization * np.eye(coefficients.diffusion.shape[1])
    nothing = np.zeros_like(coefficients.gradient)
    noise = replace(
        coefficients,
        loss=np.zeros_like(coefficients.loss),
        gradient=nothing,
        extra=nothing,
        diffusion=coefficients.diffusion - added,
    )
    drift = replace(
        coefficients, diffusion=np.broadcast_to(added, coefficients.diffusion.shape).copy(), divergence=nothing
    )
    return noise, drift
