"""Mean exit times against the inverse of the noise, with the lines through their logarithms and Kramers' law."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_MOST = 6  # lines in one picture
_NOISE = {"learning_rate": "learning rate", "diffusion": "D", "factor": "factor on D"}


@dataclass(frozen=True)
class _Line:
    """An exit from a start; what is not known is not a number.

    Attributes:
        name: Region and start.
        levels: Noise, (n,), descending.
        logs: Decadic logarithms of the times, (n,).
        laws: Those of Kramers' law, (n,).
        barrier, prefactor: Of the straight line.
        error: Of the barrier.
    """

    name: str
    levels: Array
    logs: Array
    laws: Array
    barrier: float
    prefactor: float
    error: float

    def fit(self, levels: Array) -> Array:
        """Decadic logarithms of the times by the straight line."""
        return np.asarray((np.log(self.prefactor) + self.barrier / levels) / np.log(10.0))

    @property
    def label(self) -> str:
        words = f"{self.name}: barrier {self.barrier:.4g}"
        return words if np.isnan(self.error) else f"{words} ± {self.error:.1g}"


def arrhenius(run: Run) -> Figure | None:
    """Times over 1/noise and, where Kramers' law is known, their ratio to it; None without levels of noise."""
    exits = run.results.get("exit")
    parts = [part for part in exits if "arrhenius" in part] if isinstance(exits, list) else []
    lines = [line for part in parts for line in _lines(part) if np.isfinite(line.logs).sum() > 1][:_MOST]
    if not lines:
        return None
    noise = _NOISE.get(str(parts[0]["arrhenius"].get("noise")), "noise")
    has_law = any(np.isfinite(line.laws).any() for line in lines)
    figure = style.new_figure(11.5 if has_law else 7.5, 5.2, run.title)
    panels = figure.subplots(1, 2 if has_law else 1, squeeze=False)[0]
    for number, line in enumerate(lines):
        _draw(panels, line, style.PALETTE[number % len(style.PALETTE)])
    panels[0].set_xlabel(f"1 / {noise}")
    panels[0].set_ylabel("decadic logarithm of the mean exit time")
    panels[0].legend(frameon=False, fontsize=9)
    panels[0].grid(alpha=0.3)
    notes = ["dots: computed times", "lines: fits log τ = log A + barrier / noise"]
    if has_law:
        notes.append("dashed: Kramers' law")
        _compare(panels[1], noise)
    style.notes(figure, notes)
    return figure


def _draw(panels: Sequence[Axes], line: _Line, colour: str) -> None:
    inverse = 1.0 / line.levels
    ends = np.linspace(0.0 if inverse.min() < 0.2 * np.ptp(inverse) else 0.9 * inverse.min(), 1.05 * inverse.max(), 200)
    ends = ends[ends > 0]
    panels[0].plot(inverse, line.logs, "o", color=colour, markersize=7, label=line.label)
    panels[0].plot(ends, line.fit(1.0 / ends), color=colour, linewidth=1.6)
    if len(panels) > 1 and np.isfinite(line.laws).any():
        panels[0].plot(inverse, line.laws, "--", color="0.25", linewidth=1.3)
        panels[1].plot(line.levels, 10.0 ** (line.logs - line.laws), "o-", color=colour, markersize=7, label=line.name)


def _compare(axes: Axes, noise: str) -> None:
    axes.axhline(1.0, color="0.25", linestyle="--", linewidth=1.3)
    axes.set_xlim(left=0.0)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.95), max(high, 1.05))
    axes.set_xlabel(noise)
    axes.set_ylabel("computed time / Kramers' law")
    axes.set_title("the ratio tends to 1 as the noise vanishes", fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    axes.grid(alpha=0.3)


def _lines(part: Mapping[str, Any]) -> list[_Line]:
    content = part["arrhenius"]
    levels = np.array([float(entry["level"]) for entry in content["levels"]])
    lines = []
    for place, fit in enumerate(content["fits"]):
        starts = [entry["starts"][place] for entry in content["levels"]]
        where = ", ".join(f"{x:g}" for x in fit["point"])
        times = np.array([_value(start["mean"]) for start in starts])
        laws = np.array([_value(start["kramers"]) for start in starts])
        numbers = [_value(fit[key]) if key in fit else np.nan for key in ("barrier", "prefactor", "barrier_error")]
        name = f"{part.get('region')} from ({where})"
        lines.append(_Line(name, levels, _log(times), _log(laws), *numbers))
    return lines


def _log(values: Array) -> Array:
    return np.log10(np.where(values > 0, values, np.nan))


def _value(entry: Mapping[str, Any]) -> float:
    value = entry.get("value")
    return float(value) if isinstance(value, int | float) else np.nan
