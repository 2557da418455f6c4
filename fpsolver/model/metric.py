"""The constant metric P in which Jacobians contract most: the largest μ with -(P Bᵀ + B P) >= 2 μ P for all given B.

The set of those P > 0 is a convex cone for each μ, so μ is a quasiconcave function of P: the ellipsoid method finds its
supremum. At P, with the worst B and the eigenvector v that belongs to it, every better P' fulfils the linear inequality

    vᵀ (P' Bᵀ + B P') v + 2 μ vᵀ P' v < 0

which cuts the ellipsoid of candidates.
"""

from __future__ import annotations

import numpy as np

from fpsolver.model.coefficients import Array

ROUNDEST = 1e-4
"""The lowest eigenvalue of P over its trace: metrics flatter than that are of no use."""

STEPS = 4000
CLOSE = 1e-7
"""The search ends when no candidate can be better by more than this fraction of the size of the Jacobians."""

AT_ONCE = 12
"""So many Jacobians are added at a time to those that the search looks at."""

ROUNDS = 20


def contraction_rates(metric: Array, jacobians: Array) -> tuple[Array, Array]:
    """For each B the largest μ with -(P Bᵀ + B P) >= 2 μ P, (n,), and a vector v where both sides are equal, (n, d)."""
    inverse = np.linalg.inv(np.linalg.cholesky(metric))
    product = np.einsum("ij,njk,kl->nil", inverse, jacobians, np.linalg.inv(inverse))
    values, vectors = np.linalg.eigh(-(product + product.swapaxes(1, 2)) / 2.0)
    return values[:, 0], np.asarray(vectors[..., 0] @ inverse)


def spectral_bound(jacobians: Array) -> Array:
    """No metric contracts faster at B than its slowest eigenvalue: min Re λ(-B), (n,)."""
    return np.asarray(np.linalg.eigvals(-jacobians).real.min(axis=1))


def best_metric(jacobians: Array, first: list[Array]) -> Array:
    """The metric in which the slowest of many Jacobians (n, d, d) contracts fastest, of trace 1.

    Args:
        jacobians: B at many points.
        first: Metrics to try before the search.
    """
    metrics = [metric / np.trace(metric) for metric in first]
    best: Array = max(metrics, key=lambda metric: float(contraction_rates(metric, jacobians)[0].min()))
    bound = float(spectral_bound(jacobians).min())
    d = jacobians.shape[1]
    chosen = np.unique(np.concatenate([jacobians.reshape(-1, d * d).argmin(0), jacobians.reshape(-1, d * d).argmax(0)]))
    for _ in range(ROUNDS if d > 1 else 0):
        rates = contraction_rates(best, jacobians)[0]
        if rates.min() >= bound - CLOSE * abs(bound):
            break
        chosen = np.union1d(chosen, np.argsort(rates)[:AT_ONCE])
        found = _search(jacobians[chosen], best)
        promised = contraction_rates(found, jacobians[chosen])[0].min()
        kept = contraction_rates(found, jacobians)[0]
        if kept.min() > rates.min():
            best = found
        elif np.isin(np.argsort(kept)[:AT_ONCE], chosen).all():
            break
        if kept.min() >= promised - 10.0 * CLOSE * abs(promised):
            break
        chosen = np.union1d(chosen, np.argsort(kept)[:AT_ONCE])
    return best


def _search(jacobians: Array, start: Array) -> Array:
    """The ellipsoid method on symmetric matrices of trace 1."""
    d = jacobians.shape[1]
    basis = _traceless(d)
    count = len(basis)
    centre = np.einsum("kij,ij->k", basis, start - np.eye(d) / d)
    shape = np.eye(count) * (1.0 + float(np.linalg.norm(centre))) ** 2
    best, value = start, float(contraction_rates(start, jacobians)[0].min())
    scale = float(np.abs(jacobians).max())
    for _ in range(STEPS):
        metric = np.eye(d) / d + np.einsum("k,kij->ij", centre, basis)
        lowest, vectors = np.linalg.eigh(metric)
        if lowest[0] < ROUNDEST:
            cut, depth = scale * np.outer(vectors[:, 0], vectors[:, 0]), scale * (ROUNDEST - float(lowest[0]))
        else:
            rates, worst = contraction_rates(metric, jacobians)
            place = int(rates.argmin())
            if rates[place] > value:
                best, value = metric, float(rates[place])
            v, b = worst[place], jacobians[place]
            away = -(np.outer(v, v @ b) + np.outer(v @ b, v)) - 2.0 * value * np.outer(v, v)
            cut, depth = away, -float(np.einsum("ij,ij->", away, metric))
        slope = np.einsum("kij,ij->k", basis, cut)
        reach = float(np.sqrt(max(slope @ shape @ slope, 0.0)))
        if not reach - depth > CLOSE * scale:  # vᵀPv = 1: no candidate is better by more than half of this
            break
        alpha = max(depth, 0.0) / reach
        ahead = shape @ slope / reach
        centre = centre + (1.0 + count * alpha) / (count + 1.0) * ahead
        shrink = 2.0 * (1.0 + count * alpha) / ((count + 1.0) * (1.0 + alpha))
        shape = count**2 / (count**2 - 1.0) * (1.0 - alpha**2) * (shape - shrink * np.outer(ahead, ahead))
        shape = (shape + shape.T) / 2.0
    return best


def _traceless(d: int) -> Array:
    """An orthonormal basis of the symmetric matrices of trace zero."""
    basis = []
    for i in range(d):
        for j in range(i):
            entry = np.zeros((d, d))
            entry[i, j] = entry[j, i] = np.sqrt(0.5)
            basis.append(entry)
    for i in range(1, d):
        entry = np.diag([1.0] * i + [-float(i)] + [0.0] * (d - 1 - i))
        basis.append(entry / np.linalg.norm(entry))
    return np.array(basis)
