"""The coefficients of a case at points, by numpy alone: for checks and advice, a few thousand points at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.expressions import Expression, Program
from fpsolver.case.sections import Data, Loss, Matrix, Noise

Array = NDArray[np.float64]
MAX_EVALUATIONS = 1_000_000  # points times rows of data, for one formula


def at_points(expressions: Sequence[Expression], coordinates: Sequence[str], points: Array) -> Array:
    """(len(expressions), n) values at (n, d) points."""
    values = {name: points[:, index] for index, name in enumerate(coordinates)}
    return np.array(Program(expressions)(values)).reshape(len(expressions), len(points))


def value(expression: Expression, coordinates: Sequence[str], points: Array) -> Array:
    """(n,) values at (n, d) points."""
    found: Array = at_points([expression], coordinates, points)[0]
    return found


@dataclass(frozen=True)
class LossFields:
    """The loss at n points with its derivatives.

    Attributes:
        value: (n,); gradient: (n, d); hessian: (n, d, d).
        covariance: (n, d, d) of the gradients of one sample; None without data.
        divergence: (n, d) of the covariance, mean(H_i g_i + g_i tr H_i) with centred g_i; None without data.
    """

    value: Array
    gradient: Array
    hessian: Array
    covariance: Array | None = None
    divergence: Array | None = None


def loss_fields(loss: Loss, data: Data | None, coordinates: Sequence[str], points: Array) -> LossFields:
    """Loss, gradient and Hessian; with data, the mean over all rows."""
    d, n = len(coordinates), len(points)
    first = [loss.expression.derivative(name) for name in coordinates]
    second = [first[i].derivative(coordinates[j]) for i in range(d) for j in range(d)]
    program = [loss.expression, *first, *second]
    if loss.kind == "expression" or data is None:
        found = at_points(program, coordinates, points)
        return LossFields(found[0], found[1 : d + 1].T, found[d + 1 :].T.reshape(n, d, d))
    mean, gradient, hessian, covariance, divergence = [], [], [], [], []
    columns = dict(data.columns)
    code = Program(program)
    for point in points:  # one point at a time: the rows are many
        rows = np.array(code({**columns, **dict(zip(coordinates, point, strict=True))}))
        g, h = rows[1 : d + 1], rows[d + 1 :].reshape(d, d, -1)
        centred = g - g.mean(axis=1, keepdims=True)
        mean.append(rows[0].mean())
        gradient.append(g.mean(axis=1))
        hessian.append(h.mean(axis=2))
        covariance.append(centred @ centred.T / g.shape[1])
        divergence.append(
            np.einsum("ijn,jn->i", h, centred) / g.shape[1] + centred @ np.einsum("iin->n", h) / g.shape[1]
        )
    return LossFields(*(np.array(part) for part in (mean, gradient, hessian, covariance, divergence)))


def matrix_field(matrix: Matrix, coordinates: Sequence[str], points: Array) -> Array:
    """(n, d, d) values of a matrix of expressions."""
    d = len(matrix)
    return at_points([entry for row in matrix for entry in row], coordinates, points).T.reshape(-1, d, d)


def matrix_divergence(matrix: Matrix, coordinates: Sequence[str], points: Array) -> Array:
    """(n, d): Σ_j ∂_j D_ij."""
    d = len(matrix)
    terms = [matrix[i][j].derivative(coordinates[j]) for i in range(d) for j in range(d)]
    return at_points(terms, coordinates, points).T.reshape(-1, d, d).sum(axis=2)


def diffusion_fields(
    noise: Noise, loss: LossFields | None, coordinates: Sequence[str], points: Array
) -> tuple[Array, Array]:
    """D with the regularization, (n, d, d), and its divergence, (n, d)."""
    matrix = noise.diffusion if noise.kind == "diffusion" else noise.covariance
    if isinstance(matrix, tuple):
        tensor = matrix_field(matrix, coordinates, points)
        divergence = matrix_divergence(matrix, coordinates, points)
    elif loss is not None and loss.covariance is not None and loss.divergence is not None:
        tensor, divergence = loss.covariance, loss.divergence
    else:
        raise ValueError("the covariance of samples needs a loss per sample")
    return noise.scale * tensor + noise.regularization * np.eye(len(coordinates)), noise.scale * divergence


def affordable(points: Array, data: Data | None, least: int = 16) -> Array:
    """As many of the points, evenly chosen, as the rows of the data allow."""
    if data is None:
        return points
    count = min(len(points), max(least, MAX_EVALUATIONS // data.samples))
    chosen: Array = points[np.linspace(0, len(points) - 1, count).astype(int)]
    return chosen
