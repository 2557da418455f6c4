"""D at many points as rows of entries, each an array over the points or one number where it is the same everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Entry = Array | float
Tensor = tuple[tuple[Entry, ...], ...]

SINGULAR = 1e-14
"""A pivot below this fraction of the trace is zero: round-off of a direction without noise."""


def is_zero(entry: Entry) -> bool:
    """Whether an entry is the number 0."""
    return isinstance(entry, float) and entry == 0.0


def is_constant(tensor: Tensor) -> bool:
    """Whether all entries are numbers."""
    return all(isinstance(entry, float) for row in tensor for entry in row)


def taken(tensor: Tensor, rows: NDArray[np.intp]) -> Tensor:
    """The tensor at some of the points."""
    return tuple(tuple(entry if isinstance(entry, float) else entry[rows] for entry in row) for row in tensor)


def shifted(tensor: Tensor, factor: float, more: float) -> Tensor:
    """factor D + more I."""
    return tuple(
        tuple(factor * entry + (more if i == j else 0.0) for j, entry in enumerate(row)) for i, row in enumerate(tensor)
    )


def product(tensor: Tensor, vector: list[Entry]) -> list[Entry]:
    """D v."""
    return [_sum(row, vector) for row in tensor]


def form(tensor: Tensor, vector: list[Entry]) -> Entry:
    """v·D v."""
    return _sum(tuple(product(tensor, vector)), vector)


def _sum(row: tuple[Entry, ...], vector: list[Entry]) -> Entry:
    total: Entry = 0.0
    for entry, factor in zip(row, vector, strict=True):
        if not is_zero(entry) and not is_zero(factor):
            total = entry * factor if is_zero(total) else total + entry * factor
    return total


def root(tensor: Tensor) -> Tensor:
    """F with F Fᵀ = 2 D, lower triangular, for any D >= 0.

    Cholesky's recursion in which a pivot that is zero makes its column zero, as it must be: |D_ij|² <= D_ii D_jj for
    what is left of D after each step. So it needs no D > 0, and what it leaves out is round-off.
    """
    size = len(tensor)
    trace = sum((tensor[i][i] for i in range(1, size)), start=tensor[0][0])
    lower: list[list[Entry]] = [[0.0] * size for _ in range(size)]
    for j in range(size):
        pivot = 2.0 * tensor[j][j] - _sum(tuple(lower[j][:j]), lower[j][:j])
        sound = pivot > SINGULAR * trace
        if isinstance(pivot, float) and isinstance(trace, float):
            top: Entry = float(np.sqrt(pivot)) if sound else 0.0
            inverse: Entry = 1.0 / top if sound else 0.0
        else:
            top = np.sqrt(np.where(sound, pivot, 0.0))
            inverse = np.where(sound, 1.0 / np.where(sound, top, 1.0), 0.0)
        lower[j][j] = top
        for i in range(j + 1, size):
            left = 2.0 * tensor[i][j] - _sum(tuple(lower[i][:j]), lower[j][:j])
            lower[i][j] = 0.0 if is_zero(left) else left * inverse
    return tuple(tuple(row) for row in lower)
