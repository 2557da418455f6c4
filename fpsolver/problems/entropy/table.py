"""Theorems on decay as rows of a table: whether they apply, what they promise, what was measured, whether it agrees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fpsolver.problems.wording import number
from fpsolver.quantity import Quantity

type Measured = Quantity | float | None

CLOSE = 1e-2
"""A measured rate agrees with a promise if it is not smaller by more than this fraction."""


class Kind(Enum):
    """When a promised rate binds."""

    ALWAYS = "at all times"
    LATE = "up to a constant factor"


@dataclass(frozen=True)
class Theorem:
    """What a theorem says about a case.

    Attributes:
        name: What it is called.
        kind: When its rate binds.
        concerns: Kinds of distances that it is about.
        promise: The rate r of e^(-rt); None where it does not apply.
        why: What it stands on, or why it does not apply.
    """

    name: str
    kind: Kind
    concerns: Sequence[str]
    promise: Quantity | float | None
    why: str


def row(theorem: Theorem, measured: Mapping[str, Measured], gap: Quantity | None) -> dict[str, object]:
    """A theorem beside what was measured: the slowest of the distances that it is about.

    ``holds`` is None where it does not apply, where nothing was measured, and where a rate that binds up to a factor
    has not been reached yet, which contradicts nothing. Without a measurement a promise is compared with the gap,
    which no rate can exceed.
    """
    rates = {kind: rate for kind in theorem.concerns if (rate := _quantity(measured.get(kind))) is not None}
    slowest = min(rates, key=lambda kind: rates[kind].value or 0.0) if rates else None
    promise = theorem.promise
    if isinstance(promise, float):
        promise = Quantity(promise, 0.0)
    holds: bool | None = None
    if promise is not None and promise.value is not None:
        if slowest is not None:
            holds = _reaches(rates[slowest].value, promise.value)
            holds = None if not holds and theorem.kind is Kind.LATE else holds
        elif gap is not None and gap.value is not None:
            most = gap.value if "wasserstein" in theorem.concerns else 2.0 * gap.value
            holds = _reaches(most, promise.value)
    return {
        "theorem": theorem.name,
        "applies": promise is not None,
        "why": theorem.why,
        "binds": theorem.kind.value,
        "promises": promise,
        "concerns": slowest or ", ".join(theorem.concerns),
        "measured": None if slowest is None else rates[slowest],
        "holds": holds,
    }


def summary_of(theory: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Lines for the final table of a run: the rate that each theorem promises, or why it promises none."""
    lines: list[tuple[str, object]] = []
    for each in theory["theory"]:
        value = each["promises"] if each["applies"] else Quantity(None, why=each["why"])
        lines.append((f"rate by {each['theorem']}", value))
    return lines


def contradictions(theory: Mapping[str, Any]) -> list[str]:
    """Warnings: promises that what was measured does not keep."""
    return [
        f"{each['theorem']} promises that {each['concerns']} decays at {number(each['promises'].value)} or faster, but "
        "it was found to be slower: the density is not resolved, or walls or the box are not what the theorem needs"
        for each in theory["theory"]
        if each["holds"] is False
    ]


def _quantity(measured: Measured) -> Quantity | None:
    if measured is None or isinstance(measured, Quantity):
        return measured if measured is not None and measured.value is not None else None
    return Quantity(float(measured))


def _reaches(rate: float | None, promise: float) -> bool:
    return rate is not None and rate >= promise * (1.0 - CLOSE)
