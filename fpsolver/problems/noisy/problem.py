"""The limit of Noisy SGD: what becomes of the stationary density for D + eps I as eps -> 0.

Successive densities are compared in L1 and in the distance W1 of Wasserstein. Their orders tell a limit that is a
density from one that is singular, where mass collapses onto points, curves or surfaces, and from none. Stationary
states of SGD can be had in this way (Barbieri, Bonforte and Ibarrondo 2025); where D is singular it selects one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise, takewhile

import numpy as np
import numpy.typing as npt

from fpsolver.certificate import Check
from fpsolver.model.critical import CriticalPoint
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.exit.theory import critical_of
from fpsolver.problems.limits import BACKWARD_ERROR
from fpsolver.problems.noisy.levels import Level, at_zero, l1, rungs
from fpsolver.problems.noisy.measures import Compared, Measured
from fpsolver.problems.noisy.memory import looked_at
from fpsolver.problems.noisy.verdict import DENSITY, SINGULAR, UNDECIDED, Evidence, Verdict, judge, left, order
from fpsolver.problems.noisy.wasserstein import wasserstein
from fpsolver.problems.stationary.classes import DENSITY as DENSITY_KIND
from fpsolver.problems.stationary.whole import whole
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]
Entry = dict[str, object]

IDENTITY = 1e-3
"""Share of what noise and drift do to a test function that may be left over: smooth means have three digits then."""

MEASURES: dict[str, Callable[[Compared], float]] = {
    "l1": lambda each: each.l1,
    "wasserstein1": lambda each: each.distance.first,
    "wasserstein2_lower": lambda each: each.second,
    "mean": lambda each: each.mean,
    "covariance": lambda each: each.covariance,
    "mean_loss": lambda each: each.loss,
}
"""What has an order, and what its differences are."""

ROUND_OFF = 1e-9
"""Changes of moments smaller than this, in units of the box, have no order."""

NO_ORDER = "it changes by less than round-off, or fewer than three values of epsilon are resolved"
NOT_FALLING = "the differences do not fall"

NO_DENSITY = (
    "noisy SGD: mass collapses as ε tends to 0, so without the added noise there is no density: where one is reported "
    "as stationary, it is spread over cells of the mesh that it does not fill"
)

ALL = 0.95
"""With so much of the mass, one minimum has all of it."""

SAME_LOSS = 1e-9
"""Minima whose losses differ by less are equally low."""


def solve_noisy_sgd(setting: Setting) -> Answer:
    """The densities of all eps of the case and what their limit is. Collective.

    Raises:
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    case = setting.case
    assert case.stationary is not None
    levels = case.stationary.regularizations
    minima = [place for place in critical_of(setting) if place.index == 0]
    places = np.array([place.point for place in minima]).reshape(-1, case.dimension)
    found: list[Measured] = []
    differences: list[Compared] = []
    for number, rung in enumerate(rungs(setting), start=1):
        level, change = looked_at(setting, number - 1, rung, places)
        found.append(level)
        text = "" if change is None else f", L1 {change.l1:.2g} and W1 {change.distance.first:.2g} from the one before"
        setting.announce(f"noisy SGD: ε = {levels[number - 1]:g}: {rung.level.mesh.cells} cells{text}")
        setting.progress(number / len(levels), f"ε = {levels[number - 1]:g}")
        setting.heartbeat()
        differences += [] if change is None else [change]
    known = list(takewhile(lambda each: each.level.resolved, found))
    shown = differences[: max(len(known) - 1, 0)]
    size = float(np.linalg.norm(np.asarray(case.domain.upper) - np.asarray(case.domain.lower)))
    evidence = Evidence(
        [each.pair for each in shown],
        [each.l1 for each in shown],
        [each.distance.first for each in shown],
        [each.concentration for each in known],
        [each.near_walls for each in known],
        size,
        case.dimension,
    )
    verdict = judge(evidence)
    last = (known or found)[-1]
    generator = last.level.state.generator
    results: Entry = {
        "verdict": verdict.kind,
        "why": " ".join([verdict.why + ".", *_about_minima(minima, last)]),
        "levels": [each.entry() for each in found],
        "differences": [each.entry() for each in differences],
        "orders": {name: _order(shown, name, size) for name in MEASURES},
        "left": _left(shown, verdict),
        "codimension": Quantity(evidence.codimension, size=float(case.dimension))
        if shown
        else Quantity(None, why=NO_ORDER),
        "where": _where(last),
        "minima": _minima(minima, found),
        "tightness": {
            "largest_second_moment": Quantity(max(each.spread for each in found)),
            "most_near_walls": Quantity(max(each.near_walls for each in found), size=1.0),
        },
        "identity": {
            "functions": last.balance.functions,
            "sizes": [each.balance.size for each in found],
            "defects": [each.balance.defect for each in found],
        },
        "at_zero": _at_zero(setting, last.level, verdict),
    }
    setting.announce(f"noisy SGD: {verdict.kind}. {results['why']}")
    checks: list[Check] = []
    if not setting.is_companion:
        _write(setting, found, differences)
        defect = max((each.balance.defect for each in known), default=0.0)
        error = max(each.level.backward_error for each in found)
        checks = [Check("noisy SGD: backward error of solves", error, BACKWARD_ERROR)]
        if not generator.monotone:  # of low order: the errors say how well it is balanced
            checks.append(Check("noisy SGD: balance of noise and drift", defect, IDENTITY))
    warnings = [] if len(known) == len(found) else [_unresolved(found, known)]
    if verdict.kind == SINGULAR and DENSITY_KIND in (each.kind for each in whole(setting).kinds):
        warnings.append(NO_DENSITY)
    return Answer("noisy_sgd", results, generator, checks, warnings=warnings, summary=_summary(results, verdict))


