"""Walkers beside the equation: by how much each number differs, and the masses of regions in time."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDEST = 3.0  # differences beyond so many times what is allowed are drawn at the edge
_MOST = 60  # rows
_HEADROOM = 0.06  # share of the panel for the legend
_LONGEST = 36  # characters of a line beside a row

Row = Mapping[str, Any]


def simulation(run: Run) -> Figure | None:
    """Two panels; None where nothing was simulated."""
    rows = run.section("simulation").get("rows")
    if not isinstance(rows, list) or not rows:
        return None
    judged = [row for row in rows if row.get("agrees") is not None][:_MOST]
    masses = [row for row in rows if row.get("column", "").startswith("region_")]
    shown = bool(judged) + bool(masses)
    if not shown:
        return None
    height = max(4.6, 1.8 + 0.2 * len(judged))
    figure = style.new_figure(6.6 * shown + 2.0, height, run.title)
    panels = list(figure.subplots(1, shown, squeeze=False)[0])
    notes = [f"{run.section('simulation').get('walkers'):,} walkers, intervals of 99 %"]
    if judged:
        _differences(panels.pop(0), judged)
        notes.append("left: 1 is what interval, error of the equation and error of the step allow together")
        notes.append(f"triangles: beyond {_WIDEST:g}")
    if masses:
        _masses(panels.pop(0), masses, run)
        notes.append("lines: the equation; marks: walkers")
    style.notes(figure, notes)
    return figure


def _differences(axes: Axes, rows: Sequence[Row]) -> None:
    axes.axvspan(-1.0, 1.0, color="0.92", zorder=0)
    axes.axvline(0.0, color="0.5", linewidth=0.8)
    for place, row in enumerate(rows):
        pde, sde = row["pde"], row["sde"]
        allowed = (sde["error"] or 0.0) + (pde["error"] or 0.0) + abs(row.get("step_bias") or 0.0)
        if not allowed > 0.0:
            continue
        difference = (sde["value"] - pde["value"]) / allowed
        colour = style.BLUE if row["agrees"] else style.VERMILION
        _mark(axes, difference, (sde["error"] or 0.0) / allowed, place, colour, "o", "diffusion")
        sgd = row.get("sgd")
        if sgd and sgd["value"] is not None:
            apart = (sgd["value"] - pde["value"]) / allowed
            _mark(axes, apart, (sgd["error"] or 0.0) / allowed, place + 0.3, style.GREEN, "s", "SGD")
    axes.set(xlim=(-_WIDEST - 0.3, _WIDEST + 0.3), ylim=(len(rows) - 0.4, -_HEADROOM * (1 + len(rows))))
    axes.set_yticks(range(len(rows)), [_name(row) for row in rows], fontsize=6.5, linespacing=1.05)
    axes.set_xlabel("(walkers less equation) / what is allowed")
    axes.grid(axis="x", alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), frameon=False, fontsize=8, loc="upper right", ncols=3)


def _mark(axes: Axes, where: float, half: float, place: float, colour: str, marker: str, label: str) -> None:
    if abs(where) > _WIDEST:
        sign = 1.0 if where > 0.0 else -1.0
        axes.plot(sign * _WIDEST, place, ">" if where > 0.0 else "<", color=colour, markersize=6, label=label)
    else:
        axes.errorbar(where, place, xerr=half, fmt=marker, color=colour, markersize=4, linewidth=1.2, label=label)


def _masses(axes: Axes, rows: Sequence[Row], run: Run) -> None:
    known = run.regions()
    names = list(dict.fromkeys(row["quantity"] for row in rows))
    last = max(row["time"] for row in rows)
    for number, name in enumerate(names):
        colour = style.PALETTE[number % len(style.PALETTE)]
        own = [row for row in rows if row["quantity"] == name]
        mass = known.get(own[0]["column"].removeprefix("region_"))
        if mass is not None:
            until = run.curves["time"] <= last
            axes.plot(run.curves["time"][until], mass[until], "-", color=colour, linewidth=1.6)
        elif there := [(row["time"], row["pde"]["value"]) for row in own if _has(row, "pde")]:
            axes.plot(*zip(*there, strict=True), "-", color=colour, linewidth=1.6)
        for method, marker in (("sde", "o"), ("sgd", "s")):
            found = [(row["time"], row[method]["value"], row[method]["error"]) for row in own if _has(row, method)]
            if found:
                times, values, halves = zip(*found, strict=True)
                label = f"{name}, {'diffusion' if method == 'sde' else 'SGD'}"
                axes.errorbar(times, values, yerr=halves, fmt=marker, color=colour, markersize=5, label=label,
                              fillstyle="full" if method == "sde" else "none", capsize=2)  # fmt: skip
    when = [row["time"] for row in rows]
    if max(when) > 10.0 * min(when):
        axes.set_xscale("log")
        axes.set_xlim(min(when) / 3.0, last * 1.3)
    axes.set_xlabel(style.time_name(run))
    axes.set_ylabel("probability of being in the region")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)


def _has(row: Row, method: str) -> bool:
    return bool(row.get(method)) and row[method]["value"] is not None


def _name(row: Row) -> str:
    name = str(row["quantity"]) + (f", t = {row['time']:.3g}" if row.get("time") is not None else "")
    return textwrap.fill(name, _LONGEST)
