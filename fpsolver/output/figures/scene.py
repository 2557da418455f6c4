"""The last density in space: on the landscape of the loss (2-D), or as nested surfaces (3-D).

What is drawn is decided here, as plain arrays; ``render`` draws them with pyvista, ``scene_fallback`` with matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fpsolver.output.figures import scene_fallback, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.offscreen import Picture, Rendering
from fpsolver.output.figures.raster import COARSE, raster
from fpsolver.output.pieces import Piece
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[np.generic]]

_HEIGHT = 0.35  # of the landscape over its longer side
_DECADES = 4  # of the density's colours: a landscape is about where the tails reach
_ENCLOSED = (0.5, 0.9, 0.99)  # probability within the surfaces of 3-D
_COLOURS = ("#08306b", "#2879b9", "#9ecae1")
_OPACITIES = (0.9, 0.4, 0.2)


def density_3d(run: Run) -> Callable[[], Figure | None]:
    """Begin the 3-D picture of the last density; the result finishes it, and gives None where there is nothing to draw.

    Rendered with pyvista in another process, with matplotlib where that fails.
    """
    if run.density is None or run.dimension == 1 or (run.dimension == 2 and run.field("loss") is None):
        return lambda: None
    arrays, labels = _landscape(run, run.density) if run.dimension == 2 else _nested(run, run.density)
    rendering = Rendering(arrays)
    time = run.density.times[-1]
    return lambda: _compose(run, time, arrays, labels, rendering.picture())


def _landscape(run: Run, frames: Frames) -> tuple[Arrays, list[str]]:
    """2-D: the loss as height, the density as colour; the loss cut off above where the density lives."""
    assert run.fields is not None  # density_3d asked for the loss
    ground, cover = raster(run.fields.mesh(), COARSE), raster(frames.mesh(-1), COARSE)
    loss = ground.image(run.fields.values(-1, "loss"))
    density = cover.image(frames.values(-1, "density"))
    peak = float(np.nanmax(density))
    lowest = float(np.nanmin(loss))
    lived_in = loss[np.nan_to_num(density) > 10.0**-_DECADES * peak]
    top = min(float(np.nanmax(loss)), lowest + 1.15 * (float(lived_in.max()) - lowest))
    top = top if top > lowest else lowest + 1.0
    left, right, bottom, up = ground.extent
    tall = _HEIGHT * max(right - left, up - bottom)
    height = (loss - lowest) / (top - lowest) * tall
    marks, labels = _marks(run, np.array([left, right, bottom, up, lowest, top]), "loss", np.array([0.0, tall]))
    arrays = {
        "x": ground.x,
        "y": ground.y,
        "height": height,
        "colour": np.clip(1 + np.log10(np.maximum(np.nan_to_num(density) / peak, 1e-300)) / _DECADES, 0, 1),
        "levels": (style.loss_levels(np.array([lowest, top]), 10) - lowest) / (top - lowest) * tall,
        "path": _on_ground(run, ground.x, ground.y, height),
        "bounds": np.array([left, right, bottom, up, 0.0, tall]),
        "direction": np.array([0.4, -1.2, 1.5]),
        "marks": marks,
        "peak": np.array(peak),
    }
    return arrays, labels


def _on_ground(run: Run, x: Array, y: Array, height: Array) -> Array:
    """The path of the mean, lifted onto the landscape, (times, 3)."""
    mean = run.mean()
    if mean is None:
        return np.empty((0, 3))
    fine = np.column_stack([np.interp(np.linspace(0, 1, 400), np.linspace(0, 1, len(mean)), c) for c in mean.T])
    inside = [
        np.clip((fine[:, i] - axis[0]) / (axis[1] - axis[0]), 0, len(axis) - 1.001) for i, axis in ((0, x), (1, y))
    ]
    (column, row), (right, up) = (part.astype(int) for part in inside), (part % 1 for part in inside)
    lower = (1 - right) * height[row, column] + right * height[row, column + 1]
    upper = (1 - right) * height[row + 1, column] + right * height[row + 1, column + 1]
    return np.column_stack([fine, np.nan_to_num((1 - up) * lower + up * upper) + 0.006 * np.ptp(x)])


def _nested(run: Run, frames: Frames) -> tuple[Arrays, list[str]]:
    """3-D: levels whose surfaces enclose given parts of the probability, the loss on the floor."""
    mesh, values = frames.mesh(-1), frames.values(-1, "density")
    levels = enclosing_levels(mesh, values, _ENCLOSED)
    seen = mesh.points[values > 0.3 * levels[-1]]
    bounds = np.column_stack([seen.min(axis=0), seen.max(axis=0)]).ravel()
    loss, mean = run.field("loss"), run.mean()
    fits = loss is not None and len(loss) == len(values)
    marks, labels = _marks(run, bounds, run.coordinates[2], bounds[4:])
    arrays = {
        "points": mesh.points,
        "cells": mesh.cells,
        "density": values,
        "log": np.log(np.maximum(values, 1e-12 * levels[-1])),
        "loss": loss if loss is not None and fits else np.zeros(len(values)),
        "levels": np.log(levels),
        "colours": np.array([matplotlib.colors.to_rgb(colour) for colour in _COLOURS]),
        "opacities": np.array(_OPACITIES),
        "origin": mean[-1] if mean is not None else bounds.reshape(3, 2).mean(axis=1),
        "bounds": bounds,
        "direction": np.array([0.9, -1.7, 0.9]),
        "marks": marks,
    }
    return arrays, labels


def enclosing_levels(mesh: Piece, values: Array, parts: tuple[float, ...]) -> Array:
    """Density levels above which given parts of the probability lie, (parts,).

    Args:
        mesh: Tetrahedra.
        values: Density at its points.
        parts: Between 0 and 1.
    """
    corners = mesh.points[mesh.cells]
    heights = values[mesh.cells].mean(axis=1)
    masses = heights * np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    order = np.argsort(-heights)
    enclosed = np.cumsum(masses[order])
    index = np.searchsorted(enclosed, np.array(parts) * enclosed[-1])
    return np.asarray(heights[order][np.minimum(index, len(order) - 1)])


def _marks(run: Run, ranges: Array, third: str, vertical: Array) -> tuple[Array, list[str]]:
    """Places and texts of ticks and names on the front edges of the box; the third axis reads from ``vertical``."""
    (left, right), (front, back), (low, high) = ranges.reshape(3, 2)
    floor, ceiling = vertical
    out_x, out_y = 0.07 * (right - left), 0.09 * (back - front)

    def ticks(lower: float, upper: float, count: int) -> Array:
        found: Array = np.asarray(MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(lower, upper))
        slack = 1e-6 * (upper - lower)
        return np.asarray(found[(found >= lower - slack) & (found <= upper + slack)])

    places: list[tuple[float, float, float]] = []
    texts: list[str] = []
    for tick in ticks(left, right, 5):
        places.append((tick, front - out_y, floor))
    for tick in ticks(front, back, 5):
        places.append((right + out_x, tick, floor))
    for tick in ticks(low, high, 4):
        places.append((left - out_x, front, floor + (tick - low) / (high - low) * (ceiling - floor)))
    for values in (ticks(left, right, 5), ticks(front, back, 5), ticks(low, high, 4)):
        texts += [f"{value + 0.0:.4g}" for value in values]
    places += [
        ((left + right) / 2, front - 2.8 * out_y, floor),
        (right + 2.8 * out_x, (front + back) / 2, floor),
        (left - 3.0 * out_x, front, (floor + ceiling) / 2),
    ]
    return np.array(places), [*texts, run.coordinates[0], run.coordinates[1], third]


def _crop(axes: Axes, picture: Picture) -> None:
    """Leave out the white margins of a picture, but none of its marks."""
    coloured = (np.asarray(picture.image[..., :3], dtype=np.float64) < 0.99).any(axis=-1)
    rows, columns = (np.flatnonzero(coloured.any(axis=axis)) for axis in (1, 0))
    margin = 75.0  # pixels, for half a word
    (left, top), (right, bottom) = picture.marks.min(axis=0) - margin, picture.marks.max(axis=0) + margin
    axes.set_xlim(min(left, columns[0]), max(right, columns[-1]))
    axes.set_ylim(max(bottom, rows[-1]), min(top, rows[0]))


def _compose(run: Run, time: float, arrays: Arrays, labels: list[str], picture: Picture | None) -> Figure:
    """The rendered picture with title, axes, scale and a line of explanation; or the same scene by matplotlib."""
    figure = style.new_figure(9.6, 6.6, f"{run.title}\ndensity at {style.time_label(time)}")
    if picture is not None:
        axes = figure.subplots()
        axes.imshow(picture.image, interpolation="bilinear")
        axes.set_axis_off()
        _crop(axes, picture)
        for number, ((column, row), text) in enumerate(zip(picture.marks, labels, strict=True)):
            size = 12 if number >= len(labels) - 3 else 10
            axes.text(column, row, text, ha="center", va="center", fontsize=size, color="0.15")
    else:
        axes = figure.add_subplot(projection="3d")
        scene_fallback.draw(axes, arrays)
        axes.set(xlabel=labels[-3], ylabel=labels[-2], zlabel="" if run.dimension == 2 else labels[-1])
    if run.dimension == 2:
        peak = float(arrays["peak"].item())
        norm = LogNorm(peak * 10.0**-_DECADES, peak)
        label = style.density_label(run, norm).split("\n")[0] + ", log scale"
        figure.colorbar(ScalarMappable(norm, "YlGnBu"), ax=axes, shrink=0.75, extend="min", label=label)
        text = "height: the loss, cut off above where the probability is; colour: the density; orange: path of the mean"
    else:
        handles = [
            Line2D([], [], marker="s", linestyle="", color=colour, markersize=11, label=f"{part:.0%}")
            for part, colour in zip(_ENCLOSED, _COLOURS, strict=True)
        ]
        figure.legend(handles=handles, loc="outside right center", title="probability\ninside", frameon=False)
        where = f"{run.coordinates[2]} = {float(arrays['origin'][2]):.3g}"
        cloud = "points drawn from the density, in the colour of the smallest part of space with such probability"
        floor = f"on the floor, the loss in the plane {where} through the mean, darker is higher"
        text = cloud if picture is None else f"surfaces of equal density; {floor}"
    figure.supxlabel(text, fontsize=9, color="0.3")
    return figure
