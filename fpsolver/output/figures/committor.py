"""Committors: which of two regions is reached first, with arrows of the reactive current."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import Normalize

from fpsolver.output.figures import plane, sets, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import FINE, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_ISOLINES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_ARROWS = 30  # along the longer side
_FAINT = 0.03  # of the largest current; what is weaker has no arrow


def committor(run: Run) -> Figure | None:
    """A panel per committor in 2-D, a curve in 1-D; None without one.

    In 3-D None too: open ``fields.*`` in ParaView.
    """
    pairs = list(dict.fromkeys(_pairs(run)))
    known = [pair for pair in pairs if run.field(f"committor_{pair[0]}_{pair[1]}") is not None]
    if run.fields is None or run.dimension == 3 or not known:
        return None
    return (_curves if run.dimension == 1 else _panels)(run, run.fields, known)


def _pairs(run: Run) -> list[tuple[str, str]]:
    entries = run.case.get("committor", [])
    found = entries if isinstance(entries, list) else []
    return [(str(part.get("source")), str(part.get("target"))) for part in found if isinstance(part, Mapping)]


def _panels(run: Run, fields: Frames, pairs: list[tuple[str, str]]) -> Figure:
    grid = raster(fields.mesh(), FINE)
    columns = min(2, len(pairs))
    rows = -(-len(pairs) // columns)
    size = ((5.6 + 1.4) * columns + 0.2, (plane.height(grid, 5.6, 6.4) + 0.6) * rows + 0.7)
    figure = style.new_figure(*size, run.title)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(pairs) :]:
        panel.set_visible(False)
    arrows = False
    for panel, (source, target) in zip(panels, pairs, strict=False):
        values = run.field(f"committor_{source}_{target}")
        assert values is not None
        image = grid.image(values)
        drawn = plane.show(panel, run, grid, image, style.colours("coolwarm"), Normalize(0.0, 1.0))
        plane.loss_contours(panel, run)
        lines = panel.contour(grid.x, grid.y, image, levels=_ISOLINES, colors="black", linewidths=0.8)
        panel.clabel(lines, fmt="%g", fontsize=8)
        for name, colour in ((source, style.BLUE), (target, style.VERMILION)):
            level = sets.region(run, name)
            if level is not None:
                edge = sets.on_plane(level, grid.x, grid.y)
                panel.contour(grid.x, grid.y, edge, levels=[0.0], colors=colour, linewidths=2.4)
        sets.draw_absorbing_walls(panel, run)
        current = run.field(f"reactive_current_{source}_{target}")
        if current is not None:
            arrows = True
            images = [grid.image(np.ascontiguousarray(current[:, i])) for i in range(2)]
            _arrows(panel, grid.x, grid.y, images)
        panel.set_title(f"{target} before {source}" + _rate(run, source, target), fontsize=11)
        figure.colorbar(drawn, ax=panel, label=f"probability to reach {target} first")
    notes = ["blue: edge of the source", "orange: of the target"]
    notes += ["arrows: reactive current, darker where it is larger"] if arrows else []
    style.notes(figure, notes)
    return figure


def _arrows(axes: Axes, x: Array, y: Array, images: list[Array]) -> None:
    """Arrows of one length, as dark as the current is large beside the largest."""
    step = max(1, max(len(x), len(y)) // _ARROWS)
    u, v = (np.nan_to_num(image[step // 2 :: step, step // 2 :: step]) for image in images)
    size = np.hypot(u, v)
    strongest = float(np.quantile(size, 0.995))
    if not strongest > 0:
        return
    shown = size > _FAINT * strongest
    columns, rows = np.meshgrid(x[step // 2 :: step], y[step // 2 :: step])
    strength = np.minimum(size[shown] / strongest, 1.0)
    colours = np.column_stack([np.zeros((len(strength), 3)), 0.25 + 0.75 * np.sqrt(strength)])
    axes.quiver(
        columns[shown],
        rows[shown],
        u[shown] / size[shown],
        v[shown] / size[shown],
        color=colours,
        pivot="mid",
        angles="xy",
        scale=1.4 * _ARROWS,
        width=0.004,
    )


def _rate(run: Run, source: str, target: str) -> str:
    """The rate as text where the run has got that far."""
    entries = run.results.get("committor")
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, Mapping) and (entry.get("source"), entry.get("target")) == (source, target):
            return _number(entry.get("rate", {}))
    return ""


def _number(rate: Mapping[str, Any]) -> str:
    value = rate.get("value")
    return f", rate {value:.4g}" if isinstance(value, int | float) else ""


def _curves(run: Run, fields: Frames, pairs: list[tuple[str, str]]) -> Figure:
    x = fields.mesh().points[:, 0]
    order = np.argsort(x, kind="stable")
    figure = style.new_figure(8.0, 5.0, run.title)
    axes = figure.subplots()
    for number, (source, target) in enumerate(pairs):
        values = run.field(f"committor_{source}_{target}")
        assert values is not None
        colour = style.PALETTE[number % len(style.PALETTE)]
        label = f"{target} before {source}{_rate(run, source, target)}"
        axes.plot(x[order], values[order], color=colour, linewidth=2.2, label=label)
        for name, shade in ((source, style.BLUE), (target, style.VERMILION)):
            level = sets.region(run, name)
            if level is not None:
                inside = level(x[order, None]) < 0
                transform = axes.get_xaxis_transform()
                axes.fill_between(x[order], 0, 1, where=inside, color=shade, alpha=0.12, transform=transform, lw=0)
    axes.set_xlabel(run.coordinates[0])
    axes.set_ylabel("probability")
    axes.set_xlim(x.min(), x.max())
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    style.notes(figure, ["blue: source", "orange: target"])
    return figure
