"""The eigenvalues of smallest real part: a ladder of rates, or points of the complex plane."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_WIDE = 10.0  # rates that differ by more are drawn on a logarithmic scale


def spectrum(run: Run) -> Figure | None:
    """Eigenvalues of −L with error bars and the spectral gap; None where the run has fewer than two."""
    section = run.section("stationary")
    real, imaginary, errors = _eigenvalues(section)
    if len(real) < 2:
        return None
    states = section.get("states", 1)
    zeros = np.arange(len(real)) < (states if isinstance(states, int) else 1)
    if not (~zeros).any():
        return None
    figure = style.new_figure(8.0, 5.0, run.title)
    axes = figure.subplots()
    gap = _value(section, "spectral_gap")
    if np.any(imaginary != 0):
        _plane(axes, real, imaginary, errors, gap)
    else:
        _ladder(axes, real, errors, zeros, gap)
    axes.set_title(_heading(run, gap, int(zeros.sum())), fontsize=11)
    axes.grid(alpha=0.3)
    return figure


def _eigenvalues(section: Mapping[str, object]) -> tuple[Array, Array, Array]:
    """Real parts, imaginary parts and errors; 0 for an error that is not known."""
    entries = section.get("eigenvalues")
    known = [
        (float(entry["value"]), float(entry.get("imag") or 0.0), float(entry.get("error") or 0.0))
        for entry in (entries if isinstance(entries, list) else [])
        if isinstance(entry, Mapping) and isinstance(entry.get("value"), int | float)
    ]
    columns = np.array(known, dtype=np.float64).reshape(-1, 3).T
    return columns[0], columns[1], columns[2]


def _value(section: Mapping[str, object], name: str) -> float | None:
    entry = section.get(name)
    value = entry.get("value") if isinstance(entry, Mapping) else None
    return float(value) if isinstance(value, int | float) else None


def _heading(run: Run, gap: float | None, states: int) -> str:
    words = "eigenvalues of −L" + (f", {states} of them 0: as many stationary states" if states > 1 else "")
    if gap is not None and gap > 0:
        unit = f" ({run.clock})" if run.clock else ""
        words += f"\nspectral gap {gap:.4g}: relaxation time {1 / gap:.4g}{unit}"
    return words


def _ladder(axes: Axes, real: Array, errors: Array, zeros: npt.NDArray[np.bool_], gap: float | None) -> None:
    """All real: a stem per eigenvalue, logarithmic where they differ widely; zeros stand on the floor."""
    places = np.arange(len(real))
    rising = ~zeros & (real > 0)
    lowest, highest = (real[rising].min(), real[rising].max()) if rising.any() else (1.0, 1.0)
    floor = 0.0
    if highest > _WIDE * lowest:
        floor = float(lowest / max((highest / lowest) ** 0.25, 3.0))
        axes.set_yscale("log")
        axes.set_ylim(floor, 3 * highest)
    else:
        axes.set_ylim(-0.05 * highest, 1.2 * highest)
    down = np.minimum(errors, np.where(floor > 0, 0.99 * real, np.inf))[rising]
    axes.vlines(places[rising], floor, real[rising], color=style.SKY, linewidth=3)
    bars = {"fmt": "o", "color": style.BLUE, "ecolor": style.VERMILION, "markersize": 8, "capsize": 6}
    axes.errorbar(places[rising], real[rising], yerr=[down, errors[rising]], **bars)
    for place, value in zip(places[rising], real[rising], strict=True):
        axes.annotate(f"{value:.4g}", (place, value), xytext=(9, 4), textcoords="offset points", fontsize=9)
    for place in places[~rising]:
        axes.plot(place, floor, "v" if floor > 0 else "o", color="0.35", markersize=10, clip_on=False)
        axes.annotate("0", (place, floor), xytext=(10, 2), textcoords="offset points")
    if gap is not None and gap > 0:
        axes.axhline(gap, color=style.VERMILION, linestyle="--", linewidth=1.4)
        axes.annotate("gap", (1.0, gap), xycoords=("axes fraction", "data"), xytext=(-4, 4),
                      textcoords="offset points", ha="right", color=style.VERMILION)  # fmt: skip
    axes.set_xlim(-0.5, len(real) - 0.2)
    axes.set_xticks(places, [str(place) for place in places])
    axes.set_xlabel("number of the eigenvalue, by real part")
    axes.set_ylabel("eigenvalue, 1 / time; bars: estimated errors")


def _plane(axes: Axes, real: Array, imaginary: Array, errors: Array, gap: float | None) -> None:
    """Some complex: decay to the right, oscillation up and down."""
    positive = real[real > 0]
    wide = positive.size > 0 and positive.max() > 100 * positive.min()
    if wide:
        axes.set_xscale("symlog", linthresh=float(positive.min()))
    axes.axhline(0.0, color="0.6", linewidth=0.8)
    axes.axvline(0.0, color="0.6", linewidth=0.8)
    bars = {"fmt": "o", "color": style.BLUE, "ecolor": style.VERMILION, "markersize": 8, "capsize": 5}
    axes.errorbar(real, imaginary, xerr=errors, yerr=np.where(imaginary != 0, errors, 0.0), **bars)
    if gap is not None and gap > 0:
        axes.axvline(gap, color=style.VERMILION, linestyle="--", linewidth=1.4)
        axes.annotate("gap", (gap, 0.97), xycoords=("data", "axes fraction"), xytext=(5, 0),
                      textcoords="offset points", va="top", color=style.VERMILION)  # fmt: skip
    tallest = float(np.abs(imaginary).max())
    axes.set_ylim(-1.25 * tallest, 1.25 * tallest)
    axes.set_xlabel("real part: rate of decay, 1 / time; bars: estimated errors")
    axes.set_ylabel("imaginary part: angular frequency, 1 / time")
