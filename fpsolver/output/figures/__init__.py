"""Figures of a run, drawn from the files of its folder alone: no MPI, no DOLFINx.

A new figure is a function from a Run to a matplotlib Figure, and a line in FIGURES.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fpsolver.errors import BadUsage
from fpsolver.output.figures.arrhenius import arrhenius
from fpsolver.output.figures.committor import committor
from fpsolver.output.figures.concentration import concentration
from fpsolver.output.figures.convergence import convergence
from fpsolver.output.figures.density import density
from fpsolver.output.figures.effective_potential import effective_potential
from fpsolver.output.figures.entropy import entropy
from fpsolver.output.figures.exit_points import exit_points
from fpsolver.output.figures.exit_time import exit_time
from fpsolver.output.figures.fields import fields
from fpsolver.output.figures.folder import Run, load_run
from fpsolver.output.figures.mean_path import mean_path
from fpsolver.output.figures.noisy_sgd import noisy_sgd
from fpsolver.output.figures.regions import regions
from fpsolver.output.figures.scene import density_3d
from fpsolver.output.figures.sgd_limit import sgd_limit
from fpsolver.output.figures.simulation import simulation
from fpsolver.output.figures.spectrum import spectrum
from fpsolver.output.figures.splitting import splitting
from fpsolver.output.figures.stationary import stationary
from fpsolver.output.figures.survival import survival
from fpsolver.runtime import atomic

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Finish = Callable[[], "Figure | None"]


def _at_once(function: Callable[[Run], Figure | None]) -> Callable[[Run], Finish]:
    """A figure that has nothing to start early."""
    return lambda run: partial(function, run)


# A figure is begun by calling its entry with the run, and finished by calling what that returns, None where the run has
# nothing to draw. So the 3-D scene is rendered in another process while the others are drawn in this one.
FIGURES: dict[str, Callable[[Run], Finish]] = {
    "density": _at_once(density),
    "regions": _at_once(regions),
    "mean_path": _at_once(mean_path),
    "entropy": _at_once(entropy),
    "stationary": _at_once(stationary),
    "effective_potential": _at_once(effective_potential),
    "spectrum": _at_once(spectrum),
    "noisy_sgd": _at_once(noisy_sgd),
    "exit_time": _at_once(exit_time),
    "survival": _at_once(survival),
    "exit_points": _at_once(exit_points),
    "arrhenius": _at_once(arrhenius),
    "committor": _at_once(committor),
    "splitting": _at_once(splitting),
    "concentration": _at_once(concentration),
    "simulation": _at_once(simulation),
    "sgd_limit": _at_once(sgd_limit),
    "convergence": _at_once(convergence),
    "fields": _at_once(fields),
    "density_3d": density_3d,
}

FORMATS = ("png", "svg")


def draw(folder: Path, what: Sequence[str] | None = None, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Draw figures into a results folder, each atomically.

    Args:
        folder: With ``case.toml`` and whatever of ``results.json``, ``curves.csv``, ``density.*``, ``fields.*`` and
            ``convergence.json`` exists.
        what: Names of FIGURES; None for all that the run has data for.
        formats: ``png`` (150 dpi) and ``svg``.

    Returns:
        The files written.

    Raises:
        BadUsage: An unknown figure or format, a folder without a run, or a figure asked for by name without its data.
    """
    for kind, given, known in (("figure", what or (), FIGURES), ("format", formats, FORMATS)):
        for name in given:
            if name not in known:
                raise BadUsage(f"{kind} {name!r}: not known; choose from {', '.join(known)}")
    run = load_run(Path(folder))
    begun = {name: FIGURES[name](run) for name in (what or FIGURES)}
    written = []
    for name, finish in begun.items():
        figure = finish()
        if figure is None:
            if what:
                raise BadUsage(f"figure {name!r}: {folder} has no data for it; leave it out of --what")
            continue
        layout = figure.get_layout_engine()
        if layout is not None:  # once is enough for all formats
            layout.execute(figure)
            figure.set_layout_engine("none")
        for suffix in formats:
            picture = io.BytesIO()
            figure.savefig(picture, format=suffix, dpi=150)
            written.append(run.folder / f"{name}.{suffix}")
            atomic.write_bytes(written[-1], picture.getvalue())
    return written
