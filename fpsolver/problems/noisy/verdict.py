"""What differences between the levels of a limit say: orders, what is left to the limit, and of which kind it is.

If rho^eps tends to its limit like C eps^p, then two levels a > b differ by C (a^p - b^p), and b is C b^p from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Array = npt.NDArray[np.float64]
Pair = tuple[float, float]
"""A larger eps and a smaller one."""

DENSITY, SINGULAR, NONE, UNDECIDED = "density limit", "singular limit", "none", "undecided"

ORDERS = (-2.0, 5.0)
"""Between these an order is looked for."""

CONVERGES = 0.25
"""L1 differences that fall with at least this order fall to zero; an order of 0 is measured up to some hundredths."""

STILL = 0.1
"""What falls with less than this order does not fall, and a density that grows with less does not collapse."""

EQUAL = 1e-6
"""L1 differences below this are zero: the density of mass 1 does not change any more."""

WHOLE = 0.15
"""A codimension is said to be a whole number up to this."""

SETS = ("points", "curves", "surfaces")

AT_WALLS = 0.05
"""More mass near the walls than this, and more of it the smaller eps is, escapes."""


@dataclass(frozen=True)
class Evidence:
    """What is known of the levels that are resolved.

    Attributes:
        pairs: Neighbouring levels.
        l1: Their L1 differences.
        wasserstein: Their W1 distances.
        concentration: Integral of rho log rho of each level, one more than pairs.
        near_walls: Mass near the walls of each level.
        size: Diameter of the domain.
        dimension: Of the domain.
    """

    pairs: Sequence[Pair]
    l1: Sequence[float]
    wasserstein: Sequence[float]
    concentration: Sequence[float]
    near_walls: Sequence[float]
    size: float
    dimension: int

    @property
    def codimension(self) -> float:
        """m, where the density grows like eps^(-m/2) where its mass is, from the last two levels."""
        a, b = self.pairs[-1]
        return float(2.0 * (self.concentration[-1] - self.concentration[-2]) / np.log(a / b))


@dataclass(frozen=True)
class Verdict:
    """Of which kind a limit is.

    Attributes:
        kind: "density limit": L1 differences tend to 0. "singular limit": they do not, W1 does. "none": not even W1
            does, or mass escapes to the walls. "undecided": too few levels, or too early to tell.
        why: The numbers behind it, in words.
    """

    kind: str
    why: str


def order(pairs: Sequence[Pair], differences: Sequence[float]) -> float | None:
    """p of a law C eps^p, by least squares in the logarithm; None with fewer than two differences, or if one is 0."""
    known = np.asarray(differences, dtype=float)
    if len(known) < 2 or not (known > 0.0).all():
        return None
    ends = np.asarray(pairs, dtype=float)

    def misfit(p: float) -> float:
        rest = np.log(known) - _law(ends, p)
        return float(((rest - rest.mean()) ** 2).sum())

    grid = np.linspace(*ORDERS, 141)
    start = float(grid[np.argmin([misfit(float(p)) for p in grid])])
    step = float(grid[1] - grid[0])
    found = minimize_scalar(misfit, bounds=(start - step, start + step), method="bounded", options={"xatol": 1e-10})
    return float(found.x)


def left(pair: Pair, difference: float, p: float | None) -> float | None:
    """Distance of the smaller eps from the limit, from the last difference; None where that does not fall."""
    if p is None or p < STILL:
        return None
    a, b = pair
    return float(difference * b**p / (a**p - b**p))


def _law(pairs: Array, p: float) -> Array:
    """log((a^p - b^p)/p), which is log log(a/b) at p = 0."""
    a, b = pairs.T
    ratio = np.log(a / b)
    grown = p * ratio
    return np.asarray(
        p * np.log(b)
        + np.log(ratio)
        + np.log(np.where(grown == 0.0, 1.0, np.expm1(grown) / np.where(grown == 0.0, 1.0, grown)))
    )


def judge(evidence: Evidence) -> Verdict:
    """The kind of the limit."""
    if len(evidence.pairs) < 2:
        return Verdict(
            UNDECIDED,
            "fewer than three values of epsilon are resolved by the mesh; write more of them in "
            "stationary.regularizations, closer together, or more domain.cells",
        )
    last, distance = evidence.l1[-1], evidence.wasserstein[-1]
    walls = evidence.near_walls
    if walls[-1] > AT_WALLS and walls[-1] > walls[0]:
        return Verdict(
            NONE,
            f"the smaller epsilon, the more mass is at the walls of the box, {_percent(walls[-1])} of it in the end: "
            "it would escape from any box, and no limit in the whole space is seen",
        )
    if last < EQUAL:
        return Verdict(DENSITY, f"the density does not change any more: the last L1 difference is {last:.1e}")
    p, q = order(evidence.pairs[-2:], evidence.l1[-2:]), order(evidence.pairs[-2:], evidence.wasserstein[-2:])
    assert p is not None
    growth = evidence.codimension
    if p >= CONVERGES or (p >= STILL and growth < STILL):
        rest = left(evidence.pairs[-1], last, p)
        return Verdict(
            DENSITY,
            f"L1 differences fall like ε^{_rounded(p)}, the last one is {last:.2g}; {rest:.2g} is left to the limit",
        )
    if q is None or q < STILL:
        fall = "do not fall" if q is None else f"go like ε^{_rounded(q)}"
        return Verdict(
            NONE,
            f"W1 distances {fall}, the last one is {distance:.2g} in a box of size {evidence.size:.2g}: no "
            "limit is seen",
        )
    if growth >= CONVERGES:
        return Verdict(
            SINGULAR,
            f"L1 differences do not fall (ε^{_rounded(p)}, the last one is {last:.2g}), but W1 falls like "
            f"ε^{_rounded(q)}, and the density grows like ε^{_rounded(-growth / 2.0)} where its mass is: it collapses "
            f"onto {_set(growth, evidence.dimension)}",
        )
    return Verdict(
        UNDECIDED,
        f"L1 differences hardly fall (ε^{_rounded(p)}, the last one is {last:.2g}), and the density hardly grows "
        f"(ε^{_rounded(-growth / 2.0)}); write smaller values of epsilon",
    )


def _set(growth: float, dimension: int) -> str:
    """What mass collapses onto, by name where its codimension is near a whole number."""
    nearest = round(growth)
    if 1 <= nearest <= dimension and abs(growth - nearest) < WHOLE:
        return f"{SETS[dimension - nearest]}, of codimension {nearest}"
    return f"a set of codimension {growth:.2f}, in the mean over the mass"


def _rounded(power: float) -> str:
    """To two digits, and never minus zero."""
    return f"{round(power, 2) + 0.0:.2f}"


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"
