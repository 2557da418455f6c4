"""A case as a few thousand points show it, without a mesh: drift, noise, and how high each point lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.advice.inertial import inertial_fields
from fpsolver.case.fields import at_points, diffusion_fields, loss_fields, value
from fpsolver.case.inertia import Momentum
from fpsolver.case.sampling import lattice_points, random_points
from fpsolver.case.sections import Case, Data, Domain

Array = NDArray[np.float64]

LATTICE = {1: 801, 2: 49, 3: 15}  # points along each coordinate
FEWER = {1: 401, 2: 31, 3: 11}  # where every row of the data has to be gone through
ROWS = 200  # rows of data that show what all of them do
RANDOM = 1000


@dataclass(frozen=True)
class Picture:
    """What n points show.

    Attributes:
        points: (n, d).
        drift: a = grad f - extra + div D, (n, d).
        jacobian: Of grad f - extra, (n, d, d).
        largest: Largest eigenvalue of D, (n,).
        potential: -log of the stationary density above its lowest value, in nats, (n,); None where no formula says.
        slope: Its gradient, (n, d); a over the largest eigenvalue of D where no formula says.
    """

    points: Array
    drift: Array
    jacobian: Array
    largest: Array
    potential: Array | None
    slope: Array

    def carries(self, nats: float) -> NDArray[np.bool_]:
        """The points that lie at most so many nats above the lowest; all where no potential is known."""
        if self.potential is None:
            return np.ones(len(self.points), dtype=bool)
        return np.asarray(self.potential <= nats)

    def steepness(self, sizes: Array, nats: float) -> Array:
        """Nats across the cell around each point, (n,); 0 for cells that lie higher than so many nats everywhere.

        Args:
            sizes: Of the cells along each coordinate, (d,).
            nats: Cells that reach down to them count, however small the set is that lies so low.
        """
        across = np.asarray(np.abs(self.slope) @ sizes)
        if self.potential is None:
            return across
        within = np.minimum(across, 2.0 * self.potential)  # it cannot fall below the lowest point
        return np.where(self.potential - across <= nats, within, 0.0)

    @property
    def noise(self) -> float:
        """The noise where mass is."""
        return float(np.median(self.largest[self.carries(3.0)]))


def picture(case: Case, domain: Domain | None = None) -> Picture | None:
    """What points of a domain (of the case itself if none is given) show.

    None where there is no drift or no noise, or a user's class gives them, which only a run may load.
    """
    domain = domain or case.domain
    if not shown_by_formulas(case):
        return None
    count, more = (LATTICE, RANDOM) if case.data is None else (FEWER, RANDOM // 4)
    points = np.concatenate([lattice_points(domain, count[domain.dimension]), random_points(domain, more)])
    with np.errstate(all="ignore"):
        return _seen(case, points)


def shown_by_formulas(case: Case) -> bool:
    """Whether drift and noise are known before a run."""
    if case.loss is not None and case.loss.kind == "python":
        return False
    return case.loss is not None or case.drift is not None


def _seen(case: Case, points: Array) -> Picture | None:
    fields = _overdamped(case, points) if case.momentum is None else _with_momentum(case, case.momentum, points)
    drift, jacobian, tensor, potential, slope = fields
    largest = _largest(tensor)
    good = np.isfinite(drift).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2)) & np.isfinite(largest)
    if potential is not None:
        good &= np.isfinite(potential)
    if not good.any() or not largest[good].max() > 0:
        return None
    if slope is None:
        slope = drift / np.where(largest > 0, largest, np.inf)[:, None]
        if case.dimension == 1 and good.all() and (largest > 0).all():
            potential = _integrated(points, slope)
    heights = None if potential is None else potential[good] - potential[good].min()
    return Picture(points[good], drift[good], jacobian[good], largest[good], heights, slope[good])


Fields = tuple[Array, Array, Array, Array | None, Array | None]
"""Drift, its Jacobian, D, the potential and its gradient where a formula gives them."""


def _overdamped(case: Case, points: Array) -> Fields:
    names, d = case.coordinates, case.dimension
    loss = None if case.loss is None else loss_fields(case.loss, thinned(case.data), names, points)
    drift = np.zeros((len(points), d)) if loss is None else loss.gradient
    jacobian = np.zeros((len(points), d, d)) if loss is None else loss.hessian
    if case.drift is not None:
        drift = drift - at_points(case.drift, names, points).T
        slopes = [extra.derivative(name) for extra in case.drift for name in names]
        jacobian = jacobian - at_points(slopes, names, points).T.reshape(-1, d, d)
    tensor, divergence = diffusion_fields(case.noise, loss, names, points)
    given, scalar = case.noise.potential, constant_scalar(case)
    if given is not None:
        potential = value(given, names, points)
        slope = at_points([given.derivative(name) for name in names], names, points).T
        return drift + divergence, jacobian, tensor, potential, slope
    if loss is not None and scalar is not None:
        return drift + divergence, jacobian, tensor, loss.value / scalar, loss.gradient / scalar
    return drift + divergence, jacobian, tensor, None, None


def _with_momentum(case: Case, momentum: Momentum, points: Array) -> Fields:
    assert case.loss is not None
    m = len(momentum.positions)
    loss = loss_fields(case.loss, thinned(case.data), momentum.positions, points[:, :m])
    drift, jacobian, tensor, noise = inertial_fields(case, momentum, loss, points)
    if constant_scalar(case) is None:
        return drift, jacobian, tensor, None, None
    cold = momentum.friction / noise[:, 0, 0]
    energy = loss.value + (points[:, m:] ** 2).sum(axis=1) / 2.0
    slope = np.concatenate([loss.gradient, points[:, m:]], axis=1) * cold[:, None]
    return drift, jacobian, tensor, energy * cold, slope


def _integrated(points: Array, slope: Array) -> Array:
    """integral of a/D from the lowest point on, in one dimension: (n,)."""
    order = np.argsort(points[:, 0], kind="stable")
    steps = np.diff(points[order, 0]) * (slope[order[1:], 0] + slope[order[:-1], 0]) / 2.0
    height = np.empty(len(points))
    height[order] = np.append(0.0, np.cumsum(np.nan_to_num(steps)))
    return height - height.min()


def _largest(tensors: Array) -> Array:
    """Largest eigenvalue of each (n, d, d), nan where a tensor is not finite."""
    finite = np.isfinite(tensors).all(axis=(1, 2))
    values = np.linalg.eigvalsh(np.where(finite[:, None, None], tensors, 0.0))[:, -1]
    return np.where(finite, values, np.nan)


def constant_scalar(case: Case) -> float | None:
    """d where D = d I with one number d > 0 and the drift is a gradient: then -log of the stationary density is f/d."""
    matrix = case.noise.diffusion if case.noise.kind == "diffusion" else case.noise.covariance
    if case.drift is not None or not isinstance(matrix, tuple) or case.noise.shape != "scalar":
        return None
    number = matrix[0][0].value
    scalar = None if number is None else case.noise.scale * number + case.noise.regularization
    return scalar if scalar is not None and scalar > 0 else None


def thinned(data: Data | None) -> Data | None:
    """A few rows of the data, the same in every run."""
    if data is None or data.samples <= ROWS:
        return data
    rows = np.random.default_rng(20011).choice(data.samples, ROWS, replace=False)
    return replace(data, columns={name: column[rows] for name, column in data.columns.items()})
