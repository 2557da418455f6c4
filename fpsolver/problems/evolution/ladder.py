"""The weights that an evolution may choose from: those of the noise now, and those of the noise that it came from.

A density lags behind the noise. Where that falls, the weight that belongs to it soon is narrower than the density, and
one that belongs to more noise is closer to it; where a barrier holds mass on the wrong side, for ever.

With relative entropies there is a closer weight, too (`close_weight`): as soon as the density allows that, it is taken,
for with the reference weight alone the density would end as far from the stationary one as the mesh leaves it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fpsolver.generator.choice import Comparison, contrast
from fpsolver.generator.generator import Generator
from fpsolver.generator.weight import Weight
from fpsolver.problems.base import Setting
from fpsolver.problems.entropy.target import why_not
from fpsolver.problems.evolution.legs import Leg, reference_for
from fpsolver.problems.stationary.close_weight import REFINED, close_weight

Array = npt.NDArray[np.float64]
Sample = tuple[Array, Array, Array]
"""Points (n, d), their quadrature weights (n,) and the density there (n,), of this rank."""

WORTH_IT = 0.1
"""While coefficients vary, a weight is exchanged for one that is closer to the density by so many nats."""

HIGHEST = 25.0
"""Ceiling while coefficients vary: round-off of a density, over the root of the weight, stays below the tolerance."""


COARSE = 16.0
"""Ceiling of the closer weight on meshes of companions, the same as for the reference weight: deeper in the tails they
do not resolve it, and modes grow there."""


class Ladder:
    """The weights tried so far, by the ratio of noise to drift that they belong to. All methods are collective.

    Args:
        setting: The case and the outside world.

    Attributes:
        ratios: Of the noise that the density may have come from.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._kept: dict[tuple[float, bool], Comparison] = {}
        self.ratios: list[float] = []
        self._close: Comparison | None = None
        if setting.case.entropy is not None and why_not(setting) is None:
            close = close_weight(setting).weight
            if close.kind == REFINED:
                highest = COARSE if setting.is_companion else None
                self._close = Comparison(close, setting.quadrature_points, setting.domain.comm, highest)

    def first(self, leg: Leg, sample: Sample) -> Weight:
        """The weight with the highest ceiling that a density allows on a leg; none where it reaches too far."""
        self._enter(leg)
        return self._allowed(leg.ratio, leg, sample)

    def next(self, leg: Leg, sample: Sample) -> Weight:
        """The same, or one that belongs to more noise where that is closer to the density."""
        self._enter(leg)
        own = self._allowed(leg.ratio, leg, sample)
        if leg.constant and own.kind != "none":
            return own
        hotter = [self._allowed(ratio, leg, sample) for ratio in self.ratios if ratio > leg.ratio]
        return min([own, *hotter], key=lambda weight: self._distance(weight, sample))

    def better(self, leg: Leg, present: Weight, sample: Sample) -> Weight | None:
        """A weight that is clearly better on a leg than the present one; None if there is none."""
        if not leg.constant:
            found = self.next(leg, sample)
            gain = self._distance(present, sample) - self._distance(found, sample)
            return found if gain > WORTH_IT else None
        found = self._allowed(leg.ratio, leg, sample)
        higher = present.kind == "none" or present.ratio != leg.ratio or found.ceiling > present.ceiling
        closer = found.kind == REFINED != present.kind
        return found if found.kind != "none" and (higher or closer) else None

    def _enter(self, leg: Leg) -> None:
        if leg.ratio not in self.ratios:
            self.ratios.append(leg.ratio)

    def _allowed(self, ratio: float, leg: Leg, sample: Sample) -> Weight:
        key = ratio, leg.constant
        if key not in self._kept:
            reference = reference_for(self._setting, ratio)
            highest = None if leg.constant else HIGHEST
            domain = self._setting.quadrature_points
            self._kept[key] = Comparison(reference, domain, self._setting.domain.comm, highest)
        own = self._kept[key].best(*sample)
        close = own if self._close is None else self._close.best(*sample)
        allowed = close.kind != "none" and (own.kind == "none" or close.ceiling >= own.ceiling)
        return close if allowed else own

    def _distance(self, weight: Weight, sample: Sample) -> float:
        return contrast(weight, *sample, self._setting.domain.comm)


def sampled(generator: Generator, density: Array) -> Sample:
    """What a ladder looks at, from a density at the quadrature points of the owned cells, (owned cells, q)."""
    quadrature = generator.quadrature
    points = quadrature.points[: quadrature.cells.owned]
    return points.reshape(-1, points.shape[2]), quadrature.measure.ravel(), density.ravel()
