"""A small Markov chain solved without a subtraction, so that rates which differ by hundreds of orders lose no digit.

The chain has rates a_ij >= 0 from i to j and l_i >= 0 out of the chain. Its matrix is

    S_ij = -a_ij (i != j),     S_ii = l_i + sum_j a_ij,

an M-matrix given by its off-diagonal entries and row sums. Elimination of one state after the other adds and
multiplies numbers of one sign only (Grassmann, Taksar, Heyman; for the rows sums Alfa, Xue, Ye).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Chain:
    """The factorised matrix S of a chain.

    Args:
        rates: a, (m, m); the diagonal is not read.
        leaving: l, (m,); zero where nothing leaves.
    """

    def __init__(self, rates: Array, leaving: Array) -> None:
        self.rates = np.array(rates, dtype=float)
        np.fill_diagonal(self.rates, 0.0)
        self.leaving = np.array(leaving, dtype=float)
        a, out = self.rates.copy(), self.leaving.copy()
        self._pivots = np.zeros(len(out))
        for k in range(len(out) - 1, -1, -1):
            self._pivots[k] = out[k] + a[k, :k].sum()
            if k and self._pivots[k] != 0.0:
                share = a[:k, k] / self._pivots[k]
                a[:k, :k] += np.outer(share, a[k, :k])
                out[:k] += share * out[k]
        self._eliminated = a

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.leaving)

    def matrix(self) -> Array:
        """S itself, (m, m)."""
        return np.asarray(np.diag(self.leaving + self.rates.sum(axis=1)) - self.rates)

    def ordered(self, order: Sequence[int]) -> Chain:
        """The same chain with its states in another order."""
        return Chain(self.rates[np.ix_(order, order)], self.leaving[list(order)])

    def watched(self, states: Sequence[int]) -> Chain:
        """The chain as it is seen while it is in some of its states: what it does elsewhere takes no time."""
        others = [i for i in range(self.size) if i not in states]
        a, out = self.rates.copy(), self.leaving.copy()
        for k in others:
            pivot = out[k] + a[k].sum()
            if pivot != 0.0:
                share = a[:, k] / pivot
                a, out = a + np.outer(share, a[k]), out + share * out[k]
                np.fill_diagonal(a, 0.0)
            a[:, k], a[k], out[k] = 0.0, 0.0, 0.0
        return Chain(a[np.ix_(states, states)], out[list(states)])

    def solve(self, rhs: Array, held: Array | None = None) -> Array:
        """u with S u = rhs, (m,); ``held``: values of the first states, (s,), instead of their equations."""
        a, b = self._eliminated, np.array(rhs, dtype=float)
        for k in range(self.size - 1, 0, -1):
            b[:k] += a[:k, k] * (b[k] / self._pivots[k])
        u = np.zeros(self.size)
        u[: 1 if held is None else len(held)] = b[0] / self._pivots[0] if held is None else held
        for k in range(1 if held is None else len(held), self.size):
            u[k] = (b[k] + a[k, :k] @ u[:k]) / self._pivots[k]
        return u

    def solve_transposed(self, rhs: Array, held: Array | None = None) -> Array:
        """h with S^T h = rhs, (m,); ``held``: values of the first states, (s,), instead of their equations."""
        a, b = self._eliminated, np.array(rhs, dtype=float)
        for k in range(self.size - 1, 0, -1):
            b[:k] += a[k, :k] * (b[k] / self._pivots[k])
        h = np.zeros(self.size)
        h[: 1 if held is None else len(held)] = b[0] / self._pivots[0] if held is None else held
        for k in range(1 if held is None else len(held), self.size):
            h[k] = (b[k] + h[:k] @ a[:k, k]) / self._pivots[k]
        return h

    def stationary(self) -> Array:
        """h with S^T h = 0 and h_0 = 1 for a chain that nothing leaves, (m,)."""
        h = np.ones(self.size)
        for k in range(1, self.size):
            h[k] = (h[:k] @ self._eliminated[:k, k]) / self._pivots[k]
        return h
