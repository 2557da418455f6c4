"""The shares of time that a stationary process has last been in one region or in another.

    share of A = integral of pi q' = integral over the domain of pi s + integral between A and B of pi (q' - s)

for any s that is 1 in A. The first integral follows the sets exactly, the second runs over a mesh whose curved edges
follow them nearly, and does not feel it where its integrand vanishes at the set. So s is 1 in A and falls to 0 within
a few cells of it: what is far away, where there may be exponentially more mass, must not be subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fpsolver.case import Committor
from fpsolver.domain.regions import at_points
from fpsolver.domain.rules import region_rule
from fpsolver.problems.base import Setting
from fpsolver.problems.committor.between import region_between
from fpsolver.problems.committor.reactive import Transitions
from fpsolver.problems.stationary.settled import State

Array = npt.NDArray[np.float64]

WIDTH = 1.5
"""Over so many cells s falls to 1/e."""


def masses(setting: Setting, wanted: Committor, state: State) -> tuple[float, float]:
    """The stationary masses of source and target. Collective."""
    return _mass(setting, state, wanted.source), _mass(setting, state, wanted.target)


def shares(setting: Setting, wanted: Committor, state: State, transitions: Transitions) -> tuple[float, float]:
    """The shares of time spent last in the source, and last in the target. Collective."""
    case, problem = setting.case, transitions.problem
    width = WIDTH * max(case.domain.cell_sizes)
    quadrature = state.generator.quadrature
    level = at_points(region_between(case, wanted).level, case.coordinates)
    rule = region_rule(quadrature.cells, level, quadrature.degree)

    def share(mass: float, distance: Callable[[Array], Array], probability: Array) -> float:
        def near(points: Array) -> Array:
            return np.asarray(np.exp(-np.minimum((np.maximum(distance(points), 0.0) / width) ** 2, 700.0)))

        around = state.generator.observable_of_rule(replace(rule, weights=rule.weights * near(rule.points)))
        return mass + float(around.dot(state.vector)) + transitions.difference(probability, near)

    in_source, in_target = masses(setting, wanted, state)
    behind = transitions.backward
    return (
        share(in_source, problem.from_source, transitions.values(behind.source)),
        share(in_target, problem.from_target, transitions.values(behind.target)),
    )


def _mass(setting: Setting, state: State, name: str) -> float:
    case, quadrature = setting.case, state.generator.quadrature
    level = at_points(case.regions[name].level, case.coordinates)
    rule = region_rule(quadrature.cells, level, quadrature.degree)
    return float(state.generator.observable_of_rule(rule).dot(state.vector))
