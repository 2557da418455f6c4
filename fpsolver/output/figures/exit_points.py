"""Where a process leaves: the density of the exit point along the edge of each region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize

from fpsolver.output.figures import sets, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.survival import exits_of, names_of, table_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_MOST = 6  # starts in a panel
_SETTLED = "quasi_stationary"
_MARGIN = 0.08
_SEEN = 5e-4  # probabilities below are not told


def exit_points(run: Run) -> Figure | None:
    """Per exit a map of the edge and densities along it; bars in 1-D, a cloud in 3-D; None without tables."""
    exits = [(entry, table) for entry in exits_of(run) if (table := table_of(run, entry, "exit_points"))]
    if not exits:
        return None
    if run.dimension == 1:
        return _bars(run, exits)
    return (_plane if run.dimension == 2 else _space)(run, exits)


def _plane(run: Run, exits: list[tuple[Mapping[str, Any], dict[str, Array]]]) -> Figure:
    figure = style.new_figure(13.0, 4.4 * len(exits) + 0.6, run.title)
    panels = figure.subplots(len(exits), 2, squeeze=False, width_ratios=(1.0, 1.25))
    for (left, right), (entry, table) in zip(panels, exits, strict=True):
        _strip(figure, left, run, entry, table)
        places, breaks = _unrolled(table)
        for label, column, colour, line in _columns(entry, table):
            values = np.insert(table[column], breaks, np.nan)  # no line from one curve to the next
            right.plot(np.insert(places, breaks, np.nan), values, line, color=colour, label=label)
        right.set_xlabel("length along the edge, from the circle in the map")
        right.set_ylabel("probability per length")
        right.set_ylim(bottom=min(0.0, 1.1 * min(float(table[c].min()) for _, c, _, _ in _columns(entry, table))))
        right.grid(alpha=0.3)
        right.legend(frameon=False, fontsize=9)
    notes = ["left: edge of the region (grey), coloured by the density of exit points from the first start"]
    style.notes(figure, [*notes, "dots: starts", "right: the same density, and those from the other starts"])
    return figure


def _strip(figure: Figure, axes: Axes, run: Run, entry: Mapping[str, Any], table: Mapping[str, Array]) -> None:
    """The edge in the plane, coloured by the density of exit points from the first start."""
    names = run.coordinates
    points = np.column_stack([table[name] for name in names])
    density, curve = table["density_1"], table["curve"]
    norm = Normalize(0.0, float(density.max()))
    segments = np.stack([points[:-1], points[1:]], axis=1)[np.diff(curve) == 0]
    shades = ((density[:-1] + density[1:]) / 2)[np.diff(curve) == 0]
    axes.add_collection(LineCollection(list(segments), colors="0.2", linewidths=11, capstyle="projecting"))
    strip = LineCollection(
        list(segments), cmap=matplotlib.colormaps["inferno_r"], norm=norm, linewidths=8, capstyle="projecting"
    )
    strip.set_array(shades)
    axes.add_collection(strip)
    starts = np.array([start["point"] for start in entry.get("starts", [])], dtype=float)
    for number, start in enumerate(starts[:_MOST]):
        axes.plot(*start, "o", color=_colour(number), markeredgecolor="white", markersize=10, zorder=4)
    axes.plot(*points[0], "o", markerfacecolor="white", markeredgecolor="black", markersize=7, zorder=4)
    shown = np.vstack([points, starts])
    level = sets.region(run, str(entry.get("region")))
    low, high = shown.min(axis=0), shown.max(axis=0)
    margin = _MARGIN * max(float((high - low).max()), 1e-300)
    x, y = (np.linspace(low[i] - margin, high[i] + margin, 200) for i in (0, 1))
    axes.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    if level is not None:
        axes.contourf(x, y, sets.on_plane(level, x, y), levels=[-1e300, 0.0], colors=["0.93"], zorder=0)
    axes.set_aspect("equal")
    style.label_plane(axes, run)
    axes.set_title(f"exit from {entry.get('region')}", fontsize=11)
    figure.colorbar(strip, ax=axes, label="probability per length")


def _space(run: Run, exits: list[tuple[Mapping[str, Any], dict[str, Array]]]) -> Figure:
    figure = style.new_figure(6.4 * len(exits) + 0.4, 6.2, run.title)
    for place, (entry, table) in enumerate(exits, 1):
        axes = figure.add_subplot(1, len(exits), place, projection="3d")
        points = [table[name] for name in run.coordinates]
        size = 300.0 * table["measure"] / float(table["measure"].max())
        drawn = axes.scatter(*points, c=table["density_1"], s=size, cmap="inferno_r", depthshade=False)
        for number, start in enumerate(entry.get("starts", [])[:_MOST]):
            axes.plot(*([x] for x in start["point"]), "o", color=_colour(number), markersize=9)
        label, *_ = _columns(entry, table)[0]
        axes.set_title(f"exit from {entry.get('region')}\n{label}", fontsize=11)
        axes.set(xlabel=run.coordinates[0], ylabel=run.coordinates[1], zlabel=run.coordinates[2])
        figure.colorbar(drawn, ax=axes, label="probability per area", shrink=0.7)
    style.notes(figure, ["each dot: a facet of the edge, as large as its area", "large dots: starts"])
    return figure


def _bars(run: Run, exits: list[tuple[Mapping[str, Any], dict[str, Array]]]) -> Figure:
    figure = style.new_figure(8.0, 3.2 * len(exits) + 0.7, run.title)
    for axes, (entry, table) in zip(figure.subplots(len(exits), 1, squeeze=False).ravel(), exits, strict=True):
        points, columns = table[run.coordinates[0]], _columns(entry, table)
        width = 0.8 / len(columns)
        for number, (label, column, colour, _) in enumerate(columns):
            at = np.arange(len(points)) + (number - (len(columns) - 1) / 2) * width
            bars = axes.bar(at, table[column], 0.92 * width, color=colour, label=label)
            axes.bar_label(bars, fmt="%.3g", fontsize=9)
        axes.set_xticks(np.arange(len(points)), [f"{run.coordinates[0]} = {x:.4g}" for x in points])
        axes.set(ylim=(0.0, 1.15), ylabel="probability to leave here")
        axes.set_xlim(-0.6, max(len(points), 2) - 0.4)
        axes.set_title(f"exit from {entry.get('region')}", fontsize=11)
        axes.legend(frameon=False, fontsize=9, loc="upper right")
    return figure


def _columns(entry: Mapping[str, Any], table: Mapping[str, Array]) -> list[tuple[str, str, str, str]]:
    """Label, column, colour and line of each distribution."""
    found = []
    for number, (start, name) in enumerate(zip(entry.get("starts", []), names_of(entry), strict=True)):
        found.append((name + _into(start), f"density_{number + 1}", _colour(number), "-"))
    found = found[:_MOST]
    if _SETTLED in table:
        found.append(("quasi-stationary" + _into(entry.get(_SETTLED, {})), _SETTLED, "0.35", "--"))
    return found


def _into(entry: Mapping[str, Any]) -> str:
    """Where it leads, as in ": right 96 %, elsewhere 4 %"."""
    into = entry.get("leaves_into")
    if not isinstance(into, Mapping) or len(into) < 2:
        return ""
    shares = {name: part.get("value") for name, part in into.items() if isinstance(part, Mapping)}
    told = [f"{name} {share:.1%}" for name, share in shares.items() if isinstance(share, float) and share > _SEEN]
    return f": {', '.join(told)}" if told else ""


def _unrolled(table: Mapping[str, Array]) -> tuple[Array, npt.NDArray[np.int64]]:
    """Length along all curves one after the other, with gaps between them, and where new ones begin."""
    curve, along = table["curve"], table["along"]
    lengths = [float(along[curve == number].max()) for number in np.unique(curve)]
    gap = 0.05 * sum(lengths)
    begins = np.concatenate([[0.0], np.cumsum(np.array(lengths) + gap)[:-1]])
    breaks = np.flatnonzero(np.diff(curve)) + 1
    return along + begins[np.searchsorted(np.unique(curve), curve)], breaks


def _colour(number: int) -> str:
    return style.PALETTE[number % len(style.PALETTE)]
