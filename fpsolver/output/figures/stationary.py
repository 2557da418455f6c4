"""Where the process ends up: the stationary density with its current, and the effective potential beside the loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm, Normalize

from fpsolver.output.figures import plane, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.marginals import marginals
from fpsolver.output.figures.raster import COARSE, FINE, Raster, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_ARROWS = 22  # along the longer side
_FAINT = 0.02  # arrows shorter than this part of the longest are left out
_HIGHEST = np.log(1e4)  # modes that rise less from the floor of a picture over four decades are left out
_NARROW = 0.05  # a density that exceeds a tenth of its peak on a smaller part of the domain gets a logarithmic scale


def stationary(run: Run) -> Figure | None:
    """The stationary density of a run, with its current in 2-D; None without one."""
    values = run.field("stationary_density")
    if values is None or run.fields is None or not np.isfinite(values).any():
        return None
    if run.dimension == 3:
        return marginals(run, run.fields.mesh(), values, f"{run.title}: stationary density, pairs of coordinates")
    return (_curve if run.dimension == 1 else _plane)(run, run.fields, values)


def _plane(run: Run, fields: Frames, values: Array) -> Figure:
    grid = raster(fields.mesh(), FINE)
    image = grid.image(values)
    norm = _norm(image)
    figure = style.new_figure(7.6, 1.3 + plane.height(grid, 6.0, 7.0), run.title)
    axes = figure.subplots()
    drawn = plane.show(axes, run, grid, image, style.colours("YlGnBu"), norm)
    notes = ["grey: level lines of the loss"] if plane.loss_contours(axes, run) else []
    notes += ["orange: probability current, length as its square root"] if _current(axes, run, fields) else []
    notes += list(_places(axes, run, grid))
    axes.set_title(_heading(run), fontsize=11)
    figure.colorbar(drawn, ax=axes, label=style.density_label(run, norm))
    style.notes(figure, notes)
    return figure


def _norm(image: Array) -> Normalize:
    """Linear, or over four decades where the density is a narrow peak."""
    highest = float(np.nanmax(image))
    covered = image[np.isfinite(image)]
    if highest > 0 and (covered > highest / 10).mean() < _NARROW:
        return LogNorm(highest * 1e-4, highest)
    return Normalize(0.0, highest or 1.0)


def _heading(run: Run) -> str:
    section = run.section("stationary")
    states = section.get("states", 1)
    words = "stationary density" if states == 1 else f"stationary densities ({states} states)"
    if section.get("detailed_balance") is True:
        words += ", in detailed balance: no current"
    return words


def _current(axes: Axes, run: Run, fields: Frames) -> bool:
    """Arrows of the probability current; False where there is none."""
    current = run.field("current")
    if current is None or run.section("stationary").get("detailed_balance") is True:
        return False
    grid = raster(fields.mesh(), COARSE)
    across, up = np.nan_to_num(grid.image(current[:, 0])), np.nan_to_num(grid.image(current[:, 1]))
    size = np.hypot(across, up)
    largest = float(size.max())
    if not largest > 0:
        return False
    rows, columns = (np.flatnonzero((size > _FAINT * largest).any(axis=axis)) for axis in (1, 0))
    every = max(1, round(max(np.ptp(rows), np.ptp(columns)) / _ARROWS))  # closer where the current has little room
    some = np.zeros(size.shape, dtype=bool)
    some[rows[0] :: every, columns[0] :: every] = True
    some &= size > _FAINT * largest
    factor = 1 / np.sqrt(largest * size[some])
    x, y = (places[some] for places in np.meshgrid(grid.x, grid.y))
    arrows = (x, y, across[some] * factor, up[some] * factor)
    scale = 0.8 * len(grid.x) / every  # the longest arrow reaches a little beyond the next one
    look = {"angles": "xy", "scale": scale, "scale_units": "width", "pivot": "mid", "width": 0.0035}
    axes.quiver(*arrows, color=style.VERMILION, edgecolor="white", linewidth=0.3, **look)
    return True


def _places(axes: Axes, run: Run, grid: Raster) -> Iterator[str]:
    """Marks maxima of the density, minima of the loss that belong to them, and point masses; says what they are."""
    section = run.section("stationary")
    modes = [
        mode
        for mode in _tables(section, "modes")
        if _is_point(run, mode.get("point")) and mode.get("height", 0.0) < _HIGHEST
    ]
    for mode in modes:
        least: Any = mode.get("minimum")
        if _is_point(run, least):
            axes.plot(*np.transpose([mode["point"], least]), color="black", linewidth=0.8)
            axes.plot(*least, "+", color="black", markersize=11, markeredgewidth=1.8)
    for mode in modes:
        axes.plot(*mode["point"], "o", color=style.PURPLE, markeredgecolor="white", markersize=8)
    if modes:
        yield "dots: maxima of the density"
        if any(_is_point(run, mode.get("minimum")) for mode in modes):
            yield "crosses: minima of the loss"
    masses = list(_point_masses(run))
    for mass in masses:
        axes.plot(*mass, "*", color=style.VERMILION, markeredgecolor="white", markersize=20)
    if masses:
        yield "stars: mass in a single point"


def _curve(run: Run, fields: Frames, values: Array) -> Figure:
    figure = style.new_figure(8.0, 5.0, run.title)
    axes = figure.subplots()
    x = fields.mesh().points[:, 0]
    order = np.argsort(x, kind="stable")
    axes.fill_between(x[order], values[order], color=style.SKY, alpha=0.4, linewidth=0)
    axes.plot(x[order], values[order], color=style.BLUE, linewidth=2.2)
    peaks = values[np.isfinite(values)]
    axes.set_ylim(0.0, 1.08 * float(peaks.max()) or 1.0)
    for [place] in _point_masses(run):
        axes.axvline(place, color=style.VERMILION, linewidth=2.2)
        text = " mass in a single point"
        axes.annotate(text, (place, 0.95), xycoords=("data", "axes fraction"), color=style.VERMILION)
    axes.set_xlabel(run.coordinates[0])
    axes.set_ylabel(style.density_label(run, Normalize()))
    axes.set_title(_heading(run), fontsize=11)
    axes.margins(x=0)
    loss = run.field("loss")
    if loss is not None and np.ptp(loss) > 0:
        right = axes.twinx()
        right.plot(x[order], loss[order], color="0.45", linestyle="--", linewidth=1.5)
        right.set_ylabel(f"loss f({run.coordinates[0]}), dashed grey", color="0.35")
        right.tick_params(axis="y", colors="0.35")
        right.margins(x=0)
    return figure


def _point_masses(run: Run) -> Iterator[list[float]]:
    """Where mass collapses: the point of a class, or the box around it if that is a point."""
    for part in _tables(run.section("stationary"), "classes"):
        if part.get("kind") == "point mass":
            box = part.get("lower") if part.get("lower") == part.get("upper") else None
            places: list[Any] = [part.get("point"), part.get("support"), box]
            for place in places:
                if _is_point(run, place):
                    yield place
                    break


def _tables(section: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entry = section.get(key)
    return [part for part in entry if isinstance(part, Mapping)] if isinstance(entry, list) else []


def _is_point(run: Run, entry: object) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == run.dimension
        and all(isinstance(number, int | float) for number in entry)
    )
