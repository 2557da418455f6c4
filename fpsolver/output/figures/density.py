"""The density at a few times: small multiples over the loss (2-D), curves over the loss (1-D), marginals (3-D)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm

from fpsolver.output.figures import plane, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.marginals import marginals
from fpsolver.output.figures.raster import FINE, Raster, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_COLUMNS = 3


def density(run: Run) -> Figure | None:
    """The density of a run; None without an evolution."""
    if run.density is None:
        return None
    return {1: _curves, 2: _panels, 3: _marginals}[run.dimension](run, run.density)


def _panels(run: Run, frames: Frames) -> Figure:
    """2-D: one panel per time, one colour scale for all."""
    steps = run.shown(2 * _COLUMNS)
    images = _images(frames, steps)
    norm = style.density_norm([image for _, image in images])
    columns = min(_COLUMNS, len(steps))
    rows = -(-len(steps) // columns)
    width = 3.4
    height = plane.height(images[0][0], width, 5.0)
    figure = style.new_figure(width * columns + 1.3, height * rows + 1.3, run.title)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    drawn, has_contours = None, False
    for panel, step, (grid, image) in zip(panels, steps, images, strict=False):
        drawn = plane.show(panel, run, grid, image, style.colours("YlGnBu"), norm)
        has_contours = plane.loss_contours(panel, run)
        _mean_until(panel, run, frames.times[step])
        panel.set_title(style.time_label(frames.times[step]), fontsize=11)
        panel.label_outer()
    for panel in panels[len(steps) :]:
        panel.set_visible(False)
    assert drawn is not None  # a run has at least one frame
    figure.colorbar(drawn, ax=panels.tolist(), label=style.density_label(run, norm), fraction=0.05)
    notes = [f"time t = {run.clock}"] if run.clock else []
    notes += ["grey: level lines of the loss"] if has_contours else []
    notes += ["orange: mean so far, dot: now"] if run.mean() is not None else []
    figure.supxlabel("; ".join(notes), fontsize=9, color="0.3")
    return figure


def _images(frames: Frames, steps: list[int]) -> list[tuple[Raster, Array]]:
    """The chosen frames as images."""
    grids = [raster(frames.mesh(step), FINE) for step in steps]
    return [(grid, grid.image(frames.values(step, "density"))) for grid, step in zip(grids, steps, strict=True)]


def _mean_until(panel: Axes, run: Run, time: float) -> None:
    mean = run.mean()
    if mean is None:
        return
    times = run.curves["time"]
    now = [np.interp(time, times, mean[:, i]) for i in (0, 1)]
    path = np.vstack([mean[times < time], now])
    panel.plot(path[:, 0], path[:, 1], color="white", linewidth=3.5)
    panel.plot(path[:, 0], path[:, 1], color=style.VERMILION, linewidth=1.6)
    panel.plot(*now, "o", color=style.VERMILION, markeredgecolor="white", markersize=7)


def _curves(run: Run, frames: Frames) -> Figure:
    """1-D: a curve per time, the loss on an axis of its own."""
    steps = run.shown(6)
    shown = [frames.values(step, "density") for step in steps]
    norm = style.density_norm(shown)
    figure = style.new_figure(8.0, 5.0, run.title)
    axes = figure.subplots()
    hues = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, len(steps)))
    for colour, step, values in zip(hues, steps, shown, strict=True):
        x = frames.mesh(step).points[:, 0]
        order = np.argsort(x, kind="stable")
        axes.plot(x[order], values[order], color=colour, linewidth=2, label=style.time_label(frames.times[step]))
    axes.set_xlabel(run.coordinates[0])
    axes.set_ylabel(style.density_label(run, norm).split("\n")[0])
    if isinstance(norm, LogNorm):
        axes.set_yscale("log")
        axes.set_ylim(norm.vmin, 2 * (norm.vmax or 1.0))
    else:
        axes.set_ylim(bottom=0.0)
    loss = run.field("loss")
    if loss is not None and run.fields is not None:
        right = axes.twinx()
        x = run.fields.mesh().points[:, 0]
        order = np.argsort(x, kind="stable")
        right.plot(x[order], loss[order], color="0.45", linestyle="--", linewidth=1.5)
        right.set_ylabel(f"loss f({run.coordinates[0]}), dashed grey", color="0.35")
        right.tick_params(axis="y", colors="0.35")
        right.margins(x=0)
    axes.margins(x=0)
    figure.legend(
        loc="outside right center",
        title=style.time_name(run).replace(" (", "\n(").replace(" × ", "\n× "),
        frameon=False,
    )
    return figure


def _marginals(run: Run, frames: Frames) -> Figure:
    """3-D: the last density, integrated over one coordinate at a time."""
    title = f"{run.title}: pairs of coordinates at {style.time_label(frames.times[-1])}"
    return marginals(run, frames.mesh(-1), frames.values(-1, "density"), title, run.mean())
