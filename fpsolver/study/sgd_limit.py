"""SGD approaches its diffusion as the learning rate falls: the difference of both at a fixed time, and its order.

At learning rate η the diffusion has D = η/(2B) Σ, so both change with η; what they differ by in the mean of a smooth
function is O(η) (Li, Tai and E, 2017). Both are followed by walkers, so no mesh has to
resolve less and less noise.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mpi4py import MPI

from fpsolver.case import Case
from fpsolver.errors import BadUsage, ExitCode, Stopped
from fpsolver.model import build
from fpsolver.problems.keeper import Forgetful
from fpsolver.problems.simulation.problem import Surroundings, simulated
from fpsolver.quantity import Quantity
from fpsolver.runtime import Console, StopFlag, Timing
from fpsolver.study.place import Place

TABLE = "sgd_limit.csv"
WHOLE = 1e-9


@dataclass(frozen=True)
class Difference:
    """SGD less diffusion at one learning rate, with the half width of its interval and the error of the step."""

    rate: float
    value: float
    half: float


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
    """Follow SGD and its diffusion to a time at several learning rates. Collective.

    Args:
        case: With a loss per sample, [evolution] and [simulation].
        folder: Results folder.
        comm: All ranks.
        rates: Learning rates.
        time: When both are compared; None: the first output time.
        fresh: Discard earlier results of ours.
        stop: Asked often whether to end.

    Raises:
        BadUsage: The case has no minibatches or no evolution, or the time is no multiple of a rate.
        Stopped: The run was asked to end; the same call starts again.
    """
    if case.evolution is None or case.simulation is None or case.simulation.kind != "sgd":
        raise BadUsage("--learning-rates: SGD and its diffusion are compared along [evolution]; write it in the case")
    time = case.evolution.output_times[0] if time is None else time
    for rate in rates:
        if abs(time / rate - round(time / rate)) > WHOLE * time / rate or time < rate:
            raise BadUsage(
                f"--learning-rates {rate:g}: t = {time:g} is no whole number of iterations; write another --time"
            )
    listed = ",".join(f"{rate:g}" for rate in rates)
    with Place(comm, folder) as place:
        if not place.claim(case, fresh=fresh, purpose=f"learning rates {listed} until {time!r}"):
            Console().say(f"{folder}: finished already and the case is unchanged; --fresh computes it again")
            return ExitCode.DONE
        timing, console = Timing(), Console(place.open_log())

        def heartbeat() -> None:
            if stop.agreed(comm):
                raise Stopped(f"stopped by {stop.reason}; the same command starts again")

        found: dict[str, list[Difference]] = {}
        for rate in rates:
            console.say(f"learning rate {rate:g}: {round(time / rate)} iterations")
            noise, evolution = (
                replace(case.noise, learning_rate=rate),
                replace(case.evolution, end_time=time, output_times=(time,)),
            )
            there = replace(
                case, noise=noise, evolution=evolution, exits=(), simulation=replace(case.simulation, max_time=time)
            )
            with timing.stage("simulation"), console.progress(f"learning rate {rate:g}") as progress:
                answer = simulated(there, build(there), Surroundings(comm, heartbeat, progress, _unsaid, Forgetful()))
            assert isinstance(answer.results, dict)
            rows = answer.results["rows"]
            assert isinstance(rows, list)
            for row in rows:
                _note(found, row, rate)
        place.write_text(TABLE, _csv(found))
        entry = {"time": time, "walkers": case.simulation.walkers} | {
            name: _entry(line) for name, line in found.items()
        }
        place.write_results({"schema": 1, "title": case.title, "status": "completed", "sgd_limit": entry,
                             "timing": timing.as_json(), "ranks": comm.size})  # fmt: skip
        console.table(f"SGD less its diffusion at t = {time:g}", *_shown(found, rates))
        if case.output.figures and not place.draw(console, stop):
            place.finish()
            raise Stopped(f"stopped by {stop.reason} while the figure was drawn; the tables in {folder} are complete")
        console.say(f"{timing.total:.1f} s; results in {folder}")
        place.finish()
    return ExitCode.DONE


def order(line: Sequence[Difference]) -> tuple[float, float] | None:
    """The slope of log |difference| over log η and its interval, where two differences are larger than theirs."""
    clear = [each for each in line if abs(each.value) > each.half]
    if len(clear) < 2:
        return None
    rates, values = np.log([[each.rate, abs(each.value)] for each in clear]).T
    weights = np.array([min(abs(each.value) / max(each.half, 1e-300), 1e6) for each in clear]) ** 2
    apart = rates - weights @ rates / weights.sum()
    spread = float(weights @ apart**2)
    return float(weights @ (apart * values)) / spread, 1.0 / math.sqrt(spread)


def _unsaid(line: str) -> None:
    """What is said of a single simulation."""


def _note(found: dict[str, list[Difference]], row: Mapping[str, object], rate: float) -> None:
    sde, sgd, bias = row["sde"], row["sgd"], row["step_bias"]
    assert isinstance(sde, Quantity)
    assert isinstance(sgd, Quantity)
    if sde.value is None or sgd.value is None or not isinstance(bias, float):
        return
    half = math.hypot(sde.error or 0.0, sgd.error or 0.0) + abs(bias)
    found.setdefault(str(row["quantity"]), []).append(Difference(rate, sgd.value - sde.value, half))


def _entry(line: Sequence[Difference]) -> dict[str, object]:
    known = order(line)
    missing = Quantity(None, why="fewer than two differences are larger than their intervals")
    differences = {f"at learning rate {each.rate:g}": Quantity(each.value, each.half) for each in line}
    return {**differences, "order": missing if known is None else Quantity(*known)}


def _shown(found: Mapping[str, Sequence[Difference]], rates: Sequence[float]) -> tuple[list[str], list[list[str]]]:
    rows = []
    for name, line in found.items():
        known = order(line)
        rows.append(
            [
                name,
                *(f"{each.value:+.4f} +- {each.half:.4f}" for each in line),
                "–" if known is None else f"{known[0]:.2f} +- {known[1]:.2f}",
            ]
        )
    return ["quantity", *(f"{rate:g}" for rate in rates), "order"], rows


def _csv(found: Mapping[str, Sequence[Difference]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["quantity", "learning_rate", "difference", "error"])
    for name, line in found.items():
        writer.writerows([name, repr(each.rate), repr(each.value), repr(each.half)] for each in line)
    return text.getvalue()
