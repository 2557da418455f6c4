"""Exit times of walkers, some of which have not left when the simulation ends: estimates with intervals of 99 %.

Where all have left, mean and standard deviation are those of the sample. Where some have not, the mean is that of an
exponential law,

    mean = (time spent inside by all walkers)/(number of exits),      relative error z/√(number of exits),

which is right where exits have no memory: from a well that paths do not leave before they have settled in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.simulation.moments import Z99, Estimate, share
from fpsolver.simulation.paths import INSIDE

Array = NDArray[np.float64]

LEVELS = (0.25, 0.5, 0.75)
"""Of the quantiles."""

NONE_OF_99 = math.log(100.0)
"""Exits that are expected where none is seen with a probability of 1 % only."""


@dataclass(frozen=True)
class Lifetimes:
    """What the exit times of one start say.

    Attributes:
        walkers: How many.
        exits: How many have left.
        end: When the others were given up.
        exposure: Time that all have spent inside.
        mean: None where nobody has left.
        deviation: None where somebody has not.
        quantiles: By level, of those that were reached.
        survival: By time, the share that is still inside.
    """

    walkers: int
    exits: int
    end: float
    exposure: float
    mean: Estimate | None
    deviation: Estimate | None
    quantiles: dict[float, Estimate]
    survival: dict[float, Estimate]

    @property
    def censored(self) -> float:
        """The share of walkers that have not left."""
        return 1.0 - self.exits / self.walkers

    @property
    def least(self) -> float:
        """What the mean exceeds with 99 % confidence where nobody has left."""
        return self.exposure / NONE_OF_99

    @classmethod
    def of(cls, times: Array, end: float, wanted: tuple[float, ...]) -> Lifetimes:
        """From exit times, INSIDE where there is none, in the order of the walkers.

        Args:
            times: (n,).
            end: When the simulation ended.
            wanted: Times of the survival curve.
        """
        walkers, gone = len(times), times != INSIDE
        stayed = np.where(gone, times, end)
        exits, exposure = int(gone.sum()), float(stayed.sum())
        mean: Estimate | None = None
        deviation: Estimate | None = None
        if exits == walkers:
            value, spread = float(stayed.mean()), float(stayed.std())
            mean = Estimate(value, Z99 * spread / math.sqrt(walkers))
            fourth = float(((stayed - value) ** 4).mean())
            half = math.sqrt(max(fourth - spread**4, 0.0) / walkers) / (2.0 * spread) if spread > 0.0 else 0.0
            deviation = Estimate(spread, Z99 * half)
        elif exits:
            value = exposure / exits
            mean = Estimate(value, Z99 * value / math.sqrt(exits))
        ordered = np.sort(stayed)
        found = {level: _quantile(ordered, level, exits) for level in LEVELS}
        survival = {time: share(float((stayed > time).sum()), walkers) for time in wanted if time < end}
        quantiles = {level: estimate for level, estimate in found.items() if estimate is not None}
        return cls(walkers, exits, end, exposure, mean, deviation, quantiles, survival)


def _quantile(ordered: Array, level: float, exits: int) -> Estimate | None:
    """From the order of the times; None where the upper end of its interval has not left."""
    count = len(ordered)
    width = Z99 * math.sqrt(level * (1.0 - level) * count)
    low, high = math.floor(level * count - width), math.ceil(level * count + width)
    if low < 0 or high >= exits:
        return None
    value = float(ordered[min(int(level * count), count - 1)])
    return Estimate(value, max(value - float(ordered[low]), float(ordered[high]) - value))
