"""The model of a loss that is a mean over data: f, ∇f and the covariance of the gradients from the samples themselves.

With ℓ_i the loss of sample i, g_i = ∇ℓ_i, H_i = ∇²ℓ_i, ĝ_i = g_i - g and means over all N samples:

    f = mean ℓ_i,   g = ∇f = mean g_i,   Σ = mean ĝ_i ĝ_iᵀ,   ∇·Σ = mean(H_i ĝ_i + ĝ_i tr H_i)

    D = η/(2B) Σ + ε I      (batches of B drawn with replacement; without, Σ has the factor (N - B)/(N - 1))

In ∇·Σ the derivative of the mean in ĝ_i drops out, as mean ĝ_i = 0. Equal samples are merged and weighted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fpsolver.case import Case
from fpsolver.case.expressions import Program
from fpsolver.errors import BadUsage
from fpsolver.model.analytic import ExtraDrift, diffusion_matrix, diffusion_rate, gibbs_potential, known_potential
from fpsolver.model.coefficients import Array, Coefficients
from fpsolver.model.formulas import BLOCK, blocks, gradient, hessian

SAMPLES = 2**12
"""Samples per block: more than that are worked through in several, merged by the law of total covariance."""


@dataclass(frozen=True)
class Statistics:
    """Means over some samples of total weight ``weight`` at n points; all shapes as in Coefficients.

    Attributes:
        weight: share of all samples, in (0, 1].
        loss: mean ℓ, shape (n,).
        gradient: mean g, shape (n, d).
        hessian: mean H, shape (n, d, d).
        covariance: Σ, shape (n, d, d).
        divergence: ∇·Σ, shape (n, d).
    """

    weight: float
    loss: Array
    gradient: Array
    hessian: Array
    covariance: Array
    divergence: Array

    def merged(self, other: Statistics) -> Statistics:
        """Statistics of both sets of samples.

        With shares p + q = 1 and differences δ of the means: Σ = pΣ₁ + qΣ₂ + pq δg δgᵀ, and in the same way
        ∇·Σ = p(∇·Σ)₁ + q(∇·Σ)₂ + pq (δH δg + δg tr δH). Nothing large is subtracted.
        """
        weight = self.weight + other.weight
        p, q = self.weight / weight, other.weight / weight
        step, bend = other.gradient - self.gradient, other.hessian - self.hessian
        outer = step[:, :, None] * step[:, None, :]
        spread = np.einsum("njk,nk->nj", bend, step) + step * np.trace(bend, axis1=1, axis2=2)[:, None]
        return Statistics(
            weight,
            p * self.loss + q * other.loss,
            p * self.gradient + q * other.gradient,
            p * self.hessian + q * other.hessian,
            p * self.covariance + q * other.covariance + p * q * outer,
            p * self.divergence + q * other.divergence + p * q * spread,
        )


class SampleLoss:
    """ℓ with its exact derivatives, averaged over samples at many points.

    Args:
        case: a case with loss.per_sample and [data].
        block: entries of one temporary array (points x samples).
        samples: samples per block.
    """

    def __init__(self, case: Case, block: int = BLOCK, samples: int = SAMPLES) -> None:
        if case.loss is None or case.data is None:
            raise BadUsage("loss.per_sample: the mean over samples needs both; write loss.per_sample and [data]")
        self._coordinates = case.coordinates
        value = case.loss.expression
        slopes, bends = gradient(value, self._coordinates), hessian(value, self._coordinates)
        self._pairs = tuple(bends)
        self._value = Program([value])
        self._first = Program([value, *slopes])
        self._slopes = Program(slopes)
        self._second = Program([value, *slopes, *bends.values()])
        self._block = block
        self._samples = samples
        used = [name for name in case.data.columns if name in value.names]
        table = np.stack([case.data.columns[name] for name in used], axis=1) if used else np.zeros((1, 0))
        distinct, counts = np.unique(table, axis=0, return_counts=True)
        self._columns = dict(zip(used, np.ascontiguousarray(distinct.T), strict=True))
        self._weights = counts / counts.sum()

    def _parts(self, points: Array) -> Iterator[tuple[slice, dict[str, Array]]]:
        """Blocks of points, as slices and as columns (points, 1)."""
        width = min(len(self._weights), self._samples)
        for part in blocks(len(points), max(1, self._block // width)):
            yield part, dict(zip(self._coordinates, points[part].T[:, :, None], strict=True))

    def _batches(self, where: dict[str, Array]) -> Iterator[tuple[dict[str, Array], Array]]:
        """Blocks of samples at one block of points: the values of all names, and the weights."""
        for batch in blocks(len(self._weights), self._samples):
            columns = {name: column[None, batch] for name, column in self._columns.items()}
            yield where | columns, self._weights[batch]

    def value(self, points: Array) -> Array:
        """f at points (n, d), shape (n,)."""
        total = np.zeros(len(points))
        for part, where in self._parts(points):
            for values, weights in self._batches(where):
                total[part] += np.vecdot(self._value(values)[0], weights)
        return total

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """f (n,) and ∇f (n, d) at points (n, d)."""
        total = np.zeros((len(points), 1 + len(self._coordinates)))
        for part, where in self._parts(points):
            for values, weights in self._batches(where):
                for i, entry in enumerate(self._first(values)):
                    total[part, i] += np.vecdot(entry, weights)
        return total[:, 0], total[:, 1:]

    def spread(self, points: Array) -> tuple[Array, Array]:
        """∇f (n, d) and Σ (n, d, d) at points (n, d), without the second derivatives that ∇·Σ takes."""
        count, dimension = points.shape
        means, covariance = np.empty((count, dimension)), np.zeros((count, dimension, dimension))
        for part, where in self._parts(points):
            share, mean, spread = 0.0, np.zeros((1, dimension)), np.zeros((1, dimension, dimension))
            for values, weights in self._batches(where):
                slopes, more = self._slopes(values), float(weights.sum())
                there = np.stack([np.vecdot(slope, weights) for slope in slopes], axis=1) / more
                centred = [slope - there[:, j, None] for j, slope in enumerate(slopes)]
                step, p = there - mean, share / (share + more)
                spread = p * spread + p * (1.0 - p) * step[:, :, None] * step[:, None, :]
                for j, k in self._pairs:
                    entry = (1.0 - p) / more * np.vecdot(centred[j] * weights, centred[k])
                    spread[:, j, k] += entry
                    spread[:, k, j] += entry if j != k else 0.0
                mean, share = mean + (1.0 - p) * step, share + more
            means[part], covariance[part] = mean, spread
        return means, covariance

    @property
    def rows(self) -> int:
        """The number of different samples."""
        return len(self._weights)

    def statistics(self, points: Array) -> Statistics:
        """All means and the covariance at points (n, d), over all samples."""
        count, dimension = points.shape
        loss, gradients, divergence = np.empty(count), np.empty((count, dimension)), np.empty((count, dimension))
        hessians, covariance = (np.empty((count, dimension, dimension)) for _ in range(2))
        for part, where in self._parts(points):
            batches = [self._batch(values, weights) for values, weights in self._batches(where)]
            merged = batches[0]
            for batch in batches[1:]:
                merged = merged.merged(batch)
            loss[part], gradients[part], hessians[part] = merged.loss, merged.gradient, merged.hessian
            covariance[part], divergence[part] = merged.covariance, merged.divergence
        return Statistics(1.0, loss, gradients, hessians, covariance, divergence)

    def _batch(self, values: dict[str, Array], weights: Array) -> Statistics:
        """The same for one block of points and one block of samples."""
        dimension, weight = len(self._coordinates), float(weights.sum())
        weights = weights / weight
        loss, *entries = self._second(values)
        size, slopes, bends = len(loss), entries[:dimension], dict(zip(self._pairs, entries[dimension:], strict=True))
        means = np.stack([np.vecdot(slope, weights) for slope in slopes], axis=1)
        centred = [slope - means[:, j, None] for j, slope in enumerate(slopes)]
        weighted = [each * weights for each in centred]
        trace = sum((bends[j, j] for j in range(1, dimension)), start=bends[0, 0])
        hessians, covariance = np.empty((2, size, dimension, dimension))
        divergence = np.stack([np.vecdot(weighted[j], trace) for j in range(dimension)], axis=1)
        for (j, k), bend in bends.items():
            hessians[:, j, k] = hessians[:, k, j] = np.vecdot(bend, weights)
            covariance[:, j, k] = covariance[:, k, j] = np.vecdot(weighted[j], centred[k])
            divergence[:, j] += np.vecdot(bend, weighted[k])
            if j != k:
                divergence[:, k] += np.vecdot(bend, weighted[j])
        return Statistics(weight, np.vecdot(loss, weights), means, hessians, covariance, divergence)


class SampleModel:
    """Loss from samples; diffusion from their gradients, or from formulas where the case gives them.

    Args:
        case: a case with loss.per_sample and [data].
        block: entries of one temporary array (points x samples).
        samples: samples per block.
    """

    def __init__(self, case: Case, block: int = BLOCK, samples: int = SAMPLES) -> None:
        self.dimension = case.dimension
        self._loss = SampleLoss(case, block, samples)
        self._extra = ExtraDrift(case.drift, case.coordinates)
        from_samples = case.noise.covariance == "samples"
        self._matrix = None if from_samples else diffusion_matrix(case)
        self._rate = diffusion_rate(case) if from_samples else 0.0
        self._regularization = case.noise.regularization
        self.gradient_drift = self._extra.is_zero
        self.constant_scalar_diffusion = None if self._matrix is None else self._matrix.constant_scalar
        gibbs = gibbs_potential(self._loss, self.constant_scalar_diffusion) if self.gradient_drift else None
        self.potential = known_potential(case) or gibbs

    def loss(self, points: Array) -> Array:
        """f at points (n, d), shape (n,)."""
        return self._loss.value(points)

    def hessian(self, points: Array) -> Array:
        """∇²f, the mean of the H_i, at points (n, d), shape (n, d, d)."""
        return self._loss.statistics(points).hessian

    def __call__(self, points: Array) -> Coefficients:
        """All coefficients at points (n, d)."""
        extra = self._extra(points)
        if self._matrix is not None:
            return Coefficients(*self._loss(points), extra, *self._matrix(points))
        found = self._loss.statistics(points)
        diffusion = self._rate * found.covariance + self._regularization * np.eye(self.dimension)
        return Coefficients(found.loss, found.gradient, extra, diffusion, self._rate * found.divergence)
