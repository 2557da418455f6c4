"""The figure of concentration: what it draws of a run's files, and when it draws nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fpsolver.output.figures.concentration import concentration
from fpsolver.output.figures.folder import Run

TIMES = np.array([0.0, 0.1, 1.0, 10.0, 100.0])


def run(**changes: object) -> Run:
    """A ball that gathers mass and one that stays empty."""
    bound = 0.01 + 0.2 * np.exp(-TIMES)
    curves = {"time": TIMES, "ball_1": np.ones(5), "moment_1": bound / 2, "within_1": 1.0 - bound}
    curves |= {"moment_bound_1": bound, "within_bound_1": np.maximum(1.0 - 4.0 * bound, 0.0)}
    curves |= {name.replace("_1", "_2"): 1e-9 * values for name, values in curves.items() if name != "time"}
    entry = {"minimum": [-1.0], "radius": 0.5, "within": 0.2, "concentration_time": {"bound": {"value": 3.0}}}
    given: dict[str, object] = {"curves": curves, "results": {"concentration": {"minima": [entry, entry]}}}
    return Run(Path(), "gathering", ("x",), **(given | changes))  # type: ignore[arg-type]


def test_curves_and_bounds_of_balls_with_mass_are_drawn() -> None:
    figure = concentration(run())
    assert figure is not None
    left, right = figure.axes
    assert len(left.lines) == 2
    np.testing.assert_allclose(left.lines[0].get_ydata(), run().curves["moment_1"][1:])
    np.testing.assert_allclose(left.lines[1].get_ydata(), run().curves["moment_bound_1"][1:])
    marks = [line for line in right.lines if line.get_linestyle() == ":"]
    assert [float(np.asarray(mark.get_xdata())[0]) for mark in marks] == [3.0]


def test_without_mass_in_a_ball_there_is_no_figure() -> None:
    assert concentration(run(results={})) is None
    curves = {name: 1e-6 * values if name.startswith("ball") else values for name, values in run().curves.items()}
    assert concentration(run(curves=curves)) is None
