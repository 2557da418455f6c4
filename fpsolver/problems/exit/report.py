"""Exit times as numbers at starts and probes, and as fields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fpsolver.case import Exit
from fpsolver.domain.evaluate import evaluate_within
from fpsolver.domain.locate import point_rules
from fpsolver.domain.regions import at_points
from fpsolver.generator.projection import project
from fpsolver.problems.arrhenius.fit import barriers
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.killed import Killed
from fpsolver.problems.exit.minibatches import WALKERS
from fpsolver.problems.exit.starts import Start
from fpsolver.problems.exit.times import Times
from fpsolver.problems.reach.traps import Trapped
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

NEGLIGIBLE = 1e-6
"""A time below this fraction of the longest is known only relative to that."""

CAUGHT = 1e-6
"""Where a path is caught with a higher probability than this, the field of times has no value."""


def at_start(
    setting: Setting, wanted: Exit, start: Start, times: Times | None, reason: str | None
) -> dict[str, object]:
    """The entry of ``results.json`` for a start; ``reason`` says why its time is infinite, None where it is not."""
    entry: dict[str, object] = {"point": list(start.point)}
    if start.density is not None:
        entry["initial"] = start.density
    step = setting.case.step_time
    if times is None or reason is not None:
        never = Quantity(None, why=reason, infinite=True)
        entry |= {"mean": never, "log10_mean": never, "variance": never, "standard_deviation": never}
        entry |= {"moments": [never] * wanted.moments, "iterations": None if step is None else never}
        return entry
    moments = [float(start.functional.dot(vector)) for vector in times.moments]
    mean, variance = moments[0], times.variance(start.functional)
    if start.density is not None:  # the times of the points differ among each other too
        variance = moments[1] - mean**2
    known = mean > 0.0
    entry |= {
        "mean": Quantity(mean, scale="log"),
        "log10_mean": Quantity(float(np.log10(mean))) if known else Quantity(None, why="the computed mean is negative"),
        "variance": Quantity(variance, scale="log"),
        "standard_deviation": Quantity(float(np.sqrt(max(variance, 0.0))), scale="log"),
        "moments": [Quantity(value, scale="log") for value in moments[: wanted.moments]],
        "iterations": None if step is None else Quantity(mean / step, scale="log"),
    }
    return entry


def at_probes(
    setting: Setting, wanted: Exit, problem: Killed, times: Times | None, fate: Trapped
) -> list[dict[str, Quantity]]:
    """The mean exit time at each probe: 0 outside of the region."""
    points = setting.case.probes
    name = f"exit_time_{wanted.region}"
    found = []
    for rule in point_rules(problem.generator.space.mesh, problem.geometry, points):
        if rule is None:
            found.append({name: Quantity(0.0, 0.0)})
            continue
        functional = problem.generator.quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))
        reason = fate.reason_at(functional)
        if times is None or reason is not None:
            found.append({name: Quantity(None, why=reason, infinite=True)})
        else:
            time = float(functional.dot(times.moments[0]))
            highest = float(times.moments[0].max()[1])
            # 0 on the exit set, up to round-off
            known = Quantity(time, scale="log") if time > NEGLIGIBLE * highest else Quantity(time, size=highest)
            found.append({name: known})
    return found


def write_fields(setting: Setting, wanted: Exit, problem: Killed, times: Times, fate: Trapped) -> None:
    """The mean exit time and the quasi-stationary density on the lattice: 0 outside, no number where it is infinite."""
    lattice, _ = setting.lattice
    generator = problem.generator
    points = lattice.points[:, : lattice.dimension]
    functions = [generator.function(times.moments[0]), generator.function(times.quasi_stationary)]
    if fate.probability is not None:
        functions.append(generator.function(fate.probability))
    level = at_points(setting.case.regions[wanted.region].level, setting.case.coordinates)
    values = evaluate_within(functions, points, level(points) < 0.0)
    outside = np.isnan(values[0])
    time = np.where(outside, 0.0, values[0])
    if fate.probability is not None:
        time[~outside & (values[2] > CAUGHT)] = np.nan
    shift = project(generator, times.quasi_stationary).shift
    density = np.zeros(len(points))  # the weight is grounded inside, so that outside it may be too large for a number
    density[~outside] = generator.weight.density(points[~outside]) * np.maximum(values[1, ~outside] - shift, 0.0)
    setting.recorder.fields(
        lattice, {f"exit_time_{wanted.region}": time, f"quasi_stationary_density_{wanted.region}": density}
    )


def described(wanted: Exit, results: Mapping[str, object]) -> list[tuple[str, object]]:
    """Lines of the final table."""
    lines: list[tuple[str, object]] = []
    starts = results["starts"]
    assert isinstance(starts, list)
    for entry in starts:
        where = ", ".join(f"{x:g}" for x in entry["point"])
        lines.append((f"mean time to leave {wanted.region} from ({where})", entry["mean"]))
        lines.append(("  standard deviation", entry["standard_deviation"]))
        if "sgd" in entry:
            lines.append((f"  of SGD itself, by {WALKERS} walkers", entry["sgd"]))
        if isinstance(law := entry.get("kramers"), Quantity) and law.value is not None:
            lines.append(("  by Kramers' law", law))
        if (bounds := entry.get("enclosure")) is not None and bounds["certified"]:
            lines += [("  at least", bounds["lower"]), ("  at most", bounds["upper"])]
    lines.append((f"escape rate from {wanted.region}", results["escape_rate"]))
    lines += barriers(wanted, results)
    return lines
