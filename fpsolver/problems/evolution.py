"""The density in time: M dh/dt = -K^T h, M h(0) = the functional of the initial density."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.choice import Comparison
from fpsolver.generator.generator import Generator
from fpsolver.generator.weight import Weight
from fpsolver.linalg import Factorization
from fpsolver.problems.base import Answer, Setting, Watcher
from fpsolver.problems.earlier import earlier_density
from fpsolver.problems.initial import InitialDensity, initial_density
from fpsolver.problems.journal import Journal
from fpsolver.problems.watchers import WATCHERS
from fpsolver.propagation import PROPAGATORS, Settings, State

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
    wanted = setting.case.evolution
    assert wanted is not None
    watched = {name: make(setting) for name, (asks, make) in WATCHERS.items() if asks(setting.case)}
    settings = Settings(wanted.tolerance, setting.heartbeat)
    initial = _initial(setting)
    comparison = Comparison(setting.reference, setting.quadrature_points, setting.domain.comm)
    generator = setting.generator(comparison.best(initial.rule.points, initial.rule.weights, initial.density))
    _announce(setting, generator)
    vector = _solved(generator, generator.quadrature.functional_of_rule(initial.rule, initial.density), settings)
    journal = Journal(setting, generator, list(watched.values()))
    journal.note(State(0.0, vector, 0, is_output=False), frame=not initial.is_point)

    propagate = PROPAGATORS[wanted.method]
    ahead, now, considered = list(wanted.output_times), 0.0, 0.0
    while ahead:
        for state in propagate(generator, vector, ahead, settings, now):
            if state.is_output or wanted.method == "sdirk":
                journal.note(state, frame=state.is_output)
            now, vector = state.time, state.vector
            ahead = [time for time in ahead if time > now]
            setting.progress(1.0 - len(ahead) / len(wanted.output_times), f"t = {now:.6g}")
            if ahead and state.is_output and now >= RECONSIDER * considered:
                considered = now
                better = _better(comparison, generator, vector)
                if better is not None:
                    density = generator.density(vector)
                    generator = setting.generator(better)
                    _announce(setting, generator, now)
                    vector = _solved(generator, generator.quadrature.functional(density), settings)
                    journal.enter(generator)
                    break
    journal.keep()
    return Evolved(journal.answer(settings), watched)


def describe(weight: Weight) -> str:
    """A weight in a few words."""
    kinds = {
        "potential": "exp(-f/D)",
        "given": "exp(-noise.potential)",
        "integrated": "exp(-integral of a/D)",
        "fitted": "by exponential fitting",
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
        2 * case.discretization.degree + 4,
        lambda folder: earlier_density(*setting.earlier(folder), setting.domain.comm),
    )


def _solved(generator: Generator, functional: PETSc.Vec, settings: Settings) -> PETSc.Vec:
    """h with M h = functional."""
    mass = Factorization(generator.mass, "mass", symmetric=True, count=settings.count)
    vector = mass.solve(functional)
    mass.destroy()
    return vector


def _better(comparison: Comparison, generator: Generator, vector: PETSc.Vec) -> Weight | None:
    """A weight with a higher ceiling that the density allows by now; None if there is none."""
    quadrature = generator.quadrature
    points = quadrature.points[: quadrature.cells.owned]
    best = comparison.best(
        points.reshape(-1, points.shape[2]), quadrature.measure.ravel(), generator.density(vector).ravel()
    )
    present = generator.weight
    higher = best.kind != "none" and (present.kind == "none" or best.ceiling > present.ceiling)
    return best if higher else None
