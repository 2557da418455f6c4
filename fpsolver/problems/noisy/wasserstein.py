"""How far mass has to be carried to turn one density into another: Wasserstein distances of point clouds.

W1 is a norm of the difference, so only what differs is carried. In one dimension

    W1 = integral of |F - G|,      W2^2 = integral of |F^-1 - G^-1|^2

with the cumulative functions. In more dimensions the signed difference is put on the corners of boxes that are halved
where it is large, with the weights of multilinear interpolation, which keep its mass and its mean, and carried from
corner to corner by the network simplex of POT (Flamary et al. 2021), which is exact. For every function phi that is
Lipschitz with constant 1, |phi - I phi| at a point is at most the mean distance r to the corners of its box, so

    |W1 - W1 of the corners| <= integral of r d|difference|

which is far more than the error: I phi is of second order where phi is smooth.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.errors import SolverFailed
from fpsolver.runtime import on_root

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BOXES = (225, 900, 1800)
"""So many boxes; each number is compared with the one before, and the last is for thin layers along curves."""

ROUGH = 0.05
"""Relative error from where on more boxes are taken."""

SHARE = 0.06
"""Of the bound that is taken to be error: on layers and peaks of known distance the error was a share of up to 0.06."""

FINER = 0.7
"""The threshold above which boxes are halved falls by this factor."""

DEEPEST = 40
"""No side is halved more often."""

NEGLIGIBLE = 1e-14
"""Differences smaller than this, relative to the largest one, are left out."""

STEPS = 20_000_000


@dataclass(frozen=True)
class Distance:
    """Between two densities.

    Attributes:
        first: W1, in the unit of length.
        error: Estimate of what boxes and points make of it.
        bound: The error of W1 is at most this, apart from the quadrature.
        second: Upper bound of W2, exact in one dimension: what carrying the difference costs in squares.
    """

    first: float
    error: float
    bound: float
    second: float


def wasserstein(comm: MPI.Comm, points: Array, one: Array, other: Array) -> Distance:
    """The distance of two clouds at the same points. Collective; the work is done on rank 0.

    Args:
        comm: All ranks.
        points: This rank's points, (n, d).
        one: Masses there, (n,); they may be slightly negative where a density is not resolved.
        other: Those of the other cloud, of the same total.

    Raises:
        SolverFailed: The network simplex gave up.
    """
    gathered = comm.gather((points, one, other))

    def found() -> Distance:
        assert gathered is not None
        x, first, second = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
        return _on_line(x[:, 0], first, second) if x.shape[1] == 1 else _in_space(x, first - second)

    return on_root(comm, found)


def gelbrich(mean: Array, covariance: Array, other_mean: Array, other_covariance: Array) -> float:
    """Lower bound of W2 by means (d,) and covariances (d, d); W2 itself between Gaussians (Gelbrich 1990).

    W2^2 >= |m - n|^2 + tr(S + T - 2 (S^(1/2) T S^(1/2))^(1/2))
    """
    root = _root(covariance)
    cross = _root(root @ other_covariance @ root)
    spread = np.trace(covariance) + np.trace(other_covariance) - 2.0 * np.trace(cross)
    return float(np.sqrt(((mean - other_mean) ** 2).sum() + max(float(spread), 0.0)))


def _root(matrix: Array) -> Array:
    """Square root of a symmetric positive matrix."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _on_line(x: Array, one: Array, other: Array) -> Distance:
    """By the cumulative functions, linear between the points; half of the mass of a point lies on either side of it."""
    order = np.argsort(x, kind="stable")
    x, one, other = x[order], one[order], other[order]
    below, other_below = np.cumsum(one) - one / 2.0, np.cumsum(other) - other / 2.0
    step = np.diff(x)

    def carried(every: int) -> float:
        rows = np.unique(np.append(np.arange(0, len(x), every), len(x) - 1))
        return float(_absolute((below - other_below)[rows], np.diff(x[rows])))

    first = carried(1)
    error = abs(first - carried(2))
    (share, places), (other_share, other_places) = _quantiles(below, x), _quantiles(other_below, x)
    levels = np.union1d(share, other_share)
    gap = np.interp(levels, share, places) - np.interp(levels, other_share, other_places)
    squares = (gap[:-1] ** 2 + gap[:-1] * gap[1:] + gap[1:] ** 2) / 3.0
    bound = float(np.abs(one - other) @ np.append(step, 0.0)) if len(step) else 0.0
    return Distance(first, error, bound, float(np.sqrt(np.diff(levels) @ squares)))


def _quantiles(below: Array, x: Array) -> tuple[Array, Array]:
    """Shares of the mass, ascending, and up to where each of them lies; gaps without mass are passed at once."""
    shares, first = np.unique(np.maximum.accumulate(np.round(below, 14)), return_index=True)
    return shares, x[first]


def _absolute(values: Array, step: Array) -> float:
    """Integral of |f| for an f that is linear between points."""
    a, b = values[:-1], values[1:]
    crossing = a * b < 0.0
    size = np.abs(a) + np.abs(b)
    part = np.where(crossing, (a**2 + b**2) / np.where(crossing, 2.0 * size, 1.0), size / 2.0)
    return float(step @ part)


