"""What several learning rates tell of SGD and its diffusion: orders of differences, exit times, and where they part.

At learning rate η the diffusion has D = η/(2B) Σ, so both change with η; what they differ by in the mean of a smooth
function at a fixed time is O(η) (Li, Tai and E, 2017). Exit times may differ by any factor, at any η.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fpsolver.quantity import Quantity

Row = Mapping[str, object]


@dataclass(frozen=True)
class Difference:
    """SGD less diffusion at one learning rate, with the half width of its interval and the error of the step."""

    rate: float
    value: float
    half: float


@dataclass(frozen=True)
class Escape:
    """The mean time of an exit at one learning rate, by SGD and by its diffusion.

    Attributes:
        rate: The learning rate.
        sgd, sde: The means with their intervals; without a value where nobody left.
        sgd_above, sde_above: What such a mean exceeds with 99 %.
    """

    rate: float
    sgd: Quantity
    sde: Quantity
    sgd_above: float | None
    sde_above: float | None

    @property
    def shown(self) -> str:
        """SGD over diffusion, or what bounds it."""
        if self.sgd.value is not None and self.sde.value is not None:
            ratio = self.sgd.value / self.sde.value
            parts = [(each.error or 0.0) / each.value for each in (self.sgd, self.sde) if each.value]
            return f"{ratio:.3g} +- {ratio * math.hypot(*parts):.1g}"
        if self.sgd_above is not None and self.sde.value is not None:
            return f"> {self.sgd_above / self.sde.value:.3g}"
        if self.sde_above is not None and self.sgd.value is not None:
            return f"< {self.sgd.value / self.sde_above:.3g}"
        return "–"

    def as_json(self) -> dict[str, object]:
        """For ``results.json``."""
        above = {"sgd_above": self.sgd_above, "diffusion_above": self.sde_above}
        return {"sgd": self.sgd, "diffusion": self.sde} | {
            name: value for name, value in above.items() if value is not None
        }


def difference(row: Row, rate: float) -> Difference | None:
    """Of a row of a simulation; None where one of the two has no value."""
    sde, sgd, bias = row["sde"], row["sgd"], row["step_bias"]
    assert isinstance(sde, Quantity)
    assert isinstance(sgd, Quantity)
    if sde.value is None or sgd.value is None or not isinstance(bias, float):
        return None
    half = math.hypot(sde.error or 0.0, sgd.error or 0.0) + abs(bias)
    return Difference(rate, sgd.value - sde.value, half)


def escape(row: Row, rate: float) -> Escape | None:
    """Of a row of a simulation; None where that is no mean exit time."""
    entry, sde, sgd = row.get("entry"), row["sde"], row["sgd"]
    if not isinstance(entry, list) or entry[-1:] != ["mean"]:
        return None
    assert isinstance(sde, Quantity)
    assert isinstance(sgd, Quantity)
    above = [row.get(f"{method}_above") for method in ("sgd", "sde")]
    known = [each if isinstance(each, float) else None for each in above]
    return Escape(rate, sgd, sde, *known)


def order(line: Sequence[Difference]) -> tuple[float, float] | None:
    """The slope of log |difference| over log η and its interval, where two differences are larger than theirs."""
    clear = [each for each in line if abs(each.value) > each.half]
    if len(clear) < 2:
        return None
    rates, values = np.log([[each.rate, abs(each.value)] for each in clear]).T
    weights = np.array([min(abs(each.value) / max(each.half, 1e-300), 1e6) for each in clear]) ** 2
    apart = rates - weights @ rates / weights.sum()
    spread = float(weights @ apart**2)
    return float(weights @ (apart * values)) / spread, 1.0 / math.sqrt(spread)


def entry_of(line: Sequence[Difference]) -> dict[str, object]:
    """Differences and their order, for ``results.json``."""
    known = order(line)
    missing = Quantity(None, why="fewer than two differences are larger than their intervals")
    differences = {at(each.rate): Quantity(each.value, each.half) for each in line}
    return {**differences, "order": missing if known is None else Quantity(*known)}


def at(rate: float) -> str:
    """The key of what belongs to a learning rate."""
    return f"at learning rate {rate:g}"


def differences_table(
    found: Mapping[str, Sequence[Difference]], rates: Sequence[float]
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows."""
    rows = []
    for name, line in found.items():
        known, by_rate = order(line), {each.rate: each for each in line}
        cells = [
            f"{by_rate[rate].value:+.4f} +- {by_rate[rate].half:.4f}" if rate in by_rate else "–" for rate in rates
        ]
        rows.append([name, *cells, "–" if known is None else f"{known[0]:.2f} +- {known[1]:.2f}"])
    return ["quantity", *(f"{rate:g}" for rate in rates), "order"], rows


def escapes_table(found: Mapping[str, Sequence[Escape]], rates: Sequence[float]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows: SGD over diffusion."""
    rows = [[name, *(each.shown for each in line)] for name, line in found.items()]
    return ["SGD over diffusion", *(f"{rate:g}" for rate in rates)], rows


def parting(breaks: Mapping[float, Sequence[str]]) -> str:
    """At which learning rates SGD is not its diffusion, in a sentence.

    Args:
        breaks: By learning rate, what was found to be apart.
    """
    apart, close = (
        ", ".join(f"{rate:g}" for rate in sorted(breaks) if bool(breaks[rate]) is state) for state in (True, False)
    )
    if not apart:
        return f"at learning rates {close} no number of SGD is clearly apart from that of its diffusion"
    rest = f"; at {close} nothing is clearly apart" if close else ""
    return f"the diffusion approximation breaks at learning rates {apart}{rest}"


def differences_csv(found: Mapping[str, Sequence[Difference]]) -> str:
    """The table as a file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["quantity", "learning_rate", "difference", "error"])
    for name, line in found.items():
        writer.writerows([name, repr(each.rate), repr(each.value), repr(each.half)] for each in line)
    return text.getvalue()
