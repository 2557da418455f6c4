"""Which directions noise reaches, by itself and carried by the drift: Hoermander's condition, from brackets of fields.

With the columns X_1 .. X_d of D and X_0 = b - div D, b the drift, L u = sum_j d_j (X_j u) + X_0 u as operators, and

    X_j,  [X_j, X_0],  [X_i, X_j],  [[X_j, X_0], X_0],  ...        [X, Y] = (grad Y) X - (grad X) Y

span the directions that noise reaches from a point. Where they are all of them, densities are smooth (Hoermander 1967;
Oleinik and Radkevich 1973 for operators that are no sums of squares). Where they are k < d everywhere, noise keeps to
leaves of dimension k, which the drift carries along as a whole, and a path to k + 1 dimensions. For linear drift and
constant D this is Kalman's condition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.model.coefficients import Array, Model

type Ints = NDArray[np.int64]

STEP = 1e-4
"""Of the differences, as a fraction of the box: brackets of brackets are known to some 1e-8."""

LATTICE = 9
"""Points per direction at which the size of the fields is looked at."""

REACHED = 1e-6
"""A direction is reached if the fields along it are not smaller than this fraction of their largest size."""


@dataclass(frozen=True)
class Directions:
    """What noise reaches from points.

    Attributes:
        count: How many directions, (n,); -1 where a coefficient is not a number.
        normal: The direction that is reached least, a unit vector in units of the box, (n, d): where all others are
            reached, the normal of the leaf, up to its sign.
        across: The component of X_0 along it, as a fraction of the largest |X_0| in the box, (n,).
    """

    count: Ints
    normal: Array
    across: Array


def reached(model: Model, lower: Sequence[float], upper: Sequence[float], points: Array) -> Directions:
    """The directions that noise reaches from points (n, d).

    Args:
        model: Drift and diffusion.
        lower: Lower corner of the box that gives the scale of length, and of the fields.
        upper: Upper corner.
        points: Where; brackets of d - 1 levels are taken, which is enough at points in general position.
    """
    low, size = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float) - np.asarray(lower, dtype=float)
    d = len(low)
    axes = [np.linspace(0.0, 1.0, LATTICE)] * d
    box = low + size * np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    scales = [float(np.nanmax(np.abs(part), initial=0.0)) or 1.0 for part in _fields(model, box, size)]
    side = np.arange(1.0 - d, d) * STEP  # differences of d - 1 levels need as many points to either side
    offsets = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1)
    around = points.reshape(-1, *[1] * d, d) + size * offsets
    found = _fields(model, around.reshape(-1, d), size)
    noise, drift = (
        (part / scale).reshape(*around.shape[:-1], part.shape[1], d) for part, scale in zip(found, scales, strict=True)
    )
    spanned, newest, carried = [_centre(noise, d)], noise, _centre(drift, d)
    for _ in range(d - 1):
        newest = np.concatenate([_brackets(newest, drift, d), _brackets(newest, noise, d)], axis=-2)
        noise, drift = _inner(noise, d), _inner(drift, d)
        spanned.append(_centre(newest, d))
    vectors = np.concatenate(spanned, axis=1)
    known = np.isfinite(vectors).all(axis=(1, 2))
    _, sizes, ways = np.linalg.svd(np.where(known[:, None, None], vectors, 0.0), full_matrices=False)
    normal = ways[:, -1]
    across = np.einsum("nd,nd->n", normal, carried[:, 0])
    return Directions(np.where(known, (sizes > REACHED).sum(axis=1), -1), normal, across)


def _fields(model: Model, points: Array, size: Array) -> tuple[Array, Array]:
    """The columns of D (n, d, d) and X_0 (n, 1, d), in units of the box."""
    with np.errstate(all="ignore"):
        there = model(points)
    drift = there.extra - there.gradient - there.divergence
    return there.diffusion / np.outer(size, size), (drift / size)[:, None]


def _inner(fields: Array, d: int) -> Array:
    """Without the outermost points of the small lattices."""
    return fields[(slice(None), *[slice(1, -1)] * d)]


def _centre(fields: Array, d: int) -> Array:
    """In the middle of the small lattices."""
    return fields[(slice(None), *[fields.shape[1] // 2] * d)]


def _slopes(fields: Array, d: int) -> Array:
    """Derivatives by all coordinates at the inner points, last index."""
    slopes = []
    for axis in range(d):
        ahead, behind = ([slice(None), *[slice(1, -1)] * d] for _ in range(2))
        ahead[axis + 1], behind[axis + 1] = slice(2, None), slice(0, -2)
        slopes.append((fields[tuple(ahead)] - fields[tuple(behind)]) / (2.0 * STEP))
    return np.stack(slopes, axis=-1)


def _brackets(one: Array, other: Array, d: int) -> Array:
    """[X, Y] for all X of the first fields and Y of the second, at the inner points."""
    bent = np.einsum("...jik,...mk->...mji", _slopes(other, d), _inner(one, d))
    bent = bent - np.einsum("...mik,...jk->...mji", _slopes(one, d), _inner(other, d))
    return np.asarray(bent.reshape(*bent.shape[:-3], bent.shape[-3] * bent.shape[-2], d))
