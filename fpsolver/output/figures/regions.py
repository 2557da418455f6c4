"""The mass in every named region, in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def regions(run: Run) -> Figure | None:
    """Masses over time, the stationary ones dotted where the run computed them; None without regions or evolution."""
    masses = run.regions()
    if not masses:
        return None
    times = run.curves["time"]
    figure = style.new_figure(8.0, 4.6, run.title)
    axes = figure.subplots()
    visible = style.time_axis(axes, times, run)
    stationary = _stationary(run)
    now = f"at {style.time_label(times[-1])}"
    for number, (name, mass) in enumerate(masses.items()):
        colour = style.PALETTE[number % len(style.PALETTE)]
        line = style.LINES[(number // len(style.PALETTE)) % len(style.LINES)]
        axes.plot(
            times[visible], mass[visible], line, color=colour, linewidth=2.2, label=f"{name}: {mass[-1]:.3g} {now}"
        )
        if name in stationary:
            label = f"{name}: {stationary[name]:.3g} stationary"
            axes.axhline(stationary[name], color=colour, linestyle=":", linewidth=1.6, label=label)
    axes.set_ylabel("probability of being in the region")
    smallest = min(float(mass[-1]) for mass in masses.values())
    if 0 < smallest < 1e-2:
        shown = np.concatenate([mass[visible] for mass in masses.values()])
        axes.set_yscale("log")
        axes.set_ylim(max(float(shown[shown > 0].min()), smallest * 1e-3) / 2, 2.0)
    else:
        axes.set_ylim(-0.02, 1.02)
    figure.legend(loc="outside right center", title="region", frameon=False)
    return figure


def _stationary(run: Run) -> dict[str, float]:
    section = run.results.get("stationary")
    found = section.get("regions") if isinstance(section, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    values = {name: entry.get("value") for name, entry in found.items() if isinstance(entry, Mapping)}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
