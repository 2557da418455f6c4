"""How mass gathers around the minima: second moments and masses close by in time, beside what bounds say of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

VISIBLE = 1e-3
"""Balls that never hold so much mass are left out."""

DEEPEST = 1e-12
"""Second moments below this fraction of the largest are round-off."""


def concentration(run: Run) -> Figure | None:
    """Second moments and masses near the minima; None without a ball that ever holds mass."""
    minima = run.section("concentration").get("minima", [])
    shown = [(i, entry) for i, entry in enumerate(minima) if _holds_mass(run, i)]
    if not shown:
        return None
    figure = style.new_figure(12.5, 5.4, run.title)
    left, right = figure.subplots(1, 2)
    _moments(left, run, shown)
    _near(right, run, shown)
    notes = ["solid: computed", "dashed: bound (left from above, right from below)"]
    if _predicted(right, run, shown):
        notes.append("dotted: when all but the share is bound to be this close, unless it has left the ball")
    style.notes(figure, notes)
    return figure


def _holds_mass(run: Run, number: int) -> bool:
    mass = run.curves.get(f"ball_{number + 1}")
    return mass is not None and len(mass) > 1 and bool(np.nanmax(mass) > VISIBLE)


def _moments(axes: Axes, run: Run, shown: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Integrals of the squared distance over the balls, on a logarithmic scale."""
    times = run.curves["time"]
    visible = style.time_axis(axes, times, run)
    highest = 0.0
    for number, _ in shown:
        for name, line in (("moment", "-"), ("moment_bound", "--")):
            values = run.curves[f"{name}_{number + 1}"][visible]
            highest = max(highest, float(values.max()))
            drawn = np.where(values > DEEPEST * highest, values, np.nan)
            axes.plot(times[visible], drawn, line, color=_colour(number), linewidth=2.2 if line == "-" else 1.5)
    axes.set(yscale="log", ylabel="integral of the squared distance over the ball")
    style.plain_if_narrow(axes)


def _near(axes: Axes, run: Run, shown: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
    """Masses close to the minima."""
    times = run.curves["time"]
    visible = style.time_axis(axes, times, run)
    for number, entry in shown:
        colour = _colour(number)
        where = ", ".join(f"{x:.3g}" for x in entry["minimum"])
        label = f"within {entry['within']:.3g} of the minimum at ({where}); ball of radius {entry['radius']:.3g}"
        close, bound = (run.curves[f"{name}_{number + 1}"][visible] for name in ("within", "within_bound"))
        axes.plot(times[visible], close, color=colour, linewidth=2.2, label=label)
        axes.plot(times[visible], bound, "--", color=colour, linewidth=1.5)
    axes.set_ylim(-0.03, 1.05)
    axes.set_ylabel("mass close to the minimum")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False, fontsize=9)


def _predicted(axes: Axes, run: Run, shown: Sequence[tuple[int, Mapping[str, Any]]]) -> bool:
    """Marks the times by which mass is bound to have gathered; whether there are any."""
    low, high = axes.get_xlim()
    found = False
    for number, entry in shown:
        time = entry["concentration_time"]["bound"]["value"]
        if isinstance(time, float) and low <= time <= high:
            axes.axvline(time, color=_colour(number), linestyle=":", linewidth=1.8)
            found = True
    return found


def _colour(number: int) -> str:
    return style.PALETTE[number % len(style.PALETTE)]
