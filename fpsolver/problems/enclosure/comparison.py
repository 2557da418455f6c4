"""Two-sided bounds of a mean exit time by comparison with a computed function: what must hold at every point.

Let u be continuous, smooth in each cell and 0 on the exit set, v such a function too with -L v close to a source s > 0,
and T a tent, bent down in every cell with a ridge on every facet. With

    residual = 1 + L u,   source = -L v,   sag = -L(s T)            in the cells,
    kinks = sum over the sides of n . D grad(u, v, s T)               on the facets,

W = u + a v + b (s T + shift) is at least the mean exit time, and u - a v - b (s T + shift) at most, where

    a source + b sag >= |residual|,  a kink(v) + b kink(s T) >= |kink(u)|  everywhere,  shift >= -s T on the exit set:

-L W >= 1 in the weak sense then, W >= 0 where the process leaves, and the weak maximum principle holds for D > 0. That
u and v are 0 on the exit set is looked at too: by what they miss it, bounds are wider.
All is divided by s, which grows towards the pass: few paths ever see a large residual there, and v says how few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

HEIGHTS = (0.0, *(10.0 ** np.arange(-2.0, 3.05, 0.1)).tolist())
"""Values of b that are tried: tents are made so that it is about 1."""


@dataclass(frozen=True)
class Defects:
    """What a computed function misses, over s, at samples of the cells (n,) and of the facets (m,).

    Attributes:
        residual: 1 + L u in cells.
        source: -L v.
        sag: -L(s T).
        kink: Of u on the facets, over the size of these too.
        source_kink: Of v.
        ridge: Of s T.
    """

    residual: Array
    source: Array
    sag: Array
    kink: Array
    source_kink: Array
    ridge: Array

    def upper(self, costs: tuple[float, float]) -> tuple[float, float] | None:
        """(a, b) for the bound from above that costs least; None if no numbers make it one."""
        return self._least(costs, self.residual, -self.kink)

    def lower(self, costs: tuple[float, float]) -> tuple[float, float] | None:
        """(a, b) for the bound from below."""
        return self._least(costs, -self.residual, self.kink)

    def _least(self, costs: tuple[float, float], in_cells: Array, on_facets: Array) -> tuple[float, float] | None:
        rows = np.concatenate(
            [np.column_stack([self.source, self.sag]), np.column_stack([self.source_kink, self.ridge])]
        )
        return covered(costs, rows, np.concatenate([in_cells, on_facets]))


def covered(costs: tuple[float, float], rows: Array, needs: Array) -> tuple[float, float] | None:
    """The cheapest (a, b) >= 0 with rows (a, b) >= needs and b from `HEIGHTS`.

    Args:
        costs: Of the two numbers.
        rows: (n, 2).
        needs: (n,).

    Returns:
        a, b; None if there are none.
    """
    first, second = rows.T
    if not np.isfinite(costs).all():
        return None
    rising, falling = first > 0.0, first < 0.0
    still = ~rising & ~falling
    best: tuple[float, float] | None = None
    for b in HEIGHTS:
        left = needs - b * second
        with np.errstate(over="ignore", invalid="ignore"):
            least = max(float((left[rising] / first[rising]).max(initial=0.0)), 0.0)
            most = float((left[falling] / first[falling]).min(initial=np.inf))
        if not ((left[still] <= 0.0).all() and least <= most):  # nor where something is not a number
            continue
        if best is None or costs[0] * least + costs[1] * b < costs[0] * best[0] + costs[1] * best[1]:
            best = least, b
    return best
