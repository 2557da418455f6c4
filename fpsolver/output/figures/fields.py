"""Every static field of a run: loss, noise, stationary density, exit times, committors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm, Normalize

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import COARSE, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]


def fields(run: Run) -> Figure | None:
    """A panel per field in 1-D and 2-D, of vectors their length; None without fields.

    In 3-D None too: open ``fields.*`` in ParaView.
    """
    if run.fields is None or run.dimension == 3 or not run.fields.names:
        return None
    names = sorted(run.fields.names, key=lambda name: (name != "loss", name != "diffusion_trace", name))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = style.new_figure(4.4 * columns, 3.6 * rows + 0.5, run.title)
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False).ravel()
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    if run.dimension == 1:
        x = run.fields.mesh().points[:, 0]
        order = np.argsort(x, kind="stable")
        for panel, name in zip(panels, names, strict=False):
            values = _size(run.fields.values(-1, name))
            panel.plot(x[order], values[order], color=style.BLUE, linewidth=2)
            panel.set_yscale("log" if isinstance(_norm(values), LogNorm) else "linear")
            panel.set_title(_heading(name, values), fontsize=11)
            panel.set_xlabel(run.coordinates[0])
            panel.grid(alpha=0.3)
        return figure
    _images(run, run.fields, figure, dict(zip(names, panels, strict=False)))
    return figure


def _images(run: Run, fields: Frames, figure: Figure, panels: dict[str, Axes]) -> None:
    grid = raster(fields.mesh(), COARSE)
    for name, panel in panels.items():
        image = grid.image(_size(fields.values(-1, name)))
        norm = _norm(image)
        drawn = panel.imshow(
            image, origin="lower", extent=grid.extent, aspect="auto", cmap=style.colours("viridis"), norm=norm
        )
        panel.set_title(_heading(name, image), fontsize=11)
        style.label_plane(panel, run)
        figure.colorbar(drawn, ax=panel)


def _norm(values: Array) -> Normalize:
    """Linear, or logarithmic for positive values over more than three decades, of which six are shown."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return Normalize(0.0, 1.0)
    lowest, highest = float(finite.min()), float(finite.max())
    if lowest >= 0 and highest > 1e3 * float(np.quantile(finite, 0.05)) and highest > 0:
        return LogNorm(max(lowest, highest * 1e-6), highest)
    return Normalize(lowest, highest)


def _size(values: Array) -> Array:
    """Scalars as they are, vectors as their lengths."""
    return values if values.ndim == 1 else np.asarray(np.linalg.norm(values, axis=1))


def _heading(name: str, values: Array) -> str:
    words = name.replace("_", " ")
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return f"{words}: nowhere finite"
    lowest, highest = float(finite.min()), float(finite.max())
    if highest - lowest <= 1e-9 * max(abs(lowest), abs(highest)):
        return f"{words}: {highest:.4g} everywhere"
    return words
