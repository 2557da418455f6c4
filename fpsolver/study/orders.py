"""Observed orders of convergence and the limit that a sequence of ever better values points to.

With values q_1, q_2, .. on cells h, h/2, ..  and differences d_i = q_(i+1) - q_i,

    order p = log2 |d_(i-1)/d_i|,      limit = q_last + d_last / (2^p - 1)

(Richardson). Where the degree grows instead, differences fall by a factor rho = d_last/d_before that has no order, and
limit = q_last + d_last rho/(1 - rho) (Aitken). All of it holds only where the differences fall steadily; elsewhere the
last difference itself is the uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

ROUND_OFF = 1e-11
"""Differences below this, relative to the size of the values, are noise."""

WORSE = 1.0
"""An order that is so much below the expected one does not belong to the asymptotic range."""

BETTER = 2.5
"""So much above it is an accident, or the beginning of the range."""

ERRATIC = 2.0
"""Successive orders that differ by more do not settle."""

SLOWEST = 0.5
"""The least order, or half the slowest fall of differences, that is extrapolated with."""


@dataclass(frozen=True)
class Trend:
    """Where a sequence of values is going.

    Attributes:
        differences: Between successive values.
        order: The last observed one, None where the differences are round-off or there are too few.
        extrapolated: The limit.
        uncertainty: Of the limit.
        asymptotic: Whether the differences fall as they should.
        note: Why not, or what is special; empty where all is well.
    """

    differences: Sequence[float]
    order: float | None
    extrapolated: float
    uncertainty: float
    asymptotic: bool
    note: str


def trend(values: Sequence[float], expected: float | None, *, by_degree: bool, size: float = 0.0) -> Trend:
    """Judge and extrapolate values of growing accuracy.

    Args:
        values: At least two, from cells that are halved from one to the next, or of degrees that grow by one.
        expected: Order that theory says; None where it says nothing.
        by_degree: The degrees grow.
        size: What the values are compared with where they are smaller.
    """
    differences = [after - before for before, after in pairwise(values)]
    noise = ROUND_OFF * max(size, *(abs(value) for value in values))
    last = differences[-1]
    if abs(last) <= noise:
        return Trend(differences, None, values[-1], max(abs(last), noise), True, "settled to round-off")
    orders = [math.log2(abs(a) / abs(b)) for a, b in pairwise(differences) if min(abs(a), abs(b)) > noise]
    order = orders[-1] if orders else None
    note = _complaint(differences, orders, expected, by_degree)
    if note:
        falling = order is not None and order >= SLOWEST
        uncertainty = abs(last) if falling else max(abs(difference) for difference in differences[-2:])
        return Trend(differences, order, values[-1], uncertainty, False, note)
    if order is None and by_degree:
        return Trend(differences, None, values[-1], abs(last), True, "two levels: no limit without a trend")
    used = order if order is not None else expected
    if used is None:
        return Trend(differences, None, values[-1], abs(last), True, "two levels: no limit without an order")
    if expected is not None and not by_degree:
        used = min(used, expected + 1.0)  # an order by accident would make the correction too small
    correction = last / (2.0 ** max(used, SLOWEST) - 1.0)
    return Trend(differences, order, values[-1] + correction, max(abs(correction), noise), True, "")


def _complaint(differences: Sequence[float], orders: Sequence[float], expected: float | None, by_degree: bool) -> str:
    """Why the values are outside the asymptotic range; empty where they are not."""
    if not orders:
        return "" if len(differences) == 1 else "the differences are partly round-off"
    last = orders[-1]
    if last < SLOWEST:
        return "the differences do not fall"
    if by_degree:
        return ""
    if expected is not None and last < expected - WORSE:
        return f"order {last:.1f} where {expected:g} is expected"
    if expected is not None and last > expected + BETTER:
        return f"order {last:.1f} where {expected:g} is expected, too good to be lasting"
    if any(abs(a - b) > ERRATIC for a, b in pairwise(orders[-3:])):
        return f"erratic orders {', '.join(f'{order:.1f}' for order in orders)}"
    return ""
