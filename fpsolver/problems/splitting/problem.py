"""How the mass of the initial density splits between the minima of the loss, and what becomes of the split.

    m_i = rho_0(basin of attraction i)          without noise
    w_i = integral of q_i rho_0                 with noise: the minimum that is reached first
    masses of the basins along the evolution    on the plateau between relaxation and escape, and at the end
    dw/dt = w k                                 after the plateau, down to the stationary masses

See `fpsolver.problems.splitting.ways` for committors, escape times and rates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.certificate import Check
from fpsolver.errors import SolverFailed
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.evolution.problem import Evolved, evolution_of
from fpsolver.problems.limits import BACKWARD_ERROR
from fpsolver.problems.splitting.basins import Landscape
from fpsolver.problems.splitting.plateau import SEPARATION, Jumps, NoPlateau, Plateau, plateau
from fpsolver.problems.splitting.report import reported, write_fields, write_table
from fpsolver.problems.splitting.shares import basin_rules, deterministic_shares, initial_mean
from fpsolver.problems.splitting.stages import Scales, Stages
from fpsolver.problems.splitting.watcher import MassWatcher, Split, split_of
from fpsolver.problems.splitting.ways import Escape, FirstReached, escapes
from fpsolver.problems.stationary.spectrum import spectrum
from fpsolver.problems.stationary.whole import whole
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

NO_MINIMUM = "the loss has no isolated minimum in the domain"
ALONE = "the loss has one minimum only: there is nothing to split"
ABSORBED = "absorbing walls let no stationary density stand"
NOT_ONE = "there is no stationary density, or more than one"

SUM_TO_ONE = 1e-8
"""Probabilities to reach each of the minima first, and none: their sum is 1 by linearity, up to round-off of solves."""

OUT_OF_RANGE = 1e-3
"""A share outside of 0 to 1 by more than this is not resolved, and that is told."""


def solve_splitting(setting: Setting) -> Answer:
    """How the mass of the case splits. Collective.

    Raises:
        BadUsage: ``splitting.radius`` is too large.
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    evolved = evolution_of(setting)
    split, generator = split_of(setting), evolved.answer.generator
    if split is None:
        results: dict[str, object] = {"basins": [], "plateau": {"exists": False, "why": NO_MINIMUM}}
        return Answer("splitting", results, generator, [], summary=[("splitting", f"none: {NO_MINIMUM}")])
    watcher = evolved.watched["splitting"]
    assert isinstance(watcher, MassWatcher)
    setting.progress(0.3, "escapes")
    left = escapes(setting, split.basins, split.count)
    setting.progress(0.8, "stationary masses")
    scales = _scales(setting, split, left)
    found = _plateau(setting, split, scales, watcher)
    stages = _stages(setting, split, left, found, watcher)
    results, summary = reported(split.basins, left, stages, scales, found, watcher.outputs[:, 0], _floor(evolved))
    checks: list[Check] = []
    if not setting.is_companion:
        checks = _checks(split)
        write_table(setting, watcher)
        write_fields(setting, split)
    return Answer("splitting", results, generator, checks, warnings=_warnings(stages), summary=summary)


def _scales(setting: Setting, split: Split, left: Sequence[Escape]) -> Scales:
    """The time scales and what follows from them. Collective."""
    basins, first = split.basins, split.first
    inner = max(1.0 / float(basin.minimum.eigenvalues[0]) for basin in basins.basins)
    if basins.count == 1:
        return Scales(inner, None, ALONE, ALONE, False)
    if isinstance(first, str):
        return Scales(None, None, first, first, False)
    until = None if first.time is None else float(initial_mean(setting, first.delay)[0])
    times = [escape.time for escape in left if escape.time is not None]
    shortest, spectral = min(times, default=None), _spectral_ratio(setting, basins)
    if until is None:
        why = "a path may never come to a minimum, so relaxation has no mean time"
        return Scales(None, shortest, spectral, why, False)
    relaxation = max(inner, until)
    if shortest is None:
        return Scales(relaxation, None, spectral, "no minimum is ever left for another one", True)
    ratio = relaxation / shortest
    words = f"relaxation, {relaxation:.3g}, takes {ratio:.2g} of the shortest escape time, {shortest:.3g}"
    exists = ratio < SEPARATION
    side = "below" if exists else "not below"
    return Scales(relaxation, shortest, spectral, f"{words}: {side} {SEPARATION:g}", exists)


