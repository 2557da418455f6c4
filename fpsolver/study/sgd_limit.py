"""SGD beside its diffusion at several learning rates: how they meet as η falls, and from where on they do not.

Both are followed by walkers, so no mesh has to resolve less and less noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from mpi4py import MPI

from fpsolver.case import Case
from fpsolver.errors import BadUsage, ExitCode, Stopped
from fpsolver.model import build
from fpsolver.problems.keeper import Forgetful
from fpsolver.problems.simulation.problem import Surroundings, simulated
from fpsolver.runtime import Console, StopFlag, Timing
from fpsolver.study.comparison import Row, breaks
from fpsolver.study.learning_rates import (
    Difference,
    Escape,
    at,
    difference,
    differences_csv,
    differences_table,
    entry_of,
    escape,
    escapes_table,
    parting,
)
from fpsolver.study.place import Place

TABLE = "sgd_limit.csv"
WHOLE = 1e-9


def sgd_limit(
    case: Case,
    folder: Path,
    comm: MPI.Intracomm,
    rates: Sequence[float],
    time: float | None,
    *,
    fresh: bool,
    stop: StopFlag,
) -> ExitCode:
    """Follow SGD and its diffusion to a time, and out of regions, at several learning rates. Collective.

    Args:
        case: With a loss per sample, [evolution] or [[exit]], and [simulation].
        folder: Results folder.
        comm: All ranks.
        rates: Learning rates.
        time: When both are compared along the evolution; None: the first output time.
        fresh: Discard earlier results of ours.
        stop: Asked often whether to end.

    Raises:
        BadUsage: The case has no minibatches, or the time is no multiple of a rate.
        Stopped: The run was asked to end; the same call starts again.
    """
    if case.simulation is None or case.simulation.kind != "sgd":
        raise BadUsage("--learning-rates: SGD needs a loss per sample, a learning rate and a batch size in the case")
    until = _checked_time(case, rates, time)
    listed = ",".join(f"{rate:g}" for rate in rates)
    with Place(comm, folder) as place:
        if not place.claim(case, fresh=fresh, purpose=f"learning rates {listed} until {until!r}"):
            Console().say(f"{folder}: finished already and the case is unchanged; --fresh computes it again")
            return ExitCode.DONE
        timing, console = Timing(), Console(place.open_log())

        def heartbeat() -> None:
            if stop.agreed(comm):
                raise Stopped(f"stopped by {stop.reason}; the same command starts again")

        def rows_of(part: Case, rate: float, what: str) -> list[Row]:
            with timing.stage("simulation"), console.progress(f"learning rate {rate:g}, {what}") as progress:
                return _rows(part, Surroundings(comm, heartbeat, progress, _unsaid, Forgetful()))

        differences, escapes, broken = _followed(case, rates, until, rows_of, console)
        place.write_text(TABLE, differences_csv(differences))
        entry = {
            "time": until,
            "walkers": case.simulation.walkers,
            "differences": {name: entry_of(line) for name, line in differences.items()},
            "exits": {name: {at(each.rate): each.as_json() for each in line} for name, line in escapes.items()},
            "breaks": {at(rate): found for rate, found in broken.items() if found},
        }
        place.write_results({"schema": 1, "title": case.title, "status": "completed", "sgd_limit": entry,
                             "timing": timing.as_json(), "ranks": comm.size})  # fmt: skip
        if differences:
            console.table(f"SGD less its diffusion at t = {until:g}", *differences_table(differences, rates))
        if escapes:
            console.table("Mean exit times", *escapes_table(escapes, rates))
        console.say(parting(broken))
        if case.output.figures and not place.draw(console, stop):
            place.finish()
            raise Stopped(f"stopped by {stop.reason} while the figure was drawn; the tables in {folder} are complete")
        console.say(f"{timing.total:.1f} s; results in {folder}")
        place.finish()
    return ExitCode.DONE


def _checked_time(case: Case, rates: Sequence[float], time: float | None) -> float | None:
    """When the evolution is looked at; None without one."""
    if case.evolution is None:
        return None
    until = case.evolution.output_times[0] if time is None else time
    for rate in rates:
        if abs(until / rate - round(until / rate)) > WHOLE * until / rate or until < rate:
            raise BadUsage(
                f"--learning-rates {rate:g}: t = {until:g} is no whole number of iterations; write another --time"
            )
    return until


def _followed(
    case: Case,
    rates: Sequence[float],
    until: float | None,
    rows_of: Callable[[Case, float, str], list[Row]],
    console: Console,
) -> tuple[dict[str, list[Difference]], dict[str, list[Escape]], dict[float, list[str]]]:
    """By quantity the differences and the exit times, by learning rate what is apart. Collective."""
    assert case.simulation is not None
    differences: dict[str, list[Difference]] = {}
    escapes: dict[str, list[Escape]] = {}
    broken: dict[float, list[str]] = {}
    for rate in rates:
        there = replace(case, noise=replace(case.noise, learning_rate=rate))
        rows: list[Row] = []
        if case.evolution is not None:
            assert until is not None
            console.say(f"learning rate {rate:g}: {round(until / rate)} iterations")
            evolution = replace(case.evolution, end_time=until, output_times=(until,))
            short = replace(case.simulation, max_time=until)
            rows += rows_of(replace(there, evolution=evolution, exits=(), simulation=short), rate, "evolution")
            for row in rows:
                found = difference(row, rate)
                if found is not None:
                    differences.setdefault(str(row["quantity"]), []).append(found)
        if case.exits:
            leaving = rows_of(replace(there, evolution=None), rate, "exits")
            for row in leaving:
                times = escape(row, rate)
                if times is not None:
                    escapes.setdefault(str(row["quantity"]), []).append(times)
            rows += leaving
        broken[rate] = breaks(rows)
        for text in broken[rate]:
            console.say(f"learning rate {rate:g}: {text}")
    return differences, escapes, broken


def _rows(case: Case, around: Surroundings) -> list[Row]:
    answer = simulated(case, build(case), around)
    assert isinstance(answer.results, dict)
    rows = answer.results["rows"]
    assert isinstance(rows, list)
    return rows


def _unsaid(line: str) -> None:
    """What is said of a single simulation."""
