"""One run: case -> mesh and model -> problems -> files and answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from mpi4py import MPI

from fpsolver.case import Case
from fpsolver.certificate import certificate
from fpsolver.domain.region_mesh import domain_mesh
from fpsolver.errors import ExitCode, FpsolverError, Stopped
from fpsolver.model import build, remarks
from fpsolver.output.checkpoint import Checkpoint
from fpsolver.output.comparison import CSV, comparison_csv
from fpsolver.output.results import as_json
from fpsolver.problems import PROBLEMS, Setting
from fpsolver.quantity import Quantity
from fpsolver.runtime import Console, Deadline, StopFlag, Timing, job_of, time_left
from fpsolver.study.api import earlier_run
from fpsolver.study.beats import Beats
from fpsolver.study.capacity import refuse_too_large
from fpsolver.study.comparison import compared
from fpsolver.study.errors import by_weight
from fpsolver.study.keeping import Clock, Keeping
from fpsolver.study.load import load
from fpsolver.study.place import Place
from fpsolver.study.records import Records
from fpsolver.study.report import report, tell_advice
from fpsolver.study.solved import Solved
from fpsolver.study.solver import Solver

PACKAGES = ("fpsolver", "fenics-dolfinx", "dolfinx-solver-real", "petsc4py", "slepc4py", "mpi4py", "numpy", "scipy")


def run_case(
    case: Case, folder: Path, comm: MPI.Intracomm, *, fresh: bool = False, stop: StopFlag | None = None
) -> ExitCode:
    """Solve everything that a case asks for and leave the results in a folder. Collective.

    Args:
        case: The case.
        folder: Results folder; made if need be.
        comm: All ranks.
        fresh: Discard earlier results of ours in that folder.
        stop: Asked often whether to end; by default signals are left to the caller.

    Returns:
        DONE, or CERTIFICATE_FAILED where a check did not pass.

    Raises:
        BadUsage: The folder is not ours, in use, or holds results of another case.
        SolverFailed: A solver failed.
        OutputFailed: A file could not be written.
        Stopped: The run was asked to end; the same call goes on.
    """
    stop = stop or StopFlag()
    stop.end_if_asked(comm, f"before {case.path} was begun")
    with Place(comm, folder) as place:
        if not place.claim(case, fresh=fresh):
            console = Console()
            console.say(f"{folder}: finished already and the case is unchanged; --fresh computes it again")
            return place.earlier_verdict()
        return _solve(case, place, comm, stop)


def _solve(case: Case, place: Place, comm: MPI.Intracomm, stop: StopFlag) -> ExitCode:
    timing = Timing()
    console = Console(place.open_log())
    refuse_too_large(case, comm)
    with timing.stage("mesh"):
        domain = domain_mesh(comm, case.domain)
    topology = domain.topology
    mesh = {
        "dimension": topology.dim,
        "vertices": topology.index_map(0).size_global,
        "cells": topology.index_map(topology.dim).size_global,
    }
    ranks = f"{comm.size} ranks" if comm.size > 1 else "1 rank"
    console.say(f"{case.title}: {case.dimension}-D, {mesh['vertices']} vertices, {mesh['cells']} cells, {ranks}")
    tell_advice(console, case)
    model = build(case)
    for remark in remarks(model):
        console.say(remark)
    records = Records(comm, case, model, place.folder, place.path)

    def stop_if_asked() -> None:
        if stop.agreed(comm):
            raise Stopped(_how_far(stop, records, place.folder))

    if comm.rank == 0:
        seconds = time_left(case.run.walltime)
        if math.isinf(seconds) and job_of() is not None:
            console.warn(
                f"the scheduler names no end of job {job_of()}, so this run goes on until it is cut off; write "
                'run.walltime = "HH:MM:SS" if the job has one'
            )
        stop.watch(place.folder, Deadline(seconds))
    heartbeat = Beats(stop_if_asked)
    checkpoint = Checkpoint(comm, place.folder, place.path, f"{place.identity} {_versions()}", console.warn)
    clock = Clock(case.run.checkpoint_every, case.run.checkpoint_states)
    keeper = Keeping(comm, checkpoint, clock, heartbeat)
    setting = Setting(case, domain, model, records, _unseen, heartbeat, console.say, earlier_run, keeper)
    solver = Solver(setting, records, keeper, heartbeat, console, timing)

    def results(status: str, verdict: Mapping[str, object] | None = None) -> dict[str, object]:
        judged = {} if verdict is None else {"certificate": verdict}
        shares = load(comm, solver.solved[0].answer.generator if solver.solved else None)
        about = {"timing": timing.as_json(), "ranks": comm.size, "load": shares, "versions": _versions()}
        return _results(case, status, mesh, solver.solved) | judged | about

    try:
        for name, problem in PROBLEMS.items():
            if problem.wanted(case):
                solver.solve(name, problem)
    except Stopped:
        records.close()
        place.write_results(results("stopped"))
        raise
    except FpsolverError:  # all ranks have it; after any other error they would not meet here
        records.close()
        raise
    records.close()
    _compare(solver.solved, _results(case, "completed", mesh, solver.solved), place, comm)
    answers = [each.answer for each in solver.solved]
    verdict = certificate([check for answer in answers for check in answer.checks])
    place.write_results(results("completed", verdict))
    if case.output.figures:
        with timing.stage("figures"):
            drawn = place.draw(console, stop)
        if not drawn:
            checkpoint.clear()
            place.finish()
            raise Stopped(
                f"stopped by {stop.reason} while figures were drawn; the results in {place.folder} are complete, and "
                f"fpsolver plot {place.folder} draws the figures"
            )
        # once more, with the time that the figures took
        place.write_results(results("completed", verdict))
    for warning in by_weight([warning for answer in answers for warning in answer.warnings]):
        console.warn(warning)
    report(console, answers, verdict, place.folder, timing.total)
    checkpoint.clear()
    place.finish()
    return ExitCode.DONE if verdict["passed"] else ExitCode.CERTIFICATE_FAILED


def _compare(solved: list[Solved], results: Mapping[str, object], place: Place, comm: MPI.Intracomm) -> None:
    """Put what the equation says beside what walkers say."""
    for number, each in enumerate(solved):
        if each.answer.name == "simulation":
            known = as_json(results)
            assert isinstance(known, dict)
            answer = compared(each.answer, known, place.folder, comm)
            assert isinstance(answer.results, dict)
            solved[number] = replace(each, answer=answer)
            place.write_text(CSV, comparison_csv(as_json(answer.results["rows"])))  # type: ignore[arg-type]


def _unseen(share: float, text: str) -> None:
    """Progress between two problems, of which there is none."""


def _how_far(stop: StopFlag, records: Records, folder: Path) -> str:
    if records.time is None:
        return f"stopped by {stop.reason}; the same command goes on with what is not solved yet"
    return (
        f"stopped by {stop.reason}; frames and curves up to t = {records.time:.6g} are in {folder}, "
        "and the same command goes on from there"
    )


def _results(case: Case, status: str, mesh: Mapping[str, int], solved: Sequence[Solved]) -> dict[str, object]:
    """``results.json`` without the verdict and what differs from run to run."""
    entries: dict[str, object] = {"schema": 1, "title": case.title, "status": status, "mesh": dict(mesh)}
    answers = [each.answer for each in solved]
    if solved and solved[0].about:
        entries["generator"] = solved[0].about
    entries |= {answer.name: answer.results for answer in answers}
    if case.probes and answers:
        entries["probes"] = [
            {"point": list(point)} | _merged([answer.probes[i] for answer in answers if answer.probes])
            for i, point in enumerate(case.probes)
        ]
    return entries


def _merged(parts: Sequence[dict[str, Quantity]]) -> dict[str, Quantity]:
    return {name: value for part in parts for name, value in part.items()}


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
