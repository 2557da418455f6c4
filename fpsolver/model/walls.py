"""What reflecting walls mean for theorems on decay.

At a wall with outward normal n the process is pushed back along -Dn, and functions of it have n·D∇u = 0. Theorems that
hold without walls hold with them too if they are convex in the sense of the theorem. Edges and corners are limits of
smooth walls. Where a wall lacks what is needed, the statement is one about the process without walls, for which the
domain stands as long as next to no mass comes near them.
"""

from __future__ import annotations

import numpy as np

from fpsolver.model.coefficients import Array
from fpsolver.model.derivatives import Local
from fpsolver.model.field import Field

NOTHING = 1e-7
"""Forms below this fraction of their size are zero."""

SINGULAR = 1e-12
"""An eigenvalue of D below this fraction of the largest one is zero."""

HOLLOW = "the domain is not convex"
SINGULAR_WALLS = "walls push back along D n, which tells nothing where D is singular"
BULGING_WALLS = "noise changes along the walls so that they bulge inwards in the metric of its inverse"
OBLIQUE_WALLS = "walls push back along D n, which is not square to them in the norm"
PRESSED_WALLS = "the drift presses against walls where no noise is across them"


def bulging(field: Field) -> str | None:
    """Why a curvature of the process without walls need not be one of the process in the box; None if it is.

    On walls n·D∇Γ(u) <= 0 is needed for all u with n·D∇u = 0, that is

        p·(Σ_k (Dn)_k ∂_k D) p - 2 (Dp)·∇(n·D) p <= 0   for all p with n·Dp = 0:

    walls that are convex in the metric D⁻¹. Those of boxes and balls are for constant D > 0, and in one dimension; for
    D = d(x) I the form says that d does not grow towards the wall. (The bend of a convex wall only helps; it is left
    out.)
    """
    if field.dimension == 1:
        return None
    if not field.convex:
        return HOLLOW
    lowest, highest = np.linalg.eigvalsh(field.lattice.diffusion).T[[0, -1]]
    if (lowest <= SINGULAR * highest).all():
        return SINGULAR_WALLS
    if field.diffusion is not None:
        return None
    scale = float(np.abs(field.lattice.slope).max(initial=0.0))
    bulges = any((_bulge(normals, at) > NOTHING * scale).any() for normals, at in field.walls())
    return BULGING_WALLS if bulges else None


def oblique(field: Field, metric: Array | None = None) -> str | None:
    """Why two paths that reflect may part in the norm |z|² = z·P⁻¹z; None if they do not.

    For all x on a wall and y in the domain (x - y)·P⁻¹ D n >= 0 is needed: P⁻¹ D n is along n, or zero where the drift
    does not press against the wall.

    Args:
        field: The coefficients.
        metric: P, the identity unless given.
    """
    if not field.convex:
        return HOLLOW
    noise = float(np.abs(field.lattice.diffusion).max(initial=0.0))
    for normals, at in field.walls():
        push = np.einsum("nij,nj->ni", at.diffusion, normals)
        if metric is not None:
            push = np.linalg.solve(metric, push.T).T * np.trace(metric) / field.dimension
        outward = (push * normals).sum(axis=1)
        across = np.abs(push - outward[:, None] * normals).max(axis=1, initial=0.0)
        silent = np.abs(push).max(axis=1) <= SINGULAR * noise
        if (across[~silent] > NOTHING * outward[~silent]).any():
            return OBLIQUE_WALLS
        if ((at.drift * normals).sum(axis=1)[silent] > 0.0).any():
            return PRESSED_WALLS
    return None


def _bulge(normals: Array, at: Local) -> Array:
    """The largest value of the form on a wall for p·Dp = 1, (n,); minus infinity where D is singular."""
    raised = np.einsum("nij,nj->ni", at.diffusion, normals)
    form = np.einsum("nk,njlk->njl", raised, at.slope)
    form -= 2.0 * np.einsum("njk,nilk,ni->njl", at.diffusion, at.slope, normals)
    values, vectors = np.linalg.eigh(at.diffusion)
    sound = values[:, 0] > SINGULAR * values[:, -1]
    root = np.sqrt(np.where(sound[:, None], values, 1.0))
    white = vectors / root[:, None, :]
    normal = np.einsum("nia,ni->na", vectors, raised) / root  # D^(1/2) n as the basis of `white` sees it
    normal /= np.where(sound, np.linalg.norm(normal, axis=1), 1.0)[:, None]
    plane = np.eye(at.drift.shape[1]) - normal[:, :, None] * normal[:, None, :]
    seen = np.einsum("nia,nij,njb->nab", white, (form + form.swapaxes(1, 2)) / 2.0, white)
    return np.where(sound, np.linalg.eigvalsh(plane @ seen @ plane)[:, -1], -np.inf)
