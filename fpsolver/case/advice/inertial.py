"""Drift and noise of a case with momentum at points: positions x and their velocities v.

a = (-v, gamma v + grad f - extra),   D = noise on the velocities alone,   Psi = gamma (f + v^2/2)/D for a constant D
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.fields import LossFields, at_points, diffusion_fields
from fpsolver.case.inertia import Momentum
from fpsolver.case.sections import Case

Array = NDArray[np.float64]


def inertial_fields(
    case: Case, momentum: Momentum, loss: LossFields, points: Array
) -> tuple[Array, Array, Array, Array]:
    """Drift (n, 2m), its Jacobian, D (n, 2m, 2m), and (n, m, m) the noise on the velocities.

    Args:
        case: With momentum.
        momentum: Its section.
        loss: At the positions.
        points: Positions and velocities, (n, 2m).
    """
    m = len(momentum.positions)
    here, speed = points[:, :m], points[:, m:]
    force, bend = loss.gradient, loss.hessian
    if case.drift is not None:
        names = momentum.positions
        force = force - at_points(case.drift, names, here).T
        slopes = [extra.derivative(name) for extra in case.drift for name in names]
        bend = bend - at_points(slopes, names, here).T.reshape(-1, m, m)
    noise, _ = diffusion_fields(case.noise, loss, momentum.positions, here)
    if case.noise.learning_rate is not None:  # D = sqrt(eta)/(2B) covariance + epsilon I
        epsilon = case.noise.regularization * np.eye(m)
        noise = (noise - epsilon) / math.sqrt(case.noise.learning_rate) + epsilon
    drift = np.concatenate([-speed, momentum.friction * speed + force], axis=1)
    jacobian = np.zeros((len(points), 2 * m, 2 * m))
    jacobian[:, :m, m:] = -np.eye(m)
    jacobian[:, m:, :m] = bend
    jacobian[:, m:, m:] = momentum.friction * np.eye(m)
    tensor = np.zeros_like(jacobian)
    tensor[:, m:, m:] = noise
    return drift, jacobian, tensor, noise
