"""SGD approaches its diffusion as the learning rate falls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PREFIX = "at learning rate "


def sgd_limit(run: Run) -> Figure | None:
    """Differences over learning rates, both logarithmic; None where they were not computed."""
    section = run.section("sgd_limit")
    lines = {name: entry for name, entry in section.items() if isinstance(entry, Mapping)}
    if not lines:
        return None
    figure = style.new_figure(9.0, 5.4, run.title)
    axes = figure.subplots()
    steepest: list[tuple[float, float]] = []
    for number, (name, entry) in enumerate(lines.items()):
        found = [(float(key.removeprefix(_PREFIX)), part) for key, part in entry.items() if key.startswith(_PREFIX)]
        clear = [
            (rate, abs(part["value"]), part["error"]) for rate, part in found if abs(part["value"]) > part["error"]
        ]
        if not clear:
            continue
        rates, sizes, halves = zip(*clear, strict=True)
        colour, line = style.PALETTE[number % len(style.PALETTE)], style.LINES[number // len(style.PALETTE) % 4]
        label = f"{name}{_order(entry)}"
        axes.errorbar(rates, sizes, yerr=halves, fmt="o", linestyle=line, color=colour, capsize=2, label=label)
        steepest.append(max(zip(rates, sizes, strict=True)))
    if not steepest:
        return None
    rate, size = max(steepest, key=lambda pair: pair[1])
    every = sorted({float(key.removeprefix(_PREFIX)) for entry in lines.values() for key in entry if _PREFIX in key})
    guide = np.array([every[0], rate])
    axes.plot(guide, 1.5 * size * guide / rate, ":", color="0.4", label="order 1")
    axes.set(xscale="log", yscale="log", xlabel="learning rate η")
    axes.set_ylabel(f"|SGD - diffusion| at t = {section.get('time'):g}")
    axes.set_xticks(every, [f"{value:g}" for value in every])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(loc="outside right center", frameon=False, fontsize=8)
    style.notes(figure, ["differences that are smaller than their intervals of 99 % are left out"])
    return figure


def _order(entry: Mapping[str, Any]) -> str:
    value, error = entry["order"]["value"], entry["order"]["error"]
    return "" if value is None or error is None else f": order {value:.2f} ± {error:.1f}"
