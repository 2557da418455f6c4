"""A split of mass as entries of ``results.json``, lines of the final table, a table in time, and fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.problems.base import Setting
from fpsolver.problems.splitting.basins import Basin, Landscape
from fpsolver.problems.splitting.plateau import Plateau
from fpsolver.problems.splitting.stages import Scales, Stages
from fpsolver.problems.splitting.watcher import MassWatcher, Split
from fpsolver.problems.splitting.ways import Escape
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]
Entry = dict[str, object]

NEGLIGIBLE = 1e-3
"""A share whose relative error is of no interest."""

EQUAL = 1e-9
"""Losses that differ by less than this, relative to their range, are the same."""

NO_OTHER = "there is no other minimum"


def reported(
    basins: Landscape,
    left: Sequence[Escape],
    stages: Stages,
    scales: Scales,
    found: Plateau | str,
    times: Array,
    floor: float,
) -> tuple[Entry, list[tuple[str, object]]]:
    """The entry of ``results.json`` and the lines of the final table.

    Args:
        basins: Of the minima.
        left: How each is left; nothing where there is one only.
        stages: The shares.
        scales: The time scales.
        found: The plateau, or why there is none.
        times: Of the rows that the plateau refers to.
        floor: Uncertainty of a mass along the evolution.
    """
    entries = [_basin(basin, i, left, stages, floor) for i, basin in enumerate(basins.basins)]
    results: Entry = {
        "basins": entries,
        "plateau": _plateau(scales, found, times),
        "best": _best(basins, stages, floor),
        "unassigned": {
            "deterministic": {
                name: Quantity(float(value), float(error), size=NEGLIGIBLE)
                for name, value, error in zip(
                    ("at_walls", "at_rest", "nowhere"),
                    stages.elsewhere,
                    stages.deterministic_error[basins.count :],
                    strict=True,
                )
            },
            "committor": _known(stages.committor, lambda shares: stages.lost),
        },
    }
    if basins.count > 1:
        results["rates"] = [[_rate(escape, j) for j in range(basins.count)] for escape in left]
    return results, _summary(basins, entries, scales, found, times)


def write_table(setting: Setting, watcher: MassWatcher) -> None:
    """``splitting.csv``: masses of basins, means of committors and what is undecided, in time. Collective."""
    names = watcher.columns()
    committors = [name.replace("basin", "committor") for name in names]
    setting.recorder.table("splitting.csv", ["time", *names, *committors, "undecided"], watcher.rows)


def write_fields(setting: Setting, split: Split) -> None:
    """The number of the basin that each point is in, 0 for none, and the committors. Collective."""
    lattice, _ = setting.lattice
    points = lattice.points[:, : lattice.dimension]
    labels = split.basins.attraction.labels(points)
    fields = {"basin": np.maximum(labels + 1, 0).astype(float)}
    if not isinstance(split.first, str):
        values = np.clip(split.first(points), 0.0, 1.0)
        fields |= {f"committor_basin_{i + 1}": value for i, value in enumerate(values)}
    setting.recorder.fields(lattice, fields)


def _basin(basin: Basin, i: int, left: Sequence[Escape], stages: Stages, floor: float) -> Entry:
    minimum = basin.minimum
    entry: Entry = {
        "minimum": [float(x) for x in minimum.point],
        "loss": minimum.value,
        "hessian_eigenvalues": [float(value) for value in minimum.eigenvalues],
        "diffusion_trace": minimum.trace,
        "radius": basin.radius,
    }
    if (basin.centre != minimum.point).any():
        entry["centre"] = [float(x) for x in basin.centre]
    entry |= _stages(stages, lambda values: float(values[i]), floor)
    entry["predicted"] = _known(stages.predicted, lambda values: float(values[i]))
    entry["stationary_committor"] = _known(stages.settled, lambda values: float(values[i]))
    entry["stationary_chain"] = _known(stages.chain, lambda values: float(values[i]))
    entry["escape_time"] = _escape_time(left[i]) if left else Quantity(None, why=NO_OTHER)
    return entry


def _stages(stages: Stages, number: Callable[[Array], float], floor: float) -> Entry:
    """A number of the shares at each stage."""
    return {
        "deterministic": Quantity(number(stages.deterministic), number(stages.deterministic_error), size=NEGLIGIBLE),
        "committor": _known(stages.committor, number),
        "plateau": _known(stages.plateau, number, floor),
        "final": _known(stages.final, number, floor),
        "stationary": _known(stages.stationary, number),
    }


def _known(shares: Array | str, number: Callable[[Array], float], floor: float = 0.0) -> Quantity:
    if isinstance(shares, str):
        return Quantity(None, why=shares)
    return Quantity(number(shares), floor=floor, size=NEGLIGIBLE)


def _escape_time(escape: Escape) -> Quantity:
    if escape.time is None:
        return Quantity(None, why=escape.why, infinite=True)
    return Quantity(escape.time, scale="log")


def _rate(escape: Escape, j: int) -> Quantity:
    if escape.time is None:
        return Quantity(0.0, 0.0)
    return Quantity(float(escape.next[j]) / escape.time, scale="log")


def _plateau(scales: Scales, found: Plateau | str, times: Array) -> Entry:
    entry: Entry = {"exists": scales.exists, "why": scales.why}
    if isinstance(found, Plateau):
        entry |= {
            "from": float(times[found.first]),
            "until": float(times[found.last]),
            "at": float(times[found.row]),
            "drift": found.drift,
        }
    elif scales.exists:
        entry["not_seen"] = found
    relaxation, escape = scales.relaxation, scales.escape
    unknown = Quantity(None, why=scales.why)
    entry["relaxation_time"] = unknown if relaxation is None else Quantity(relaxation, scale="log")
    entry["shortest_escape_time"] = unknown if escape is None else Quantity(escape, scale="log")
    entry["separation"] = unknown
    if relaxation is not None and escape is not None:
        entry["separation"] = Quantity(relaxation / escape, scale="log")
    ratio = scales.spectral
    entry["spectral_ratio"] = Quantity(None, why=ratio) if isinstance(ratio, str) else Quantity(ratio, scale="log")
    return entry


def _best(basins: Landscape, stages: Stages, floor: float) -> Entry:
    """The share of the lowest minimum, or of all that are as low, at each stage."""
    losses = np.array([basin.minimum.value for basin in basins.basins])
    best = losses <= losses.min() + EQUAL * max(float(np.ptp(losses)), abs(float(losses.min())))
    return {
        "minima": [[float(x) for x in basins.basins[i].minimum.point] for i in np.flatnonzero(best).tolist()],
        "loss": float(losses.min()),
        **_stages(stages, lambda values: float(values[: len(best)][best].sum()), floor),
    }


def _summary(
    basins: Landscape, entries: Sequence[Entry], scales: Scales, found: Plateau | str, times: Array
) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = []
    for i, (basin, entry) in enumerate(zip(basins.basins, entries, strict=True)):
        lines += [
            (f"basin {i + 1}: {basin.name}, loss {basin.minimum.value:.6g}", ""),
            ("  share by gradient descent", entry["deterministic"]),
            ("  share by the minimum reached first", entry["committor"]),
            ("  share on the plateau", entry["plateau"]),
            ("  share at the end", entry["final"]),
            ("  share in the stationary state", entry["stationary"]),
            ("  mean time to another minimum", entry["escape_time"]),
        ]
    if isinstance(found, Plateau):
        text = f"t = {times[found.first]:.4g} to {times[found.last]:.4g}, masses move by {found.drift:.2g}"
    else:
        text = f"not seen: {found}" if scales.exists else f"none: {scales.why}"
    return [*lines, ("plateau", text)]
