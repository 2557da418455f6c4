"""Which of two regions is reached first, and how often and on which ways the process goes from one to the other.

    K q = 0,   q = 0 on the source, 1 on the target        probability to reach the target first
    flux = integral of pi grad q . D grad q                 transitions per time
    k_AB = flux / (share of time last spent in A)           rate; k_BA likewise

See `fpsolver.problems.committor.reactive` for what becomes of them without detailed balance.
"""

from __future__ import annotations

from functools import partial

from petsc4py import PETSc

from fpsolver.case import Committor
from fpsolver.certificate import Check
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.committor.between import Between, between, region_between
from fpsolver.problems.committor.reactive import Committors, Transitions, committors, settled_between
from fpsolver.problems.committor.report import at_probes, described, write_fields
from fpsolver.problems.committor.shares import masses, shares
from fpsolver.problems.limits import BACKWARD_ERROR, KERNEL_DEFECT
from fpsolver.problems.parts import Part, Wanted, solved_parts
from fpsolver.problems.stationary.settled import State
from fpsolver.problems.stationary.whole import whole
from fpsolver.quantity import Quantity

ABSORBED = "absorbing walls let no stationary density stand, and rates are those of a stationary process"
NOT_ONE = "there is no stationary density, or more than one, and rates are those of a stationary process"

TOO_RARE = "the share of time spent under way is below round-off of the committors in the wells"

HIDDEN = 1e-18
"""A share of time under way below this is not told from round-off."""

SUM_TO_ONE = 1e-8

TWO_WAYS = 0.02
"""Both formulas of the flux are exact, so they differ by what the mesh does not resolve: most of it is an error of the
formula through cuts, which is of first order in the error of the committors where the energy is of second."""

WHOLE = 0.02
"""The stationary masses of the source, of the target and of what lies between are integrals over different meshes."""

OUT_OF_RANGE = 1e-3
"""A committor below 0 or above 1 by more than this is not resolved, and that is told ..."""

VISITED = 1e-12
"""... where the stationary density is above this fraction of its maximum."""

TIMES = ("mean_passage_time", "reverse_mean_passage_time", "mean_transition_time")
NUMBERS = ("rate", "reverse_rate", "flux", "flux_through_cuts", "share_from_source", "share_from_target", *TIMES)


def solve_committors(setting: Setting) -> Answer:
    """All committors of the case. Collective.

    Raises:
        BadUsage: Nothing lies between two regions, or nothing leads into one of them.
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    absorbing = setting.case.boundary is not None
    state = None if absorbing else whole(setting).state
    why = ABSORBED if absorbing else NOT_ONE
    wanted = [
        Wanted(
            f"committor_{i}",
            f"committor from {each.source} to {each.target}",
            region_between(setting.case, each).name,
            partial(_solved, wanted=each, state=state, why=why),
        )
        for i, each in enumerate(setting.case.committors)
    ]
    return solved_parts("committor", setting, wanted)


def _solved(setting: Setting, wanted: Committor, state: State | None, why: str) -> Part:
    problem, count = between(setting, wanted), SolveCount()
    generator = problem.generator
    setting.announce(
        f"committor from {wanted.source} to {wanted.target}: {generator.unknowns} unknowns of degree "
        f"{generator.degree} on {problem.cells} cells, weight {generator.weight.kind}, wells: {len(problem.pins)}"
    )
    forward = committors(generator, problem.forward, problem.pins, count)
    setting.heartbeat()
    transitions = None if state is None else _transitions(problem, state, forward, count)
    results: dict[str, object] = {
        "source": wanted.source,
        "target": wanted.target,
        "unknowns": generator.unknowns,
        "cells": problem.cells,
        "wells": len(problem.pins),
    }
    checks: list[Check] = []
    if state is None or transitions is None:
        results |= dict.fromkeys(NUMBERS, Quantity(None, why=why))
    else:
        results |= _statistics(transitions, *shares(setting, wanted, state, transitions))
        checks = _judged(wanted, transitions, sum(masses(setting, wanted, state)))
    if setting.is_companion:
        checks = []
    else:
        write_fields(setting, wanted, problem, forward.target, transitions)
        checks.append(Check("backward error of solves", count.backward_error, BACKWARD_ERROR))
        checks.append(Check("constants in the kernel of K", generator.kernel_defect(), KERNEL_DEFECT))
    probes = at_probes(setting, wanted, problem, forward.target)
    warnings = _out_of_range(wanted, transitions, forward.target)
    return Part(results, generator, checks, probes, warnings, described(wanted, results))


def _transitions(problem: Between, state: State, forward: Committors, count: SolveCount) -> Transitions:
    settled = settled_between(state, problem.generator)
    backward = forward
    if not state.balanced:
        backward = committors(settled.backward(), problem.backward, problem.pins, count)
    return Transitions(problem, settled, forward, backward)


def _statistics(transitions: Transitions, from_source: float, from_target: float) -> dict[str, object]:
    flux = transitions.flux
    under_way = transitions.integral(transitions.forward.target, transitions.backward.source)
    values = {
        "rate": flux / from_source,
        "reverse_rate": flux / from_target,
        "flux": flux,
        "flux_through_cuts": transitions.through_cuts,
        "share_from_source": from_source,
        "share_from_target": from_target,
        "mean_passage_time": from_source / flux,
        "reverse_mean_passage_time": from_target / flux,
        "mean_transition_time": under_way / flux,
    }
    found: dict[str, object] = {name: Quantity(value, scale="log") for name, value in values.items()}
    if under_way < HIDDEN:
        found["mean_transition_time"] = Quantity(None, why=TOO_RARE)
    return found


def _judged(wanted: Committor, transitions: Transitions, in_both: float) -> list[Check]:
    name = f"committor from {wanted.source} to {wanted.target}"
    whole = in_both + transitions.integral()
    checks = [
        Check(f"{name}: masses of all parts", abs(whole - 1.0), WHOLE),
        Check(f"{name}: probabilities of both ends", _sum_defect(transitions.forward), SUM_TO_ONE),
    ]
    if not transitions.problem.open:
        two = abs(transitions.through_cuts / transitions.energy - 1.0)
        checks.append(Check(f"{name}: flux through cuts and as an energy", two, TWO_WAYS))
    return checks


def _sum_defect(found: Committors) -> float:
    """Largest difference of their sum from 1, over the largest of them."""
    total = found.target.copy()
    total.axpy(1.0, found.source)
    total.shift(-1.0)
    return float(total.norm(PETSc.NormType.INFINITY) / found.target.norm(PETSc.NormType.INFINITY))


def _out_of_range(wanted: Committor, transitions: Transitions | None, committor: PETSc.Vec) -> list[str]:
    """A warning where the committor is no probability; only where the process ever is, if that is known."""
    lowest, highest = committor.min()[1], committor.max()[1]
    where = ""
    if transitions is not None:
        lowest, highest = transitions.range_where_mass_is(VISITED)
        where = " where some mass is"
    if max(-lowest, highest - 1.0) <= OUT_OF_RANGE:
        return []
    return [
        f"committor from {wanted.source} to {wanted.target}: computed probabilities range from {lowest:.4g} to "
        f"{highest:.4g}{where}; write more domain.cells, or a smaller domain"
    ]
