"""The distributions of when and where a process leaves: what an exit reports beside means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from mpi4py import MPI

from fpsolver.case import Exit
from fpsolver.certificate import Check
from fpsolver.generator.exit_set import exit_set
from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.exit import points
from fpsolver.problems.exit import survival as times
from fpsolver.problems.exit.killed import Killed
from fpsolver.problems.exit.starts import Start
from fpsolver.problems.exit.times import Times
from fpsolver.problems.reach.traps import Trapped
from fpsolver.quantity import Quantity

ALL_LEAVE = 1e-8
"""Probabilities to leave anywhere, and never, add up to 1 by algebra: this is round-off of a solve."""

PARTS = 1e-4
"""Parts of the exit set are integrals of densities, exact on straight facets and nearly so where neighbours
meet on curved ones; one that is left out is more than that."""

NEGATIVE = 1e-3
"""A density of exit points with a larger negative part is told."""


@dataclass(frozen=True)
class ExitLaw:
    """What one exit contributes.

    Attributes:
        starts: For each start what belongs to its entry.
        results: What belongs to the entry of the exit.
        checks: Lines of the certificate.
        warnings: What the user should know.
    """

    starts: Sequence[dict[str, object]]
    results: dict[str, object] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    warnings: Sequence[str] = ()


def exit_law(
    setting: Setting,
    wanted: Exit,
    problem: Killed,
    inverse: Pinned | None,
    solved: Times | None,
    fate: Trapped,
    starts: Sequence[Start],
    count: SolveCount,
) -> ExitLaw:
    """When and where the process leaves, from each start. Collective.

    Args:
        setting: The setting.
        wanted: The exit.
        problem: Its generator; the fixed nodes are those of the exit set, and those where paths are caught.
        inverse: K without them; None where all mean times are infinite.
        solved: The times; None there too.
        fate: What keeps paths inside.
        starts: The starts.
        count: Where work is counted.
    """
    never = [fate.reason_at(start.functional) for start in starts]
    if inverse is not None:
        return _law(setting, wanted, problem, inverse, solved, fate, starts, never, count)
    stuck = problem.fixed | fate.held
    comm = problem.generator.comm
    if fate.probability is None or comm.allreduce(bool(stuck.all()), MPI.LAND):
        return ExitLaw([_staying(reason) for reason in never])
    held = replace(problem, fixed=stuck)
    own = Pinned(problem.generator, stuck, problem.pins, "exit", count)
    law = _law(setting, wanted, held, own, None, fate, starts, never, count)
    own.destroy()
    return law


def _law(
    setting: Setting,
    wanted: Exit,
    problem: Killed,
    inverse: Pinned,
    solved: Times | None,
    fate: Trapped,
    starts: Sequence[Start],
    never: Sequence[str | None],
    count: SolveCount,
) -> ExitLaw:
    case, name = setting.case, f"exit from {wanted.region}"
    functionals = [start.functional for start in starts]
    when = times.survival(inverse, problem.fixed, fate.probability, functionals, count, setting.heartbeat)
    settled = []
    if solved is not None:
        settled.append(solved.quasi_stationary.duplicate())
        problem.generator.mass.mult(solved.quasi_stationary, settled[0])
    region = case.regions[wanted.region]
    mesh = setting.region_mesh(region, problem.generator.weight)
    edge = exit_set(problem.generator.space, mesh, setting.model, problem.fixed & ~fate.held)
    where = points.exit_points(inverse, edge, [*functionals, *settled])
    others = [other for key, other in case.regions.items() if key != wanted.region]
    into = where.into(region, others, case.coordinates)
    entries = []
    for i, reason in enumerate(never):
        deviation = None if solved is None or reason is not None else _deviation(solved, starts[i])
        lasting = fate.lingers if reason is not None else None
        entry = times.entry_of(when, i, deviation, reason) if lasting is None else Quantity(None, why=lasting)
        entries.append({"survival": entry, **points.entry_of(where, i, into)})
    results: dict[str, object] = {}
    if settled:
        results["quasi_stationary"] = points.entry_of(where, len(starts), into)
    if setting.is_companion:
        return ExitLaw(entries, results)
    name_of = _names(case.exits, wanted)
    tables = {"exit_points": name_of("exit_points")}
    if not when.is_lost:
        tables["survival"] = name_of("survival")
        setting.recorder.table(tables["survival"], *when.table(wanted.times))
    columns = [f"density_{i + 1}" for i in range(len(starts))] + ["quasi_stationary"] * len(settled)
    setting.recorder.table(tables["exit_points"], *points.table_of(where, case.coordinates, columns))
    results["tables"] = tables
    staying = np.append(when.staying, np.zeros(len(settled)))
    sums = sum(into.values(), start=np.zeros(len(staying)))
    checks = [
        *times.checks_of(when, name),
        Check(f"{name}: probabilities to leave", float(np.abs(where.total + staying - 1.0).max()), ALL_LEAVE),
        Check(f"{name}: probabilities of all neighbours", float(np.abs(sums - where.total).max()), PARTS),
    ]
    warnings = times.warnings_of(when, name)
    if where.negative > NEGATIVE:
        warnings.append(
            f"{name}: the density of exit points is negative in places ({where.negative:.1g} of it); "
            "write more domain.cells"
        )
    return ExitLaw(entries, results, checks, warnings)


def _deviation(solved: Times, start: Start) -> float:
    """Standard deviation of the exit time; of a density the times of its points differ among each other too."""
    mean, square = (float(start.functional.dot(moment)) for moment in solved.moments[:2])
    variance = solved.variance(start.functional) if start.density is None else square - mean**2
    return float(np.sqrt(max(variance, 0.0)))


def _staying(reason: str | None) -> dict[str, object]:
    """Of a start from where nothing ever leaves."""
    endless = Quantity(None, why=reason, infinite=True)
    return {"survival": {"median": endless, "never": Quantity(1.0, 0.0)}}


def _names(exits: Sequence[Exit], wanted: Exit) -> Callable[[str], str]:
    """Names of tables: by the region, numbered from the second exit of the same region on."""
    same = [other for other in exits if other.region == wanted.region]
    number = next(i for i, other in enumerate(same) if other is wanted)
    suffix = wanted.region if number == 0 else f"{wanted.region}_{number + 1}"
    return lambda kind: f"{kind}_{suffix}.csv"
