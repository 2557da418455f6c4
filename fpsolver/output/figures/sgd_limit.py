"""SGD beside its diffusion over learning rates: how they meet at a fixed time, and how long each takes to leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PREFIX = "at learning rate "


def sgd_limit(run: Run) -> Figure | None:
    """Differences, and mean exit times of both, over learning rates; None where they were not computed."""
    section = run.section("sgd_limit")
    lines, exits = section.get("differences", {}), section.get("exits", {})
    steepest = _steepest(lines)
    panels = [draw for draw, is_there in ((_differences, steepest), (_exits, exits)) if is_there]
    if not panels:
        return None
    figure = style.new_figure(9.0, 5.4 if len(panels) == 1 else 9.6, run.title)
    for axes, draw in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        draw(axes, section)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    notes = ["differences that are smaller than their intervals of 99 % are left out"] if steepest else []
    bounded = any("above" in key for entry in exits.values() for part in entry.values() for key in part)
    notes += ["triangles: what a mean exceeds with 99 %, as nobody left"] if bounded else []
    style.notes(figure, notes)
    return figure


def _rates(entries: Mapping[str, Any]) -> list[float]:
    return sorted({float(key.removeprefix(_PREFIX)) for entry in entries.values() for key in entry if _PREFIX in key})


def _clear(entry: Mapping[str, Any]) -> list[tuple[float, float, float]]:
    """Learning rates, sizes and intervals of differences that are larger than these."""
    found = [(float(key.removeprefix(_PREFIX)), part) for key, part in entry.items() if key.startswith(_PREFIX)]
    return [(rate, abs(part["value"]), part["error"]) for rate, part in found if abs(part["value"]) > part["error"]]


def _steepest(lines: Mapping[str, Any]) -> tuple[float, float] | None:
    """The learning rate and size of the largest difference."""
    found = [max(clear) for entry in lines.values() if (clear := _clear(entry))]
    return max(((rate, size) for rate, size, _ in found), key=lambda pair: pair[1], default=None)


def _differences(axes: Axes, section: Mapping[str, Any]) -> None:
    lines = section["differences"]
    for number, (name, entry) in enumerate(lines.items()):
        clear = _clear(entry)
        if not clear:
            continue
        rates, sizes, halves = zip(*clear, strict=True)
        colour, line = style.PALETTE[number % len(style.PALETTE)], style.LINES[number // len(style.PALETTE) % 4]
        label = f"{name}{_order(entry)}"
        axes.errorbar(rates, sizes, yerr=halves, fmt="o", linestyle=line, color=colour, capsize=2, label=label)
    steepest = _steepest(lines)
    assert steepest is not None
    rate, size = steepest
    every = _rates(lines)
    guide = np.array([every[0], rate])
    axes.plot(guide, 1.5 * size * guide / rate, ":", color="0.4", label="order 1")
    axes.set_ylabel(f"|SGD - diffusion| at t = {section.get('time'):g}")
    _over_rates(axes, every)


def _exits(axes: Axes, section: Mapping[str, Any]) -> None:
    exits = section["exits"]
    for number, (name, entry) in enumerate(exits.items()):
        for who, marker, line in (("sgd", "s", "--"), ("diffusion", "o", "-")):
            colour = style.PALETTE[number % len(style.PALETTE)]
            known = [(float(key.removeprefix(_PREFIX)), part) for key, part in entry.items()]
            means = sorted((rate, part[who]["value"], part[who]["error"]) for rate, part in known if part[who]["value"])
            bounds = sorted((rate, part[f"{who}_above"]) for rate, part in known if f"{who}_above" in part)
            label = f"{name.removeprefix('mean time to ')}, {'SGD' if who == 'sgd' else who}"
            if means:
                rates, values, halves = zip(*means, strict=True)
                axes.errorbar(
                    rates, values, yerr=halves, fmt=marker, linestyle=line, color=colour, capsize=2, label=label
                )
            if bounds:
                axes.plot(*zip(*bounds, strict=True), "^", color=colour, fillstyle="none", label=f"{label}: at least")
    axes.set_ylabel("mean time")
    _over_rates(axes, _rates(exits))


def _over_rates(axes: Axes, every: list[float]) -> None:
    axes.set(xscale="log", yscale="log", xlabel="learning rate η")
    axes.set_xticks(every, [f"{value:g}" for value in every])
    axes.xaxis.minorticks_off()
    axes.grid(alpha=0.3)


def _order(entry: Mapping[str, Any]) -> str:
    value, error = entry["order"]["value"], entry["order"]["error"]
    return "" if value is None or error is None else f": order {value:.2f} ± {error:.1f}"