def _spectral_ratio(setting: Setting, basins: Landscape) -> float | str:
    """How much slower the exchange between the minima is than anything else, by the spectrum. Collective."""
    stationary = setting.case.stationary
    if stationary is None:
        return "needs [stationary]"
    domain = whole(setting)
    if not domain.settles:
        return NOT_ONE
    modes = spectrum(domain.inverse, domain.solved, basins.count, setting.heartbeat)
    if len(modes) < basins.count:
        return "the mesh has too few eigenvalues"
    return float(modes[basins.count - 2].value.real / modes[basins.count - 1].value.real)


def _plateau(setting: Setting, split: Split, scales: Scales, watcher: MassWatcher) -> Plateau | str:
    """The plateau of the evolution; companions look where the run has found it."""
    if not scales.exists or scales.relaxation is None:
        return scales.why
    rows = watcher.outputs
    times, masses, undecided = rows[:, 0], rows[:, 1 : 1 + split.basins.count], rows[:, -1]
    relaxation = scales.relaxation
    escape = np.inf if scales.escape is None else scales.escape

    def made() -> Plateau | str:
        try:
            return plateau(times, masses, undecided, relaxation, escape)
        except NoPlateau as reason:
            return str(reason)

    return setting.of_model.once("plateau", made)


def _stages(
    setting: Setting, split: Split, left: Sequence[Escape], found: Plateau | str, watcher: MassWatcher
) -> Stages:
    """The shares at all stages. Collective."""
    basins, first, count = split.basins, split.first, split.basins.count
    ends = uncertain = np.zeros(count + 3)
    if not setting.is_companion:  # neither degree nor cells matter: it knows its error itself
        ends, uncertain = deterministic_shares(setting, basins)
    committor = first if isinstance(first, str) else initial_mean(setting, first)
    lost = 0.0 if isinstance(committor, str) else 1.0 - float(committor.sum())
    rows = watcher.outputs
    jumps = Jumps.of(left) if count > 1 else Jumps(np.zeros((1, 1)), np.zeros(1))
    predicted = committor if isinstance(committor, str) else jumps.after(committor, float(rows[-1, 0]))
    chain = jumps.stationary() if count > 1 else np.ones(1)
    stationary, settled = _stationary(setting, split)
    return Stages(
        deterministic=ends[:count],
        elsewhere=ends[count:],
        deterministic_error=uncertain,
        committor=committor,
        lost=lost,
        plateau=found if isinstance(found, str) else rows[found.row, 1 : 1 + count],
        final=rows[-1, 1 : 1 + count],
        predicted=predicted,
        stationary=stationary,
        settled=settled,
        chain="not all minima are left for one another" if chain is None else chain,
    )


def _stationary(setting: Setting, split: Split) -> tuple[Array | str, Array | str]:
    """Stationary masses of the basins of attraction, and means of the committors. Collective."""
    if setting.case.boundary is not None:
        return ABSORBED, ABSORBED
    try:
        state = whole(setting).state
    except SolverFailed as failure:  # on all ranks
        why = str(failure).splitlines()[0]
        return why, why
    if state is None:
        return NOT_ONE, NOT_ONE
    quadrature = state.generator.quadrature
    name = "case" if state.generator.space.mesh is setting.domain else "whole"
    rules = basin_rules(setting, split.basins, quadrature.cells, name)
    masses = np.array([state.generator.observable_of_rule(rule).dot(state.vector) for rule in rules])
    if isinstance(split.first, str):
        return masses, split.first
    points = quadrature.points[: quadrature.cells.owned]
    values = split.first(points.reshape(-1, points.shape[2])).reshape(-1, *points.shape[:2])
    return masses, np.array([state.generator.observable(value).dot(state.vector) for value in values])


def _floor(evolved: Evolved) -> float:
    """What a mass along the evolution is uncertain by, as its steps in time have a tolerance."""
    assert isinstance(evolved.answer.results, dict)
    mass = evolved.answer.results["mass"]
    assert isinstance(mass, Quantity)
    return mass.floor


def _checks(split: Split) -> list[Check]:
    if not isinstance(split.first, FirstReached) or split.first.generator is None:
        return []
    return [
        Check("splitting: probabilities of all minima", split.first.sum_defect, SUM_TO_ONE),
        Check("splitting: backward error of solves", split.count.backward_error, BACKWARD_ERROR),
    ]


def _warnings(stages: Stages) -> list[str]:
    if isinstance(stages.committor, str):
        return [f"splitting: {stages.committor}"]
    shares = stages.committor
    if max(-float(shares.min()), float(shares.max()) - 1.0) <= OUT_OF_RANGE:
        return []
    return [
        f"splitting: computed shares range from {shares.min():.4g} to {shares.max():.4g}; write smaller cells, or a "
        "larger splitting.radius"
    ]
