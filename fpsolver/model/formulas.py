"""Functions of the coordinates that are written as expressions: numbers, vectors and symmetric matrices of them.

Derivatives are exact. All expressions that are wanted at the same points are evaluated together, block by block of
points, so that common parts are computed once and the memory for temporaries does not grow with the number of points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from fpsolver.case.expressions import Expression, Program
from fpsolver.model.coefficients import Array

BLOCK = 2**15
"""Entries of one temporary array: a quarter of a megabyte, which stays in the cache of a core."""


def blocks(count: int, size: int) -> Iterator[slice]:
    """Slices of at most ``size`` entries that cover ``range(count)``."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


class Formulas:
    """Several expressions over the same coordinates.

    Args:
        expressions: m expressions.
        coordinates: the names of the d coordinates, in the order of the columns of the points.
        block: points per evaluation.
    """

    def __init__(self, expressions: Sequence[Expression], coordinates: tuple[str, ...], block: int = BLOCK) -> None:
        self._program = Program(expressions)
        self._count = len(expressions)
        self._coordinates = coordinates
        self._block = block

    def __call__(self, points: Array) -> Array:
        """Values at points (n, d), shape (n, m)."""
        values = np.empty((len(points), self._count))
        for part, columns in self.parts(points):
            for i, column in enumerate(columns):
                values[part, i] = column
        return values

    def parts(self, points: Array) -> Iterator[tuple[slice, list[Array]]]:
        """The same block by block: which points, and m columns of values at them."""
        for part in blocks(len(points), self._block):
            yield part, self._program(dict(zip(self._coordinates, points[part].T, strict=True)))


def gradient(expression: Expression, coordinates: Sequence[str]) -> tuple[Expression, ...]:
    """(∂_1 e, …, ∂_d e)."""
    return tuple(expression.derivative(name) for name in coordinates)


def hessian(expression: Expression, coordinates: Sequence[str]) -> dict[tuple[int, int], Expression]:
    """{(j, k): ∂_j ∂_k e} for j <= k."""
    first = gradient(expression, coordinates)
    return {
        (j, k): first[j].derivative(coordinates[k]) for j in range(len(coordinates)) for k in range(j, len(coordinates))
    }


class ValueAndGradient:
    """A function g of the coordinates together with ∇g.

    Args:
        expression: g.
        coordinates: the names of the d coordinates.
    """

    def __init__(self, expression: Expression, coordinates: tuple[str, ...]) -> None:
        self._value = Formulas((expression,), coordinates)
        self._both = Formulas((expression, *gradient(expression, coordinates)), coordinates)

    def value(self, points: Array) -> Array:
        """g at points (n, d), shape (n,)."""
        return self._value(points)[:, 0]

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """g (n,) and ∇g (n, d) at points (n, d)."""
        values = self._both(points)
        return values[:, 0], values[:, 1:]


class SymmetricMatrix:
    """D = scale · (matrix of expressions) + ε I and its exact divergence.

    Only the upper triangle is read, so D is symmetric to the last bit. (∇·D)_i = scale · Σ_j ∂_j M_ij.

    Args:
        matrix: d x d expressions M, symmetric.
        coordinates: the names of the d coordinates.
        scale: the factor of M, 1 for a diffusion, η/(2B) for a covariance.
        regularization: ε >= 0.
    """

    def __init__(
        self,
        matrix: tuple[tuple[Expression, ...], ...],
        coordinates: tuple[str, ...],
        scale: float = 1.0,
        regularization: float = 0.0,
    ) -> None:
        self._coordinates = coordinates
        self._scale = scale
        self._regularization = regularization
        dimension = len(coordinates)
        self._pairs = [(i, j) for i in range(dimension) for j in range(i, dimension)]
        self._upper = {(i, j): matrix[i][j] for i, j in self._pairs}
        self._rows = [i for i in range(dimension) for _ in range(dimension)]
        slopes = [
            self._upper[min(i, j), max(i, j)].derivative(coordinates[j])
            for i in range(dimension)
            for j in range(dimension)
        ]
        self._formulas = Formulas((*self._upper.values(), *slopes), coordinates)

    @property
    def constant_scalar(self) -> float | None:
        """The number d where D = d I by its form: constant entries, equal on the diagonal, zero off it."""
        values = {pair: expression.value for pair, expression in self._upper.items()}
        first = values[0, 0]
        if first is None or any(value != (first if i == j else 0.0) for (i, j), value in values.items()):
            return None
        return self._scale * first + self._regularization

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """D (n, d, d) and ∇·D (n, d) at points (n, d)."""
        dimension = len(self._coordinates)
        matrix = np.empty((len(points), dimension, dimension))
        divergence = np.zeros((len(points), dimension))
        for part, columns in self._formulas.parts(points):
            entries, slopes = columns[: len(self._pairs)], columns[len(self._pairs) :]
            for (i, j), entry in zip(self._pairs, entries, strict=True):
                value = self._scale * entry + (self._regularization if i == j else 0.0)
                matrix[part, i, j] = value
                matrix[part, j, i] = value
            for i, slope in zip(self._rows, slopes, strict=True):
                divergence[part, i] += self._scale * slope
        return matrix, divergence
