"""The figure of a family: each quantity against the first parameter, a line per combination of the others."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
import numpy.typing as npt

from fpsolver.case.overrides import toml_value
from fpsolver.output.figures import style
from fpsolver.runtime import atomic
from fpsolver.study.sweep.family import labels
from fpsolver.study.sweep.place import FIGURE
from fpsolver.study.sweep.table import Table, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_MOST_PANELS = 9
_MOST_NAMED = 24  # lines in the legend
_CROWD = 30  # points of a line that smaller dots are needed for


@dataclass(frozen=True)
class _Line:
    """Members that differ in the parameter of the abscissa: which they are, their abscissae, and what they share."""

    name: str
    rows: npt.NDArray[np.intp]
    places: Array


@dataclass(frozen=True)
class _Abscissa:
    """A parameter as an axis.

    Attributes:
        key: Which one.
        places: Of all members.
        words: At 0, 1, 2, ... where its values are no numbers; else empty.
    """

    key: int
    places: Array
    words: tuple[str, ...] = ()


def draw(table: Table, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Draw the quantities that `Table.chosen` names into the folder of the sweep; no file where nothing is known.

    Raises:
        BadUsage: No member has what was asked for.
    """
    figure = figure_of(table)
    if figure is None:
        return []
    written = []
    for suffix in formats:
        picture = io.BytesIO()
        figure.savefig(picture, format=suffix, dpi=150)
        written.append(table.root / f"{FIGURE}.{suffix}")
        atomic.write_bytes(written[-1], picture.getvalue())
    return written


def figure_of(table: Table) -> Figure | None:
    """The figure; None where nothing is known yet."""
    names = table.chosen() if table.names() else []
    shown = names[:_MOST_PANELS]
    if not shown:
        return None
    short = labels(table.record.keys)
    rows = table.rows()
    values = [row.entry.values for row in rows]
    abscissa = _abscissa(values)
    lines, ride_along = _lines(values, abscissa, short)
    certain = np.array([row.entry.status == "done" for row in rows])

    across = min(3, len(shown)) if len(shown) != 4 else 2
    down = -(-len(shown) // across)
    has_legend = len(lines) > 1
    figure = style.new_figure(max(6.0, 4.6 * across + 1.8 * has_legend), 3.4 * down + 1.0, table.record.title)
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(panels, shown, strict=False):
        _draw(axes, table, name, lines, certain)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel(short[abscissa.key])
        _scale(axes, abscissa)
    for axes in panels[len(shown) :]:
        axes.set_visible(False)
    if has_legend:
        handles, named = panels[0].get_legend_handles_labels()
        figure.legend(handles[:_MOST_NAMED], named[:_MOST_NAMED], loc="outside right upper", frameon=False, fontsize=9)
    notes = _notes(table, names, shown, certain)
    notes += [f"with {short[abscissa.key]} change {', '.join(ride_along)}"] if ride_along else []
    notes += [f"{len(lines) - _MOST_NAMED} more lines are not named"] if len(lines) > _MOST_NAMED else []
    if notes:
        style.notes(figure, notes)
    return figure


def _draw(axes: Axes, table: Table, name: str, lines: Sequence[_Line], certain: npt.NDArray[np.bool_]) -> None:
    column = table.column(name)
    values = np.array([number.value for number in column])
    errors = np.array([number.error for number in column])
    for number, (line, colour) in enumerate(zip(lines, _colours(len(lines)), strict=True)):
        seen = np.isfinite(values[line.rows])
        rows, places = line.rows[seen], line.places[seen]
        look = style.LINES[number // len(style.PALETTE) % len(style.LINES)] if len(lines) <= _MOST_NAMED else "-"
        bars = np.where(np.isfinite(errors[rows]), errors[rows], 0.0)
        axes.errorbar(
            places,
            values[rows],
            bars,
            color=colour,
            linestyle=look,
            linewidth=1.4,
            capsize=3,
            marker="o",
            markersize=5 if len(rows) <= _CROWD else 3,
            label=line.name,
        )
        doubtful = ~certain[rows]
        axes.plot(
            places[doubtful], values[rows][doubtful], "o", color="white", markeredgecolor=colour, markersize=5, zorder=4
        )
    finite = values[np.isfinite(values)]
    if len(finite) and (finite > 0).all() and style.wide_range(finite):
        axes.set_yscale("log")
    axes.grid(alpha=0.3)


def _scale(axes: Axes, abscissa: _Abscissa) -> None:
    if abscissa.words:
        crowded = sum(map(len, abscissa.words)) > 40
        axes.set_xticks(range(len(abscissa.words)), abscissa.words, rotation=30 if crowded else 0, fontsize=9)
        axes.set_xlim(-0.5, len(abscissa.words) - 0.5)
    elif (abscissa.places > 0).all() and style.wide_range(abscissa.places):
        axes.set_xscale("log")


def _abscissa(values: Sequence[Sequence[str]]) -> _Abscissa:
    """The first parameter that takes more than one value."""
    columns = list(zip(*values, strict=True))
    key = next((place for place, column in enumerate(columns) if len(set(column)) > 1), 0)
    numbers = [toml_value(text) for text in columns[key]]
    if all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        return _Abscissa(key, np.array(numbers, dtype=np.float64))
    words = tuple(dict.fromkeys(plain(text) for text in columns[key]))
    return _Abscissa(key, np.array([float(words.index(plain(text))) for text in columns[key]]), words)


def _lines(values: Sequence[Sequence[str]], abscissa: _Abscissa, short: Sequence[str]) -> tuple[list[_Line], list[str]]:
    """The lines, and the parameters that change along the only one, as they do in lists side by side."""
    others = [place for place in range(len(short)) if place != abscissa.key and len({row[place] for row in values}) > 1]
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, row in enumerate(values):
        groups.setdefault(tuple(row[place] for place in others), []).append(number)
    ride_along: list[str] = []
    if len(groups) == len(values) > 1:
        ride_along, groups = [short[place] for place in others], {(): list(range(len(values)))}
    lines = []
    for combination, members in groups.items():
        rows = np.array(members)
        rows = rows[np.argsort(abscissa.places[rows], kind="stable")]
        name = ", ".join(f"{short[place]} = {plain(value)}" for place, value in zip(others, combination, strict=False))
        lines.append(_Line(name, rows, abscissa.places[rows]))
    return lines, ride_along


def _colours(count: int) -> list[object]:
    """The palette again and again, or, where lines are too many to be told apart by it, a scale."""
    if count <= _MOST_NAMED:
        return [style.PALETTE[number % len(style.PALETTE)] for number in range(count)]
    scale = matplotlib.colormaps["viridis"]
    return [scale(0.9 * number / (count - 1)) for number in range(count)]


def _notes(table: Table, names: Sequence[str], shown: Sequence[str], certain: npt.NDArray[np.bool_]) -> list[str]:
    notes = []
    missing = len(certain) - table.record.count("done", "uncertain")
    if any(row.entry.status == "uncertain" for row in table.rows()):
        notes.append("hollow: the certificate failed")
    if missing:
        notes.append(f"{missing} of {len(certain)} members have no numbers")
    if len(names) > len(shown):
        notes.append(f"{len(names) - len(shown)} more quantities were asked for")
    return notes
