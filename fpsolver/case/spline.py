"""Functions between the points of a grid: tensor products of splines of degree 5, through every value.

Along an axis with fewer than six points the degree is 3. Splines of degree 5 have four continuous derivatives, and the
error of an interpolated smooth function falls as h⁶, that of its gradient as h⁵. Derivatives are those of the spline
itself, so that a gradient and the divergence of a product of splines are exact for the function that is used.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEGREE, LOWER = 5, 3
FEWEST = LOWER + 1
"""Points along an axis that a spline needs."""


@dataclass(frozen=True)
class GridField:
    """A spline through values on a grid, or a derivative of it. Equal where grid, values and derivative are.

    Attributes:
        digest: Of the grid and of the values.
        orders: How often it is differentiated along each axis.
        basis: The spline.
    """

    digest: str
    orders: tuple[int, ...]
    basis: Any = field(repr=False, compare=False)  # scipy's NdBSpline: scipy is loaded only where a case has a table

    def __call__(self, *coordinates: Array) -> Array:
        """The values at points given by their coordinates, of one shape."""
        arrays = np.broadcast_arrays(*coordinates)
        points = np.stack([np.asarray(each, dtype=np.float64) for each in arrays], axis=-1)
        return np.asarray(self.basis(points, nu=self.orders))

    def slope(self, axis: int) -> GridField | None:
        """The derivative along an axis; None where it is 0."""
        orders = tuple(order + (i == axis) for i, order in enumerate(self.orders))
        return replace(self, orders=orders) if orders[axis] <= self.basis.k[axis] else None


def spline(axes: Sequence[Array], values: Array) -> tuple[GridField, ...]:
    """Splines through m functions on a grid.

    Args:
        axes: The ascending coordinates along each of d axes, at least `FEWEST` each.
        values: (n_0, …, n_{d-1}, m).
    """
    from scipy.interpolate import NdBSpline, make_interp_spline

    coefficients, knots, degrees = values, [], []
    for i, axis in enumerate(axes):
        degree = DEGREE if len(axis) > DEGREE else LOWER
        line = make_interp_spline(axis, np.moveaxis(coefficients, i, 0), k=degree)
        coefficients = np.moveaxis(line.c, 0, i)
        knots.append(line.t)
        degrees.append(degree)
    found = []
    for m in range(values.shape[-1]):
        digest = hashlib.sha256()
        for array in (*axes, values[..., m]):
            digest.update(np.ascontiguousarray(array).tobytes())
        one = np.ascontiguousarray(coefficients[..., m])
        basis = NdBSpline(tuple(knots), one, tuple(degrees), extrapolate=True)
        found.append(GridField(digest.hexdigest(), (0,) * len(axes), basis))
    return tuple(found)
