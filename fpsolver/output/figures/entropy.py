"""How an evolution forgets its start: relative entropies on a logarithmic scale, with slopes that theory promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

KINDS = {"kl": "relative entropy KL", "chi2": "χ²", "power": "power entropy"}

_DEEPEST = 1e-14
"""Below this fraction of the largest value there is round-off."""


def entropy(run: Run) -> Figure | None:
    """Entropies in time with promised slopes, and the dissipation beside them; None without an entropy."""
    shown = {kind: name for kind, name in KINDS.items() if _known(run, kind).sum() > 1}
    if not shown:
        return None
    time = np.asarray(run.curves["time"])
    losses = {kind: _loss(run, kind) for kind in shown}
    both = any(np.isfinite(loss).any() for loss in losses.values())
    figure = style.new_figure(12.0 if both else 7.0, 5.4, run.title)
    panels = figure.subplots(1, 2 if both else 1, squeeze=False)[0]
    for number, (kind, name) in enumerate(shown.items()):
        colour = style.PALETTE[number % len(style.PALETTE)]
        here = _known(run, kind)
        panels[0].plot(time[here], run.curves[kind][here], color=colour, linewidth=2.4, label=name + _rate(run, kind))
        if both:
            panels[1].plot(time, losses[kind], color=colour, linewidth=2.0, label=name)
    notes = [_SLOPES] if _slopes(panels, run, time, shown) else []
    panels[0].set(yscale="log", ylabel="entropy relative to the stationary density")
    style.plain_if_narrow(panels[0])
    if both:
        panels[1].set(ylabel="rate of decay I/H at each time", ylim=(0.0, None))
        notes.append("right: what is lost per time, dH/dt = -I, as a fraction of what is left")
    for axes in panels:
        axes.set_xlabel(style.time_name(run))
        axes.set_xlim(float(time.min()), float(time.max()))
        axes.grid(alpha=0.3)
    panels[0].legend(frameon=False, fontsize=9)
    if not all(_known(run, kind).all() for kind in shown):
        notes.append("no line: not known")
    style.notes(figure, notes)
    return figure


_SLOPES = "dashed: slopes that theorems promise, from where the late rate is fitted on"


def _loss(run: Run, kind: str) -> Array:
    """I/H at each time; not a number where either is not known."""
    values = np.asarray(run.curves[kind], dtype=float)
    lost = np.asarray(run.curves.get(f"fisher_{kind}", np.full(len(values), np.nan)), dtype=float)
    both = _known(run, kind) & (lost > 0.0)
    return np.where(both, lost / np.where(both, values, 1.0), np.nan)


def _known(run: Run, kind: str) -> npt.NDArray[np.bool_]:
    values = np.asarray(run.curves.get(kind, np.empty(0)), dtype=float)
    if not values.size or not np.isfinite(values).any():
        return np.zeros(values.shape, dtype=bool)
    return np.asarray(np.isfinite(values) & (values > _DEEPEST * np.nanmax(values)))


def _rate(run: Run, kind: str) -> str:
    value = _number(_entry(run, kind).get("rate"))
    return "" if value is None else f", late rate {value:.4g}"


def _slopes(panels: Sequence[Axes], run: Run, time: Array, shown: Mapping[str, str]) -> bool:
    """Promised rates, each drawn through the first entropy where its late decay begins; whether there are any."""
    kind = next(iter(shown))
    here, values = _known(run, kind), run.curves[kind]
    begin = _entry(run, kind).get("rate_from")
    first = max(int(np.searchsorted(time, begin)), 0) if isinstance(begin, int | float) else len(time) // 3
    first = min(first, int(np.flatnonzero(here)[-1]))
    while not here[first]:
        first += 1
    span = time[first:]
    results = run.results.get("entropy")
    rows: list[Any] = list(results.get("theory", [])) if isinstance(results, Mapping) else []
    promised: dict[float, list[str]] = {}
    for row in rows:
        rate = _number(row.get("promises"))
        if row.get("applies") and rate is not None and row.get("concerns") in (*KINDS, "entropies", None):
            promised.setdefault(round(rate, 6), []).append(row["theorem"])
    for number, (rate, names) in enumerate(sorted(promised.items())):
        grey = str(0.15 + 0.2 * (number % 3))
        line = values[first] * np.exp(-rate * (span - span[0]))
        panels[0].plot(span, line, "--", color=grey, linewidth=1.4, label=f"{' and '.join(names)}: {rate:.4g}")
        if len(panels) > 1:
            panels[1].axhline(rate, color=grey, linestyle="--", linewidth=1.4)
    return bool(promised)


def _entry(run: Run, kind: str) -> Mapping[str, Any]:
    results = run.results.get("entropy")
    entry = results.get(kind) if isinstance(results, Mapping) else None
    return entry if isinstance(entry, Mapping) else {}


def _number(entry: object) -> float | None:
    value = entry.get("value") if isinstance(entry, Mapping) else None
    return float(value) if isinstance(value, int | float) else None
