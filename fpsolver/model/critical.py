"""Critical points of the loss: where its gradient vanishes, how it bends there, and which minima lie below.

Candidates are the cells of a lattice in which every component of the gradient may change its sign. They are polished by
Newton's method, all at once; Hessians are central differences of the exact gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.model.coefficients import Array, Model
from fpsolver.wrapping import nearest, wrapped

type Bools = NDArray[np.bool_]

POINTS = {1: 2001, 2: 121, 3: 31}
"""Lattice points per direction, by dimension."""

SLACK = 0.25
"""A component counts as changing its sign if it would with values so much, of their range in the cell, beyond."""

MOST = 600
"""So many candidates are polished, those with the smallest gradient."""

NEWTON = 30
DESCENT = 600
STRIDES = 240
"""A step of descent is at most this part of the box, or half a cell of the lattice."""

DIFFERENCE = 6e-6
"""Step of the differences as a fraction of the box: the cube root of round-off."""

REACHED = 1e-8
"""Newton's method has arrived when its step is shorter than this fraction of the box."""

SAME = 1e-6
"""Points closer than this fraction of the box are one."""

FLAT = 1e-7
"""An eigenvalue of the Hessian below this fraction of the largest is zero: the point is not isolated, or degenerate."""

TIMES = 2.0 ** np.arange(24.0, -24.0, -1.0)
"""Lengths of a step of descent tried, in the time of the fastest direction."""


@dataclass(frozen=True)
class CriticalPoint:
    """A point where the gradient of the loss vanishes and the Hessian does not degenerate.

    Attributes:
        point: (d,).
        value: f there.
        hessian: (d, d).
        eigenvalues: Of the Hessian, ascending.
        vectors: Its eigenvectors, in columns.
        trace: tr D.
        minima: Positions in the list of all critical points: itself for a minimum; for a saddle of index 1 the minima
            that the two paths of steepest descent end at, none for those that end at a wall.
    """

    point: Array
    value: float
    hessian: Array
    eigenvalues: Array
    vectors: Array
    trace: float
    minima: tuple[int, ...] = ()

    @property
    def index(self) -> int:
        """Number of directions in which f falls."""
        return int((self.eigenvalues < 0.0).sum())

    @property
    def kind(self) -> str:
        """``minimum``, ``saddle`` or ``maximum``."""
        return {0: "minimum", len(self.point): "maximum"}.get(self.index, "saddle")


def critical_points(
    model: Model,
    lower: Sequence[float],
    upper: Sequence[float],
    inside: Callable[[Array], Bools] | None = None,
    periods: Sequence[float] = (),
) -> list[CriticalPoint]:
    """The isolated critical points of the loss in a box, by ascending loss.

    Args:
        model: Its loss; empty for one that is constant.
        lower: Lower corner of the box.
        upper: Upper corner.
        inside: Which points (n, d) count; None: all.
        periods: For each coordinate its period or infinity; empty: none is periodic.
    """
    slopes = Slopes(model, lower, upper, periods)
    with np.errstate(all="ignore"):
        found, hessians = slopes.zeros()
    if inside is not None and len(found):
        here = inside(found)
        found, hessians = found[here], hessians[here]
    if not len(found):
        return []
    values, vectors = np.linalg.eigh(hessians)
    there = model(found)
    order = np.lexsort((*found.T[::-1], there.loss))
    points = [
        CriticalPoint(
            found[i],
            float(there.loss[i]),
            hessians[i],
            values[i],
            vectors[i],
            float(np.trace(there.diffusion[i])),
        )
        for i in order
    ]
    return _connected(slopes, points)


