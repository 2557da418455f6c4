"""An evolution in legs, on each of which noise and drift are constant or smooth in time, with one weight.

Where the noise falls, weights that belong to it become narrower, so a leg ends when the ratio of noise to drift has
fallen by a certain factor; and its weight belongs to the largest ratio on it, beyond which the density cannot spread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fpsolver.case import Case
from fpsolver.case.course import Schedule, is_constant
from fpsolver.generator.affine import affine_generator
from fpsolver.generator.choice import reference_weight
from fpsolver.generator.weight import Weight
from fpsolver.model.scaled import ScaledModel
from fpsolver.problems.base import Setting
from fpsolver.problems.evolution.carriers import Carrier, Opened, Steady, Varying
from fpsolver.problems.openings import openings
from fpsolver.propagation import Factors, Settings

Array = npt.NDArray[np.float64]

FALL = 1.6
"""A leg ends when the ratio of noise to drift has fallen by this factor."""

RISE = 0.4
"""The ratio counts as no less than this fraction of what it will rise to: weights that are too wide do little harm."""

LOWEST = 1e-4
"""Nor does it count as less than this fraction of the largest of all."""

SAMPLES = 1000
"""Times at which a leg is looked at."""


@dataclass(frozen=True)
class Leg:
    """Times between which one weight serves.

    Attributes:
        start: First time.
        end: Last time.
        factors: Times (n,) -> the factors of noise and drift, (n,) each.
        constant: They have one value each.
        ratio: Noise over drift of the model that the weight belongs to.
        switches: The coefficients jump or bend at the start.
    """

    start: float
    end: float
    factors: Factors
    constant: bool
    ratio: float
    switches: bool


def legs_of(case: Case) -> list[Leg]:
    """The legs of the evolution of a case, in order."""
    assert case.evolution is not None
    if case.schedule is None:
        return [
            Leg(0.0, case.evolution.end_time, lambda times: (np.ones_like(times), np.ones_like(times)), True, 1.0, True)
        ]
    pieces = [_Piece.of(case.schedule, start, end) for start, end in case.schedule.legs()]
    largest = max(float(piece.ratios.max()) for piece in pieces)
    return [leg for piece in pieces for leg in piece.legs(largest)]


def _unchanged(times: Array) -> tuple[Array, Array]:
    return np.ones_like(times), np.ones_like(times)


def reference_for(setting: Setting, ratio: float) -> Weight:
    """The best weight known for the model with its noise, but for epsilon, multiplied by a ratio. Collective."""
    if ratio == 1.0:
        return setting.reference
    box = setting.case.domain
    scaled = ScaledModel(setting.model, ratio, 1.0, setting.case.noise.regularization)
    found = setting.of_model.once(
        ("reference", ratio), lambda: reference_weight(scaled, box.lower, box.upper, setting.domain.comm, box.periods)
    )
    return replace(found, ratio=ratio)


def carrier_of(setting: Setting, leg: Leg, weight: Weight, settings: Settings) -> Carrier:
    """What carries a density through a leg, with a weight. Collective."""
    case = setting.case
    assert case.evolution is not None
    if case.boundary is not None:
        return Opened(openings(setting, setting.generator(weight)), case.evolution.method, settings)
    if not leg.constant:
        degree, added = case.discretization.degree, case.noise.regularization
        return Varying(affine_generator(setting.domain, setting.model, degree, weight, added), leg.factors)
    noise, drift = leg.factors(np.array([leg.start]))
    factors = float(noise[0]), float(drift[0])
    if factors == (1.0, 1.0):
        return Steady(setting.generator(weight), case.evolution.method)
    scaled = ScaledModel(setting.model, *factors, case.noise.regularization)
    return Steady(replace(setting, model=scaled).generator(weight), case.evolution.method)


@dataclass(frozen=True)
class _Piece:
    """A schedule between two switches.

    Attributes:
        times: From one to the other.
        ratios: Noise over drift there; 0 where nothing moves.
    """

    factors: Factors
    times: Array
    ratios: Array
    constant: bool

    @classmethod
    def of(cls, schedule: Schedule, start: float, end: float) -> _Piece:
        factors = schedule.factors(start, end)
        times = np.linspace(start, end, SAMPLES + 1)
        noise, drift = factors(times)
        ratios = np.divide(noise, drift, out=np.zeros_like(noise), where=drift > 0.0)
        return cls(factors, times, ratios, is_constant(factors, start, end))

    def legs(self, largest: float) -> list[Leg]:
        """One, or several where the ratio falls; ``largest`` is that of all pieces."""
        if largest <= 0.0:  # no noise at all: the weight of the case is as good as any
            return [self._leg(0, SAMPLES, 1.0)]
        ahead = np.maximum.accumulate(self.ratios[::-1])[::-1]
        ratios = np.maximum(np.maximum(self.ratios, RISE * ahead), LOWEST * largest)
        if self.constant:
            return [self._leg(0, SAMPLES, float(ratios[0]))]
        legs: list[Leg] = []
        first = 0
        while first < SAMPLES:
            falls = np.minimum.accumulate(ratios[first:]) * FALL < np.maximum.accumulate(ratios[first:])
            last = first + int(falls.argmax()) if falls.any() else SAMPLES
            last = max(last, first + 1)
            legs.append(self._leg(first, last, float(ratios[first : last + 1].max())))
            first = last
        return legs

    def _leg(self, first: int, last: int, ratio: float) -> Leg:
        start, end = float(self.times[first]), float(self.times[last])
        return Leg(start, end, self.factors, self.constant, ratio, first == 0)
