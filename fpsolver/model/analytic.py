"""The model of a case whose loss, drift and diffusion are formulas.

D = diffusion + ε I   or   D = η/(2B) · covariance + ε I
"""

from __future__ import annotations

import numpy as np

from fpsolver.case import Case
from fpsolver.case.expressions import Expression, constant_expression
from fpsolver.errors import BadUsage
from fpsolver.model.coefficients import Array, Coefficients, Potential
from fpsolver.model.formulas import Formulas, SymmetricMatrix, ValueAndGradient, hessian


class ExtraDrift:
    """The part of the drift that is not -∇f; zero where the case has none.

    Args:
        expressions: d expressions, or None.
        coordinates: the names of the d coordinates.
    """

    def __init__(self, expressions: tuple[Expression, ...] | None, coordinates: tuple[str, ...]) -> None:
        self._formulas = Formulas(expressions or (), coordinates)
        self._dimension = len(coordinates)
        self.is_zero = all(expression.value == 0.0 for expression in expressions or ())

    def __call__(self, points: Array) -> Array:
        """The drift at points (n, d), shape (n, d)."""
        if self.is_zero:
            return np.zeros((len(points), self._dimension))
        return self._formulas(points)


def diffusion_rate(case: Case) -> float:
    """What a gradient covariance is multiplied with to give D: η/(2B), times (N - B)/(N - 1) without replacement."""
    noise = case.noise
    if noise.learning_rate is None or noise.batch_size is None:
        raise BadUsage("noise: a covariance needs both a step and a batch; write learning_rate and batch_size")
    return noise.scale


def diffusion_matrix(case: Case) -> SymmetricMatrix:
    """D of a case that gives the diffusion, or the covariance of the gradients, as expressions.

    Raises:
        BadUsage: the covariance is to be taken from samples, which this loss does not have.
    """
    noise = case.noise
    if noise.diffusion is not None:
        return SymmetricMatrix(noise.diffusion, case.coordinates, regularization=noise.regularization)
    if noise.covariance is None or isinstance(noise.covariance, str):
        raise BadUsage(
            'noise.covariance: "samples" needs the gradients of samples, and the loss of this case has none; '
            "write loss.per_sample with [data], or a covariance as matrix of expressions"
        )
    return SymmetricMatrix(noise.covariance, case.coordinates, diffusion_rate(case), noise.regularization)


def known_potential(case: Case) -> Potential | None:
    """The potential that the case states (noise.potential), None where it states none."""
    if case.noise.potential is None:
        return None
    return ValueAndGradient(case.noise.potential, case.coordinates)


class AnalyticModel:
    """Loss, drift and diffusion from expressions, with exact derivatives.

    Args:
        case: a case with loss.expression, or with [drift] alone, which means f = 0.
    """

    def __init__(self, case: Case) -> None:
        self.dimension = case.dimension
        value = constant_expression(0.0) if case.loss is None else case.loss.expression
        self._loss = ValueAndGradient(value, case.coordinates)
        bends = hessian(value, case.coordinates)
        self._pairs, self._bends = tuple(bends), Formulas(tuple(bends.values()), case.coordinates)
        self._extra = ExtraDrift(case.drift, case.coordinates)
        self._diffusion = diffusion_matrix(case)
        self.gradient_drift = self._extra.is_zero
        self.constant_scalar_diffusion = self._diffusion.constant_scalar
        self.potential = known_potential(case) or self._gibbs()

    def _gibbs(self) -> Potential | None:
        """f/d, if the stationary density is proportional to e^{-f/d}."""
        return gibbs_potential(self._loss, self.constant_scalar_diffusion) if self.gradient_drift else None

    def loss(self, points: Array) -> Array:
        """f at points (n, d), shape (n,)."""
        return self._loss.value(points)

    def hessian(self, points: Array) -> Array:
        """∇²f at points (n, d), shape (n, d, d)."""
        found = np.empty((len(points), self.dimension, self.dimension))
        for (j, k), values in zip(self._pairs, self._bends(points).T, strict=True):
            found[:, j, k] = found[:, k, j] = values
        return found

    def __call__(self, points: Array) -> Coefficients:
        """All coefficients at points (n, d)."""
        loss, gradient = self._loss(points)
        diffusion, divergence = self._diffusion(points)
        return Coefficients(loss, gradient, self._extra(points), diffusion, divergence)


def gibbs_potential(loss: Potential, diffusion: float | None) -> Potential | None:
    """f/d and ∇f/d from f and ∇f, for D = d I with a constant d > 0; None otherwise."""
    if diffusion is None or diffusion <= 0.0:
        return None

    def potential(points: Array) -> tuple[Array, Array]:
        value, gradient = loss(points)
        return value / diffusion, gradient / diffusion

    return potential
