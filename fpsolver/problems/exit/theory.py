"""What theory says about an exit, beside the computed time: Kramers' law, and bounds from below and above."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.case import Ball, Exit
from fpsolver.domain.outline import beyond, boundary_of
from fpsolver.domain.regions import at_points
from fpsolver.generator.wells import lattice_of
from fpsolver.model.critical import CriticalPoint, critical_points
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.bounds import (
    LARGEST,
    Ground,
    NoBound,
    candidate_directions,
    lower_bound,
    upper_bound,
)
from fpsolver.problems.exit.exponent import NoExponent, exponent_of
from fpsolver.problems.exit.killed import Killed
from fpsolver.problems.exit.kramers import Kramers, NoLaw, basins_of
from fpsolver.problems.exit.starts import Start
from fpsolver.problems.landscape.passes import Door
from fpsolver.problems.reach.holds import owned_nodes
from fpsolver.problems.wording import tuple_of
from fpsolver.quantity import Quantity
from fpsolver.runtime import on_root

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Entry = dict[str, object]

SPREAD = "holds for a start at a point, not for an initial density"

ROUND = "these bounds measure distances along straight lines, and a coordinate is periodic"

CENTRES = 3
"""So many minima, the nearest ones, are tried as centres of balls."""


def theory_of(setting: Setting, wanted: Exit, problem: Killed, starts: Sequence[Start]) -> list[Entry]:
    """For each start ``kramers``, ``lower`` and ``upper`` with what they stand on. Collective; rank 0 does the work."""
    nodes, critical = exit_points(setting, problem), critical_of(setting)
    return on_root(setting.domain.comm, lambda: _entries(setting, wanted, problem, starts, nodes, critical))


def laws_of(
    setting: Setting, wanted: Exit, problem: Killed, starts: Sequence[Start], critical: Sequence[CriticalPoint]
) -> list[Entry]:
    """For each start ``kramers`` alone, with what it stands on. Collective; rank 0 does the work."""
    nodes = exit_points(setting, problem)

    def entries() -> list[Entry]:
        kramers = _kramers(setting, critical, door_of(setting, wanted, nodes), absorbing_walls(setting))
        return [_law(kramers if start.density is None else SPREAD, np.array(start.point)) for start in starts]

    return on_root(setting.domain.comm, entries)


def exit_points(setting: Setting, problem: Killed) -> Array:
    """Points of the exit set, (n, d), on rank 0; nothing on the others. Collective."""
    nodes = setting.domain.comm.gather(owned_nodes(problem.generator)[problem.fixed], root=0)
    return np.zeros((0, setting.case.dimension)) if nodes is None else np.unique(np.concatenate(nodes), axis=0)


def door_of(setting: Setting, wanted: Exit, nodes: Array) -> Door:
    """Where the process leaves a region, with points (n, d) of the exit set."""
    domain, absorbing = setting.case.domain, setting.absorbing
    level = at_points(setting.case.regions[wanted.region].level, setting.case.coordinates)

    def with_walls(points: Array) -> Array:
        assert isinstance(domain, Ball)
        assert absorbing is not None
        return np.asarray(np.maximum(level(points), np.where(absorbing(points) < 0, beyond(domain, points), -np.inf)))

    curved = isinstance(domain, Ball) and absorbing is not None
    lower, periods = np.array(domain.lower), np.array(domain.periods)
    return Door(with_walls if curved else level, nodes, np.array(domain.upper) - lower, lower, periods)


def unless(reason: str | None, theory: Mapping[str, object]) -> dict[str, object]:
    """The theory of a start; where its mean time is infinite, the lower bound and why there is no other."""
    if reason is None or not theory:
        return dict(theory)
    never = Quantity(None, why=reason, infinite=True)
    kept = {key: value for key, value in theory.items() if key.startswith(("lower", "enclosure"))}
    return {"kramers": never, "upper": never} | kept


def critical_of(setting: Setting) -> list[CriticalPoint]:
    """The critical points of the loss in the box. Collective."""

    domain, comm = setting.case.domain, setting.domain.comm

    def found() -> list[CriticalPoint]:
        return critical_points(setting.model, domain.lower, domain.upper, domain.inside, domain.periods)

    return setting.of_model.once("critical points", lambda: on_root(comm, found))


def listed(points: Sequence[CriticalPoint]) -> list[Entry]:
    """Critical points as entries of ``results.json``."""
    return [
        {
            "point": [float(x) for x in each.point],
            "kind": each.kind,
            "index": each.index,
            "loss": each.value,
            "hessian_eigenvalues": [float(value) for value in each.eigenvalues],
            "diffusion_trace": each.trace,
            "minima": [[float(x) for x in points[i].point] for i in each.minima],
        }
        for each in points
    ]


def _entries(
    setting: Setting,
    wanted: Exit,
    problem: Killed,
    starts: Sequence[Start],
    nodes: Array,
    critical: Sequence[CriticalPoint],
) -> list[Entry]:
    lower, upper = np.array(problem.lower), np.array(problem.upper)
    absorbing = absorbing_walls(setting)
    ground = Ground(setting.model, lower, upper, problem.inside, nodes, absorbing, boundary_of(setting.case.domain))
    kramers = _kramers(setting, critical, door_of(setting, wanted, nodes), absorbing)
    found: list[Entry] = []
    for start in starts:
        if start.density is not None:
            none = Quantity(None, why=SPREAD)
            found.append({"kramers": none, "lower": none, "upper": none})
            continue
        point = np.array(start.point)
        if np.isfinite(setting.case.domain.periods).any():
            none = Quantity(None, why=ROUND)
            found.append({**_law(kramers, point), "lower": none, "upper": none})
            continue
        found.append({**_law(kramers, point), **_lower(ground, critical, point), **_upper(ground, point)})
    return found


def absorbing_walls(setting: Setting) -> Callable[[Array], Bools]:
    """Whether points (n, d) lie on, or beyond, a wall that ends the process."""
    domain, level = setting.case.domain, setting.absorbing
    if level is None:
        return lambda points: np.zeros(len(points), dtype=bool)
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    near, walls = 1e-9 * (upper - lower), np.isinf(domain.periods)

    def on_wall(points: Array) -> Bools:
        touching = (((points <= lower + near) | (points >= upper - near)) & walls).any(axis=1)
        return np.asarray((touching | ~domain.inside(points)) & (level(points) < 0.0))

    return on_wall


def _kramers(
    setting: Setting, critical: Sequence[CriticalPoint], door: Door, absorbing: Callable[[Array], Bools]
) -> Kramers | str:
    """Kramers' law of an exit, or why there is none."""
    box = setting.case.domain
    if not any(each.index == 0 for each in critical):
        return "the loss has no isolated minimum"
    try:
        exponent = exponent_of(setting.model, box.lower, box.upper)
    except NoExponent as reason:
        return str(reason)
    if exponent.constant is None and np.isfinite(box.periods).any():
        return "D depends on the point, so that grad f / D has no potential around a circle"
    points = lattice_of(box.lower, box.upper)
    ends = absorbing(points.reshape(-1, box.dimension)).reshape(points.shape[:-1])
    return Kramers(
        exponent, critical, door, basins_of(exponent, box.lower, box.upper, door, ends, box.inside, box.periods)
    )


