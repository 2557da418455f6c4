"""One run: case -> mesh and model -> problems -> files and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

from mpi4py import MPI

from fpsolver.case import Case, load
from fpsolver.certificate import certificate
from fpsolver.domain.box import box_mesh
from fpsolver.errors import ExitCode, Stopped
from fpsolver.model import build
from fpsolver.output.state import read_state
from fpsolver.problems import PROBLEMS, Answer, Setting
from fpsolver.quantity import Quantity
from fpsolver.runtime import Console, StopFlag, Timing
from fpsolver.state import FinalState
from fpsolver.study.place import Place
from fpsolver.study.records import Records
from fpsolver.study.report import report

PACKAGES = ("fpsolver", "fenics-dolfinx", "dolfinx-solver-real", "petsc4py", "slepc4py", "mpi4py", "numpy", "scipy")


def run_case(case: Case, folder: Path, comm: MPI.Comm, *, fresh: bool = False) -> ExitCode:
    """Solve everything that a case asks for and leave the results in a folder. Collective.

    Args:
        case: The case.
        folder: Results folder; made if need be.
        comm: All ranks.
        fresh: Discard earlier results of ours in that folder.

    Returns:
        DONE, or CERTIFICATE_FAILED where a check did not pass.

    Raises:
        BadUsage: The folder is not ours, in use, or holds results of another case.
        SolverFailed: A solver failed.
        Stopped: A signal asked the run to end; the files that were written are whole.
    """
    with Place(comm, folder) as place:
        if not place.claim(case, fresh=fresh):
            console = Console()
            console.say(f"{folder}: finished already and the case is unchanged; --fresh computes it again")
            return place.earlier_verdict()
        return _solve(case, place, comm)


def _solve(case: Case, place: Place, comm: MPI.Comm) -> ExitCode:
    timing = Timing()
    console = Console(place.open_log())
    with StopFlag() as stop:
        with timing.stage("mesh"):
            box = case.domain
            domain = box_mesh(comm, box.lower, box.upper, box.cells, box.diagonal)
        topology = domain.topology
        mesh = {
            "dimension": topology.dim,
            "vertices": topology.index_map(0).size_global,
            "cells": topology.index_map(topology.dim).size_global,
        }
        ranks = f"{comm.size} ranks" if comm.size > 1 else "1 rank"
        console.say(f"{case.title}: {case.dimension}-D, {mesh['vertices']} vertices, {mesh['cells']} cells, {ranks}")
        model = build(case)
        records = Records(comm, case, model, place.path)

        def heartbeat() -> None:
            if stop.agreed(comm):
                raise Stopped(
                    f"stopped by {stop.reason}; frames and curves up to here are in {place.folder}, "
                    "and the same command starts the run again"
                )

        answers: list[Answer] = []
        try:
            for name, problem in PROBLEMS.items():
                if problem.wanted(case):
                    with timing.stage(name), console.progress(name) as progress:
                        setting = Setting(case, domain, model, records, progress, heartbeat, console.say, _earlier)
                        answers.append(problem.solve(setting))
        finally:
            records.close()
        verdict = certificate([check for answer in answers for check in answer.checks])

        def results() -> dict[str, object]:
            return _results(case, mesh, answers, verdict) | {
                "timing": timing.as_json(),
                "ranks": comm.size,
                "versions": _versions(),
            }

        place.write_results(results())
        if case.output.figures:
            with timing.stage("figures"):
                place.draw(console)
            place.write_results(results())  # once more, with the time that the figures took
    for answer in answers:
        for warning in answer.warnings:
            console.warn(warning)
    report(console, answers, verdict, place.folder, timing.total)
    place.finish()
    return ExitCode.DONE if verdict["passed"] else ExitCode.CERTIFICATE_FAILED


def _results(
    case: Case, mesh: Mapping[str, int], answers: Sequence[Answer], verdict: Mapping[str, object]
) -> dict[str, object]:
    """``results.json`` without what differs from run to run."""
    entries: dict[str, object] = {"schema": 1, "title": case.title, "status": "completed", "mesh": dict(mesh)}
    if answers:
        generator = answers[0].generator
        entries["generator"] = {
            "degree": generator.degree,
            "unknowns": generator.unknowns,
            "weight": generator.weight.kind,
            "monotone": generator.monotone,
            "reversible": generator.reversible,
        }
    entries |= {answer.name: answer.results for answer in answers}
    if case.probes:
        entries["probes"] = [
            {"point": list(point)} | _merged([answer.probes[i] for answer in answers if answer.probes])
            for i, point in enumerate(case.probes)
        ]
    return entries | {"certificate": verdict}


def _earlier(folder: Path) -> tuple[Case, FinalState]:
    """The case and the final state in the results folder of a finished run; read by every rank."""
    return load(folder / "case.toml"), read_state(folder)


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
