"""The density in time: M dh/dt = -K^T h, M h(0) = the functional of the initial density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fpsolver.errors import Stopped
from fpsolver.generator.generator import Generator
from fpsolver.generator.quadrature import rule_degree
from fpsolver.generator.weight import Weight
from fpsolver.problems.base import Answer, Setting, Watcher
from fpsolver.problems.evolution.bookmark import NAME, Bookmark, Position, position_of
from fpsolver.problems.evolution.dials import Dials
from fpsolver.problems.evolution.earlier import earlier_density
from fpsolver.problems.evolution.initial import InitialDensity, initial_density
from fpsolver.problems.evolution.journal import Journal
from fpsolver.problems.evolution.ladder import Ladder, sampled
from fpsolver.problems.evolution.legs import Leg, carrier_of, legs_of
from fpsolver.problems.evolution.watchers import WATCHERS
from fpsolver.problems.walls import WallWatcher
from fpsolver.propagation import Settings, Standing, State

Array = npt.NDArray[np.float64]

RECONSIDER = 2.0
"""The weight is reconsidered whenever the time has grown by this factor since it was last."""


@dataclass(frozen=True)
class Evolved:
    """An evolution that has reached its end.

    Attributes:
        answer: Its results.
        watched: Who has seen it, by the name of the problem that asked.
    """

    answer: Answer
    watched: Mapping[str, Watcher]


def solve_evolution(setting: Setting) -> Answer:
    """The evolution of the case. Collective; see `evolution_of`."""
    return evolution_of(setting).answer


def evolution_of(setting: Setting) -> Evolved:
    """Carry the initial density of the case through its output times, once. Collective.

    The density may start far beyond the stationary one, where a weight close to that does harm, and ends close to it,
    where such a weight is best: the weight is exchanged on the way as soon as the density allows it.

    Raises:
        BadUsage: The initial density has no mass on the mesh.
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    return setting.of_degree.once("evolution", lambda: _evolved(setting))


def _evolved(setting: Setting) -> Evolved:
    case = setting.case
    wanted = case.evolution
    assert wanted is not None
    watched = {name: make(setting) for name, (asks, make) in WATCHERS.items() if asks(case)}
    watchers = list(watched.values())
    if case.schedule is not None and not setting.is_companion:
        watchers.append(Dials(case.schedule))
    walls = WallWatcher(setting)
    if not setting.is_companion:
        watchers.append(walls)
    settings = Settings(wanted.tolerance, setting.heartbeat)
    legs, ladder = legs_of(case), Ladder(setting)
    position, journal = _taken_up(setting, legs, ladder, settings, watchers) or _begun(
        setting, legs, ladder, settings, watchers
    )
    way = _Way(setting, legs, settings, ladder, journal, Bookmark(setting, settings, ladder, journal))
    try:
        position = way.through(position)
        while position.leg + 1 < len(legs):
            position = way.through(way.entered(position))
    except Stopped:  # on all ranks
        way.bookmark.keep()
        raise
    way.bookmark.keep()
    journal.keep()
    answer = journal.answer(settings)
    return Evolved(answer if setting.is_companion else walls.added(answer), watched)


def _begun(
    setting: Setting, legs: Sequence[Leg], ladder: Ladder, settings: Settings, watchers: Sequence[Watcher]
) -> tuple[Position, Journal]:
    """The start."""
    initial = _initial(setting)
    weight = ladder.first(legs[0], (initial.rule.points, initial.rule.weights, initial.density))
    carrier = carrier_of(setting, legs[0], weight, settings)
    generator = carrier.generator
    _announce(setting, generator)
    functional = generator.quadrature.functional_of_rule(initial.rule, initial.density)
    vector = carrier.loaded(functional, None, settings)
    journal = Journal(setting, generator, watchers)
    setting.recorder.resume(None)
    first = State(0.0, carrier.density(vector), 0, is_output=False, is_fixed=True)
    journal.note(first, carrier.counted(vector), frame=not initial.is_point)
    return Position(0, carrier, vector, legs[0].start, legs[0].start), journal


def _taken_up(
    setting: Setting, legs: Sequence[Leg], ladder: Ladder, settings: Settings, watchers: Sequence[Watcher]
) -> tuple[Position, Journal] | None:
    """Where an earlier part of the run left off; None where there is none."""
    kept = setting.keeper.recall(NAME)
    position = None if kept is None else position_of(setting, kept, legs, settings)
    if kept is None or position is None:
        return None
    ladder.ratios = kept.facts["ratios"]
    carrier = position.carrier
    setting.announce(f"evolution: taken up at t = {position.now:.6g}")
    journal = Journal(setting, carrier.generator, watchers)
    state = State(position.now, carrier.density(position.vector), 0, is_output=True, is_fixed=True)
    journal.resume(kept.facts["journal"], state, carrier.counted(position.vector))
    return position, journal