def _law(kramers: Kramers | str, start: Array) -> Entry:
    if isinstance(kramers, str):
        return {"kramers": Quantity(None, why=kramers)}
    try:
        law = kramers.law(start)
    except NoLaw as reason:
        return {"kramers": Quantity(None, why=str(reason))}
    return {"kramers": _number(law.log_time), "kramers_barrier": law.barrier, "kramers_way": law.way}


def _lower(ground: Ground, critical: Sequence[CriticalPoint], start: Array) -> Entry:
    minima = [each.point for each in critical if each.index == 0 and ground.inside(each.point[None])[0]]
    minima.sort(key=lambda point: float(np.linalg.norm(point - start)))
    bounds, reasons = [], []
    for centre in [*minima[:CENTRES], start]:
        try:
            bounds.append((lower_bound(ground, centre, start), f"ball around {tuple_of(centre)}"))
        except NoBound as reason:
            reasons.append(str(reason))
    if not bounds:
        return {"lower": Quantity(None, why=reasons[-1])}
    best, words = max(bounds, key=lambda bound: bound[0])
    return {"lower": _number(best), "lower_bound": words}


def _upper(ground: Ground, start: Array) -> Entry:
    bounds, reasons = [], []
    for direction in candidate_directions(ground.model(start[None]).diffusion[0]):
        try:
            bounds.append((upper_bound(ground, direction, start), f"progress along {tuple_of(direction)}"))
        except NoBound as reason:
            reasons.append(str(reason))
    if not bounds:
        return {"upper": Quantity(None, why="; ".join(dict.fromkeys(reasons)))}
    best, words = min(bounds, key=lambda bound: bound[0])
    return {"upper": _number(best), "upper_bound": words}


def _number(log_time: float) -> Quantity:
    """A number from a formula: no mesh, no discretisation error."""
    if log_time == np.inf:
        return Quantity(None, why="the drift leads back faster than noise drives away", infinite=True)
    if log_time > LARGEST:
        return Quantity(None, why=f"10^{log_time / np.log(10.0):.1f} is no number that a file can hold")
    return Quantity(float(np.exp(log_time)), 0.0)
