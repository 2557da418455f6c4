"""Regions and absorbing walls of a case as functions of points, read from its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fpsolver.case.expressions import ExpressionError, level
from fpsolver.case.ledger import Ledger
from fpsolver.case.names import resolve_parameters
from fpsolver.domain.regions import at_points
from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
Level = Callable[[Array], Array]  # (n, d) -> (n,), negative inside

_ALONG = 400  # points on each wall


def region(run: Run, name: str) -> Level | None:
    """The level function of a region of the case; None where the case has none of that name."""
    return _level(run, run.case.get("regions", {}).get(name))


def absorbing(run: Run) -> Level | None:
    """The level function of the absorbing part of the boundary; None where all of it reflects."""
    return _level(run, run.case.get("boundary", {}).get("absorbing"))


def on_plane(function: Level, x: Array, y: Array) -> Array:
    """A level function on a grid, (rows, columns)."""
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    return function(points).reshape(len(y), len(x))


def draw_absorbing_walls(axes: Axes, run: Run) -> None:
    """Thick lines along the absorbing walls of a box in two dimensions."""
    inside, domain = absorbing(run), run.case.get("domain", {})
    if inside is None or not {"lower", "upper"} <= set(domain):
        return
    lower, upper = (np.asarray(domain[key], dtype=float) for key in ("lower", "upper"))
    along = np.linspace(0.0, 1.0, _ALONG)
    for fixed in (0, 1):
        for end in (lower, upper):
            wall = lower + along[:, None] * (upper - lower)
            wall[:, fixed] = end[fixed]
            absorbs = (inside(wall) < 0)[:, None]
            axes.plot(*np.where(absorbs, wall, np.nan).T, color=style.VERMILION, linewidth=7)


def _level(run: Run, source: object) -> Level | None:
    parameters = run.case.get("parameters", {})
    if not isinstance(source, str) or not isinstance(parameters, Mapping):
        return None
    try:
        values = resolve_parameters(parameters, Ledger(str(run.folder / "case.toml"), {}))
        return at_points(level(source, run.coordinates, values), run.coordinates)
    except ExpressionError:  # a case edited by hand: the figure does without the line
        return None
