"""The curvature of Bakry and Émery: the largest κ with Γ₂(u) >= κ Γ(u) for all functions u at all points of a domain.

With L u = D:∇²u + b·∇u, p = ∇u, S = ∇²u and Γ(u) = p·Dp:

    Γ₂ = L Γ(u)/2 - Γ(u, Lu) = tr(DSDS) + A(p):S + p·Rp
    A(p)_jk = sym_jk Σ p_i (2 D_kl ∂_l D_ij - D_il ∂_l D_jk)
    R_ij    = sym_ij (D_kl ∂_k∂_l D_ij / 2 + b_k ∂_k D_ij / 2 - D_ik ∂_k b_j)

The least value over all S is p·Kp with K_ij = R_ij - tr(D⁻¹ A(e_i) D⁻¹ A(e_j))/4, and κ the lowest eigenvalue of
D^(-1/2) K D^(-1/2) anywhere. Where D is singular, A(p) has to map into the range of D, or Γ₂ has no lower bound; and
p·Kp must have one among the gradients p with the same Dp.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fpsolver.model.coefficients import Array
from fpsolver.model.derivatives import Local
from fpsolver.model.field import Field
from fpsolver.model.walls import bulging

SINGULAR = 1e-12
"""An eigenvalue of D below this fraction of the largest one is zero."""

NO_NOISE = 1e-28
"""D is zero where its largest eigenvalue is below this fraction of the largest anywhere."""

NOTHING = 1e-7
"""Terms below this fraction of their size anywhere are zero; differences know them better."""


@dataclass(frozen=True)
class Curvature:
    """The curvature over a domain.

    Attributes:
        value: κ, per time; minus infinity where there is none.
        point: Where it is attained, or where none exists; None if it is the same everywhere.
        why: Why it is minus infinity, or plus infinity; else None.
        walls: What the reflecting walls lack for the statement to hold for the process between them, and not only for
            the one without walls; None where they lack nothing.
        singular: D is singular everywhere.
    """

    value: float
    point: Array | None
    why: str | None
    walls: str | None
    singular: bool


def curvature(field: Field) -> Curvature:
    """The curvature of Bakry and Émery of a model in a domain."""
    pointwise = Pointwise(field)
    found = field.lowest(pointwise)
    singular = bool((pointwise.ranks(field.lattice.diffusion) < field.dimension).all())
    why = _why(field, found.value, found.point, singular)
    return Curvature(found.value, found.point, why, bulging(field), singular)


class Pointwise:
    """κ at points."""

    def __init__(self, field: Field) -> None:
        lattice = field.lattice
        self._noise = float(np.abs(lattice.diffusion).max(initial=0.0)) or 1.0
        size = float(field.size.min())
        self._bend = self._noise * max(float(np.abs(lattice.slope).max(initial=0.0)), self._noise / size)
        self._drift = self._noise * (
            float(np.abs(lattice.jacobian).max(initial=0.0))
            + float(np.abs(lattice.bend).max(initial=0.0))
            + float((np.abs(lattice.drift).max(initial=0.0) / self._noise) * np.abs(lattice.slope).max(initial=0.0))
        )

    def ranks(self, diffusion: Array) -> Array:
        """The rank of each D (n, d, d), (n,)."""
        values = np.linalg.eigvalsh(diffusion)
        top = values[:, -1:]
        return np.asarray(((values > SINGULAR * top) & (top > NO_NOISE * self._noise)).sum(axis=1))

    def __call__(self, at: Local) -> Array:
        """κ at n points, (n,); plus infinity where Γ vanishes and Γ₂ asks for nothing."""
        result = np.full(len(at.points), np.inf)
        ranks = self.ranks(at.diffusion)
        for rank in np.unique(ranks):
            chosen = np.flatnonzero(ranks == rank)
            result[chosen] = self._of_rank(at[chosen], int(rank))
        return result

    def _of_rank(self, at: Local, rank: int) -> Array:
        d = at.drift.shape[1]
        values, vectors = np.linalg.eigh(at.diffusion)
        null, white = vectors[..., : d - rank], vectors[..., d - rank :] / np.sqrt(values[:, None, d - rank :])
        a, r = _bilinear(at), _linear(at)
        inner = np.einsum("nja,nijk,nkb->niab", white, a, white)
        k = r - np.einsum("niab,njba->nij", inner, inner) / 4.0
        seen = _sandwich(white, k, white)
        if rank == d:
            return np.asarray(np.linalg.eigvalsh(seen)[:, 0])
        out = np.abs(np.einsum("nja,nijk->niak", null, a)).max(axis=(1, 2, 3), initial=0.0) > NOTHING * self._bend
        weights, directions = np.linalg.eigh(_sandwich(null, k, null))
        free = weights > NOTHING * self._drift
        out |= (weights < -NOTHING * self._drift).any(axis=1)
        across = np.abs(_sandwich(vectors[..., d - rank :], k, null @ directions)).max(axis=1, initial=0.0)
        out |= ((across > NOTHING * self._drift) & ~free).any(axis=1)
        along = _sandwich(white, k, null @ directions)
        if rank == 0:
            return np.where(out, -np.inf, np.inf)
        helped = np.where(free[:, None, :], along / np.where(free, weights, 1.0)[:, None, :], 0.0)
        seen -= np.einsum("nac,nbc->nab", helped, np.where(free[:, None, :], along, 0.0))
        return np.where(out, -np.inf, np.linalg.eigvalsh(seen)[:, 0])


def _bilinear(at: Local) -> Array:
    """A(e_i)_jk as (n, i, j, k)."""
    raised = np.einsum("nkl,nijl->nijk", at.diffusion, at.slope)  # D_kl ∂_l D_ij
    return np.asarray(raised + raised.swapaxes(2, 3) - np.einsum("njki->nijk", raised))


def _linear(at: Local) -> Array:
    """R_ij as (n, i, j)."""
    found = np.einsum("nkl,nijkl->nij", at.diffusion, at.bend) / 2.0
    found += np.einsum("nk,nijk->nij", at.drift, at.slope) / 2.0
    moved = np.einsum("nik,njk->nij", at.diffusion, at.jacobian)
    return np.asarray(found - (moved + moved.swapaxes(1, 2)) / 2.0)


def _sandwich(left: Array, middle: Array, right: Array) -> Array:
    return np.asarray(np.einsum("nia,nij,njb->nab", left, middle, right))


def _why(field: Field, value: float, point: Array | None, singular: bool) -> str | None:
    if np.isfinite(value):
        return None
    if value > 0.0:
        return "there is no noise at all"
    if field.diffusion is not None:
        return "the drift carries noise into directions that have none, as in kinetic dynamics"
    if singular:
        return "D is singular, and along with it its own change or the drift leads out of its range"
    return "it falls without bound towards a point where D becomes singular"
