"""Time to leave a region: its moments, the rate of escape, and what a process that has not left yet settles to.

The equations are those of `fpsolver.problems.exit.times`; this file puts them together with what checks and reports
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from fpsolver.case import Exit
from fpsolver.certificate import Check
from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import SolveCount
from fpsolver.problems.arrhenius.problem import arrhenius
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.enclosure.problem import enclosed
from fpsolver.problems.exit.checks import DUALITY, LOWEST, NEGATIVE, duality, signs_of
from fpsolver.problems.exit.killed import Killed, killed
from fpsolver.problems.exit.law import exit_law
from fpsolver.problems.exit.minibatches import sgd_beside
from fpsolver.problems.exit.report import at_probes, at_start, described, write_fields
from fpsolver.problems.exit.starts import Start, starts_of
from fpsolver.problems.exit.theory import critical_of, listed, theory_of, unless
from fpsolver.problems.exit.times import Times, solved_times
from fpsolver.problems.limits import BACKWARD_ERROR, KERNEL_DEFECT
from fpsolver.problems.parts import Part, Wanted, solved_parts
from fpsolver.problems.reach.traps import Trapped, trapped
from fpsolver.quantity import Quantity


def solve_exits(setting: Setting) -> Answer:
    """All exits of the case. Collective.

    Raises:
        BadUsage: A region has no cells, or a start lies outside of its region.
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    wanted = [
        Wanted(f"exit_{i}", f"exit from {each.region}", each.region, partial(_solved, wanted=each))
        for i, each in enumerate(setting.case.exits)
    ]
    return solved_parts("exit", setting, wanted)


def _solved(setting: Setting, wanted: Exit) -> Part:
    problem = killed(setting, wanted)
    starts = starts_of(setting, wanted, problem)
    theory = [{}] * len(starts) if setting.is_companion else theory_of(setting, wanted, problem, starts)
    law = arrhenius(setting, wanted, problem, starts)
    fate = trapped(setting, wanted, problem)
    bounds = enclosed(setting, wanted, problem, fate, theory)
    if not fate.everywhere:  # K is singular where paths are caught; nothing finite reaches those nodes
        problem = replace(problem, fixed=problem.fixed | fate.held)
    generator, count = problem.generator, SolveCount()
    setting.announce(
        f"exit from {wanted.region}: {generator.unknowns} unknowns of degree {generator.degree} on "
        f"{problem.cells} cells, weight {generator.weight.kind}, wells: {len(problem.pins)}"
    )
    inverse = None if fate.everywhere else Pinned(generator, problem.fixed, problem.pins, "exit", count)
    times = None if inverse is None else solved_times(inverse, max(wanted.moments, 2), setting.heartbeat)
    laws = exit_law(setting, wanted, problem, inverse, times, fate, starts, count)
    rate = Quantity(None, why=fate.reason) if times is None else Quantity(times.rate, scale="log")
    entries = [
        {**_started(setting, wanted, start, times, fate, more), **when_and_where}
        for start, more, when_and_where in zip(starts, bounds.starts, laws.starts, strict=True)
    ]
    batches, apart = sgd_beside(setting, wanted, [entry["mean"] for entry in entries])
    results: dict[str, object] = {
        "region": wanted.region,
        "unknowns": generator.unknowns,
        "cells": problem.cells,
        "wells": len(problem.pins),
        **count.work,
        "escape_rate": rate,
        "starts": [{**entry, **more} for entry, more in zip(entries, batches, strict=True)],
        **laws.results,
        **law,
        **bounds.results,
    }
    if not setting.is_companion and wanted is setting.case.exits[0]:
        results["critical_points"] = listed(critical_of(setting))
    checks: list[Check] = []
    warnings: list[str] = []
    if times is not None and not setting.is_companion:
        write_fields(setting, wanted, problem, times, fate)
        finite = [start for start in starts if fate.reason_at(start.functional) is None]
        found, more, warnings = _judged(wanted, problem, finite, times)
        checks += found
        results |= more
    checks += [
        *laws.checks,
        Check("constants in the kernel of K", generator.kernel_defect(), KERNEL_DEFECT),
        Check("backward error of solves", count.backward_error, BACKWARD_ERROR),
    ]
    if inverse is not None:
        inverse.destroy()
    probes = at_probes(setting, wanted, problem, times, fate)
    return Part(results, generator, checks, probes, [*warnings, *laws.warnings, *apart], described(wanted, results))


def _started(
    setting: Setting, wanted: Exit, start: Start, times: Times | None, fate: Trapped, theory: Mapping[str, object]
) -> dict[str, object]:
    """The entry of a start: what was computed, and what theory says."""
    reason = fate.reason_at(start.functional)
    return {**at_start(setting, wanted, start, times, reason), **unless(reason, theory)}


def _judged(
    wanted: Exit, problem: Killed, starts: Sequence[Start], times: Times
) -> tuple[list[Check], dict[str, object], list[str]]:
    """Checks of the times, the lowest one anywhere, and warnings."""
    signs = signs_of(problem.generator, times)
    highest = times.moments[0].max()[1]
    warnings = []
    if signs.lowest < -LOWEST * highest:
        where = ", ".join(f"{x:.4g}" for x in signs.place)
        visited = signs.lowest_visited < -LOWEST * highest
        mass = f"down to {signs.lowest_visited:.3g} where some mass is" if visited else "where hardly any mass ever is"
        warnings.append(
            f"exit from {wanted.region}: the computed time falls to {signs.lowest:.3g} at ({where}), {mass}; "
            "refine the mesh there if that corner matters"
        )
    checks = [
        Check(f"exit from {wanted.region}: duality", duality(problem, starts, times), DUALITY),
        Check(f"exit from {wanted.region}: negative part", signs.weighted, NEGATIVE),
    ]
    lowest = {"lowest": signs.lowest, "lowest_point": list(signs.place), "lowest_where_mass_is": signs.lowest_visited}
    return checks, lowest, warnings
