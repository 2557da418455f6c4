"""Regions of a case as functions of points."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.case import Expression

Array = npt.NDArray[np.float64]


def at_points(expression: Expression, coordinates: Sequence[str]) -> Callable[[Array], Array]:
    """An expression of the coordinates as a function of points (n, d) to values (n,)."""

    def evaluate(points: Array) -> Array:
        values = expression.evaluate({name: points[:, i] for i, name in enumerate(coordinates)})
        return np.broadcast_to(np.asarray(values, dtype=float), (len(points),))

    return evaluate
