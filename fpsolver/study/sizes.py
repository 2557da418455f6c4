"""What a mean and a covariance are compared with: the spread of the density, as they may be 0 by symmetry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from fpsolver.problems import Answer
from fpsolver.problems.packing import Place
from fpsolver.quantity import Quantity
from fpsolver.study.trees import changed, quantities


def sized(answer: Answer) -> Answer:
    """The answer with the size of every mean and covariance, wherever both stand side by side."""
    found = quantities(answer)
    return changed(answer, lambda place, quantity: _sized(found, place, quantity))


def _sized(found: Mapping[Place, Quantity], place: Place, quantity: Quantity) -> Quantity:
    if len(place) > 1 and place[-2] == "mean":
        indices, above = place[-1:], place[:-2]
    elif len(place) > 2 and place[-3] == "covariance":
        indices, above = place[-2:], place[:-3]
    else:
        return quantity
    spreads = [_spread(found.get((*above, "covariance", index, index))) for index in indices]
    return replace(quantity, size=max(quantity.size, math.prod(spreads)))


def _spread(variance: Quantity | None) -> float:
    """A standard deviation; 0 where the density has collapsed to a point or nothing is known."""
    return math.sqrt(max(variance.value, 0.0)) if variance is not None and variance.value is not None else 0.0
