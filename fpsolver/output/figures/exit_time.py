"""The mean time to leave each region, as a field over its starting points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.colors import ListedColormap, LogNorm, Normalize

from fpsolver.output.figures import plane, sets, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import FINE, Raster, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_WIDE = 30.0  # times that differ by more are drawn on a logarithmic scale
_SHARES = np.array([0.1, 0.25, 0.5, 0.75, 0.9, 0.99])  # of the longest time, for contours on a linear scale
_SEEN = 1e-3  # part of a region that is worth a note
_FEW = 4  # decades, below which contours are drawn between them too
_SMALL = 0.35  # part of the domain; the picture of a smaller region shows its surroundings alone
_LABELLED = 6  # starts at most with their time beside them


@dataclass(frozen=True)
class _Start:
    """Where the clock starts.

    Attributes:
        point: The point, or the mean of an initial density.
        time: The mean time as text, empty where it is not known.
        is_spread: It starts from a density.
    """

    point: tuple[float, ...]
    time: str
    is_spread: bool


def exit_time(run: Run) -> Figure | None:
    """A panel per exit in 1-D and 2-D; None without exits.

    In 3-D None too, as for all fields there: open ``fields.*`` in ParaView.
    """
    names = [str(entry.get("region")) for entry in _exits(run)]
    fields = {name: run.field(f"exit_time_{name}") for name in dict.fromkeys(names)}
    known = {name: values for name, values in fields.items() if values is not None}
    if run.fields is None or run.dimension == 3 or not known:
        return None
    figure = (_lines if run.dimension == 1 else _panels)(run, run.fields, known)
    endless = [name for name in fields if name not in known]  # a time that is infinite from everywhere is no field
    if endless:
        style.notes(figure, [figure.get_supxlabel(), f"not drawn, as it is infinite or unknown: {', '.join(endless)}"])
    return figure


def _exits(run: Run) -> list[Mapping[str, Any]]:
    entry = run.case.get("exit", [])
    return [part for part in entry if isinstance(part, Mapping)] if isinstance(entry, list) else []


def _panels(run: Run, fields: Frames, exits: Mapping[str, Array]) -> Figure:
    grid = raster(fields.mesh(), FINE)
    columns = min(2, len(exits))
    rows = -(-len(exits) // columns)
    width = 5.6
    figure = style.new_figure(
        (width + 1.4) * columns + 0.2, (plane.height(grid, width, 6.4) + 0.6) * rows + 0.7, run.title
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(exits) :]:
        panel.set_visible(False)
    never = unresolved = False
    for panel, (name, values) in zip(panels, exits.items(), strict=False):
        image, level = grid.image(values), sets.region(run, name)
        inside = np.isfinite(image) & (image != 0) if level is None else sets.on_plane(level, grid.x, grid.y) < 0
        lost = inside & np.isnan(image) & np.isfinite(grid.image(np.zeros(len(values))))
        times = np.where(inside, image, np.nan)
        negative = times < 0
        unresolved |= bool(negative.sum() > _SEEN * inside.sum())
        times[negative] = np.nan
        norm = _norm(times)
        colours = matplotlib.colormaps["viridis"].with_extremes(bad="white")
        drawn = plane.show(panel, run, grid, times, colours, norm)
        if lost.any():
            never = True
            grey = ListedColormap(["0.75"])
            panel.imshow(np.where(lost, 1.0, np.nan), origin="lower", extent=grid.extent, aspect="auto", cmap=grey)
        lines = _contours(norm)
        if np.isfinite(times).any():
            panel.contour(grid.x, grid.y, times, levels=lines, colors="white", linewidths=0.8, alpha=0.9)
        if level is not None:
            edge = sets.on_plane(level, grid.x, grid.y)
            panel.contour(grid.x, grid.y, edge, levels=[0.0], colors=style.VERMILION, linewidths=2.2)
        sets.draw_absorbing_walls(panel, run)
        _mark(panel, run, name)
        _look_closer(panel, grid, inside)
        panel.set_title(f"mean time to leave {name}", fontsize=11)
        label = style.time_name(run).replace("time t", "time")
        extend = "min" if isinstance(norm, LogNorm) else "neither"
        figure.colorbar(drawn, ax=panel, label=label + (", log scale" if extend == "min" else ""), extend=extend)
    notes = ["orange: edge of the region", _dots(run), "white lines: equal times"]
    notes += ["grey: never leaves, or only with some probability"] if never else []
    notes += ["white inside: not resolved, the computed time is negative"] if unresolved else []
    style.notes(figure, notes)
    return figure


def _norm(times: Array) -> Normalize:
    """Linear from 0, or logarithmic where times differ by more than a factor of 30."""
    positive = times[np.isfinite(times) & (times > 0)]
    if positive.size == 0:
        return Normalize(0.0, 1.0)
    low, high = float(np.quantile(positive, 0.02)), float(positive.max())
    return LogNorm(low, high) if high > _WIDE * low else Normalize(0.0, high)


def _contours(norm: Normalize) -> Array:
    low, high = norm.vmin or 0.0, norm.vmax or 1.0
    if not isinstance(norm, LogNorm):
        return np.asarray(high * _SHARES)
    first, last = np.floor(np.log10(low)), np.floor(np.log10(high))
    decades = 10.0 ** np.arange(first, last + 1, max(1, int((last - first) // 8)))
    levels = decades if len(decades) > _FEW else np.outer(decades, [1.0, 2.0, 5.0]).ravel()
    return np.asarray(levels[(levels > low) & (levels < high)])


def _look_closer(axes: Axes, grid: Raster, inside: npt.NDArray[np.bool_]) -> None:
    """Show the surroundings of a region that is small in the domain."""
    columns, rows = grid.x[inside.any(axis=0)], grid.y[inside.any(axis=1)]
    if not columns.size or np.ptp(columns) * np.ptp(rows) > _SMALL * np.ptp(grid.x) * np.ptp(grid.y):
        return
    for found, places, limit in ((columns, grid.x, axes.set_xlim), (rows, grid.y, axes.set_ylim)):
        margin = 0.12 * np.ptp(found)
        limit(max(found[0] - margin, places[0]), min(found[-1] + margin, places[-1]))


def _starts(run: Run, region: str) -> list[_Start]:
    """The starts of all exits from a region, with their times where the run has got that far."""
    computed = run.results.get("exit")
    exits = computed if isinstance(computed, list) else _exits(run)
    found = []
    for entry in exits:
        if not isinstance(entry, Mapping) or entry.get("region") != region:
            continue
        starts = entry.get("starts", [{"point": point} for point in entry.get("start", [])])
        for start in starts:
            point = tuple(float(number) for number in start["point"])
            found.append(_Start(point, _time(start.get("mean", {})), "initial" in start))
    return found


def _time(mean: Mapping[str, Any]) -> str:
    if mean.get("infinite"):
        return "∞"
    value = mean.get("value")
    return f"{value:.3g}" if isinstance(value, int | float) else ""


def _mark(axes: Axes, run: Run, region: str) -> None:
    starts = _starts(run, region)
    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    for start in starts:
        axes.plot(*start.point, "o", **_look(start, style.VERMILION))
        if start.time and len(starts) <= _LABELLED:
            place = {"xytext": (8, 8), "textcoords": "offset points"}
            axes.annotate(start.time, start.point, fontsize=10, bbox=box, **place)


def _dots(run: Run) -> str:
    spread = any("initial" in entry for entry in _exits(run))
    return "dots: starts, with their times" + ("; rings: means of initial densities" if spread else "")


def _look(start: _Start, colour: str) -> dict[str, Any]:
    """A dot for a point, a ring for the mean of a density."""
    inside, edge = ("none", colour) if start.is_spread else (colour, "white")
    return {"markerfacecolor": inside, "markeredgecolor": edge, "markersize": 9, "markeredgewidth": 1.4}


def _lines(run: Run, fields: Frames, exits: Mapping[str, Array]) -> Figure:
    """1-D: a curve per exit over its region; one logarithmic axis where times differ widely."""
    x = fields.mesh().points[:, 0]
    order = np.argsort(x, kind="stable")
    fine = np.linspace(x.min(), x.max(), 4001)
    figure = style.new_figure(8.0, 5.0, run.title)
    axes = figure.subplots()
    drawn = []
    for number, (name, values) in enumerate(exits.items()):
        colour, level = style.PALETTE[number % len(style.PALETTE)], sets.region(run, name)
        outside = values[order] == 0 if level is None else level(x[order, None]) > 0
        drawn.append(np.where(outside, np.nan, values[order]))
        axes.plot(x[order], drawn[-1], color=colour, linewidth=2.2, label=f"mean time to leave {name}")
        if level is not None:
            inside = level(fine[:, None]) < 0
            for end in fine[1:][inside[1:] != inside[:-1]]:
                axes.axvline(end, color=colour, linestyle=":", linewidth=1.6)
        for start in _starts(run, name):
            height = float(np.interp(start.point[0], x[order], values[order]))
            if np.isfinite(height):
                axes.plot(start.point[0], height, "o", **_look(start, colour))
                axes.annotate(start.time, (start.point[0], height), xytext=(7, 7), textcoords="offset points")
            elif start.time:
                place = {"xycoords": ("data", "axes fraction"), "xytext": (7, 0), "textcoords": "offset points"}
                axes.annotate(start.time, (start.point[0], 0.93), color=colour, fontsize=14, **place)
    norm = _norm(np.concatenate(drawn))
    if isinstance(norm, LogNorm):
        axes.set_yscale("log", nonpositive="mask")
        axes.set_ylim(norm.vmin, 2 * (norm.vmax or 1.0))
    else:
        axes.set_ylim(0.0, 1.1 * (norm.vmax or 1.0))
    axes.set_xlabel(run.coordinates[0])
    axes.set_ylabel(style.time_name(run).replace("time t", "time"))
    axes.grid(alpha=0.3)
    axes.set_xlim(x.min(), x.max())
    axes.legend(frameon=False)
    style.notes(figure, ["dotted: edge of the region", _dots(run)])
    return figure
