"""One kind of relative entropy as a function of time: ends, late rate, mixing time, balance, and whether it rose."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fpsolver.certificate import Check
from fpsolver.problems.entropy.late_rate import LateRate, late_rate
from fpsolver.problems.entropy.rows import Measured
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

RISE = {False: 1e-6, True: 1e-10}
"""Largest relative rise of an entropy from row to row, in the weighted and in the monotone scheme."""

ABOVE_REST = 1e4
"""An entropy so many times larger than what will be left of it tells its slope to a hundredth: what the evolution and
the stationary density disagree about enters it by the geometric mean of both."""

NEGLIGIBLE = 1e-2
"""A late rate is fitted where no more than this share of the entropy is in doubt."""

CLEAR = 1e-4
"""The balance is judged where no more than this share of its terms is in doubt."""

MIXED = 1e-2
"""The process has mixed when this fraction of the entropy is left."""

INTERESTING = 1e-6
"""The relative error of a smaller entropy, in nats, is of no interest."""

LITTLE = 1e-3
"""What is certainly less than this fraction of the largest entropy is given with all its uncertainty."""

UNKNOWN = (
    "it is infinite, or too much of it lies where the densities are not known: far out in the tails of the stationary "
    "density, or where the mesh does not resolve the density"
)
POINT = "a point mass has no density, so its entropy is infinite"


ENTRIES = ("initial", "final", "rate", "fisher_initial", "fisher_final")


@dataclass(frozen=True)
class Curve:
    """One kind of entropy at the times of all rows.

    Attributes:
        name: The kind.
        times: Ascending, (n,).
        outputs: Which of them are output times, the start among them, (n,).
        measured: What was measured, one per time.
        floor: What is less says nothing: so much more than what is left when the evolution has come to rest.
        starts_at_point: The evolution starts from a point mass.
    """

    name: str
    times: Array
    outputs: npt.NDArray[np.bool_]
    measured: tuple[Measured, ...]
    floor: float
    starts_at_point: bool

    @property
    def values(self) -> Array:
        """The entropy, (n,)."""
        return np.array([each.value for each in self.measured])

    def rate(self) -> LateRate:
        """The late rate."""
        doubts = np.array([each.in_doubt for each in self.measured])
        values = np.where(doubts <= NEGLIGIBLE, self.values, np.nan)
        return late_rate(self.times[self.outputs], values[self.outputs], self.floor)

    def entry(self, rate: LateRate) -> dict[str, object]:
        """The entry of ``results.json``."""
        first, last = self.measured[0], self.measured[-1]
        found = Quantity(None, why=rate.why)
        if rate.rate is not None:
            found = Quantity(rate.rate, scale="log", floor=rate.error)
        entry: dict[str, object] = {
            "initial": self._value(first, self._no_start),
            "final": self._value(last, UNKNOWN),
            "rate": found,
            "fisher_initial": _quantity(first.fisher, self._no_start),
            "fisher_final": _quantity(last.fisher, UNKNOWN),
        }
        if rate.rate is not None:
            entry |= {"rate_error": rate.error, "rate_from": rate.begin, "rate_to": rate.end}
            if rate.frequency > 0.0:
                entry["turning"] = Quantity(rate.frequency, scale="log")
        return entry

    def mixing_time(self) -> Quantity:
        """First time at which a hundredth of the initial entropy is left, between rows by its logarithm."""
        values = self.values
        if not np.isfinite(values[0]):
            return Quantity(None, why=f"there is no initial {self.name}: {self._no_start}")
        known = np.isfinite(values) & (values > 0.0)
        times, logs = self.times[known], np.log(values[known] / values[0] / MIXED)
        below = np.flatnonzero(logs <= 0.0)
        if not len(below):
            left = 100.0 * MIXED * float(np.exp(logs[-1]))
            return Quantity(None, why=f"{left:.3g} % of the initial {self.name} are left at the end of the evolution")
        after = int(below[0])
        share = logs[after - 1] / (logs[after - 1] - logs[after])
        return Quantity(float(times[after - 1] + share * (times[after] - times[after - 1])), scale="log")

    def balance(self) -> float | None:
        """Largest |dH/dt + I| at an output time, over I or the mean loss of H; None where it is known nowhere."""
        clear = [
            (time, each)
            for time, is_output, each in zip(self.times, self.outputs, self.measured, strict=True)
            if is_output and each.doubt <= CLEAR and each.value > self.floor and np.isfinite(each.slope + each.fisher)
        ]
        if not clear:
            return None
        (begin, first), (end, last) = clear[0], clear[-1]
        loss = np.log(first.value / last.value) / (end - begin) if end > begin else 0.0
        return max(float(abs(each.slope + each.fisher) / max(each.fisher, loss * each.value)) for _, each in clear)

    def rise_check(self, *, monotone: bool) -> Check:
        """Largest relative rise between successive rows, beyond what is in doubt."""
        rises = [
            (after.value * (1.0 - after.in_doubt) - before.value * (1.0 + before.in_doubt)) / before.value
            for before, after in pairwise(self.measured)
            if before.value > self.floor and np.isfinite(after.value)
        ]
        return Check(f"entropy: rise of {self.name}, relative", max([0.0, *rises]), RISE[monotone])

    @property
    def _no_start(self) -> str:
        return POINT if self.starts_at_point else UNKNOWN

    def _value(self, measured: Measured, why: str) -> Quantity:
        """An entropy with what it is uncertain by beside the mesh: what is in doubt, and what the evolution rests at,
        whose chi^2 distance r from the stationary density changes H by up to 2 sqrt(H r) + r.
        """
        rest = self.floor / ABOVE_REST
        with np.errstate(invalid="ignore"):
            uncertainty = measured.uncertainty + 2.0 * np.sqrt(np.abs(measured.total) * rest) + rest
            little = LITTLE * float(np.nanmax(self.values, initial=0.0))
            is_little = measured.total + uncertainty < little
        if not np.isfinite(measured.value) and not is_little:
            return Quantity(None, why=why)
        size = INTERESTING if np.isfinite(measured.value) else little
        return Quantity(float(measured.total), floor=float(uncertainty), size=size)


def _quantity(value: float, why: str) -> Quantity:
    return Quantity(float(value), size=INTERESTING) if np.isfinite(value) else Quantity(None, why=why)
