"""The small chain against exact rational arithmetic: rates may differ by any number of orders."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from fpsolver.generator.chain import Chain

RATES = np.array([[0.0, 1e-40, 3e-7], [2.0, 0.0, 5e-90], [1e-200, 7e-3, 0.0]])


def exact(matrix: list[list[Fraction]], rhs: list[Fraction]) -> list[Fraction]:
    """The solution of a small system by elimination with fractions."""
    n = len(rhs)
    a = [[*row, b] for row, b in zip(matrix, rhs, strict=True)]
    for k in range(n):
        for i in range(n):
            if i != k:
                factor = a[i][k] / a[k][k]
                a[i] = [x - factor * y for x, y in zip(a[i], a[k], strict=True)]
    return [a[i][n] / a[i][i] for i in range(n)]


def matrix_of(rates: np.ndarray, leaving: np.ndarray) -> list[list[Fraction]]:
    n = len(leaving)
    a = [[Fraction(float(x)) for x in row] for row in rates]
    return [
        [
            Fraction(float(leaving[i])) + sum(a[i][k] for k in range(n) if k != i) if i == j else -a[i][j]
            for j in range(n)
        ]
        for i in range(n)
    ]


@pytest.mark.parametrize("leaving", [(0.0, 1e-100, 0.0), (1e-30, 0.0, 4.0)])
def test_solutions_have_all_their_digits(leaving: tuple[float, ...]) -> None:
    """A subtraction of the diagonal and its neighbours would leave none of them."""
    out, rhs = np.array(leaving), np.array([1.0, 2.0, 3.0])
    chain = Chain(RATES, out)
    matrix = matrix_of(RATES, out)
    there = [float(x) for x in exact(matrix, [Fraction(float(b)) for b in rhs])]
    back = [
        float(x) for x in exact([list(row) for row in zip(*matrix, strict=True)], [Fraction(float(b)) for b in rhs])
    ]
    np.testing.assert_allclose(chain.solve(rhs), there, rtol=1e-14)
    np.testing.assert_allclose(chain.solve_transposed(rhs), back, rtol=1e-14)


def test_stationary_vector_over_two_hundred_orders() -> None:
    """Of a birth-death chain it is the product of the ratios of the rates."""
    up, down = np.array([1e-80, 1e-60]), np.array([3.0, 1e-7])
    rates = np.diag(up, 1) + np.diag(down, -1)
    found = Chain(rates, np.zeros(3)).stationary()
    np.testing.assert_allclose(found, [1.0, up[0] / down[0], up[0] / down[0] * up[1] / down[1]], rtol=1e-14)


def test_held_states_leave_the_other_equations() -> None:
    rhs = np.array([0.0, 1.0, 1.0])
    chain = Chain(np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0], [0.5, 2.0, 0.0]]), np.zeros(3))
    found = chain.solve(rhs, np.array([0.5]))
    assert found[0] == 0.5
    np.testing.assert_allclose((chain.matrix() @ found)[1:], rhs[1:], rtol=1e-14)
    found = chain.solve_transposed(rhs, np.array([0.5]))
    assert found[0] == 0.5
    np.testing.assert_allclose((chain.matrix().T @ found)[1:], rhs[1:], rtol=1e-14)
