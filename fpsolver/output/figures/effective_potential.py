"""The effective potential -log π, which is what the noise makes of the loss, beside the loss itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.colors import PowerNorm

from fpsolver.output.figures import plane, style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import FINE, raster
from fpsolver.output.reader import Frames

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_CAP = 30.0  # nats above the least value: beyond it no process is ever seen, and wells would be flat in the picture
_LEVELS = np.array([0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0])


def effective_potential(run: Run) -> Figure | None:
    """Effective potential and loss, in nats where the noise is one number; None without a stationary density.

    In 3-D None too: a colour for each point of space hides the wells; open ``fields.*`` in ParaView.
    """
    values = run.field("effective_potential")
    if values is None or run.fields is None or run.dimension == 3 or not np.isfinite(values).any():
        return None
    above = np.where(np.isfinite(values), values - values[np.isfinite(values)].min(), np.nan)
    loss = run.field("loss")
    if loss is not None and not np.ptp(loss) > 0:  # a case with [drift] alone
        loss = None
    noise = _noise(run)
    if loss is not None:
        loss = (loss - loss.min()) / (noise or 1.0)
    unit = "nats" if noise else "units of the loss"
    return (_lines if run.dimension == 1 else _panels)(run, run.fields, above, loss, unit)


def _noise(run: Run) -> float | None:
    """D where it is one number, so that the loss over it is a potential in nats; else None."""
    given, trace = run.case.get("noise", {}), run.field("diffusion_trace")
    tensor = given.get("diffusion", given.get("covariance", "samples"))
    if trace is None or (isinstance(tensor, list) and run.dimension > 1) or tensor in ("samples", "table", "python"):
        return None
    largest = float(trace.max())
    return largest / run.dimension if np.ptp(trace) <= 1e-9 * largest and largest > 0 else None


def _panels(run: Run, fields: Frames, above: Array, loss: Array | None, unit: str) -> Figure:
    grid = raster(fields.mesh(), FINE)
    image = grid.image(above)
    shown = [("effective potential −log π", image, _cap(image), "nats")]
    if loss is not None:
        picture = grid.image(loss)
        words = "loss / D" if unit == "nats" else "loss"
        shown.append((f"{words}, from its least value", picture, _cap_of_loss(picture, image, unit), unit))
    width = 5.0
    size = (0.4 + (width + 1.0) * len(shown), 1.2 + plane.height(grid, width, 6.0))
    figure = style.new_figure(*size, run.title)
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False).ravel()
    for panel, (title, picture, cap, name) in zip(panels, shown, strict=True):
        norm = PowerNorm(0.5, 0.0, cap)  # wells are parabolas: their colours change evenly with the distance
        colours = style.colours("viridis").with_extremes(over="white", bad="white")
        drawn = plane.show(panel, run, grid, picture, colours, norm)
        lines = _below(cap) if name == "nats" else cap * (_LEVELS / _CAP)
        panel.contour(grid.x, grid.y, picture, levels=lines, colors="white", linewidths=0.7, alpha=0.8)
        panel.set_title(title, fontsize=11)
        figure.colorbar(drawn, ax=panel, label=name, extend="max", ticks=_ticks(cap) if name == "nats" else None)
    panels[0].label_outer()
    blank = "higher than the scale" + (", or not resolved" if np.isnan(above).any() else "")
    note = f"lines at {', '.join(f'{level:g}' for level in _below(shown[0][2]))} nats; white: {blank}"
    if unit != "nats" and loss is not None:
        note += "; the loss is cut off above where the effective potential is"
    figure.supxlabel(note, fontsize=9, color="0.3")
    return figure


def _cap(values: Array) -> float:
    return min(_CAP, float(np.nanmax(values))) or 1.0


def _below(cap: float) -> Array:
    return np.array([level for level in _LEVELS if level < cap])


def _cap_of_loss(loss: Array, above: Array, unit: str) -> float:
    """The same scale in nats; else as high as the loss is where the effective potential is drawn."""
    if unit == "nats":
        return _cap(above)
    there = loss[np.isfinite(above) & np.isfinite(loss) & (above <= _cap(above))]
    return float(there.max()) or 1.0


def _ticks(cap: float) -> Array:
    return np.asarray(cap * np.array([0.0, 1 / 30, 1 / 10, 1 / 5, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1.0]))


def _lines(run: Run, fields: Frames, above: Array, loss: Array | None, unit: str) -> Figure:
    x = fields.mesh().points[:, 0]
    order = np.argsort(x, kind="stable")
    figure = style.new_figure(8.0, 5.0, run.title)
    axes = figure.subplots()
    axes.plot(x[order], above[order], color=style.BLUE, linewidth=2.4, label="effective potential −log π")
    cap = _cap(above)
    _heights(axes, run, cap)
    axes.set_ylabel("nats above the least value")
    if loss is not None:
        other = axes if unit == "nats" else axes.twinx()
        label = "loss / D" if unit == "nats" else "loss (right axis)"
        other.plot(x[order], loss[order], color=style.VERMILION, linestyle="--", linewidth=1.8, label=label)
        if other is not axes:
            _heights(other, run, _cap_of_loss(loss, above, unit))
            other.set_ylabel("loss above its least value")
            other.grid(visible=False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _heights(axes: Axes, run: Run, cap: float) -> None:
    axes.set_ylim(-0.03 * cap, 1.05 * cap)
    axes.set_xlabel(run.coordinates[0])
    axes.margins(x=0)
    axes.grid(alpha=0.3)
