"""How mass gathers in a ball, as an entry of ``results.json`` and as lines of the final table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.problems.concentration.balls import Ball, Place
from fpsolver.problems.concentration.bounds import time_to_gather
from fpsolver.problems.concentration.gathering import Gathering
from fpsolver.problems.concentration.regime import below_from
from fpsolver.problems.wording import number
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]
Entry = dict[str, object]

NEGLIGIBLE = 1e-3
"""A mass whose relative error is of no interest; of a second moment this fraction of the square of the radius."""

NOTHING = 1e-6
"""With less mass than this at the start there is nothing in a ball that could gather."""

LARGEST = 690.0
"""Logarithm of the largest number."""

EMPTY = "no mass starts in the ball"
BELOW = "radius below noise floor: write concentration.within above {}, or a larger concentration.share"
OUTSIDE = (
    "radius below noise floor, which is {}, outside of the ball: write a larger concentration.share, or less noise"
)
NOT_YET = "more than the share is farther away at the end"
NEVER = "without noise at the minimum it is never left"


def constants(ball: Ball, share: float) -> Entry:
    """The constants of a ball and what follows from them alone."""
    found = ball.funnel
    entry: Entry = {
        "radius": found.radius,
        "lambda": _exact(found.pull),
        "T": _exact(found.trace),
        "T0": _exact(found.still),
        "T1": _exact(found.growth),
        "delta": _exact(found.spread),
        "margin": _exact(found.pull - found.growth),
        "exponent": Quantity(None, why="there is no noise", infinite=True)
        if np.isinf(found.exponent)
        else _exact(found.exponent),
        "noise_floor": _exact(ball.floor(share)),
        "within": ball.within,
        "dirac": found.gathers,
    }
    if found.steepest is not None:
        entry["steepest"] = _exact(found.steepest)
        entry["stable"] = found.steepest < found.pull
    if found.gathers:
        entry["dirac_rate"] = _exact(2.0 * (found.pull - found.growth))
    return entry


def gathered(
    each: Gathering, curves: Mapping[str, Array], times: Array, share: float, floor: float, relaxation: float
) -> Entry:
    """What happened in a ball beside what was bound to happen.

    Args:
        each: The ball.
        curves: What was measured of it, by name, (n,) each.
        times: When, (n,).
        share: What may be left outside.
        floor: Uncertainty of a mass.
        relaxation: The relaxation time of the minimum.
    """
    ball, square = each.ball, each.ball.funnel.radius**2
    last, end = {name: float(values[-1]) for name, values in curves.items()}, times[-1:]
    entry: Entry = {
        "mass_at_start": _mass(each.start[0], floor),
        "mass": _mass(last["ball"], floor),
        "second_moment_at_start": _moment(each.start[1], floor, square),
        "second_moment": _moment(last["moment"], floor, square),
        "second_moment_bound": _moment(last["moment_bound"], floor, square),
        "mass_within": _mass(last["within"], floor),
        "mass_within_bound": _mass(last["within_bound"], floor),
        "exit_probability_bound": _mass(float(each.left(end)[0]), floor),
    }
    escape = each.log_escape
    if escape > LARGEST:
        why = NEVER if np.isinf(escape) else f"10^{escape / np.log(10.0):.1f} is no number that a file can hold"
        entry["escape_time_at_least"] = Quantity(None, why=why, infinite=bool(np.isinf(escape)))
        entry["separation_at_most"] = _exact(0.0)
    else:
        entry["escape_time_at_least"] = _exact(float(np.exp(escape)))
        entry["separation_at_most"] = _exact(relaxation * float(np.exp(-escape)))
    return entry | _times(each, ball, curves, times, share)


def _times(each: Gathering, ball: Ball, curves: Mapping[str, Array], times: Array, share: float) -> Entry:
    """When all but a share has gathered: by the bound, and by what was computed."""
    mass, moment = each.start
    floor, radius = ball.floor(share), ball.funnel.radius
    why = None
    if floor >= radius:
        why = OUTSIDE.format(number(floor))
    elif mass < NOTHING:
        why = EMPTY
    if why is not None:
        none = Quantity(None, why=why)
        return {"concentration_time": {"bound": none, "computed": none}}
    gap = float(np.diff(times).min(initial=np.inf))
    bound = time_to_gather(moment, mass, ball.funnel.pairs, ball.within, share)
    computed = below_from(times, curves["ball"] - curves["within"], share * mass)
    found: Entry = {"bound": Quantity(None, why=BELOW.format(number(floor)))}
    if bound is not None:
        found["bound"] = Quantity(bound, size=gap)
        found["exit_probability_bound_by_then"] = _mass(float(each.left(np.array([bound]))[0]), 0.0)
    found["computed"] = Quantity(None, why=NOT_YET) if computed is None else Quantity(computed, size=gap)
    return {"concentration_time": found}


def lines(place: Place, entry: Mapping[str, object], number_of: int, share: float) -> list[tuple[str, object]]:
    """Lines of the final table on a minimum."""
    found: list[tuple[str, object]] = [
        (f"minimum {number_of}: {place.basin.name}, loss {place.basin.minimum.value:.6g}", ""),
        ("  share of the start that flows to it", entry["first_basin"]),
    ]
    if isinstance(place.ball, str):
        return [*found, ("  no bound", place.ball)]
    ball = place.ball.funnel
    margin = ball.pull - ball.growth
    found.append(("  ball", f"radius {ball.radius:.4g}, lambda {ball.pull:.4g}, T {ball.trace:.3g}"))
    if ball.gathers:
        found.append(("  noise vanishes at the minimum", f"Dirac limit, at the rate {2.0 * margin:.4g}"))
    elif ball.steepest is not None:
        found.append(("  noise vanishes at the minimum", f"but grows too fast: T1 {ball.steepest:.4g} > lambda"))
    names = {
        "noise_floor": "noise floor",
        "mass_at_start": "mass in the ball at the start",
        "second_moment": "second moment at the end",
        "second_moment_bound": "  at most",
        "mass_within": f"mass within {place.ball.within:.4g} at the end",
        "mass_within_bound": "  at least",
    }
    found += [(f"  {text}", entry[key]) for key, text in names.items()]
    times = entry["concentration_time"]
    assert isinstance(times, Mapping)
    what = f"all but {share:.3g} within {place.ball.within:.4g} from"
    return [*found, (f"  {what}", times["computed"]), ("    at the latest", times["bound"])]


def excess(each: Gathering, curves: Mapping[str, Array], tolerance: float, step: float) -> float:
    """By how much the second moment exceeds its bound at most after the start, relative to that.

    Args:
        each: The ball.
        curves: What was measured of it, by name, (n,) each.
        tolerance: The error of a mass that the time integration leaves.
        step: Lengths below this are not resolved.
    """
    moment, bound = curves["moment"][1:], curves["moment_bound"][1:]
    slack = tolerance * each.ball.funnel.radius**2 + step**2 * np.maximum(curves["ball"][1:], 0.0)
    return float(((moment - bound - slack) / (np.maximum(bound, 0.0) + slack)).max(initial=-1.0))


def summary_of_regime(entry: Mapping[str, object]) -> Sequence[tuple[str, object]]:
    """Lines on the drift regime."""
    return [
        ("drift regime over at", entry["drift_regime_end"]),
    ]


def _mass(value: float, floor: float) -> Quantity:
    return Quantity(value, floor=floor, size=NEGLIGIBLE)


def _moment(value: float, floor: float, square: float) -> Quantity:
    return Quantity(value, floor=floor * square, size=NEGLIGIBLE * square)


def _exact(value: float) -> Quantity:
    """A number from formulas: no mesh, no discretisation error."""
    return Quantity(float(value), 0.0)
