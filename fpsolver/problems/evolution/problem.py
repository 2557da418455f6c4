"""The density in time: M dh/dt = -K^T h, M h(0) = the functional of the initial density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.quadrature import rule_degree
from fpsolver.generator.weight import Weight
from fpsolver.problems.base import Answer, Setting, Watcher
from fpsolver.problems.evolution.carriers import Carrier
from fpsolver.problems.evolution.dials import Dials
from fpsolver.problems.evolution.earlier import earlier_density
from fpsolver.problems.evolution.initial import InitialDensity, initial_density
from fpsolver.problems.evolution.journal import Journal
from fpsolver.problems.evolution.ladder import Ladder, sampled
from fpsolver.problems.evolution.legs import Leg, carrier_of, legs_of
from fpsolver.problems.evolution.watchers import WATCHERS
from fpsolver.problems.walls import WallWatcher
from fpsolver.propagation import Settings, State

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
    settings = Settings(wanted.tolerance, setting.heartbeat)
    initial = _initial(setting)
    legs, ladder = legs_of(case), Ladder(setting)
    weight = ladder.first(legs[0], (initial.rule.points, initial.rule.weights, initial.density))
    carrier = carrier_of(setting, legs[0], weight, settings)
    generator = carrier.generator
    _announce(setting, generator)
    functional = generator.quadrature.functional_of_rule(initial.rule, initial.density)
    vector = carrier.loaded(functional, None, settings)
    walls = WallWatcher(setting)
    if not setting.is_companion:
        watchers.append(walls)
    journal = Journal(setting, generator, watchers)
    first = State(0.0, carrier.density(vector), 0, is_output=False)
    journal.note(first, carrier.counted(vector), frame=not initial.is_point)
    for leg in legs:
        way = _Way(setting, leg, settings, ladder, journal)
        if leg is not legs[0]:
            carrier, vector = way.entered(carrier, vector)
        carrier, vector = way.through(carrier, vector)
    journal.keep()
    answer = journal.answer(settings)
    return Evolved(answer if setting.is_companion else walls.added(answer), watched)


@dataclass(frozen=True)
class _Way:
    """One leg of an evolution. All methods are collective.

    Attributes:
        setting: The case and the outside world.
        leg: The leg.
        settings: Of the time stepping.
        ladder: The weights to choose from.
        journal: Notes the states.
    """

    setting: Setting
    leg: Leg
    settings: Settings
    ladder: Ladder
    journal: Journal

    def entered(self, before: Carrier, vector: PETSc.Vec) -> tuple[Carrier, PETSc.Vec]:
        """The density at the start of the leg, with what carries it on; the same as before where that serves."""
        density = before.generator.density(before.density(vector))
        sample, present = sampled(before.generator, density), before.generator.weight
        if self.leg.switches:
            return self._exchanged(before, vector, self.ladder.next(self.leg, sample), self.leg.start)
        weight = self.ladder.better(self.leg, present, sample)
        return (before, vector) if weight is None else self._exchanged(before, vector, weight, self.leg.start)

    def through(self, carrier: Carrier, vector: PETSc.Vec) -> tuple[Carrier, PETSc.Vec]:
        """Carry a density to the end of the leg; every state of interest is noted."""
        wanted = self.setting.case.evolution
        assert wanted is not None
        outputs, leg = wanted.output_times, self.leg
        every = wanted.method == "sdirk" or not leg.constant
        ahead = sorted({time for time in outputs if leg.start < time < leg.end} | {leg.end})
        now = considered = leg.start
        while ahead:
            for state in carrier.states(vector, ahead, self.settings, now):
                now, vector = state.time, state.vector
                is_output = state.is_output and now in outputs
                if every or state.is_output:
                    seen = replace(state, vector=carrier.density(vector), is_output=is_output)
                    self.journal.note(seen, carrier.counted(vector), frame=is_output)
                ahead = [time for time in ahead if time > now]
                self.setting.progress(sum(time <= now for time in outputs) / len(outputs), f"t = {now:.6g}")
                if ahead and is_output and now - leg.start >= RECONSIDER * (considered - leg.start):
                    considered = now
                    density = carrier.generator.density(carrier.density(vector))
                    better = self.ladder.better(leg, carrier.generator.weight, sampled(carrier.generator, density))
                    if better is not None:
                        carrier, vector = self._exchanged(carrier, vector, better, now)
                        break
        return carrier, vector

    def _exchanged(self, before: Carrier, vector: PETSc.Vec, weight: Weight, now: float) -> tuple[Carrier, PETSc.Vec]:
        """The same density with respect to another weight: its M-projection, which keeps the mass."""
        found = carrier_of(self.setting, self.leg, weight, self.settings)
        generator = found.generator
        _announce(self.setting, generator, now)
        functional = generator.quadrature.functional(before.generator.density(before.density(vector)))
        vector = found.loaded(functional, before.counted(vector), self.settings)
        self.journal.enter(generator)
        return found, vector


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
