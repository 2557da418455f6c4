"""Traps: points where noise and drift vanish together, so that a process there never moves again.

They are minima of g = tr D / max tr D + |b|^2 / max |b|^2 with the value zero, which is a quadratic function near most
of them. Candidates come from a lattice and are polished all at once by Newton's method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from fpsolver.model.attraction import attraction
from fpsolver.model.coefficients import Array, Model
from fpsolver.model.line import line

type Bools = NDArray[np.bool_]

POINTS = {2: 201, 3: 49}
"""Lattice points per direction, by dimension."""

LOW = 1e-2
"""A lattice minimum of g above this is too far from zero to lie beside a trap."""

MOST = 400
"""So many lattice minima are polished, the lowest ones."""

STEPS = 40
SMALLEST_STEP = 1e-7
"""Of differences, as a fraction of the box: g is known there to its full relative accuracy."""

NO_NOISE = 1e-13
"""tr D below this fraction of its largest value is zero."""

NO_DRIFT = 1e-7
"""|b| below this fraction of its largest value is zero."""

SAME = 1e-5
"""Points closer than this fraction of the box are one."""


@dataclass(frozen=True)
class Trap:
    """A point that is never left.

    Attributes:
        point: (d,).
        attracting: True if paths nearby converge to it, False if they are thrown back, None if it depends on where they
            come from.
    """

    point: Array
    attracting: bool | None


def traps(
    model: Model,
    lower: Sequence[float],
    upper: Sequence[float],
    inside: Callable[[Array], Bools] | None = None,
) -> list[Trap]:
    """The traps of a model in a box or in a part of it; where they fill a curve, several of its points.

    Args:
        model: Drift and diffusion.
        lower: Lower corner of the box.
        upper: Upper corner.
        inside: Points (n, d) to whether they are in the part.
    """
    if (model.constant_scalar_diffusion or 0.0) > 0.0:
        return []
    if model.dimension == 1:
        found = line(model, lower[0], upper[0])
        every = [Trap(np.array([found.places[part // 2].x]), found.attracts(part)) for part in found.traps]
        return [trap for trap in every if inside is None or inside(trap.point[None])[0]]
    low, size = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float) - np.asarray(lower, dtype=float)
    squared = _Squared(model, low, size)
    points = squared.zeros(inside)
    return [Trap(low + size * z, attraction(model, low + size * z, size)) for z in points]


class _Squared:
    """g on the unit cube."""

    def __init__(self, model: Model, low: Array, size: Array) -> None:
        self._model, self._low, self._size = model, low, size
        self._noise = self._drift = 1.0

    def zeros(self, inside: Callable[[Array], Bools] | None) -> Array:
        """Where g vanishes, (n, d)."""
        d, count = len(self._size), POINTS[len(self._size)]
        lattice = np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, count)] * d, indexing="ij"), axis=-1)
        noise, drift = self._parts(lattice.reshape(-1, d))
        self._noise, self._drift = float(noise.max()) or 1.0, float(drift.max()) or 1.0
        g = (noise / self._noise + drift / self._drift).reshape(lattice.shape[:-1])
        minima = (g == ndimage.minimum_filter(g, size=3)) & (g < LOW)
        starts, values = lattice[minima], g[minima]
        polished = self._polished(starts[np.argsort(values, kind="stable")[:MOST]])
        noise, drift = self._parts(polished)
        polished = polished[(noise <= NO_NOISE * self._noise) & (drift <= NO_DRIFT**2 * self._drift)]
        if inside is not None and len(polished):
            polished = polished[inside(self._low + self._size * polished)]
        return _distinct(polished)

    def _parts(self, z: Array) -> tuple[Array, Array]:
        """tr D and |b|^2 at points of the unit cube, (n,) each."""
        values = self._model(self._low + self._size * z)
        drift = values.extra - values.gradient
        return np.trace(values.diffusion, axis1=1, axis2=2), (drift**2).sum(axis=1)

    def _value(self, z: Array) -> Array:
        noise, drift = self._parts(z.reshape(-1, z.shape[-1]))
        return np.asarray(noise / self._noise + drift / self._drift).reshape(z.shape[:-1])

    def _polished(self, z: Array) -> Array:
        """Newton's method from many points at once; differences narrow with the steps."""
        if not len(z):
            return z
        d = z.shape[1]
        value = self._value(z)
        width = np.full(len(z), 1e-3)
        offsets, pairs = _stencil(d)
        for _ in range(STEPS):
            near = self._value(z[:, None] + width[:, None, None] * offsets)
            gradient, hessian = _differences(near, value, width, pairs, d)
            step = -_bounded_inverse(hessian, gradient)
            length = 2.0 ** -np.arange(6.0)
            trial = np.clip(z[:, None] + length[:, None] * step[:, None], 0.0, 1.0)
            values = self._value(trial)
            best = values.argmin(axis=1)
            rows = np.arange(len(z))
            better = values[rows, best] < value
            moved = np.where(better, np.linalg.norm(trial[rows, best] - z, axis=1), 0.0)
            z = np.where(better[:, None], trial[rows, best], z)
            value = np.where(better, values[rows, best], value)
            width = np.clip(np.where(better, moved, width / 10), SMALLEST_STEP, 1e-3)
            if not better.any() and (width <= SMALLEST_STEP).all():
                break
        return z


def _stencil(d: int) -> tuple[Array, list[tuple[int, int]]]:
    """Offsets of central differences: +e_i, -e_i, and for each pair i < j the four corners."""
    unit = np.eye(d)
    pairs = [(i, j) for i in range(d) for j in range(i + 1, d)]
    corners = [s * unit[i] + t * unit[j] for i, j in pairs for s, t in ((1, 1), (-1, -1), (1, -1), (-1, 1))]
    return np.array([*unit, *-unit, *corners]), pairs


def _differences(near: Array, value: Array, width: Array, pairs: list[tuple[int, int]], d: int) -> tuple[Array, Array]:
    """Gradients (n, d) and Hessians (n, d, d) from values on the stencil."""
    up, down, corners = near[:, :d], near[:, d : 2 * d], near[:, 2 * d :].reshape(len(near), len(pairs), 4)
    gradient = (up - down) / (2 * width[:, None])
    hessian = np.zeros((len(near), d, d))
    hessian[:, range(d), range(d)] = (up + down - 2 * value[:, None]) / width[:, None] ** 2
    for k, (i, j) in enumerate(pairs):
        mixed = (corners[:, k] @ np.array([1.0, 1.0, -1.0, -1.0])) / (4 * width**2)
        hessian[:, i, j] = hessian[:, j, i] = mixed
    return gradient, hessian


def _bounded_inverse(hessian: Array, gradient: Array) -> Array:
    """H^-1 g with the magnitudes of the eigenvalues, leaving out those that are zero to differences."""
    values, vectors = np.linalg.eigh(hessian)
    size = np.abs(values)
    used = size > 1e-6 * size.max(axis=1, keepdims=True)
    along = np.einsum("nij,ni->nj", vectors, gradient)
    return np.asarray(np.einsum("nij,nj->ni", vectors, np.where(used, along / np.where(used, size, 1.0), 0.0)))


def _distinct(points: Array) -> Array:
    """One of each group of points that coincide."""
    if len(points) < 2:
        return points
    close = cKDTree(points).query_pairs(SAME, output_type="ndarray")
    keep = np.ones(len(points), dtype=bool)
    keep[close.max(axis=1)] = False
    return points[keep]
