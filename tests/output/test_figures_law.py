"""Figures of when and where paths leave: what they show, and when there is nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import settled
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imread

from fpsolver.output.curves import CurveWriter
from fpsolver.output.figures import FIGURES, draw
from fpsolver.output.figures.folder import Run, load_run
from fpsolver.output.results import write_results

NAMES = ("survival", "exit_points")
COORDINATES = {1: ("w",), 2: ("slope", "intercept"), 3: ("u", "v", "w")}
TIMES = np.geomspace(0.01, 1e4, 60)


def table(path: Path, columns: dict[str, np.ndarray]) -> None:
    writer = CurveWriter(path, list(columns))
    for row in np.column_stack(list(columns.values())):
        writer.write(row)
    writer.close()


def with_laws(folder: Path, dimension: int) -> Run:
    """A results folder with the tables of one exit: its starts have curves, and an edge of two pieces."""
    settled.write_settled(folder, dimension)
    left = 0.3 * np.exp(-TIMES) + 0.7 * np.exp(-TIMES / 300.0)
    curves = {"time": np.append(0.0, TIMES), "survival_1": np.append(1.0, np.exp(-TIMES / 300.0))}
    curves |= {"survival_2": np.append(1.0, left), "density_1": np.full(61, np.nan), "density_2": np.full(61, np.nan)}
    table(folder / "survival_left.csv", curves)
    count = 2 if dimension == 1 else 40
    along = np.linspace(0.0, 1.0, count)
    points = np.zeros((count, dimension))
    points[:, -1] = along
    columns = {name: points[:, i] for i, name in enumerate(COORDINATES[dimension])}
    if dimension == 2:
        half = np.arange(count) >= count // 2
        columns |= {"curve": half.astype(float), "along": along - 0.5 * half}
    columns["measure"] = np.full(count, 1.0 / count)
    columns |= {"density_1": 2 * along, "density_2": 2 - 2 * along, "quasi_stationary": np.ones(count)}
    table(folder / "exit_points_left.csv", columns)
    run = load_run(folder)
    exits = run.results["exit"]
    assert isinstance(exits, list)
    exits[0]["tables"] = {name: f"{name}_left.csv" for name in NAMES}
    write_results(folder, run.results)
    return load_run(folder)


@pytest.fixture(scope="module", params=[1, 2, 3])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return with_laws(tmp_path_factory.mktemp(f"law{request.param}"), request.param)


def figure_of(run: Run, name: str) -> Figure:
    figure = FIGURES[name](run)()
    assert figure is not None
    return figure


@pytest.mark.filterwarnings("error")
def test_both_figures_are_drawn_and_not_blank(run: Run) -> None:
    files = draw(run.folder, NAMES)
    assert [file.stem for file in files] == list(NAMES)
    for file in files:
        pixels = imread(file)[..., :3]
        assert min(pixels.shape[:2]) >= 450
        assert pixels.std() > 0.02


def test_curves_stand_beside_exponential_laws_of_their_means(run: Run) -> None:
    """Solid lines are the table, dashed ones e^(-t/mean) in the same colours. Catches laws of the wrong start."""
    left, right = figure_of(run, "survival").axes
    assert left.get_xscale() == "log"
    assert right.get_yscale() == "log"
    exits = run.results["exit"]
    assert isinstance(exits, list)
    means = [start["mean"]["value"] for start in exits[0]["starts"]]
    for axes in (left, right):
        solid = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == len(TIMES)]
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert len(solid) == len(dashed) == 2
        for curve, law, mean in zip(solid, dashed, means, strict=True):
            assert curve.get_color() == law.get_color()
            assert law.get_ydata() == pytest.approx(np.exp(-np.asarray(law.get_xdata()) / mean), abs=1e-12)
    assert solid[0].get_ydata()[30] == pytest.approx(np.exp(-TIMES[30] / 300.0))


def test_the_strip_has_the_colours_of_the_density_and_a_gap_between_curves(tmp_path: Path) -> None:
    """In the plane: no piece of the strip, and no line of the plot, leads from one curve to the next."""
    run = with_laws(tmp_path, 2)
    figure = figure_of(run, "exit_points")
    strips = [
        item for item in figure.axes[0].collections if isinstance(item, LineCollection) and item.get_array() is not None
    ]
    [strip] = strips
    assert len(strip.get_segments()) == 38
    assert np.diff(np.asarray(strip.get_array())[:19]) == pytest.approx(np.full(18, 2 / 39))
    for line in figure.axes[1].lines:
        assert np.isnan(line.get_ydata()).sum() == 1


def test_without_tables_there_is_nothing_to_draw(run: Run, tmp_path: Path) -> None:
    elsewhere = replace(run, folder=tmp_path)
    unfinished = replace(run, results={})
    for name in NAMES:
        assert FIGURES[name](elsewhere)() is None
        assert FIGURES[name](unfinished)() is None
