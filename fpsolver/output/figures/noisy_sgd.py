"""The limit of Noisy SGD: densities for smaller and smaller ε, and how far apart neighbouring ones are."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm
from matplotlib.ticker import NullFormatter

from fpsolver.output.curves import read_curves
from fpsolver.output.figures import plane, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import FINE, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_DISTANCES = {
    "l1": ("l1", "$L^1$", "o", style.BLUE),
    "wasserstein1": ("wasserstein1", "$W_1$", "s", style.VERMILION),
    "covariance_change": ("covariance", "covariance", "^", style.GREEN),
}
"""Entry of a difference -> its order, name, mark and colour."""

_STEEP = 20.0  # peaks that differ by more get a logarithmic scale
_DECADES = 3.5  # of an image, below its maximum
_IMAGES = 3


def noisy_sgd(run: Run) -> Figure | None:
    """Densities, their marginals, and differences against ε; None where the run has no such limit."""
    section = run.section("noisy_sgd")
    levels, differences = _tables(section, "levels"), _tables(section, "differences")
    path = run.folder / "noisy_sgd_marginals.csv"
    if not levels or not path.exists():
        return None
    epsilons = [float(level["regularization"]) for level in levels]
    has_images = run.dimension == 2 and run.fields is not None and run.field("noisy_density_1") is not None
    figure = style.new_figure(13.0, 9.0 if has_images else 5.4, run.title)
    upper, lower = figure.subfigures(2, 1) if has_images else (None, figure)
    if upper is not None and run.fields is not None:
        _images(upper, run, run.fields, epsilons)
    panels = lower.subplots(1, run.dimension + 1, squeeze=False)[0]
    _marginals(panels[:-1], run, read_curves(path), epsilons)
    _differences(panels[-1], differences, section)
    heading = f"Noisy SGD, D + εI with ε → 0: {section.get('verdict')}"
    figure.suptitle(f"{run.title}\n{heading}", fontsize=13)
    notes = [textwrap.fill(str(section.get("why", "")), 165)]
    notes.append("right: neighbouring densities, with estimated errors; dotted: the laws ε and √ε")
    figure.supxlabel("\n".join(notes), fontsize=9, color="0.3")
    return figure


def _images(figure: Any, run: Run, fields: Frames, epsilons: Sequence[float]) -> None:
    """The densities of the first, a middle and the last ε."""
    chosen = sorted({round(x) for x in np.linspace(0, len(epsilons) - 1, _IMAGES)})
    grid = raster(fields.mesh(), FINE)
    for axes, number in zip(figure.subplots(1, len(chosen), squeeze=False)[0], chosen, strict=True):
        values = run.field(f"noisy_density_{number + 1}")
        if values is None:
            continue
        image = grid.image(values)
        highest = float(np.nanmax(image)) or 1.0
        norm = LogNorm(highest * 10.0**-_DECADES, highest)
        drawn = plane.show(axes, run, grid, image, style.colours("YlGnBu"), norm)
        plane.loss_contours(axes, run)
        axes.set_title(f"density for ε = {epsilons[number]:g}", fontsize=11)
        figure.colorbar(drawn, ax=axes, label=style.density_label(run, norm) if number == chosen[-1] else None)


def _marginals(panels: Sequence[Axes], run: Run, table: Mapping[str, Array], epsilons: Sequence[float]) -> None:
    """The density of every coordinate, one line for each ε."""
    colours = style.colours("viridis_r")(np.linspace(0.15, 0.95, len(epsilons)))
    for axis, axes in enumerate(panels):
        peaks = []
        for eps, colour in zip(epsilons, colours, strict=True):
            rows = (table["axis"] == axis) & np.isclose(table["regularization"], eps, rtol=1e-12)
            low, high = table["lower"][rows], table["upper"][rows]
            wide = high > low
            height = table["mass"][rows][wide] / (high - low)[wide]
            peaks.append(float(height.max(initial=0.0)))
            axes.plot((low + high)[wide] / 2, height, color=colour, linewidth=1.6, label=f"ε = {eps:g}")
        if max(peaks) > _STEEP * min(peaks) > 0.0:
            axes.set_yscale("log")
        axes.set_xlim(_edges(run, axis))
        axes.set_xlabel(run.coordinates[axis])
        axes.set_ylabel(f"probability per unit of {run.coordinates[axis]}")
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=9)


def _edges(run: Run, axis: int) -> tuple[float, float] | None:
    """Where the domain begins and ends along a coordinate; None where that is not known."""
    if run.fields is None:
        return None
    points = run.fields.mesh().points[:, axis]
    return float(points.min()), float(points.max())


def _differences(axes: Axes, differences: Sequence[Mapping[str, Any]], section: Mapping[str, Any]) -> None:
    """Distances of neighbouring densities over the smaller ε of the two, with their orders."""
    epsilons = np.array([float(each["to"]) for each in differences])
    orders = section.get("orders", {})
    for key, (name, label, mark, colour) in _DISTANCES.items():
        values, errors = (np.array([_number(each[key], part) for each in differences]) for part in ("value", "error"))
        if not (values > 0.0).any():
            continue
        order = _number(orders.get(name, {}).get("last"), "value")
        words = label if np.isnan(order) else f"{label} ∼ $ε^{{{round(order, 2) + 0.0:.2f}}}$"
        down = np.minimum(np.nan_to_num(errors), 0.9 * values)
        bars = {"color": colour, "marker": mark, "markersize": 7, "capsize": 4, "linewidth": 1.5}
        axes.errorbar(epsilons, values, yerr=[down, np.nan_to_num(errors)], label=words, **bars)
    if len(epsilons) > 1:
        top = max((_number(differences[0][key], "value") for key in ("l1", "wasserstein1")), default=1.0)
        for power in (1.0, 0.5):
            axes.plot(epsilons, top * (epsilons / epsilons[0]) ** power, ":", color="0.6", linewidth=1.3)
    axes.set(xscale="log", yscale="log", xlabel="ε, the smaller one of two neighbours", ylabel="distance of neighbours")
    axes.set_xticks(epsilons, [f"{eps:g}" for eps in epsilons])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False, fontsize=9)


def _number(entry: object, part: str) -> float:
    value = entry.get(part) if isinstance(entry, Mapping) else None
    return float(value) if isinstance(value, int | float) else float("nan")


def _tables(section: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entry = section.get(key)
    return [part for part in entry if isinstance(part, Mapping)] if isinstance(entry, list) else []
