"""When the drift regime ends: masses move between basins no faster than noise takes them there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Regime:
    """The drift regime of an evolution.

    Attributes:
        end: When it is over; None: not by the end of the evolution.
        known_to: The time from the state before.
        last: What the mass of a basin changes by, at most, in a relaxation time at the end of the evolution.
    """

    end: float | None
    known_to: float
    last: float


def drift_regime(times: Array, masses: Array, relaxation: float, tolerance: float) -> Regime:
    """The first state after which no mass of a basin ever changes by more than the tolerance in a relaxation time.

    Args:
        times: Of the states, ascending, (n,).
        masses: Of the basins at the states, (n, m).
        relaxation: The relaxation time.
        tolerance: Of what a mass may change by.
    """
    changes = np.abs(np.diff(masses, axis=0)).max(axis=1, initial=0.0) / np.diff(times) * relaxation
    loud = np.flatnonzero(changes > tolerance)
    first = int(loud[-1]) + 1 if len(loud) else 0
    last = float(changes[-1]) if len(changes) else 0.0
    if first == len(changes) and len(changes):
        return Regime(None, 0.0, last)
    return Regime(float(times[first]), float(times[first] - times[max(first - 1, 0)]), last)


def below_from(times: Array, values: Array, level: float) -> float | None:
    """From when on values are below a level, on straight lines between the times; None: not at the end."""
    above = np.flatnonzero(values > level)
    place = int(above[-1]) + 1 if len(above) else 0
    if place == len(times):
        return None
    if place == 0:
        return float(times[0])
    before, after = values[place - 1], values[place]
    share = (before - level) / (before - after)
    return float(times[place - 1] + share * (times[place] - times[place - 1]))
