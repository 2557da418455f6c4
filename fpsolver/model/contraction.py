"""Contraction in the Wasserstein distance, whatever D is singular in.

Two solutions with the same noise, from x and y, stay within E|X_t - Y_t|² <= e^(-2rt) |x - y|² if

    z·B(x)z + Σ_ij (z·∇σ_ij(x))² <= -r |z|²   at all points x and for all z,   σ = √D,  B_ij = ∂_j b_i

because d|X - Y|² = 2 (X - Y)·(b(X) - b(Y)) dt + 2 |σ(X) - σ(Y)|² dt + martingale, and differences are integrals along
the segment between X and Y. Hence W₂(ρ_t, π) <= e^(-rt) W₂(ρ_0, π). With λ for the first term alone and l for the
Lipschitz constant of σ in the Frobenius norm, r >= λ - l². Derivatives of the root solve σ ∂σ + ∂σ σ = ∂D.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsolver.model.coefficients import Array
from fpsolver.model.derivatives import Local
from fpsolver.model.field import Field

ZERO = 1e-9
"""Derivatives of D below this fraction of their size anywhere are zero where the root has no derivative."""


@dataclass(frozen=True)
class Coupling:
    """What two paths with the same noise do.

    Attributes:
        rate: r, may be negative; minus infinity where √D is not Lipschitz.
        point: Where it is attained; None if it is the same everywhere.
        monotone: λ, the lowest eigenvalue of the symmetric part of -B.
        rough: l², the square of the Lipschitz constant of √D; infinite where there is none.
    """

    rate: float
    point: Array | None
    monotone: float
    rough: float


def coupling(field: Field) -> Coupling:
    """The rates at which paths with the same noise approach each other in a domain."""
    monotone = field.lowest(lambda at: _lowest(_towards(at)))
    if field.diffusion is not None:
        return Coupling(monotone.value, monotone.point, monotone.value, 0.0)
    parting = Parting(field)
    rough = field.lowest(lambda at: _lowest(-parting(at)))
    if rough.value == -np.inf:
        return Coupling(-np.inf, rough.point, monotone.value, np.inf)
    both = field.lowest(lambda at: _lowest(_towards(at) - parting(at)))
    return Coupling(both.value, both.point, monotone.value, max(-rough.value, 0.0))


class Parting:
    """Σ_ij ∂_kσ_ij ∂_lσ_ij as (n, k, l): how fast the same noise parts two points."""

    def __init__(self, field: Field) -> None:
        self._slope = float(np.abs(field.lattice.slope).max(initial=0.0))

    def __call__(self, at: Local) -> Array:
        """The matrices at n points; infinite where the root has no derivative."""
        values, vectors = np.linalg.eigh(at.diffusion)
        root = np.sqrt(np.maximum(values, 0.0))
        slope = np.einsum("nia,nijk,njb->nabk", vectors, at.slope, vectors)
        sums = (root[:, :, None] + root[:, None, :])[..., None]
        slope = np.where((sums == 0.0) & (np.abs(slope) <= ZERO * self._slope), 0.0, slope)
        with np.errstate(divide="ignore"):
            derivative = np.where(slope == 0.0, 0.0, slope / np.where(slope == 0.0, 1.0, sums))
        found = np.einsum("nabk,nabl->nkl", derivative, np.where(np.isfinite(derivative), derivative, 0.0))
        return np.where(np.isfinite(derivative).all(axis=(1, 2, 3))[:, None, None], found, np.inf)


def _towards(at: Local) -> Array:
    """The symmetric part of -B, (n, d, d)."""
    return -(at.jacobian + at.jacobian.swapaxes(1, 2)) / 2.0


def _lowest(matrices: Array) -> Array:
    """Lowest eigenvalues, (n,); minus infinity where an entry is infinite."""
    sound = np.isfinite(matrices).all(axis=(1, 2))
    values = np.linalg.eigvalsh(np.where(sound[:, None, None], matrices, 0.0))[:, 0]
    return np.where(sound, values, np.where(np.isnan(matrices).any(axis=(1, 2)), np.nan, -np.inf))
