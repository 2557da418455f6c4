"""Where an evolution may be taken up again: at states from which a propagator goes on as if it had never ended.

Kept are h at the nodes, the numbers that its weight is made of again, and what was measured so far. So an evolution
that is taken up on the same number of ranks does the same arithmetic as one that was not interrupted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.quadrature import owned_vector
from fpsolver.generator.weight import Weight, no_potential
from fpsolver.problems.base import Setting
from fpsolver.problems.evolution.carriers import Carrier
from fpsolver.problems.evolution.journal import Journal
from fpsolver.problems.evolution.ladder import Ladder
from fpsolver.problems.evolution.legs import Leg, carrier_of, reference_for
from fpsolver.problems.keeper import Kept
from fpsolver.problems.stationary.close_weight import REFINED, coefficients_of, refined_weight
from fpsolver.propagation import Settings, Standing

Array = npt.NDArray[np.float64]

NAME = "evolution"


@dataclass(frozen=True)
class Position:
    """Where an evolution is.

    Attributes:
        leg: Number of the leg.
        carrier: What carries the density there.
        vector: The state.
        now: Its time.
        considered: When the weight was considered last.
    """

    leg: int
    carrier: Carrier
    vector: PETSc.Vec
    now: float
    considered: float


class Bookmark:
    """Keeps the last position from which an evolution may be taken up: now and then, at its end, and when it stops.

    Args:
        setting: The case and the outside world.
        settings: Of the time stepping.
        ladder: Of the weights.
        journal: Has noted all states so far.
    """

    def __init__(self, setting: Setting, settings: Settings, ladder: Ladder, journal: Journal) -> None:
        self._setting, self._settings, self._ladder, self._journal = setting, settings, ladder, journal
        self._last: tuple[Position, dict[str, object], int] | None = None
        self._kept: float | None = None

    def reached(self, position: Position) -> None:
        """A position from which the evolution may be taken up. Collective."""
        standing = {
            "count": asdict(self._settings.count),
            "rejected": self._settings.rejected,
            "time_error": self._settings.time_error,
            "last_step": self._settings.last_step,
            "within": self._settings.standing.within,
            "factors": [list(each) for each in self._settings.standing.factors],
        }
        self._last = position, standing, self._journal.steps
        if self._setting.keeper.is_due():
            self.keep()

    def keep(self) -> None:
        """Keep the last position, unless that was done before or states have been noted since. Collective."""
        if self._last is None or self._last[0].now == self._kept or self._last[2] != self._journal.steps:
            return
        position, standing, _ = self._last
        generator, carrier = position.carrier.generator, position.carrier
        weight, h = generator.weight, carrier.density(position.vector)
        spline = coefficients_of(self._setting, weight)
        facts = {
            "leg": position.leg,
            "now": position.now,
            "considered": position.considered,
            "ratios": self._ladder.ratios,
            "further": carrier.further(position.vector),
            "standing": standing,
            "weight": [weight.kind, weight.floor, weight.ceiling, weight.ratio],
            "spline": spline,
            "journal": self._journal.memory(),
        }
        self._setting.keeper.keep(NAME, facts, _nodes(generator, h), {"h": h.array_r.copy()})
        self._kept = position.now


def position_of(setting: Setting, kept: Kept, legs: Sequence[Leg], settings: Settings) -> Position | None:
    """The position that was kept, and the settings as they were; None where it belongs to another mesh. Collective."""
    facts = kept.facts
    leg = legs[facts["leg"]]
    carrier = carrier_of(setting, leg, _weight(setting, facts), settings)
    h = owned_vector(carrier.generator.space)
    found = kept.at(_nodes(carrier.generator, h))
    if found is None:
        return None
    h.array[:] = found["h"]
    vector = carrier.restored(h, np.array(facts["further"]))
    standing = facts["standing"]
    for name, value in standing["count"].items():
        setattr(settings.count, name, value)
    settings.rejected, settings.time_error = standing["rejected"], standing["time_error"]
    settings.last_step = standing["last_step"]
    within = standing["within"]
    factors = [tuple(each) for each in standing["factors"]]
    settings.resumed = settings.standing = Standing(None if within is None else (within[0], within[1]), factors)
    return Position(facts["leg"], carrier, vector, facts["now"], facts["considered"])


def _weight(setting: Setting, facts: Mapping[str, Any]) -> Weight:
    kind, floor, ceiling, ratio = facts["weight"]
    if kind == "none":
        return Weight(no_potential)
    if kind == REFINED:
        return replace(refined_weight(setting.case, np.array(facts["spline"])), floor=floor, ceiling=ceiling)
    return replace(reference_for(setting, ratio), floor=floor, ceiling=ceiling)


def _nodes(generator: Generator, h: PETSc.Vec) -> Array:
    size, dimension = h.getLocalSize(), generator.space.mesh.geometry.dim
    return np.asarray(generator.space.tabulate_dof_coordinates()[:size, :dimension])
