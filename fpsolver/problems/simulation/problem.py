"""Monte Carlo of a case: the diffusion, and SGD beside it, with what can be compared with the density's equation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
from mpi4py import MPI

from fpsolver.case import Case
from fpsolver.errors import BadUsage
from fpsolver.model import Model
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.keeper import Keeper
from fpsolver.problems.simulation.rounds import shared
from fpsolver.problems.simulation.rows import Row, evolution_rows, exit_rows
from fpsolver.simulation.blocks import Block, Scene, Work, diffused, iterated, sizes
from fpsolver.simulation.dynamics import dynamics_of
from fpsolver.simulation.lifetimes import Lifetimes
from fpsolver.simulation.minibatch import Minibatches
from fpsolver.simulation.moments import Measure
from fpsolver.simulation.plan import Ensemble, affordable, chosen_step, ensembles, legs_of
from fpsolver.simulation.walls import Walls


@dataclass(frozen=True)
class Surroundings:
    """What a simulation needs of the outside world; see `Setting`."""

    comm: MPI.Intracomm
    heartbeat: Callable[[], None]
    progress: Callable[[float, str], None]
    announce: Callable[[str], None]
    keeper: Keeper


def solve_simulation(setting: Setting) -> Answer:
    """Follow walkers of the case. Collective.

    Raises:
        BadUsage: The case cannot be simulated.
        SolverFailed: A walker went astray.
        Stopped: The heartbeat said so.
    """
    comm = cast(MPI.Intracomm, setting.domain.comm)
    around = Surroundings(comm, setting.heartbeat, setting.progress, setting.announce, setting.keeper)
    return simulated(setting.case, setting.model, around)


def simulated(case: Case, model: Model, around: Surroundings) -> Answer:
    """The same without a mesh. Collective."""
    wanted = case.simulation
    if wanted is None:
        raise BadUsage("simulation: the case has none; write [simulation]")
    dynamics = dynamics_of(case)
    scene = Scene(case, dynamics, Measure(case.coordinates, case.regions, model.loss), wanted.seed)
    step = wanted.step or chosen_step(case, dynamics)
    ends = {"sde": wanted.max_time or affordable(wanted, step, 1.5 * dynamics.cost)}
    sgd = Minibatches(case, Walls(case)) if wanted.kind == "sgd" else None
    if sgd is not None:
        ends["sgd"] = wanted.max_time or affordable(wanted, sgd.step_time, sgd.cost)
    around.announce(_plan(case, step, ends))
    groups = {method: _aligned(case, end, ends["sde"]) for method, end in ends.items()}
    if not groups["sde"]:
        raise BadUsage(
            f"simulation.max_time: nothing is asked for before t = {ends['sde']:.4g}; write a larger one, or [[exit]]"
        )
    count, rows = sizes(wanted.walkers), list[Row]()
    passed, total = 0, sum(len(group) for group in groups.values())
    censored: dict[str, float] = {}
    for place, ensemble in enumerate(groups["sde"]):
        blocks: dict[str, list[Block]] = {}
        for method, group in groups.items():
            other = ensemble if ensemble.region is None else group[place]

            def progress(part: float, passed: int = passed, text: str = f"{method}, {ensemble.label}") -> None:
                around.progress((passed + part) / total, text)

            begin = _begin(scene, other, step, method, count)
            name = f"simulation_{method}_{place}"
            blocks[method] = shared(around.comm, name, len(count), begin, around.keeper, around.heartbeat, progress)
            passed += 1
        if ensemble.region is None:
            rows += evolution_rows(ensemble, blocks, case, wanted.walkers)
        else:
            paths = {"sde": "h", "sgd": "sgd"}
            lives = {
                method: Lifetimes.of(_times(found, paths[method]), ends[method], ensemble.times)
                for method, found in blocks.items()
            }
            coarse = Lifetimes.of(_times(blocks["sde"], "2h"), ends["sde"], ensemble.times)
            rows += exit_rows(ensemble, lives, coarse)
            start = (ensemble.start or 0) + 1
            censored |= {f"{name}, {ensemble.label}, start {start}": each.censored for name, each in lives.items()}
    results: dict[str, object] = {
        "kind": wanted.kind,
        "walkers": wanted.walkers,
        "seed": wanted.seed,
        "step": step,
        "max_time": ends["sde"],
        **({"sgd_max_time": ends["sgd"], "sgd_step": sgd.step_time} if sgd is not None else {}),
        "censored": censored,
        "rows": rows,
    }
    return Answer("simulation", results, None, (), warnings=_warnings(rows, case, censored))


def _aligned(case: Case, end: float, same: float) -> list[Ensemble]:
    """The ensembles of a method: exits until its own end, the evolution at the times that all methods share."""
    measured = [ensemble for ensemble in ensembles(case, same) if ensemble.region is None]
    return measured + [ensemble for ensemble in ensembles(case, end) if ensemble.region is not None]


def _plan(case: Case, step: float, ends: dict[str, float]) -> str:
    wanted = case.simulation
    assert wanted is not None
    how = "" if wanted.step is not None else " (chosen; write simulation.step for another one)"
    until = " and ".join(f"t = {end:.4g} for {method}" for method, end in ends.items())
    limit = "" if wanted.max_time is not None else " (chosen for about a minute of a core; write simulation.max_time)"
    return f"simulation: {wanted.walkers} walkers, steps of {step:.3g} and twice that{how}, until {until}{limit}"


def _begin(scene: Scene, ensemble: Ensemble, step: float, method: str, count: list[int]) -> Callable[[int], Work]:
    if method == "sgd":
        return lambda block: iterated(scene, ensemble, block, count[block])
    legs = legs_of(ensemble, scene.case, step)
    return lambda block: diffused(scene, ensemble, legs, block, count[block])


def _times(blocks: list[Block], path: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([time for block in blocks for time in block.times[path]])


def _warnings(rows: list[Row], case: Case, censored: dict[str, float]) -> list[str]:
    """Where the approximation by a diffusion breaks, and where times are those of exponential laws."""
    found = []
    if case.boundary is not None and case.boundary.influx is not None and case.evolution is not None:
        found.append(
            "simulation: walkers that come in through the boundary are not followed; exits alone were simulated"
        )
    for label, share in censored.items():
        if 0.0 < share < 1.0:
            found.append(
                f"simulation, {label}: {share:.1%} of the walkers had not left at the end; the mean is "
                "(time spent inside)/(exits), right for exits without memory; write a larger simulation.max_time"
            )
    return found
