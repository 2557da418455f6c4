"""Whether the density e^(-Ψ) that a model states is stationary, and whether it has a current."""

from __future__ import annotations

from typing import Literal

import numpy as np

from fpsolver.model.field import Field

CLOSE = 1e-6
"""Relative; differences are better than that."""

type Stated = Literal["balance", "current"]


def stated(field: Field) -> Stated | None:
    """``balance`` if e^(-Ψ) is stationary without a current, ``current`` if with one, None if no such Ψ is stated.

    With J = e^(-Ψ) (b - ∇·D + D∇Ψ) = -e^(-Ψ) c it is stationary where ∇·c = c·∇Ψ. Walls are left out of account. For
    a D that depends on the point only balance is recognised.
    """
    if field.model.potential is None:
        return None
    at = field.lattice
    if not (np.isfinite(at.incline).all() and np.isfinite(at.hessian).all()):
        return None
    absorbed = np.einsum("nij,nj->ni", at.diffusion, at.incline)
    spread = np.einsum("nijj->ni", at.slope)
    c = spread - at.drift - absorbed
    size = max(float(np.abs(part).max(initial=0.0)) for part in (spread, at.drift, absorbed))
    if np.abs(c).max(initial=0.0) <= CLOSE * size:
        return "balance"
    if field.diffusion is None:
        return None
    traces = np.einsum("nii->n", at.jacobian), np.einsum("ij,nji->n", field.diffusion, at.hessian)
    terms = np.stack([*traces, np.einsum("ni,ni->n", c, at.incline)])
    scale = np.abs(c).max(axis=1) * np.abs(at.incline).max(axis=1) + np.abs(terms).sum(axis=0)
    close = np.abs(terms.sum(axis=0)) <= CLOSE * (scale + 1e-3 * float(scale.max()))
    return "current" if close.all() else None
