"""What a model is to the rest of the program: the coefficients of the equation at given points.

    ∂ρ/∂t = -∇·J,   J = -(D∇ρ + aρ),   a = ∇f - extra + ∇·D,   (∇·D)_i = Σ_j ∂_j D_ij

D is the diffusion of the Itô equation dX = (-∇f + extra) dt + √(2D) dW; the term ∇·D belongs to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

type Array = NDArray[np.float64]
type Potential = Callable[[Array], tuple[Array, Array]]
"""Points (n, d) -> the potential (n,) and its gradient (n, d)."""


@dataclass(frozen=True)
class Coefficients:
    """Loss, drift and diffusion at n points of a d-dimensional domain.

    Attributes:
        loss: f, shape (n,).
        gradient: ∇f, shape (n, d), loss per length.
        extra: the part of the drift that is added to -∇f, shape (n, d), length per time.
        diffusion: D, shape (n, d, d), symmetric to the last bit, length² per time.
        divergence: ∇·D with (∇·D)_i = Σ_j ∂_j D_ij, shape (n, d), length per time.
    """

    loss: Array
    gradient: Array
    extra: Array
    diffusion: Array
    divergence: Array

    @property
    def advection(self) -> Array:
        """The vector a = ∇f - extra + ∇·D of the flux J = -(D∇ρ + aρ), shape (n, d)."""
        return self.gradient - self.extra + self.divergence


class Model(Protocol):
    """Vectorised coefficients: points in, numbers out; no mesh, no ranks, no state."""

    @property
    def dimension(self) -> int:
        """The number d of coordinates."""
        ...

    @property
    def constant_scalar_diffusion(self) -> float | None:
        """The number d where D = d I at all points (regularization included), None otherwise."""
        ...

    @property
    def gradient_drift(self) -> bool:
        """True if the drift is -∇f alone."""
        ...

    @property
    def potential(self) -> Potential | None:
        """-log of the stationary density, up to a constant, where a formula for it is known."""
        ...

    def __call__(self, points: Array) -> Coefficients:
        """All coefficients at the given points.

        Args:
            points: shape (n, d).
        """
        ...

    def loss(self, points: Array) -> Array:
        """f alone, shape (n,): cheaper than all coefficients."""
        ...
