"""A density in three dimensions, integrated over one coordinate at a time."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run
from fpsolver.output.pieces import Piece

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float64]

_BINS = 48  # per coordinate
_SAMPLES = 2_000_000  # at most, of a density


def marginals(run: Run, mesh: Piece, values: Array, title: str, path: Array | None = None) -> Figure:
    """A panel per pair of coordinates.

    Args:
        run: For the names of the coordinates.
        mesh: Tetrahedra.
        values: Density at its points.
        title: Of the figure.
        path: (times, 3), of the mean, drawn into each panel; None for a density without a past.
    """
    points, masses = _samples(mesh, values)
    figure = style.new_figure(12.0, 4.4, title)
    for panel, (i, j) in zip(figure.subplots(1, 3), combinations(range(3), 2), strict=True):
        span = [[mesh.points[:, k].min(), mesh.points[:, k].max()] for k in (i, j)]
        table, x, y = np.histogram2d(points[:, i], points[:, j], bins=_BINS, range=span, weights=masses)
        table /= np.outer(np.diff(x), np.diff(y))
        extent = (x[0], x[-1], y[0], y[-1])
        drawn = panel.imshow(
            table.T,
            origin="lower",
            extent=extent,
            aspect="auto",
            cmap=style.colours("YlGnBu"),
            interpolation="bilinear",
        )
        if path is not None:
            panel.plot(path[:, i], path[:, j], color=style.VERMILION, linewidth=1.6)
            panel.plot(path[-1, i], path[-1, j], "o", color=style.VERMILION, markeredgecolor="white", markersize=7)
        panel.set_xlabel(run.coordinates[i])
        panel.set_ylabel(run.coordinates[j])
        other = run.coordinates[3 - i - j]
        panel.set_title(f"integrated over {other}", fontsize=11)
        figure.colorbar(
            drawn, ax=panel, label=f"probability per unit area of {run.coordinates[i]}, {run.coordinates[j]}"
        )
    if path is not None:
        figure.supxlabel("orange: path of the mean, dot: now", fontsize=9, color="0.3")
    return figure


def _samples(mesh: Piece, values: Array) -> tuple[Array, Array]:
    """Points strewn over every tetrahedron, (n, 3), and the probability that each stands for, (n,)."""
    each = int(np.clip(_SAMPLES // len(mesh.cells), 1, 24))
    places = np.random.default_rng(0).dirichlet(np.ones(4), (len(mesh.cells), each))  # anew per cell, else moiré
    corners = mesh.points[mesh.cells]
    volumes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    points = np.einsum("mkc,mcx->mkx", places, corners).reshape(-1, 3)
    return points, (np.einsum("mkc,mc->mk", places, values[mesh.cells]) * volumes[:, None] / each).ravel()
