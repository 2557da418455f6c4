"""How mass splits between minima: the mass of each basin in time beside what theory says of it, and the basins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import BoundaryNorm, ListedColormap, to_rgb

from fpsolver.output.curves import read_curves
from fpsolver.output.figures import plane, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import FINE, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

# entry of a basin -> how it is drawn, what it is, and which part of the time axis it belongs to
_STAGES = {
    "deterministic": (":", "gradient descent", 0),
    "committor": ("--", "minimum reached first", 1),
    "stationary": ("-.", "stationary", 2),
}
_PALE = 0.72  # how much of a colour is white on the map of basins
_APART = 0.035  # labels are at least so much of the height apart


_MAP_NOTES = {
    1: ["right: probability to reach a minimum first", "bands: basins of attraction"],
    2: [
        "coloured lines: even odds to reach a minimum first",
        "circles: what counts as there",
        "black: initial density",
    ],
}


def splitting(run: Run) -> Figure | None:
    """Masses over time, in two dimensions with a map of the basins, in one with committors; None without them."""
    section = run.section("splitting")
    basins = [entry for entry in section.get("basins", []) if isinstance(entry, Mapping)]
    path = run.folder / "splitting.csv"
    if not basins or not path.exists():
        return None
    table = read_curves(path)
    more = run.dimension < 3 and run.field("basin") is not None
    figure = style.new_figure(13.5 if more else 8.6, 5.6, run.title)
    panels = figure.subplots(1, 2 if more else 1, width_ratios=[1.25, 1.0] if more else [1.0], squeeze=False)[0]
    _masses(panels[0], run, table, basins, section.get("plateau", {}))
    stages = [f"{_DASHES[line]}: {name}" for line, name, _ in _STAGES.values()]
    notes = ["solid: mass in the basin of attraction", *stages]
    if more and run.fields is not None:
        (_map if run.dimension == 2 else _committors)(panels[1], run, run.fields, basins)
        notes += _MAP_NOTES[run.dimension]
    style.notes(figure, notes)
    return figure


_DASHES = {":": "dotted", "--": "dashed", "-.": "dash-dotted"}


def _masses(
    axes: Axes, run: Run, table: Mapping[str, Array], basins: Sequence[Mapping[str, Any]], plateau: Mapping[str, Any]
) -> None:
    times = table["time"]
    visible = times > 0
    axes.set_xscale("log")
    axes.set_xlabel(style.time_name(run))
    axes.grid(alpha=0.3)
    left, right = float(times[visible].min()), float(times.max())
    axes.set_xlim(left, right if right > left else 10.0 * left)
    axes.set_ylim(-0.02, 1.06)
    axes.set_ylabel("probability of being in the basin")
    start, end = plateau.get("from"), plateau.get("until")
    if isinstance(start, float) and isinstance(end, float):
        axes.axvspan(max(start, left), end, color="0.9", zorder=0)
        axes.set_title(f"grey: plateau, t = {start:.3g} to {end:.3g}", fontsize=10)
    else:
        axes.set_title("no plateau" if not plateau.get("exists") else "the plateau is not seen", fontsize=10)
    middles = _thirds(left, right, start, end)
    labels: dict[int, list[tuple[float, str]]] = {0: [], 1: [], 2: []}
    for number, basin in enumerate(basins):
        colour = _colour(number)
        mass = table[f"basin_{number + 1}"]
        axes.plot(times[visible], mass[visible], color=colour, linewidth=2.4, label=_name(number, basin), zorder=3)
        for key, (line, _, part) in _STAGES.items():
            share = _value(basin.get(key))
            if share is not None:
                axes.plot(middles[part], [share, share], line, color=colour, linewidth=1.6, zorder=4)
                labels[part].append((share, colour))
    for part, wanted in labels.items():
        _write(axes, middles[part], wanted, part)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), frameon=False, fontsize=9, ncols=min(2, len(basins)))


def _thirds(left: float, right: float, start: object, end: object) -> list[tuple[float, float]]:
    """Where on the time axis the lines of each stage are drawn."""
    cuts = np.geomspace(left, right, 4) if right > left else np.array([left, 2.0 * left, 5.0 * left, 10.0 * left])
    first, last = float(cuts[1]), float(cuts[2])
    if isinstance(start, float) and isinstance(end, float) and end > max(start, left):
        first, last = max(start, left), end
    return [(left, max(first, left * 1.5)), (first, last), (min(float(cuts[2]), right / 1.5), right)]


def _write(axes: Axes, ends: tuple[float, float], wanted: list[tuple[float, str]], part: int) -> None:
    """The numbers beside the lines of a stage, far enough apart to be read."""
    height = -1.0
    at, align = {0: (ends[0], "left"), 1: (float(np.sqrt(ends[0] * ends[1])), "center"), 2: (ends[1], "right")}[part]
    for share, colour in sorted(wanted):
        height = max(share + 0.008, height + _APART)
        text = f"{share:.3f}" if share > 5e-4 else f"{share:.1e}"
        axes.annotate(f" {text} ", (at, height), ha=align, va="bottom", fontsize=8, color=colour)


def _map(axes: Axes, run: Run, fields: Frames, basins: Sequence[Mapping[str, Any]]) -> None:
    """The basins in two dimensions, the lines of even odds, the minima and what counts as there."""
    grid = raster(fields.mesh(), FINE)
    basin = run.field("basin")
    assert basin is not None
    pale = [tuple(1.0 - (1.0 - part) * (1.0 - _PALE) for part in to_rgb(_colour(i))) for i in range(len(basins))]
    colours = ListedColormap([(0.85, 0.85, 0.85), *pale])
    norm = BoundaryNorm(np.arange(len(basins) + 2) - 0.5, len(basins) + 1)
    shares = np.stack([grid.image((np.rint(basin) == i).astype(float)) for i in range(len(basins) + 1)])
    plane.show(axes, run, grid, np.where(np.isnan(shares[0]), np.nan, shares.argmax(axis=0)), colours, norm)
    plane.loss_contours(axes, run)
    _start(axes, run)
    for number, entry in enumerate(basins):
        odds = run.field(f"committor_basin_{number + 1}")
        if odds is not None and len(basins) > 1:
            axes.contour(grid.x, grid.y, grid.image(odds), levels=[0.5], colors=[_colour(number)], linewidths=1.8)
        centre = entry.get("centre", entry["minimum"])
        angle = np.linspace(0.0, 2.0 * np.pi, 100)
        radius = float(entry.get("radius", 0.0))
        circle = np.array(centre) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        axes.plot(*circle.T, color=_colour(number), linewidth=1.2)
        axes.annotate(str(number + 1), centre, ha="center", va="center", fontsize=10, fontweight="bold")
    axes.set_title("basins of attraction", fontsize=11)


def _start(axes: Axes, run: Run) -> None:
    """Level lines of the density at the start, unless that is a point."""
    if run.density is None or run.density.times[0] > 0:
        return
    grid = raster(run.density.mesh(0), FINE)
    image = grid.image(run.density.values(0, "density"))
    highest = float(np.nanmax(image))
    if highest > 0:
        levels = [0.1 * highest, 0.5 * highest]
        axes.contour(grid.x, grid.y, image, levels=levels, colors="black", linewidths=[0.8, 1.3])


def _committors(axes: Axes, run: Run, fields: Frames, basins: Sequence[Mapping[str, Any]]) -> None:
    """The committors in one dimension, over bands for the basins."""
    x = fields.mesh().points[:, 0]
    order = np.argsort(x, kind="stable")
    basin = run.field("basin")
    assert basin is not None
    for number, _ in enumerate(basins):
        colour, odds = _colour(number), run.field(f"committor_basin_{number + 1}")
        inside = np.rint(basin[order]) == number + 1
        transform = axes.get_xaxis_transform()
        axes.fill_between(x[order], 0, 1, where=inside, color=colour, alpha=0.12, transform=transform, lw=0)
        if odds is not None:
            axes.plot(x[order], odds[order], color=colour, linewidth=2.2)
    axes.set_xlabel(run.coordinates[0])
    axes.set_ylabel("probability to reach the minimum first")
    axes.set_xlim(x.min(), x.max())
    axes.grid(alpha=0.3)


def _name(number: int, basin: Mapping[str, Any]) -> str:
    where = ", ".join(f"{x:.3g}" for x in basin["minimum"])
    return f"{number + 1}: minimum at ({where}), loss {basin['loss']:.3g}"


def _colour(number: int) -> str:
    return style.PALETTE[number % len(style.PALETTE)]


def _value(entry: object) -> float | None:
    value = entry.get("value") if isinstance(entry, Mapping) else None
    return float(value) if isinstance(value, int | float) else None
