"""What ``[momentum]`` says, and how the dynamics of a learning rate with momentum scale."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Momentum:
    """SGD with momentum, or a particle with friction: positions x and velocities v.

        v_{k+1} = μ v_k - η g_k,  x_{k+1} = x_k + v_{k+1}            (heavy ball)
        dx = v dt,  dv = -(γ v + ∇f - extra) dt + √(2 D) dW,         γ = (1 - μ)/√η,  D = √η/(2B) Σ + ε I

    with the velocity in units of √η, so that x moves by v√η in a step, and √η of time per step.

    Attributes:
        positions: Names of the coordinates that are positions; the others are their velocities.
        friction: γ.
        coefficient: μ; None where the friction was given itself.
    """

    positions: tuple[str, ...]
    friction: float
    coefficient: float | None


def friction_of(coefficient: float, learning_rate: float) -> float:
    """γ = (1 - μ)/√η: what a step takes from the velocity, per time."""
    return (1.0 - coefficient) / math.sqrt(learning_rate)


def step_time(learning_rate: float, momentum: Momentum | None) -> float:
    """The time that passes in one step of SGD: η, or √η with momentum."""
    return learning_rate if momentum is None else math.sqrt(learning_rate)