@dataclass(frozen=True)
class _Way:
    """The way of a density through the legs of an evolution. All methods are collective.

    Attributes:
        setting: The case and the outside world.
        legs: The legs.
        settings: Of the time stepping.
        ladder: The weights to choose from.
        journal: Notes the states.
        bookmark: Keeps where the evolution may be taken up.
    """

    setting: Setting
    legs: Sequence[Leg]
    settings: Settings
    ladder: Ladder
    journal: Journal
    bookmark: Bookmark

    def entered(self, end: Position) -> Position:
        """The start of the next leg, from the end of one, with what carries it on; the same where that serves."""
        number = end.leg + 1
        leg, before = self.legs[number], end.carrier
        begin = replace(end, leg=number, now=leg.start, considered=leg.start)
        density = before.generator.density(before.density(end.vector))
        sample, present = sampled(before.generator, density), before.generator.weight
        if leg.switches:
            return self._exchanged(begin, self.ladder.next(leg, sample))
        weight = self.ladder.better(leg, present, sample)
        return begin if weight is None else self._exchanged(begin, weight)

    def through(self, position: Position) -> Position:
        """Carry a density to the end of its leg; every state of interest is noted."""
        wanted = self.setting.case.evolution
        assert wanted is not None
        outputs, leg = wanted.output_times, self.legs[position.leg]
        every = wanted.method == "sdirk" or not leg.constant
        ahead = sorted({time for time in outputs if position.now < time < leg.end} | {leg.end})
        ahead = [time for time in ahead if time > position.now]
        while ahead:
            carrier = position.carrier
            for state in carrier.states(position.vector, ahead, self.settings, position.now):
                now = state.time
                is_output = state.is_output and now in outputs
                if every or state.is_output:
                    seen = replace(state, vector=carrier.density(state.vector), is_output=is_output)
                    self.journal.note(seen, carrier.counted(state.vector), frame=is_output)
                ahead = [time for time in ahead if time > now]
                self.setting.progress(sum(time <= now for time in outputs) / len(outputs), f"t = {now:.6g}")
                position = replace(position, vector=state.vector, now=now)
                better = None
                if ahead and is_output and now - leg.start >= RECONSIDER * (position.considered - leg.start):
                    position = replace(position, considered=now)
                    density = carrier.generator.density(carrier.density(state.vector))
                    better = self.ladder.better(leg, carrier.generator.weight, sampled(carrier.generator, density))
                if better is not None:
                    position = self._exchanged(position, better)
                if better is not None or state.is_fixed:
                    self.bookmark.reached(position)
                if better is not None:
                    break
        return position

    def _exchanged(self, before: Position, weight: Weight) -> Position:
        """The same density with respect to another weight: its M-projection, which keeps the mass."""
        leg, carrier = self.legs[before.leg], before.carrier
        found = carrier_of(self.setting, leg, weight, self.settings)
        generator = found.generator
        _announce(self.setting, generator, before.now)
        functional = generator.quadrature.functional(carrier.generator.density(carrier.density(before.vector)))
        vector = found.loaded(functional, carrier.counted(before.vector), self.settings)
        self.settings.standing = Standing()
        self.journal.enter(generator)
        return replace(before, carrier=found, vector=vector)


def describe(weight: Weight) -> str:
    """A weight in a few words."""
    kinds = {
        "potential": "exp(-f/D)",
        "given": "exp(-noise.potential)",
        "integrated": "exp(-integral of a/D)",
        "fitted": "by exponential fitting",
        "refined": "refined to the stationary density",
        "none": "none, as the density reaches far beyond the stationary one",
    }
    return kinds[weight.kind]


def _announce(setting: Setting, generator: Generator, now: float = 0.0) -> None:
    weight = describe(generator.weight)
    if now > 0.0:
        setting.announce(f"evolution: from t = {now:.4g} on weight {weight}")
        return
    assert setting.case.evolution is not None
    scheme = "monotone scheme, " if generator.monotone else ""
    setting.announce(
        f"evolution: {generator.unknowns} unknowns of degree {generator.degree}, {scheme}weight {weight}, "
        f"{setting.case.evolution.method}"
    )


def _initial(setting: Setting) -> InitialDensity:
    case = setting.case
    assert case.evolution is not None
    return initial_density(
        case.evolution.initial,
        setting.domain,
        setting.cells,
        case.coordinates,
        case.regions,
        rule_degree(case.dimension, case.discretization.degree),
        lambda folder: earlier_density(*setting.earlier(folder), setting.domain.comm),
    )
