"""The mean of the density and how far it spreads: a path with ellipses (2-D), or bands in time (1-D, 3-D)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Ellipse

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import COARSE, raster

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


def mean_path(run: Run) -> Figure | None:
    """Mean and covariance of a run; None without an evolution."""
    mean, covariance = run.mean(), run.covariance()
    if mean is None or covariance is None or len(mean) < 2:
        return None
    return _ellipses(run, mean, covariance) if run.dimension == 2 else _bands(run, mean, covariance)


def _ellipses(run: Run, mean: Array, covariance: Array) -> Figure:
    times = run.curves["time"]
    figure = style.new_figure(8.4, 6.0, run.title)
    axes = figure.subplots()
    loss = run.field("loss")
    if loss is not None and run.fields is not None:
        grid = raster(run.fields.mesh(), COARSE)
        image = grid.image(loss)
        levels = np.concatenate([[np.nanmin(image)], style.loss_levels(image), [np.nanmax(image)]])
        if np.all(np.diff(levels) > 0):
            shades = matplotlib.colormaps["Greys"](np.linspace(0.0, 0.45, len(levels) - 1))
            axes.contourf(grid.x, grid.y, image, levels=levels, colors=shades)
            axes.contour(grid.x, grid.y, image, levels=levels[1:-1], colors="0.6", linewidths=0.6)
    norm = _time_norm(times)
    hues = matplotlib.colormaps["viridis"]
    segments = np.stack([mean[:-1], mean[1:]], axis=1)
    axes.plot(mean[:, 0], mean[:, 1], color="white", linewidth=5)
    path = axes.add_collection(LineCollection(list(segments), array=times[1:], cmap=hues, norm=norm, linewidths=2.5))
    for step in _steps(run, times):
        colour = hues(norm(max(times[step], norm.vmin or 0.0)))
        widths, angle = _axes_of(covariance[step])
        shape = {"facecolor": "none", "edgecolor": colour, "linewidth": 1.8}
        axes.add_patch(Ellipse((mean[step, 0], mean[step, 1]), 2 * widths[0], 2 * widths[1], angle=angle, **shape))
        axes.plot(*mean[step], "o", color=colour, markeredgecolor="white", markersize=6)
    box = {"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
    for step, word, offset in ((0, "start", (14, 14)), (-1, "end", (14, -24))):
        text = f"{word}, {style.time_label(times[step])}"
        axes.annotate(text, mean[step], xytext=offset, textcoords="offset points", bbox=box)
    style.label_plane(axes, run)
    axes.set_title("mean of the density, with ellipses of one standard deviation", fontsize=11)
    if loss is None:
        axes.autoscale_view()
    elif run.fields is not None:
        points = run.fields.mesh().points
        axes.set(xlim=(points[:, 0].min(), points[:, 0].max()), ylim=(points[:, 1].min(), points[:, 1].max()))
    figure.colorbar(path, ax=axes, label=style.time_name(run))
    if loss is not None:
        figure.supxlabel("grey: the loss, darker is higher", fontsize=9, color="0.3")
    return figure


def _time_norm(times: Array) -> Normalize:
    if style.wide_range(times):
        return LogNorm(float(times[times > 0].min()), float(times.max()))
    return Normalize(float(times.min()), float(times.max()))


def _steps(run: Run, times: Array) -> list[int]:
    """Rows of the curves for ellipses: those of the frames that the density figure shows."""
    if run.density is None:
        return [0, len(times) - 1]
    return [int(np.argmin(np.abs(times - run.density.times[step]))) for step in run.shown(6)]


def _axes_of(covariance: Array) -> tuple[Array, float]:
    """Half axes of the ellipse of one standard deviation, and its angle in degrees."""
    squares, directions = np.linalg.eigh(covariance)
    return np.sqrt(np.maximum(squares, 0.0)), float(np.degrees(np.arctan2(directions[1, 0], directions[0, 0])))


def _bands(run: Run, mean: Array, covariance: Array) -> Figure:
    times = run.curves["time"]
    figure = style.new_figure(8.0, 1.2 + 2.6 * run.dimension, run.title)
    panels = np.atleast_1d(figure.subplots(run.dimension, 1, sharex=True))
    for i, (panel, name) in enumerate(zip(panels, run.coordinates, strict=True)):
        visible = style.time_axis(panel, times, run)
        spread = np.sqrt(np.maximum(covariance[:, i, i], 0.0))
        low, high = (mean[:, i] - spread)[visible], (mean[:, i] + spread)[visible]
        panel.fill_between(times[visible], low, high, color=style.SKY, alpha=0.4, label="± one standard deviation")
        panel.plot(times[visible], mean[visible, i], color=style.BLUE, linewidth=2.2, label="mean")
        panel.set_ylabel(name)
        panel.label_outer()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure
