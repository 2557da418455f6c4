"""How all figures look: colours, fonts, labels, scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fpsolver.output.figures.folder import Run

Array = npt.NDArray[np.float64]

# Okabe & Ito's palette, told apart with every common colour blindness
BLUE, VERMILION, GREEN, ORANGE, SKY, PURPLE = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
LINES = ("-", "--", "-.", ":")  # so that lines differ in print, too
TIME = "time t"

_DECADES = 4  # of a logarithmic density scale


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure, inches, with the title of the case on top; no state outside of it."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=13)
    return figure


def colours(name: str) -> Colormap:
    """A colour map; values below the scale and off the mesh stay white."""
    return matplotlib.colormaps[name].with_extremes(under="white", bad="white")


def density_norm(frames: Sequence[Array]) -> Normalize:
    """One scale for all frames: linear, or logarithmic over four decades where peaks differ more than fourfold."""
    peaks = [float(np.nanmax(frame)) for frame in frames]
    highest = max(peaks)
    if min(peaks) > highest / 4 or highest <= 0:
        return Normalize(0.0, highest or 1.0)
    return LogNorm(highest * 10.0**-_DECADES, highest)


def density_label(run: Run, norm: Normalize) -> str:
    """What the colours or heights of a density mean."""
    unit = {1: "per unit of ", 2: "per unit area of ", 3: "per unit volume of "}[run.dimension]
    label = f"probability {unit}{', '.join(run.coordinates)}"
    if isinstance(norm, LogNorm):
        label += f"\nlog scale; white: below {_short(norm.vmin or 0.0)}"
    return label


def time_label(time: float) -> str:
    """A time as in panel titles."""
    return f"t = {time:.3g}"


def loss_levels(loss: Array, count: int = 14) -> Array:
    """Levels of contours, denser near the minima, where a loss is flat and the density lives."""
    lowest, highest = float(np.nanmin(loss)), float(np.nanmax(loss))
    if not highest > lowest:
        return np.array([lowest])
    return lowest + (highest - lowest) * np.linspace(0.0, 1.0, count + 2)[1:-1] ** 2.5


def wide_range(times: Array) -> bool:
    """Whether times are best drawn on a logarithmic axis: the positive ones span more than two decades."""
    positive = times[times > 0]
    return len(positive) > 2 and bool(positive.max() > 100 * positive.min())


def time_name(run: Run) -> str:
    """Label of a time axis: where the case has a learning rate, time counts iterations."""
    return f"{TIME} ({run.clock})" if run.clock else TIME


def time_axis(axes: Axes, times: Array, run: Run) -> npt.NDArray[np.bool_]:
    """Label the time axis, logarithmic where the times span more than two decades; returns which times it can show."""
    axes.set_xlabel(time_name(run))
    axes.grid(alpha=0.3)
    if not wide_range(times):
        axes.set_xlim(float(times.min()), float(times.max()))
        return np.ones(len(times), dtype=bool)
    axes.set_xscale("log")
    visible = times > 0
    axes.set_xlim(float(times[visible].min()), float(times.max()))
    return visible


def plain_if_narrow(axes: Axes) -> None:
    """Numbers at the marks of a logarithmic ordinate that spans less than a decade, where powers of ten say nothing."""
    low, high = axes.get_ylim()
    if high < 10.0 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())


def notes(figure: Figure, words: Sequence[str]) -> None:
    """A line or two at the foot of a figure that say what its marks mean, broken where the figure ends."""
    fits = int(13.5 * figure.get_figwidth())  # letters of this size in a line
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > fits:
            lines.append("")
        lines[-1] += f"; {word}" if lines[-1] else word
    figure.supxlabel("\n".join(lines), fontsize=9, color="0.3")


def label_plane(axes: Axes, run: Run) -> None:
    """Name the two coordinates on their axes."""
    axes.set_xlabel(run.coordinates[0])
    axes.set_ylabel(run.coordinates[1])


def _short(value: float) -> str:
    return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e+")
