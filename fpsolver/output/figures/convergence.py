"""How the numbers of a case settle as its mesh, or degree, is refined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_MOST = 10  # quantities in one picture: those that are known least
_ROUND_OFF = 1e-15


@dataclass(frozen=True)
class _Line:
    """A quantity, its changes and what is left, all relative to its size.

    Attributes:
        changes: From each level to the next, (levels - 1,).
        left: Uncertainty of the extrapolated value, None where it is not known.
    """

    name: str
    changes: Array
    left: float | None
    order: float | None
    expected: float | None
    is_asymptotic: bool

    @property
    def label(self) -> str:
        words = self.name
        if self.order is not None:
            words += f": order {self.order:.1f}"
            words += f" (expected {self.expected:g})" if self.expected is not None else ""
        return words if self.is_asymptotic else f"{words}, not asymptotic"


def convergence(run: Run) -> Figure | None:
    """Changes between levels against unknowns, with observed orders; None without ``convergence.json``."""
    levels = run.convergence.get("levels", [])
    unknowns = np.array([float(level["unknowns"]) for level in levels])
    lines = _lines(run.convergence.get("quantities", []), len(unknowns))
    if len(unknowns) < 2 or not lines:
        return None
    shown = sorted(lines, key=lambda line: -line.changes[-1])[:_MOST]
    shown = [line for line in lines if line in shown]  # in the order of the file
    figure = style.new_figure(10.5, 5.6, run.title)
    axes = figure.subplots()
    for number, line in enumerate(shown):
        colour = style.PALETTE[number % len(style.PALETTE)]
        look = style.LINES[(number // len(style.PALETTE)) % len(style.LINES)] if line.is_asymptotic else ":"
        seen = line.changes > _ROUND_OFF
        axes.plot(unknowns[:-1][seen], line.changes[seen], "o", linestyle=look, color=colour, label=line.label)
        if line.left is not None and line.left > _ROUND_OFF:
            axes.plot(unknowns[-1], line.left, "D", color="white", markeredgecolor=colour, markersize=8, zorder=3)
            if seen.any():
                ends = ([unknowns[:-1][seen][-1], unknowns[-1]], [line.changes[seen][-1], line.left])
                axes.plot(*ends, color=colour, linestyle=":", linewidth=0.9)
    axes.set(xscale="log", yscale="log", ylabel="relative change to the next level")
    axes.set_xlabel(f"unknowns of the main mesh, refined by {_by(run.convergence)}")
    axes.set_xticks(unknowns, [f"{count:,.0f}" for count in unknowns])
    axes.minorticks_off()
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    rest = len(lines) - len(shown)
    notes = ["dots: change to the next level", "diamonds: uncertainty of the extrapolated value"]
    notes += [f"{rest} more {'quantities change' if rest > 1 else 'quantity changes'} less"] if rest else []
    style.notes(figure, notes)
    return figure


def _by(content: Mapping[str, Any]) -> str:
    return "degree" if content.get("by") == "degree" else "halving cells"


def _lines(entries: list[Mapping[str, Any]], levels: int) -> list[_Line]:
    """Quantities with a value at every level and a size to compare with; those that are 0 by symmetry have none.

    Of those with the same values, such as a mean and the first moment, the first.
    """
    lines, seen = [], set()
    for entry in entries:
        values = [value for value in entry.get("values", []) if isinstance(value, int | float)]
        size = max([abs(value) for value in values] + [entry.get("size") or 0.0])
        if len(values) != levels or size == 0 or tuple(values) in seen:
            continue
        seen.add(tuple(values))
        changes = np.abs(np.diff(np.array(values, dtype=np.float64))) / size
        left = entry.get("uncertainty")
        is_noise = "round-off" in (entry.get("note") or "") and (left or 0.0) >= size
        if is_noise or not (changes > _ROUND_OFF).any():
            continue
        lines.append(
            _Line(
                str(entry.get("name")),
                changes,
                None if left is None else abs(float(left)) / size,
                entry.get("order"),
                entry.get("expected_order"),
                entry.get("asymptotic") is not False,
            )
        )
    return lines
