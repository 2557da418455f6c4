"""A case on several meshes or with several degrees: how its numbers settle, and what they settle to.

By h, the cells are doubled from level to level. The first level is the case itself, unless the last one would then be
larger than `LARGEST`: then the levels begin with coarser cells, so that the last one is about the case itself at worst.
By degree, the levels end with the degree of the case where it is high enough, else they begin with degree 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mpi4py import MPI

from fpsolver.case import Case
from fpsolver.certificate import certificate
from fpsolver.domain.region_mesh import domain_mesh
from fpsolver.errors import BadUsage, ExitCode, FpsolverError, Stopped
from fpsolver.model import build
from fpsolver.problems import PROBLEMS, Answer, Problem, Setting
from fpsolver.problems.base import Silent, Store
from fpsolver.problems.packing import Place as Spot
from fpsolver.quantity import Quantity
from fpsolver.runtime import Console, StopFlag, Timing
from fpsolver.study.api import earlier_run
from fpsolver.study.convergence import Line, Table
from fpsolver.study.orders import trend
from fpsolver.study.place import Place
from fpsolver.study.sizes import sized
from fpsolver.study.trees import dotted, quantities

LARGEST = 100_000
"""Unknowns of the last level; a case that is larger itself is the last level."""

HIGHEST = 10


@dataclass(frozen=True)
class Level:
    """One solve.

    Attributes:
        case: On its cells, with its degree.
        unknowns: Of the main mesh.
        answers: What was found.
    """

    case: Case
    unknowns: int
    answers: Sequence[Answer]


def converge_case(
    case: Case,
    folder: Path,
    comm: MPI.Intracomm,
    *,
    levels: int = 3,
    by: str = "h",
    fresh: bool = False,
    stop: StopFlag | None = None,
) -> ExitCode:
    """Solve a case at several levels and leave a table of orders and limits in a folder. Collective.

    Args:
        case: The case.
        folder: Results folder; made if need be.
        comm: All ranks.
        levels: How many, at least two.
        by: ``h`` or ``degree``.
        fresh: Discard earlier results of ours in that folder.
        stop: Asked often whether to end; by default signals are left to the caller.

    Returns:
        DONE, or CERTIFICATE_FAILED where a check of the last level did not pass.

    Raises:
        BadUsage: The levels make no sense, or the folder is not ours, in use, or holds other results.
        SolverFailed: A solver failed.
        Stopped: A signal asked the run to end.
    """
    stop = stop or StopFlag()
    stop.end_if_asked(comm, f"before {case.path} was begun")
    cases = levels_of(case, levels, by)
    with Place(comm, folder) as place:
        if not place.claim(case, fresh=fresh, purpose=f"converge {levels} by {by}"):
            Console().say(f"{folder}: finished already and the case is unchanged; --fresh computes it again")
            return place.earlier_verdict("convergence.json")
        timing, console = Timing(), Console(place.open_log())
        solved = _solved(cases, comm, console, timing, stop)
        table = tabulated(solved, by)
        verdict = certificate([check for answer in solved[-1].answers for check in answer.checks])
        place.write_text("convergence.json", table.as_json(verdict))
        place.write_text("convergence.csv", table.as_csv())
        console.table(f"convergence by {by}", *table.shown())
        for warning in table.warnings():
            console.warn(warning)
        if case.output.figures and not place.draw(console, stop):
            place.finish()
            raise Stopped(f"stopped by {stop.reason} while the figure was drawn; the tables in {folder} are complete")
        console.say(f"{timing.total:.1f} s; results in {folder}")
        place.finish()
        return ExitCode.DONE if verdict["passed"] else ExitCode.CERTIFICATE_FAILED


def levels_of(case: Case, levels: int, by: str) -> list[Case]:
    """The case at each level.

    Raises:
        BadUsage: Fewer than two levels, or degrees that do not exist.
    """
    if levels < 2:
        raise BadUsage(f"--levels {levels}: one level shows no convergence; write --levels 3")
    case = replace(case, simulation=None)  # which depends on no mesh
    settings = replace(case.run, errors=False)
    if by == "degree":
        if case.discretization.scheme == "monotone":
            raise BadUsage('--by degree: the monotone scheme has degree 1; write --by h, or scheme = "weighted"')
        if levels > HIGHEST:
            raise BadUsage(f"--levels {levels}: there are {HIGHEST} degrees; write --levels 3")
        first = max(1, case.discretization.degree - levels + 1)
        degrees = range(first, first + levels)
        return [
            replace(case, run=settings, discretization=replace(case.discretization, degree=degree))
            for degree in degrees
        ]
    if levels > HIGHEST:
        raise BadUsage(f"--levels {levels}: more than {HIGHEST} cannot be solved; write --levels 3")
    coarsest, coarsened = case.domain, 0
    while (
        coarsened < levels - 1
        and coarsest.nodes(case.discretization.degree) * 2 ** ((levels - 1) * case.dimension) > LARGEST
    ):
        coarser = coarsest.coarser(2)
        if coarser is None:
            break
        coarsest, coarsened = coarser, coarsened + 1
    return [replace(case, run=settings, domain=coarsest.finer(2.0**level)[1]) for level in range(levels)]


def tabulated(solved: Sequence[Level], by: str) -> Table:
    """Orders and limits of every quantity that all levels have."""
    found = [_all(level.answers) for level in solved]
    lines = []
    for place, last in found[-1].items():
        if _is_repeated(place):
            continue
        across = [level.get(place) for level in found]
        values = [None if quantity is None else quantity.value for quantity in across]
        numbers = [value for value in values if value is not None]
        if len(numbers) < len(values):
            note = "infinite" if last.infinite else "not a number at every level"
            lines.append(Line(dotted(place), values, None, note=note))
            continue
        expected = None if by == "degree" else _expected(place, solved[-1].case)
        found_trend = trend(numbers, expected, by_degree=by == "degree", size=last.size)
        lines.append(Line(dotted(place), values, expected, found_trend))
    levels = [
        {
            "unknowns": level.unknowns,
            "cells": list(getattr(level.case.domain, "cells", ())) or level.case.domain.words,
            "degree": level.case.discretization.degree,
        }
        for level in solved
    ]
    return Table(by, levels, lines)


def _solved(
    cases: Sequence[Case], comm: MPI.Intracomm, console: Console, timing: Timing, stop: StopFlag
) -> list[Level]:
    """All levels, the last one first: levels that differ in degree share the meshes that it needs."""

    def heartbeat() -> None:
        if stop.agreed(comm):
            raise Stopped(f"stopped by {stop.reason}; the same command starts again")

    levels: list[Level] = []
    model = build(cases[0])
    of_model, of_mesh = Store(), Store()
    for number, case in reversed(list(enumerate(cases, start=1))):
        box = case.domain
        domain = domain_mesh(comm, box)
        if levels and box != levels[-1].case.domain:
            of_mesh = Store()
        setting = Setting(case, domain, model, Silent(), _unseen, heartbeat, _silence, earlier_run)
        setting = replace(setting, of_model=of_model, of_mesh=of_mesh)
        answers = []
        for name, problem in PROBLEMS.items():
            if not problem.wanted(case):
                continue
            heartbeat()
            with timing.stage(name), console.progress(f"level {number} of {len(cases)}, {name}") as progress:
                answers.append(_answer(problem, replace(setting, progress=progress), number))
        levels.append(Level(case, box.nodes(case.discretization.degree), answers))
        console.say(
            f"level {number}: {box.words}, degree {case.discretization.degree}, {levels[-1].unknowns} unknowns, "
            f"{timing.total:.1f} s so far"
        )
    return levels[::-1]


def _answer(problem: Problem, setting: Setting, number: int) -> Answer:
    try:
        return problem.solve(setting)
    except Stopped:
        raise
    except FpsolverError as failure:
        raise type(failure)(f"level {number}, {setting.case.domain.words}: {failure}") from None


def _unseen(share: float, text: str) -> None:
    """Progress between two problems, of which there is none."""


def _silence(text: str) -> None:
    """Nothing."""


def _is_repeated(place: Spot) -> bool:
    """Whether it is the lower half of a covariance."""
    if len(place) < 3 or place[-3] != "covariance":
        return False
    row, column = place[-2:]
    return isinstance(row, int) and isinstance(column, int) and column < row


def _all(answers: Sequence[Answer]) -> Mapping[Spot, Quantity]:
    return {place: quantity for answer in answers for place, quantity in quantities(sized(answer)).items()}


def _expected(place: Spot, case: Case) -> float | None:
    """Order of a quantity: twice the degree for integrals, times and eigenvalues, less for values at points.

    The error of a functional is a product of two errors of approximation, that of the solution and that of the adjoint
    problem whose right-hand side it is. For a value at a point the adjoint solution is singular. The mesh of an exit is
    graded anew at each level, not halved, so nothing is known of its order.
    """
    degree = case.discretization.degree
    if place[0] == "exit":
        return None
    return float(degree + 1 if place[0] == "probes" else 2 * degree)