def _connected(slopes: Slopes, points: list[CriticalPoint]) -> list[CriticalPoint]:
    """The same with the minima below each."""
    minima = [i for i, each in enumerate(points) if each.index == 0]
    saddles = [i for i, each in enumerate(points) if each.index == 1]
    starts = [points[i].point + s * slopes.away * points[i].vectors[:, 0] for i in saddles for s in (-1.0, 1.0)]
    bottoms = np.array([points[i].point for i in minima])
    ends = slopes.below(np.array(starts), bottoms).tolist() if minima and starts else []
    below: dict[int, set[int]] = {i: {i} for i in minima}
    for place, end in enumerate(ends):
        if end >= 0:
            below.setdefault(saddles[place // 2], set()).add(minima[end])
    return [
        CriticalPoint(p.point, p.value, p.hessian, p.eigenvalues, p.vectors, p.trace, tuple(sorted(below.get(i, ()))))
        for i, p in enumerate(points)
    ]


class Slopes:
    """The gradient of the loss in a box, its derivatives and its descent."""

    def __init__(
        self, model: Model, lower: Sequence[float], upper: Sequence[float], periods: Sequence[float] = ()
    ) -> None:
        self._model = model
        self._periods = np.array(periods) if len(periods) else np.full(len(lower), np.inf)
        self._low, self._high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
        self._size = self._high - self._low
        self._cell = self._size / (POINTS[len(self._low)] - 1)
        self._stride = np.maximum(self._size / STRIDES, self._cell / 2.0)
        self.away = 1e-3 * float(self._size.min())

    def gradient(self, points: Array) -> Array:
        """grad f at points (n, d)."""
        return np.nan_to_num(self._model(points).gradient, nan=np.inf)

    def hessian(self, points: Array) -> Array:
        """Hess f at points (n, d), (n, d, d)."""
        count, d = points.shape
        step = DIFFERENCE * self._size
        moved = points[:, None, None, :] + np.array([1.0, -1.0])[:, None, None] * np.diag(step)
        slope = self.gradient(moved.reshape(-1, d)).reshape(count, 2, d, d)
        rows = (slope[:, 0] - slope[:, 1]) / (2.0 * step[:, None])
        return np.asarray(rows + rows.transpose(0, 2, 1)) / 2.0

    def _kept(self, points: Array) -> Array:
        """Points brought back into the box: to its faces, or round where a coordinate is periodic."""
        inside = np.clip(points, self._low, self._high)
        return np.where(np.isfinite(self._periods), wrapped(points, self._low, self._periods), inside)

    def zeros(self) -> tuple[Array, Array]:
        """Where the gradient vanishes, (n, d), and the Hessians there."""
        d = len(self._low)
        points, largest = self._candidates()
        start = points.copy()
        step = np.full_like(points, np.inf)
        for _ in range(NEWTON if len(points) else 0):
            slope = self.gradient(points)
            step = -_solved(self.hessian(points), slope)
            far = np.abs(step / self._cell).max(axis=1)
            step = np.nan_to_num(step / np.maximum(far, 1.0)[:, None], nan=np.inf)
            points = self._kept(points + np.where(np.isfinite(step), step, 0.0))
        points = np.where(np.abs(points) < 1e-15 * self._size, 0.0, points)
        arrived = (np.abs(step) <= REACHED * self._size).all(axis=1)
        arrived &= (np.abs(nearest(points - start, self._periods)) <= 4.0 * self._cell).all(axis=1)
        points = points[arrived]
        points = points[(np.abs(self.gradient(points)) <= 1e-6 * largest).all(axis=1)]
        points = _distinct(points, self._size, self._periods)
        if not len(points):
            return points, np.zeros((0, d, d))
        hessians = self.hessian(points)
        scaled = np.abs(np.linalg.eigvalsh(hessians * np.outer(self._size, self._size)))
        sound = scaled.min(axis=1) > FLAT * max(float(scaled.max()), largest * float(self._size.min()) * FLAT)
        return points[sound], hessians[sound]

    def _candidates(self) -> tuple[Array, float]:
        """Middles of cells that may hold a zero, and the largest gradient."""
        d, count = len(self._low), POINTS[len(self._low)]
        axes = [np.linspace(a, b, count) for a, b in zip(self._low, self._high, strict=True)]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        slope = self.gradient(lattice.reshape(-1, d)).reshape(lattice.shape)
        finite = np.abs(slope[np.isfinite(slope)])
        largest = float(finite.max(initial=0.0))
        if largest == 0.0:
            return np.zeros((0, d)), 0.0
        least = most = slope
        for axis in range(d):
            near, far = (np.arange(count - 1), np.arange(1, count))
            least = np.minimum(least.take(near, axis), least.take(far, axis))
            most = np.maximum(most.take(near, axis), most.take(far, axis))
        slack = SLACK * (most - least)
        may = ((least - slack <= 0.0) & (most + slack >= 0.0) & np.isfinite(most - least)).all(axis=-1)
        middles = lattice[(slice(0, -1),) * d][may] + self._cell / 2.0
        size = np.abs(slope[(slice(0, -1),) * d][may]).max(axis=-1)
        return middles[np.argsort(size, kind="stable")[:MOST]], largest

    def below(self, points: Array, minima: Array) -> NDArray[np.intp]:
        """The minimum (its row) that steepest descent from each point ends at; -1 where it ends at a wall or nowhere.

        A step follows the exact descent of the parabola that f is there, as far as a short stride.
        """
        found = np.full(len(points), -1)
        going = np.arange(len(points))
        points = self._kept(points)
        for _ in range(DESCENT if len(minima) else 0):
            slope = self.gradient(points[going])
            values, vectors = np.linalg.eigh(self.hessian(points[going]))
            along = np.einsum("nij,ni->nj", vectors, slope)
            largest = np.abs(values).max(axis=1, keepdims=True)
            duration = TIMES / np.where(largest > 0.0, largest, 1.0)
            with np.errstate(over="ignore", invalid="ignore"):
                product = -values[:, None, :] * duration[:, :, None]
                curved = np.abs(product) > 1e-12
                share = np.where(curved, np.expm1(product) / np.where(curved, product, 1.0), 1.0) * duration[:, :, None]
                step = -np.einsum("nij,ntj->nti", vectors, share * along[:, None, :])
                short = (np.abs(step) <= self._stride).all(axis=2)
            first = np.where(short.any(axis=1), short.argmax(axis=1), len(TIMES) - 1)
            chosen = np.nan_to_num(step[np.arange(len(going)), first])
            new = self._kept(points[going] + chosen)
            moved = np.abs(nearest(new - points[going], self._periods)) / self._size
            points[going] = new
            distance = np.abs(nearest(new[:, None] - minima, self._periods) / self._size).max(axis=2)
            close = distance.min(axis=1) < 100 * SAME
            found[going[close]] = distance[close].argmin(axis=1)
            going = going[~close & (moved.max(axis=1) > 1e-12)]
            if not len(going):
                break
        return found


def _solved(matrices: Array, right: Array) -> Array:
    """Solutions of linear systems; no number where the matrix is singular."""
    d = right.shape[1]
    good = np.isfinite(matrices).all(axis=(1, 2)) & np.isfinite(right).all(axis=1)
    good[good] &= np.abs(np.linalg.det(matrices[good])) > 0.0
    solved = np.full_like(right, np.nan)
    solved[good] = np.linalg.solve(matrices[good], right[good].reshape(-1, d, 1))[..., 0]
    return solved


def _distinct(points: Array, size: Array, periods: Array) -> Array:
    """One of each group of points that coincide."""
    if len(points) < 2:
        return points
    close = (np.abs(nearest(points[:, None] - points, periods) / size) < SAME).all(axis=2)
    return points[~np.triu(close, 1).any(axis=0)]
