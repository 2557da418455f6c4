"""SGD with momentum, or a particle with friction: positions x, and their velocities v, in a loss of the positions.

    dx = v dt,    dv = (-γ v - ∇f + extra) dt + √(2 D(x)) dW

Heavy ball, v_{k+1} = μ v_k - η g_k and x_{k+1} = x_k + v_{k+1}, is a step of size √η of it with v_k/√η as velocity:

    γ = (1 - μ)/√η,    D = √η/(2B) Σ + ε I,    time = √η · iterations

because the noise of a step, √η (g - ∇f), has the covariance η Σ/B = 2 D √η. The first order of Li, Tai and E (2019).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fpsolver.case import Box, Case
from fpsolver.errors import BadUsage
from fpsolver.model.coefficients import Array, Coefficients, Model, Potential


class MomentumModel:
    """The model of a case with [momentum].

    Its loss is the energy H = f(x) + |v|²/2, whose minima are those of f at rest, and what the drift has beside -∇H is
    its extra drift: (v + ∇f, extra - ∇f - γ v + v). With one number D in all directions and no extra drift,
    e^(-γ H/D) is stationary.

    Args:
        case: The case.
        build: From a case over the positions alone, whose D is that of the velocities, to its model.
    """

    gradient_drift = False
    constant_scalar_diffusion: float | None = None  # the positions have no noise

    def __init__(self, case: Case, build: Callable[[Case], Model]) -> None:
        if case.momentum is None:
            raise BadUsage("momentum: the case has none; write [momentum] with coefficient = 0.9")
        self.dimension = case.dimension
        self._friction = case.momentum.friction
        self.positions = build(at_rest(case))
        self._count = self.positions.dimension
        self.potential = self._gibbs()

    def _gibbs(self) -> Potential | None:
        noise = self.positions.constant_scalar_diffusion
        if not self.positions.gradient_drift or noise is None or noise <= 0.0:
            return None
        cold = self._friction / noise

        def potential(points: Array) -> tuple[Array, Array]:
            found = self.positions(points[:, : self._count])
            return cold * self._energy(found.loss, points), cold * self._slope(found.gradient, points)

        return potential

    def loss(self, points: Array) -> Array:
        """The energy H at points (n, 2m), shape (n,)."""
        return self._energy(self.positions.loss(points[:, : self._count]), points)

    def __call__(self, points: Array) -> Coefficients:
        """All coefficients at points (n, 2m): positions, then velocities."""
        m = self._count
        found, speed = self.positions(points[:, :m]), points[:, m:]
        force = found.extra - found.gradient
        diffusion = np.zeros((len(points), 2 * m, 2 * m))
        diffusion[:, m:, m:] = found.diffusion
        return Coefficients(
            self._energy(found.loss, points),
            self._slope(found.gradient, points),
            np.concatenate([speed + found.gradient, force + (1.0 - self._friction) * speed], axis=1),
            diffusion,
            np.zeros_like(points),  # D depends on the positions, and acts on the velocities
        )

    def _energy(self, loss: Array, points: Array) -> Array:
        return np.asarray(loss + 0.5 * (points[:, self._count :] ** 2).sum(axis=1))

    def _slope(self, gradient: Array, points: Array) -> Array:
        return np.concatenate([gradient, points[:, self._count :]], axis=1)


def at_rest(case: Case) -> Case:
    """The case over its positions alone, with the noise of the velocities; its domain is the box around them."""
    assert case.momentum is not None
    names, noise = case.momentum.positions, case.noise
    if noise.learning_rate is not None:
        noise = replace(noise, learning_rate=math.sqrt(noise.learning_rate))
    m = len(names)
    domain = Box(case.domain.lower[:m], case.domain.upper[:m], (1,) * m, names, "right")
    return replace(case, domain=domain, noise=noise, momentum=None)
