"""A case by Monte Carlo alone, beside the numbers of a run that is finished."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from mpi4py import MPI

from fpsolver.case import Case, load
from fpsolver.errors import BadUsage, ExitCode, FpsolverError, Stopped
from fpsolver.model import build
from fpsolver.output.checkpoint import Checkpoint
from fpsolver.output.collective import on_root
from fpsolver.output.comparison import CSV, comparison_csv
from fpsolver.output.results import FILE, as_json, read_results
from fpsolver.problems.simulation.problem import Surroundings, simulated
from fpsolver.runtime import Console, Deadline, StopFlag, Timing, time_left
from fpsolver.study.beats import Beats
from fpsolver.study.comparison import compared
from fpsolver.study.keeping import Clock, Keeping
from fpsolver.study.place import Place
from fpsolver.study.report import told


def simulate_case(
    case: Case,
    folder: Path,
    comm: MPI.Intracomm,
    *,
    against: Path,
    fresh: bool = False,
    stop: StopFlag | None = None,
) -> ExitCode:
    """Follow walkers of a case and leave the table in a folder. Collective.

    Args:
        case: With [simulation].
        folder: Results folder; made if need be.
        comm: All ranks.
        against: Results folder of a run of the same case, which may not be there.
        fresh: Discard earlier results of ours.
        stop: Asked often whether to end; by default signals are left to the caller.

    Raises:
        BadUsage: The case cannot be simulated, or the folder is not ours, in use, or holds other results.
        SolverFailed: A walker went astray.
        Stopped: The run was asked to end; the same call goes on.
    """
    stop = stop or StopFlag()
    stop.end_if_asked(comm, f"before {case.path} was begun")
    results, why = on_root(comm, lambda: earlier(case, against), against)
    with Place(comm, folder) as place:
        if not place.claim(case, fresh=fresh, purpose=f"simulate beside {'nothing' if results is None else against}"):
            Console().say(f"{folder}: finished already and the case is unchanged; --fresh computes it again")
            return ExitCode.DONE
        timing, console = Timing(), Console(place.open_log())
        console.say(f"{case.title}: {case.dimension}-D, walkers alone, {comm.size} rank{'s' * (comm.size > 1)}")
        console.say(f"compared with the run in {against}" if results is not None else f"{why}; nothing to compare with")

        def stop_if_asked() -> None:
            if stop.agreed(comm):
                raise Stopped(f"stopped by {stop.reason}; the same command goes on with what is not done yet")

        if comm.rank == 0:
            stop.watch(place.folder, Deadline(time_left(case.run.walltime)))
        heartbeat = Beats(stop_if_asked)
        checkpoint = Checkpoint(comm, place.folder, place.path, place.identity, console.warn)
        clock = Clock(case.run.checkpoint_every, case.run.checkpoint_states)
        keeper = Keeping(comm, checkpoint, clock, heartbeat)
        model = build(case)
        with timing.stage("simulation"), console.progress("simulation") as progress:
            answer = simulated(case, model, Surroundings(comm, heartbeat, progress, console.say, keeper))
        answer = compared(answer, results, against, comm)
        entry = as_json(answer.results)
        assert isinstance(entry, dict)
        about: dict[str, Any] = {"schema": 1, "title": case.title, "status": "completed", "simulation": entry}
        place.write_results(about | {"timing": timing.as_json(), "ranks": comm.size})
        place.write_text(CSV, comparison_csv(entry["rows"]))
        told(console, entry)
        if case.output.figures and not place.draw(console, stop):
            place.finish()
            raise Stopped(f"stopped by {stop.reason} while the figure was drawn; the tables in {folder} are complete")
        for warning in answer.warnings:
            console.warn(warning)
        console.say(f"{timing.total:.1f} s; results in {folder}")
        checkpoint.clear()
        place.finish()
    return ExitCode.DONE


def earlier(case: Case, folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The results of a finished run of the same case; or None, and why there are none."""
    try:
        results, other = read_results(folder), load(folder / "case.toml")
    except (BadUsage, FpsolverError):
        return None, f"{folder / FILE} is not there"
    if results.get("status") != "completed":
        return None, f"the run in {folder} is not finished"
    one, two = (replace(each, simulation=None, resolved={}, run=case.run, output=case.output) for each in (case, other))
    return (results, "") if one == two else (None, f"{folder} holds results of another case, or of other values")
