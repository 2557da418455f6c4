"""Decay where noise is constant, perhaps singular: entropies with a metric P of their own in place of D.

For constant D and P > 0 with -(P Bᵀ + B P) >= 2 μ P for the Jacobian B of the drift at all points,

    |∇P_t u|²_P <= e^(-2μt) P_t |∇u|²_P,      |X_t - Y_t| <= e^(-μt) |X_0 - Y_0| in the norm z·P⁻¹z, with the same noise

whatever D is singular in. The same with the Jacobian of the reversed drift b* = -2D∇Ψ - b, where e^(-Ψ) is stationary,
gives for h = ρ/e^(-Ψ)

    S(t) = ∫ ρ ∇log h · P ∇log h <= e^(-2μt) S(0),      KL <= S/(2μ) if D <= P.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import solve_continuous_lyapunov

from fpsolver.model.coefficients import Array
from fpsolver.model.derivatives import Local
from fpsolver.model.field import SAME, Field
from fpsolver.model.metric import best_metric, contraction_rates, spectral_bound
from fpsolver.model.stated import stated

PARALLEL = 1e4
"""Eigenvectors whose matrix has a condition number above this are taken for those of a Jordan block."""

SHORT = 0.99
"""Of the exact rate, which a Jordan block attains up to a power of the time only."""

NOTHING = 1e-7
"""Relative to the size of the Jacobians in a box with sides 1."""

ROUNDS = 3


@dataclass(frozen=True)
class Contraction:
    """A metric in which the drift contracts.

    Attributes:
        rate: μ > 0; None where there is none.
        metric: P, (d, d).
        point: Where the rate is attained; None if it is the same everywhere. Without a rate, where it fails.
        why: Why there is no rate.
        defective: A Jordan block made the rate a little smaller than the slowest eigenvalue.
    """

    rate: float | None
    metric: Array | None
    point: Array | None
    why: str | None = None
    defective: bool = False


@dataclass(frozen=True)
class ModifiedEntropy:
    """The metric of an entropy that decays where the noise is constant.

    Attributes:
        contraction: μ and P, scaled so that D <= P with the least factor; or why there is none.
        drift: Whose Jacobians P belongs to: those of the ``reversed`` drift, of a ``reversible`` one, which is its own
            reversed, or ``own`` where the stationary density is not known.
        linear: The drift is linear.
        reached: Number of directions that the noise reaches; below d the stationary state is no density.
    """

    contraction: Contraction
    drift: str
    linear: bool
    reached: int


def modified_entropy(field: Field) -> ModifiedEntropy:
    """The fastest entropy with a constant metric, ∫ ρ ∇log h · P ∇log h."""
    if field.diffusion is None:
        return ModifiedEntropy(Contraction(None, None, None, "D depends on the point"), "own", False, field.dimension)
    count, noise = reached(field).shape[1], field.diffusion
    linear, known = field.jacobian, stated(field)
    drift = "own"
    if linear is not None and count == field.dimension and np.linalg.eigvals(linear).real.max() < 0.0:
        covariance = solve_continuous_lyapunov(linear, -2.0 * noise)
        backward = covariance @ linear.T @ np.linalg.inv(covariance)
        drift = "reversible" if np.abs(backward - linear).max() <= SAME * np.abs(linear).max() else "reversed"
        found = of_linear(linear if drift == "reversible" else backward)
    elif known == "current" and count == field.dimension:
        drift = "reversed"
        found = contraction_of(field, lambda at: -2.0 * noise @ at.hessian - at.jacobian)
    else:
        drift = "reversible" if known == "balance" else "own"
        found = contraction_of(field, lambda at: at.jacobian)
    if found.metric is not None and np.abs(noise).max() > 0.0:
        factor = float(np.linalg.eigvals(np.linalg.solve(found.metric, noise)).real.max())
        found = replace(found, metric=factor * found.metric)
    return ModifiedEntropy(found, drift, linear is not None, count)


def contraction_of(field: Field, jacobian: Callable[[Local], Array]) -> Contraction:
    """The constant metric in which a drift contracts fastest, given by its Jacobians at points."""
    values = jacobian(field.lattice)
    scaled = values * field.size / field.size[:, None]
    middle = len(values) // 2
    scale = float(np.abs(scaled).max())
    if not np.abs(scaled - scaled[middle]).max() > 10.0 * SAME * scale:
        linear = values[middle]
        return of_linear(np.where(np.abs(scaled[middle]) > SAME * scale, linear, 0.0))
    bound = spectral_bound(scaled)
    place = int(bound.argmin())
    if not bound[place] > 0.0:
        where = field.place(bound)
        grows = f"an eigenvalue of its Jacobian has the real part {max(-bound[place], 0.0):.4g}"
        return Contraction(None, None, where, f"the drift does not contract everywhere: {grows}")
    tried, unit = [np.eye(field.dimension)], field.size[:, None] * field.size
    if field.diffusion is not None and np.linalg.eigvalsh(field.diffusion)[0] > 0.0:
        tried.append(field.diffusion / unit)
    for _ in range(ROUNDS):
        metric = best_metric(scaled, [*tried, np.diag(field.size**-2.0)]) * unit
        found = field.lowest(lambda at, metric=metric: contraction_rates(metric, jacobian(at))[0])  # type: ignore[misc]
        if found.point is None or found.value >= contraction_rates(metric, values)[0].min() * (1.0 - 1e-6):
            break
        worst = jacobian(field.at(found.point[None])) * field.size / field.size[:, None]
        scaled = np.concatenate([scaled, worst])
    if not found.value > 0.0:
        return Contraction(None, None, found.point, "no constant metric was found in which the drift contracts")
    return Contraction(found.value, metric, found.point)


def of_linear(jacobian: Array) -> Contraction:
    """The same for a drift that is linear: P = Σ w wᴴ over the eigenvectors w of B, and μ = min Re λ(-B)."""
    values, vectors = np.linalg.eig(jacobian)
    rate = float(-values.real.max())
    if not rate > NOTHING * np.abs(jacobian).max():
        return Contraction(None, None, None, f"the drift has an eigenvalue of real part {max(-rate, 0.0):.4g}")
    if np.linalg.cond(vectors) < PARALLEL:
        return Contraction(rate, np.asarray((vectors @ vectors.conj().T).real), None)
    metric = solve_continuous_lyapunov(jacobian + SHORT * rate * np.eye(len(jacobian)), -rate * np.eye(len(jacobian)))
    return Contraction(SHORT * rate, (metric + metric.T) / 2.0, None, defective=True)


def reached(field: Field) -> Array:
    """An orthonormal basis, (d, r), of the directions that constant noise reaches with the help of the drift.

    The smallest subspace that has the range of D in it and that all Jacobians map into itself. For a linear drift its
    dimension is Kalman's rank of [D, BD, …, B^(d-1) D]. If it is not everything, nothing random ever enters the rest.
    """
    assert field.diffusion is not None
    d = field.dimension
    scaled = field.lattice.jacobian * field.size / field.size[:, None]
    noise = field.diffusion / (field.size[:, None] * field.size)
    values, vectors = np.linalg.eigh(noise)
    basis = vectors[:, values > 1e-12 * values[-1]]
    tolerance = (NOTHING * np.abs(scaled).max(initial=0.0)) ** 2
    while 0 < basis.shape[1] < d:
        left = np.eye(d) - basis @ basis.T
        moved = np.einsum("ij,njk,kl->nil", left, scaled, basis)
        spread = np.einsum("nil,njl->ij", moved, moved) / len(moved)  # its range is what they span
        values, vectors = np.linalg.eigh(spread)
        new = vectors[:, values > tolerance]
        if not new.shape[1]:
            break
        basis = np.linalg.qr(np.concatenate([basis, left @ new], axis=1))[0]
    return np.linalg.qr(field.size[:, None] * basis)[0]
