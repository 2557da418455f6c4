"""Derivatives of drift and diffusion by central differences of high order, with all points inside the box.

A stencil has seven points along an axis (order six) and five by five in a plane (order four). Beside a wall it is moved
inwards by whole steps, so that no formula is ever evaluated where it may not be defined. With the step of a two
thousandth of the box, round-off is about 1e-12 in first and 1e-9 in second derivatives, relative to the variation of a
function over the box, and features as small as a hundredth of the box are still seen to eight digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
from numpy.typing import NDArray

from fpsolver.model.coefficients import Array, Model

type Integers = NDArray[np.int64]

STEP = 5e-4
"""Of the differences, as a fraction of the box."""

BLOCK = 1024
"""Points differentiated together."""

AXIS, PLANE = 3, 2
"""Stencils reach so many steps to both sides, along an axis and in a plane."""

DENOMINATOR = 180.0
"""Common to the weights of all stencils here, so that they can be rounded to what they are."""


@dataclass(frozen=True)
class Local:
    """Drift and diffusion at n points, with derivatives.

    Attributes:
        points: (n, d).
        drift: b = -∇f + extra, (n, d).
        jacobian: B with B_ij = ∂_j b_i, (n, d, d).
        diffusion: D, (n, d, d).
        slope: ∂_k D_ij as (n, i, j, k).
        bend: ∂_k ∂_l D_ij as (n, i, j, k, l); zero unless asked for.
        incline: ∇Ψ of the stationary density e^(-Ψ) that the model states, (n, d); zero where it states none.
        hessian: ∇²Ψ, (n, d, d).
    """

    points: Array
    drift: Array
    jacobian: Array
    diffusion: Array
    slope: Array
    bend: Array
    incline: Array
    hessian: Array

    def __getitem__(self, rows: slice | Integers) -> Local:
        """The same at some of the points."""
        return Local(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


def local(model: Model, points: Array, lower: Sequence[float], upper: Sequence[float], *, bends: bool = True) -> Local:
    """Drift and diffusion with their derivatives at points of a box.

    Args:
        model: Drift and diffusion.
        points: (n, d), inside the box.
        lower: Lower corner of the box.
        upper: Upper corner.
        bends: Second derivatives of D are wanted.
    """
    low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    parts = [_block(model, points[start : start + BLOCK], low, high, bends) for start in range(0, len(points), BLOCK)]
    if not parts:
        parts = [_block(model, np.empty((0, len(low))), low, high, bends)]
    return Local(*(np.concatenate([getattr(part, name) for part in parts]) for name in Local.__dataclass_fields__))


def slopes(
    function: Callable[[Array], Array], points: Array, lower: Sequence[float], upper: Sequence[float]
) -> tuple[Array, Array]:
    """Functions of points and their first derivatives, with all points inside a box.

    Args:
        function: From points (n, d) to the values of m functions, (n, m).
        points: (n, d), inside the box.
        lower: Lower corner of the box.
        upper: Upper corner.

    Returns:
        The values (n, m) and their derivatives (n, m, d).
    """
    low, high = np.asarray(lower, dtype=float), np.asarray(upper, dtype=float)
    starts = range(0, max(len(points), 1), BLOCK)
    blocks = [_Stencil(np.clip(points[start : start + BLOCK], low, high), low, high) for start in starts]
    found = [block.derivatives(function, False)[:2] for block in blocks]
    return np.concatenate([values for values, _ in found]), np.concatenate([first for _, first in found])


def _block(model: Model, points: Array, low: Array, high: Array, bends: bool) -> Local:
    d = len(low)
    stencil = _Stencil(np.clip(points, low, high), low, high)

    def columns(at: Array) -> Array:
        found = model(at)
        incline = np.zeros_like(at) if model.potential is None else model.potential(at)[1]
        return np.concatenate([found.extra - found.gradient, found.diffusion.reshape(len(at), d * d), incline], axis=1)

    values, first, second = stencil.derivatives(columns, bends)
    n = len(points)
    return Local(
        points=points,
        drift=values[:, :d],
        jacobian=first[:, :d],
        diffusion=values[:, d : d + d * d].reshape(n, d, d),
        slope=first[:, d : d + d * d].reshape(n, d, d, d),
        bend=second[:, d : d + d * d].reshape(n, d, d, d, d),
        incline=values[:, d + d * d :],
        hessian=(first[:, d + d * d :] + first[:, d + d * d :].swapaxes(1, 2)) / 2.0,
    )


class _Stencil:
    """Points around points, and the weights of their values in derivatives."""

    def __init__(self, points: Array, low: Array, high: Array) -> None:
        self._points = points
        self._step = STEP * (high - low)
        below = np.floor((points - low) / self._step + 1e-6).astype(np.int64)
        above = np.floor((high - points) / self._step + 1e-6).astype(np.int64)
        self._room = below, above

    def derivatives(self, function: Callable[[Array], Array], bends: bool) -> tuple[Array, Array, Array]:
        """Values (n, m), first derivatives (n, m, d) and second ones (n, m, d, d) of m functions."""
        n, d = self._points.shape
        shift = self._shift(AXIS)
        moves = (shift[:, :, None] + np.arange(-AXIS, AXIS + 1)) * self._step[:, None]  # n, axis, node
        nodes = self._points[:, None, None, :] + moves[..., None] * np.eye(d)[:, None, :]
        values = function(self._points)
        along = function(nodes.reshape(-1, d)).reshape(n, d, 2 * AXIS + 1, values.shape[1])
        first = np.einsum("nkj,nkjm->nmk", _FIRST[shift + AXIS], along) / self._step
        second = np.zeros((*first.shape, d))
        if bends:
            second[:, :, range(d), range(d)] = np.einsum("nkj,nkjm->nmk", _SECOND[shift + AXIS], along) / self._step**2
            for k, m in combinations(range(d), 2):
                second[:, :, k, m] = second[:, :, m, k] = self._mixed(function, k, m)
        return values, first, second

    def _mixed(self, function: Callable[[Array], Array], k: int, m: int) -> Array:
        """∂_k ∂_m of the functions, (n, number of functions)."""
        n, d = self._points.shape
        width = 2 * PLANE + 1
        shift = self._shift(PLANE)
        moves = (shift[:, :, None] + np.arange(-PLANE, PLANE + 1)) * self._step[:, None]
        nodes = np.broadcast_to(self._points[:, None, None, :], (n, width, width, d)).copy()
        nodes[..., k] += moves[:, k, :, None]
        nodes[..., m] += moves[:, m, None, :]
        around = function(nodes.reshape(-1, d)).reshape(n, width, width, -1)
        one, two = _PLANE[shift[:, k] + PLANE], _PLANE[shift[:, m] + PLANE]
        return np.asarray(np.einsum("ni,nj,nijm->nm", one, two, around) / (self._step[k] * self._step[m]))

    def _shift(self, reach: int) -> Integers:
        """By how many steps a stencil is moved to stay inside, (n, d)."""
        below, above = self._room
        return np.asarray(np.maximum(reach - below, 0) - np.maximum(reach - above, 0))


def _weights(reach: int, order: int) -> Array:
    """Weights of the nodes shift - reach … shift + reach in a derivative at 0, one row per shift -reach … reach."""
    powers = np.arange(2 * reach + 1)
    right = np.where(powers == order, float(factorial(order)), 0.0)
    nodes = np.arange(-reach, reach + 1)[:, None] + np.arange(-reach, reach + 1)
    weights = np.stack([np.linalg.solve(row.astype(float) ** powers[:, None], right) for row in nodes])
    return np.asarray(np.round(DENOMINATOR * weights) / DENOMINATOR)


_FIRST, _SECOND, _PLANE = _weights(AXIS, 1), _weights(AXIS, 2), _weights(PLANE, 1)
