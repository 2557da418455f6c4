"""Between relaxation and escape: is there a plateau, where is it in an evolution, and what comes after it.

A plateau needs two time scales that are far apart, that of coming to rest in a basin and that of leaving one. There the
masses of basins stand still in the logarithm of time; afterwards they follow a chain of jumps,

    dw/dt = w k,   k_ij = p_ij / tau_i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg

from fpsolver.generator.chain import Chain
from fpsolver.problems.splitting.ways import Escape

Array = npt.NDArray[np.float64]

SEPARATION = 0.01
"""Relaxation must take less than this fraction of the shortest escape."""

STILL = 0.01
"""A plateau lasts as long as no basin has gained or lost more than this mass."""

DECIDED, LEAST = 0.1, 0.04
"""Mass is decided when what is undecided is this fraction of what it was at first, or of all mass."""


class NoPlateau(Exception):
    """There is no plateau in this evolution; the message says why."""


@dataclass(frozen=True)
class Plateau:
    """Where an evolution stands still.

    Attributes:
        row: Of the masses, where they change least.
        first: First row of the plateau.
        last: Last row.
        drift: The largest change of a mass from the first to the last.
    """

    row: int
    first: int
    last: int
    drift: float


def plateau(times: Array, masses: Array, undecided: Array, relaxation: float, escape: float) -> Plateau:
    """The plateau of basin masses: the time between relaxation and escape at which they change least, and around it.

    Mass may be decided for a minimum long before it has come to rest there.

    Args:
        times: Ascending, (n,).
        masses: Of the basins of attraction, (n, m).
        undecided: Mass that is not decided for a minimum, (n,); not numbers where there are no committors.
        relaxation: Until mass is at rest in the basins; counts where there are no committors.
        escape: After this time nothing stands still; may be infinite.

    Raises:
        NoPlateau: No time of the evolution is between.
    """
    before = times <= escape
    if np.isnan(undecided).any():
        settled = times >= relaxation
    else:
        still = np.flatnonzero(before & (undecided > max(DECIDED * undecided[0], LEAST)))
        settled = np.arange(len(times)) > (still[-1] if len(still) else -1)
    inside = np.flatnonzero(settled & before & (times > 0.0))
    if not len(inside):
        left = "mass has not come to rest" if np.isnan(undecided[-1]) else f"{undecided[before][-1]:.2g} is undecided"
        late = "a later evolution.end_time" if times[-1] <= escape else "more evolution.output_times"
        raise NoPlateau(
            f"at t = {times[before][-1]:.4g}, the last output time before the first escapes, {left} between minima; "
            f"write {late}"
        )
    slopes = _slopes(times, masses)
    row = int(inside[slopes[inside].argmin()])
    moved = np.abs(masses - masses[row]).max(axis=1) > STILL
    earlier, later = np.flatnonzero(moved[:row]), np.flatnonzero(moved[row:])
    first = max(int(inside[0]), int(earlier[-1]) + 1 if len(earlier) else 0)
    last = row + int(later[0]) - 1 if len(later) else len(times) - 1
    return Plateau(row, first, last, float(np.abs(masses[last] - masses[first]).max()))


def _slopes(times: Array, masses: Array) -> Array:
    """The largest |d mass / d log t| at each row, from its neighbours; infinite where there are none."""
    slopes = np.full(len(times), np.inf)
    if len(times) < 2:
        slopes[:] = 0.0
        return slopes
    with np.errstate(divide="ignore"):
        logs = np.log(times)
    low = np.maximum(np.arange(len(times)) - 1, 0)
    low = np.where(np.isfinite(logs[low]), low, np.arange(len(times)))
    high = np.minimum(np.arange(len(times)) + 1, len(times) - 1)
    wide = (high > low) & np.isfinite(logs[low])
    change = np.abs(masses[high[wide]] - masses[low[wide]]).max(axis=1)
    slopes[wide] = change / (logs[high[wide]] - logs[low[wide]])
    return slopes


@dataclass(frozen=True)
class Jumps:
    """The chain on the minima.

    Attributes:
        rates: From each basin (row) to each other one (column), (m, m), zero on the diagonal.
        leaving: Rates at which mass is lost, (m,).
    """

    rates: Array
    leaving: Array

    @classmethod
    def of(cls, escapes: Sequence[Escape]) -> Jumps:
        """The chain of escapes; a basin that is never left has no rates."""
        count = len(escapes)
        rates, leaving = np.zeros((count, count)), np.zeros(count)
        for i, escape in enumerate(escapes):
            if escape.time is not None:
                rates[i] = np.maximum(escape.next, 0.0) / escape.time
                leaving[i] = max(1.0 - float(escape.next.sum()), 0.0) / escape.time
        leaving[leaving < 1e-9 * rates.sum(axis=1)] = 0.0
        return cls(rates, leaving)

    def after(self, shares: Array, time: float) -> Array:
        """The shares after a time."""
        generator = self.rates - np.diag(self.rates.sum(axis=1) + self.leaving)
        return np.asarray(shares @ linalg.expm(generator * time))

    def stationary(self) -> Array | None:
        """The stationary shares; None where there is more than one such vector, or mass is lost."""
        if self.leaving.any():
            return None
        reached = np.linalg.matrix_power((self.rates > 0.0) + np.eye(len(self.rates)), len(self.rates)) > 0.0
        if not reached.all():
            return None
        found = Chain(self.rates, np.zeros(len(self.rates))).stationary()
        return np.asarray(found / found.sum())