def _in_space(points: Array, difference: Array) -> Distance:
    large = np.abs(difference) > NEGLIGIBLE * np.abs(difference).max(initial=0.0)
    if not large.any():
        return Distance(0.0, 0.0, 0.0, 0.0)
    points, difference = points[large], difference[large]
    before, _ = _Boxes(points, difference, BOXES[0]).carried()
    for count in BOXES[1:]:
        boxes = _Boxes(points, difference, count)
        first, squares = boxes.carried()
        found = Distance(first, abs(first - before) + SHARE * boxes.bound, boxes.bound, float(np.sqrt(squares)))
        if found.error <= ROUGH * first:
            break
        before = first
    return found


class _Boxes:
    """Boxes halved along one side at a time where the difference is large, and the difference on their corners.

    Args:
        points: (n, d).
        difference: Signed masses, (n,).
        count: About so many boxes.
    """

    def __init__(self, points: Array, difference: Array, count: int) -> None:
        d = points.shape[1]
        self._low = points.min(axis=0)
        extent = points.max(axis=0) - self._low
        self._side = np.where(extent > 0.0, extent, 1.0)
        self._unit = (points - self._low) / self._side
        self._size = np.abs(difference)
        self._place, self._depth = np.zeros((1, d), dtype=np.int64), np.zeros((1, d), dtype=np.int64)
        self._owner = np.zeros(len(points), dtype=np.int64)
        blur = self._halved(count)
        self.bound = float(blur.sum())
        self.corners, self.masses = self._on_corners(difference)

    def carried(self) -> tuple[float, float]:
        """What it costs to carry the positive part to the negative one, by distance and by its square."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it looks for packages that it does not need here
            import ot

        gains, losses = self.masses > 0.0, self.masses < 0.0
        up, down = self.masses[gains], -self.masses[losses]
        total = (up.sum() + down.sum()) / 2.0
        if not total > 0.0:
            return 0.0, 0.0
        costs = np.linalg.norm(self.corners[gains][:, None] - self.corners[losses], axis=2)
        plan, log = ot.emd(up / up.sum(), down / down.sum(), costs, numItermax=STEPS, log=True)
        if log["warning"] is not None:
            raise SolverFailed(f"transport: the network simplex gave up: {log['warning']}")
        return float(total * (plan * costs).sum()), float(total * (plan * costs**2).sum())

    def _inside(self, points: Ints) -> Array:
        """Coordinates of some points in their boxes, from 0 to 1: (k, d)."""
        own = self._owner[points]
        return np.asarray(np.clip(self._unit[points] * 2.0 ** self._depth[own] - self._place[own], 0.0, 1.0))

    def _blur(self, points: Ints) -> Array:
        """What some points add to the integral of the distance to the corners, by box and direction: (boxes, d)."""
        own = self._owner[points]
        t = self._inside(points)
        sizes = 2.0 * t * (1.0 - t) * self._side * 0.5 ** self._depth[own] * self._size[points, None]
        return np.stack([np.bincount(own, column, minlength=len(self._place)) for column in sizes.T], axis=1)

    def _halved(self, count: int) -> Array:
        """Halve boxes until there are enough; what is left of the blur, (boxes, d)."""
        blur = self._blur(np.arange(len(self._owner)))
        threshold = float(blur.max())
        while len(self._place) < count and threshold > 0.0:
            threshold *= FINER
            while (split := (blur.max(axis=1) > threshold) & (self._depth.max(axis=1) < DEEPEST)).any():
                blur = self._split(split, blur)
            if self._depth.max() >= DEEPEST:
                break
        return blur

    def _split(self, split: npt.NDArray[np.bool_], blur: Array) -> Array:
        """Halve the chosen boxes across their worst direction: the lower half stays, the upper one is new."""
        axis, chosen = blur.argmax(axis=1), np.flatnonzero(split)
        old = len(split)
        new = np.full(old, -1)
        new[chosen] = old + np.arange(len(chosen))
        self._place, self._depth = (np.vstack([part, part[chosen]]) for part in (self._place, self._depth))
        for rows in (chosen, new[chosen]):
            self._depth[rows, axis[chosen]] += 1
            self._place[rows, axis[chosen]] *= 2
        self._place[new[chosen], axis[chosen]] += 1
        points = np.flatnonzero(split[self._owner])
        own = self._owner[points]
        along = axis[own]
        edge = self._place[new[own], along] * 0.5 ** self._depth[own, along]
        self._owner[points] = np.where(self._unit[points, along] >= edge, new[own], own)
        fresh = self._blur(points)
        fresh[:old][~split] = blur[~split]
        return fresh

    def _on_corners(self, difference: Array) -> tuple[Array, Array]:
        """Corners that carry something, (k, d), and what they carry, (k,)."""
        boxes, d = self._place.shape
        t = self._inside(np.arange(len(self._owner)))
        deepest = self._depth.max(axis=0)
        places, masses = [], []
        for corner in np.ndindex(*(2,) * d):
            share = np.where(np.array(corner, dtype=bool), t, 1.0 - t).prod(axis=1)
            masses.append(np.bincount(self._owner, share * difference, minlength=boxes))
            places.append((self._place + np.array(corner)) << (deepest - self._depth))
        carried = np.concatenate(masses)
        used = carried != 0.0
        distinct, which = np.unique(np.concatenate(places)[used], axis=0, return_inverse=True)
        total = np.bincount(which.ravel(), carried[used], minlength=len(distinct))
        return self._low + self._side * distinct * 0.5**deepest, total
