"""Coordinates that close upon themselves: points and differences of points, each by its nearest image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def wrapped(points: Array, lower: Sequence[float] | Array, periods: Sequence[float] | Array) -> Array:
    """Points (..., d) with each periodic coordinate brought to [lower, lower + period).

    Args:
        points: Points, the coordinates last.
        lower: Where each coordinate begins, (d,).
        periods: Their periods, (d,); infinite for those that are no circles.
    """
    length = np.asarray(periods, dtype=float)
    if not np.isfinite(length).any():
        return points
    turns = np.floor((points - np.asarray(lower)) / length)
    return np.asarray(points - turns * np.where(np.isfinite(length), length, 0.0))


def nearest(vectors: Array, periods: Sequence[float] | Array) -> Array:
    """Differences (..., d) of points, each to the nearest image: within half a period."""
    length = np.asarray(periods, dtype=float)
    if not np.isfinite(length).any():
        return vectors
    return np.asarray(vectors - np.where(np.isfinite(length), length, 0.0) * np.rint(vectors / length))
