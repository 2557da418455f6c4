"""How long a process stays: the survival curve of each start, beside the exponential law of the same mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fpsolver.output.curves import read_curves
from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_LEAST = 1e-5  # of the logarithmic scale of probabilities
_GONE = 1e-4  # what is left at the right end of the linear scale
_MOST = 6  # curves in a panel


@dataclass(frozen=True)
class _Curve:
    """A start: what it is called, S, its mean time and median, None where they are not finite."""

    name: str
    values: Array
    mean: float | None
    median: float | None


def survival(run: Run) -> Figure | None:
    """Two panels per exit, over the logarithm of time and over time; None without ``survival_<region>.csv``."""
    exits = [(entry, table) for entry in exits_of(run) if (table := table_of(run, entry, "survival"))]
    if not exits:
        return None
    figure = style.new_figure(12.0, 3.9 * len(exits) + 0.6, run.title)
    panels = figure.subplots(len(exits), 2, squeeze=False)
    for (left, right), (entry, table) in zip(panels, exits, strict=True):
        curves = _curves(entry, table)[:_MOST]
        times = table["time"][1:]
        _draw(left, times, curves)
        _draw(right, times, curves)
        left.set(xscale="log", ylim=(-0.02, 1.04), xlim=(times[0], times[-1]))
        left.set_ylabel(f"probability to be still in {entry.get('region')}")
        right.set(yscale="log", ylim=(_LEAST, 1.5), xlim=(0.0, _end(times, curves)))
        left.legend(frameon=False, fontsize=9, loc="lower left")
        for panel in (left, right):
            panel.set_xlabel(style.time_name(run))
            panel.grid(alpha=0.3)
    notes = ["dashed: exponential law of the same mean, e^(-t/mean)", "dots: medians"]
    notes.append("left: logarithmic time; right: logarithmic probability, where exponential laws are straight")
    style.notes(figure, notes)
    return figure


def exits_of(run: Run) -> list[Mapping[str, Any]]:
    """The entries of the exits of a run, empty where there are none yet."""
    entries = run.results.get("exit")
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def table_of(run: Run, entry: Mapping[str, Any], kind: str) -> dict[str, Array]:
    """A table of an exit, empty where there is none."""
    tables = entry.get("tables")
    name = tables.get(kind) if isinstance(tables, Mapping) else None
    path = run.folder / str(name)
    return read_curves(path) if isinstance(name, str) and path.exists() else {}


def names_of(entry: Mapping[str, Any]) -> list[str]:
    """What the starts of an exit are called."""
    names = []
    for start in entry.get("starts", []):
        point = ", ".join(f"{x:.3g}" for x in start["point"])
        names.append(f"from ({point})" if "initial" not in start else f"from a density around ({point})")
    return names


def _curves(entry: Mapping[str, Any], table: Mapping[str, Array]) -> list[_Curve]:
    found = []
    starts = zip(entry.get("starts", []), names_of(entry), strict=True)
    for number, (start, name) in enumerate(starts, 1):
        law = start.get("survival")
        median = _value(law.get("median")) if isinstance(law, Mapping) else None
        found.append(_Curve(name, table[f"survival_{number}"][1:], _value(start.get("mean")), median))
    return found


def _draw(axes: Axes, times: Array, curves: Sequence[_Curve]) -> None:
    for number, curve in enumerate(curves):
        colour = style.PALETTE[number % len(style.PALETTE)]
        label = curve.name + (f": median {curve.median:.3g}" if curve.median is not None else "")
        axes.plot(times, np.where(curve.values > 0, curve.values, np.nan), color=colour, linewidth=2.2, label=label)
        if curve.mean is not None:
            fine = np.unique(np.concatenate([times, np.linspace(times[0], times[-1], 400)]))
            axes.plot(fine, np.exp(-fine / curve.mean), "--", color=colour, linewidth=1.3)
        if curve.median is not None:
            axes.plot(curve.median, 0.5, "o", color=colour, markeredgecolor="white", markersize=8, zorder=3)


def _end(times: Array, curves: Sequence[_Curve]) -> float:
    """When hardly anything is left from any start."""
    left = np.array([np.nan_to_num(curve.values) for curve in curves]).max(axis=0)
    gone = np.flatnonzero(left < _GONE)
    return float(times[gone[0]] if len(gone) else times[-1])


def _value(entry: object) -> float | None:
    value = entry.get("value") if isinstance(entry, Mapping) else None
    return float(value) if isinstance(value, int | float) else None
