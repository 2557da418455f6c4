"""The drift regime: the loss gathers the mass at the minima, each of which keeps its share until noise carries it over.

Around every minimum a ball is taken in which drift and noise have constants (`fpsolver.model.funnel`), and what these
promise (`bounds`) stands beside what happens: the second moment in the ball, the mass close to the minimum, the time
that it takes to gather. Masses of the basins tell when the drift has done its work.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.certificate import Check
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.concentration.gathering import MEASURED
from fpsolver.problems.concentration.regime import drift_regime
from fpsolver.problems.concentration.report import constants, excess, gathered, lines, summary_of_regime
from fpsolver.problems.concentration.watcher import GatheringWatcher
from fpsolver.problems.evolution.problem import evolution_of
from fpsolver.problems.splitting.basins import basins_of
from fpsolver.problems.splitting.shares import deterministic_shares
from fpsolver.problems.stationary.spectrum import spectrum
from fpsolver.problems.stationary.whole import whole
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

EXCESS = 1e-3
"""No second moment is above its bound by more than this fraction. In a parabola with the same noise everywhere it is
its bound, so that what is above it is the error of the mesh."""

NO_MINIMUM = "the loss has no isolated minimum in the domain"
NOT_ONE = "there is no stationary density, or more than one"


def solve_concentration(setting: Setting) -> Answer:
    """How the mass of the case gathers around the minima. Collective.

    Raises:
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    case = setting.case
    wanted, evolution = case.concentration, case.evolution
    assert wanted is not None
    assert evolution is not None
    evolved = evolution_of(setting)
    watcher, found = evolved.watched["concentration"], evolved.answer.results
    assert isinstance(watcher, GatheringWatcher)
    assert isinstance(found, dict)
    of_mass = found["mass"]
    assert isinstance(of_mass, Quantity)
    floor = of_mass.floor
    results: dict[str, object] = {"minima": []}
    if not watcher.places:
        none = Quantity(None, why=NO_MINIMUM)
        results |= {"drift_regime_end": none}
        summary = [("concentration", f"none: {NO_MINIMUM}"), *summary_of_regime(results)]
        return Answer("concentration", results, evolved.answer.generator, [], summary=summary)
    shares, uncertain = _first_basins(setting)
    step = _step(setting)
    entries, checks, summary = [], [], []
    for i, place in enumerate(watcher.places):
        minimum = place.basin.minimum
        entry: dict[str, object] = {
            "minimum": [float(x) for x in minimum.point],
            "loss": minimum.value,
            "first_basin": Quantity(float(shares[i]), float(uncertain[i]), size=1.0),
        }
        if (place.basin.centre != minimum.point).any():
            entry["centre"] = [float(x) for x in place.basin.centre]
        if isinstance(place.ball, str):
            entry["no_bound"] = place.ball
        else:
            each = watcher.gatherings[i]
            curves = {name: watcher.curves[f"{name}_{i + 1}"] for name in MEASURED}
            relaxation = 1.0 / float(minimum.eigenvalues[0])
            entry |= constants(place.ball, wanted.share)
            entry |= gathered(each, curves, watcher.times, wanted.share, floor, relaxation)
            if not setting.is_companion:
                worst = excess(each, curves, max(evolution.tolerance, floor), step)
                checks.append(Check("concentration: second moment above its bound, relative", worst, EXCESS))
        entries.append(entry)
        summary += lines(place, entry, i + 1, wanted.share)
    results = {"minima": entries, **_regime(setting, watcher)}
    summary += summary_of_regime(results)
    return Answer("concentration", results, evolved.answer.generator, checks, summary=summary)


def _step(setting: Setting) -> float:
    """The longest edge in the monotone scheme, whose process jumps from vertex to vertex; else 0. Collective."""
    if setting.case.discretization.scheme == "weighted":
        return 0.0
    longest = float(setting.cells.diameters[: setting.cells.owned].max(initial=0.0))
    return float(setting.domain.comm.allreduce(longest, MPI.MAX))


def _first_basins(setting: Setting) -> tuple[Array, Array]:
    """Shares of the initial density by where the drift alone leads, with their errors; nothing for a companion."""
    landscape = basins_of(setting)
    assert landscape is not None
    if setting.is_companion:  # neither degree nor cells matter: the run knows the error itself
        return np.zeros(landscape.count), np.zeros(landscape.count)
    return deterministic_shares(setting, landscape)


def _regime(setting: Setting, watcher: GatheringWatcher) -> dict[str, object]:
    """When the drift regime is over, and how much faster it is than what comes after it. Collective."""
    wanted = setting.case.concentration
    assert wanted is not None
    relaxation = max(1.0 / float(place.basin.minimum.eigenvalues[0]) for place in watcher.places)
    masses = np.stack([watcher.curves[f"attracted_{i + 1}"] for i in range(len(watcher.places))], axis=1)
    found = drift_regime(watcher.times, masses, relaxation, wanted.tolerance)
    why = (
        f"masses of basins still move by {found.last:.2g} in a relaxation time at the end, more than "
        f"concentration.tolerance: write a later evolution.end_time"
    )
    end = Quantity(None, why=why) if found.end is None else Quantity(found.end, floor=found.known_to, size=relaxation)
    return {
        "drift_regime_end": end,
        "relaxation_time": Quantity(relaxation, 0.0),
        "change_at_end": found.last,
        "spectral_separation": _spectral(setting, relaxation),
    }


def _spectral(setting: Setting, relaxation: float) -> Quantity:
    """The relaxation time over that of the slowest mode. Collective."""
    if setting.case.stationary is None:
        return Quantity(None, why="needs [stationary]")
    domain = whole(setting)
    if not domain.settles:
        return Quantity(None, why=NOT_ONE)
    modes = spectrum(domain.inverse, domain.solved, 1, setting.heartbeat)
    if not modes:
        return Quantity(None, why="no eigenvalue but 0 was found")
    return Quantity(relaxation * modes[0].value.real, scale="log")
