"""The density at a few times: small multiples over the loss (2-D), curves over the loss (1-D), marginals (3-D)."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import COARSE, FINE, Raster, raster
from fpsolver.output.pieces import Piece
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_COLUMNS = 3
_BINS = 48  # of marginal densities, per coordinate
_SAMPLES = 2_000_000  # at most, of a 3-D density


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
    left, right, bottom, top = images[0][0].extent
    columns = min(_COLUMNS, len(steps))
    rows = -(-len(steps) // columns)
    width = 3.4
    height = float(np.clip(width * (top - bottom) / (right - left), 1.6, 5.0))
    figure = style.new_figure(width * columns + 1.3, height * rows + 1.3, run.title)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    drawn = None
    for panel, step, (grid, image) in zip(panels, steps, images, strict=False):
        drawn = panel.imshow(
            image, origin="lower", extent=grid.extent, aspect="auto", cmap=style.colours("YlGnBu"), norm=norm
        )
        _loss_contours(panel, run)
        _mean_until(panel, run, frames.times[step])
        panel.set_title(style.time_label(frames.times[step]), fontsize=11)
        panel.set_xlim(left, right)
        panel.set_ylim(bottom, top)
        style.label_plane(panel, run)
        panel.label_outer()
    for panel in panels[len(steps) :]:
        panel.set_visible(False)
    assert drawn is not None  # a run has at least one frame
    figure.colorbar(drawn, ax=panels.tolist(), label=style.density_label(run, norm), fraction=0.05)
    notes = ["time t = learning rate × iterations"] if run.has_learning_rate else []
    notes += ["grey: level lines of the loss"] if run.field("loss") is not None else []
    notes += ["orange: mean so far, dot: now"] if run.mean() is not None else []
    figure.supxlabel("; ".join(notes), fontsize=9, color="0.3")
    return figure


def _images(frames: Frames, steps: list[int]) -> list[tuple[Raster, Array]]:
    """The chosen frames as images."""
    grids = [raster(frames.mesh(step), FINE) for step in steps]
    return [(grid, grid.image(frames.values(step, "density"))) for grid, step in zip(grids, steps, strict=True)]


def _loss_contours(panel: Axes, run: Run) -> None:
    loss = run.field("loss")
    if loss is None or run.fields is None:
        return
    grid = raster(run.fields.mesh(), COARSE)
    image = grid.image(loss)
    panel.contour(grid.x, grid.y, image, levels=style.loss_levels(image), colors="0.5", linewidths=0.6, alpha=0.7)


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
    mesh, values = frames.mesh(-1), frames.values(-1, "density")
    points, masses = _samples(mesh, values)
    figure = style.new_figure(12.0, 4.4, f"{run.title}: pairs of coordinates at {style.time_label(frames.times[-1])}")
    mean = run.mean()
    for panel, (i, j) in zip(figure.subplots(1, 3), combinations(range(3), 2), strict=True):
        span = [[mesh.points[:, k].min(), mesh.points[:, k].max()] for k in (i, j)]
        table, x, y = np.histogram2d(points[:, i], points[:, j], bins=_BINS, range=span, weights=masses)
        table /= np.outer(np.diff(x), np.diff(y))
        extent = (x[0], x[-1], y[0], y[-1])
        drawn = panel.imshow(
            table.T,
            origin="lower",
            extent=extent,
            aspect="auto",
            cmap=style.colours("YlGnBu"),
            interpolation="bilinear",
        )
        if mean is not None:
            panel.plot(mean[:, i], mean[:, j], color=style.VERMILION, linewidth=1.6)
            panel.plot(mean[-1, i], mean[-1, j], "o", color=style.VERMILION, markeredgecolor="white", markersize=7)
        panel.set_xlabel(run.coordinates[i])
        panel.set_ylabel(run.coordinates[j])
        other = run.coordinates[3 - i - j]
        panel.set_title(f"integrated over {other}", fontsize=11)
        figure.colorbar(
            drawn, ax=panel, label=f"probability per unit area of {run.coordinates[i]}, {run.coordinates[j]}"
        )
    if mean is not None:
        figure.supxlabel("orange: path of the mean, dot: now", fontsize=9, color="0.3")
    return figure


def _samples(mesh: Piece, values: Array) -> tuple[Array, Array]:
    """Points strewn over every tetrahedron, (n, 3), and the probability that each stands for, (n,)."""
    each = int(np.clip(_SAMPLES // len(mesh.cells), 1, 24))
    places = np.random.default_rng(0).dirichlet(np.ones(4), (len(mesh.cells), each))  # anew per cell, else moiré
    corners = mesh.points[mesh.cells]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    points = np.einsum("mkc,mcx->mkx", places, corners).reshape(-1, 3)
    return points, (np.einsum("mkc,mc->mk", places, values[mesh.cells]) * volumes[:, None] / each).ravel()