def _order(shown: Sequence[Compared], name: str, size: float) -> Entry:
    """Of the last two differences, and fitted to all."""
    changes = [MEASURES[name](each) for each in shown]
    pairs = [each.pair for each in shown]
    fitted = last = None
    if changes and min(changes) > ROUND_OFF * size:
        fitted, last = order(pairs, changes), order(pairs[-2:], changes[-2:])
    return {"last": _known(last, NO_ORDER), "fitted": _known(fitted, NO_ORDER)}


def _known(value: float | None, why: str, size: float = 1.0) -> Quantity:
    return Quantity(None, why=why) if value is None else Quantity(value, size=size)


def _left(shown: Sequence[Compared], verdict: Verdict) -> Entry:
    """Distance of the last level from the limit, by the order of the last two differences."""
    found: Entry = {}
    for name, limits in (("l1", (DENSITY,)), ("wasserstein1", (DENSITY, SINGULAR))):
        changes = [MEASURES[name](each) for each in shown]
        pairs = [each.pair for each in shown]
        tends = verdict.kind in limits
        rest = left(pairs[-1], changes[-1], order(pairs[-2:], changes[-2:])) if shown and tends else None
        found[name] = _known(rest, NOT_FALLING, 0.1 if name == "l1" else max([*changes, 0.0]))
    return found


def _where(last: Measured) -> Entry:
    """Where the mass is in the end: its densest point, and a box without 5 % on either side of each coordinate."""
    lower, upper = zip(*(each.inner for each in last.marginals), strict=True)
    return {"densest": last.densest.tolist(), "lower": list(lower), "upper": list(upper)}


def _minima(minima: Sequence[CriticalPoint], found: Sequence[Measured]) -> list[Entry]:
    return [
        {
            "point": place.point.tolist(),
            "loss": place.value,
            "diffusion_trace": place.trace,
            "masses": [Quantity(float(each.near_minima[i]), size=1.0) for each in found],
        }
        for i, place in enumerate(minima)
    ]


def _about_minima(minima: Sequence[CriticalPoint], last: Measured) -> list[str]:
    """Which minimum has the mass, where there are several."""
    if len(minima) < 2:
        return []
    best = int(last.near_minima.argmax())
    share, place = last.near_minima[best], ", ".join(f"{x:.4g}" for x in minima[best].point)
    equal = [each for each in minima if each.value <= minima[0].value + SAME_LOSS * (abs(minima[0].value) + 1.0)]
    lowest = "a minimum that is not the lowest"
    if best < len(equal):
        lowest = "the lowest minimum" if len(equal) == 1 else "one of several lowest minima"
    if share >= ALL:
        return [f"In the end {100 * share:.4g} % of the mass is near {lowest}, ({place})."]
    return [f"In the end several minima share the mass; ({place}), {lowest}, has most of it, {100 * share:.3g} %."]


def _at_zero(setting: Setting, last: Level, verdict: Verdict) -> Entry:
    """The stationary states of the case itself, and how far the last density is from it where it is one density."""
    domain = whole(setting)
    entry: Entry = {"states": len(domain.kinds), "kinds": [each.kind for each in domain.kinds]}
    if not domain.settles:
        return entry
    zero = at_zero(setting, last)
    comm = zero.state.generator.comm
    distance = wasserstein(comm, last.points, zero.masses, last.masses)
    if not zero.resolved:
        why = "the mesh does not resolve the density without the added noise"
        return entry | {name: Quantity(None, why=why) for name in ("l1", "wasserstein1")}
    return entry | {
        "l1": Quantity(l1(zero, last), size=0.01),
        "wasserstein1": Quantity(distance.first, floor=distance.error),
    }


def _write(setting: Setting, found: Sequence[Measured], differences: Sequence[Compared]) -> None:
    """The table of levels, the marginals, and the densities as fields."""
    names = setting.case.coordinates
    columns = ["regularization", "l1", "wasserstein1", "wasserstein2_lower", "maximum", "concentration", "mean_loss"]
    columns += ["second_moment", "near_walls", *(f"mean_{name}" for name in names)]
    columns += [f"covariance_{one}_{other}" for i, one in enumerate(names) for other in names[i:]]
    upper = np.triu_indices(len(names))
    rows = []
    for each, change in zip(found, [None, *differences], strict=True):
        between = [np.nan] * 3 if change is None else [change.l1, change.distance.first, change.second]
        moments = [*each.moments.mean, *each.moments.covariance[upper]]
        single = [each.maximum, each.concentration, each.mean_loss, each.spread, each.near_walls]
        rows.append([each.level.regularization, *between, *single, *moments])
    setting.recorder.table("noisy_sgd.csv", columns, np.array(rows))
    edges = [
        [each.level.regularization, axis, low, high, mass]
        for each in found
        for axis, marginal in enumerate(each.marginals)
        for (low, high), mass in zip(pairwise(marginal.edges), marginal.masses, strict=True)
    ]
    columns = ["regularization", "axis", "lower", "upper", "mass"]
    setting.recorder.table("noisy_sgd_marginals.csv", columns, np.array(edges))
    lattice = setting.lattice[0]
    points = lattice.points[:, : lattice.dimension]
    fields = {f"noisy_density_{number}": each.level.state.density(points) for number, each in enumerate(found, start=1)}
    setting.recorder.fields(lattice, fields)


def _unresolved(found: Sequence[Measured], known: Sequence[Measured]) -> str:
    first = found[len(known)].level
    return (
        f"noisy SGD: the mesh does not resolve ε = {first.regularization:g} and less (content {first.content:.1g} of "
        "the mass): nothing is concluded from them. Write more domain.cells, or leave them out of "
        "stationary.regularizations"
    )


def _summary(results: Entry, verdict: Verdict) -> list[tuple[str, object]]:
    orders = results["orders"]
    assert isinstance(orders, dict)
    lines: list[tuple[str, object]] = [("limit of noisy SGD", verdict.kind)]
    if verdict.kind != UNDECIDED:
        lines += [(f"  order of {name}", orders[name]["last"]) for name in ("l1", "wasserstein1", "covariance")]
    return lines
