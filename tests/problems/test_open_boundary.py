"""Evolutions whose boundary absorbs or lets mass in: series, free flight, exit times, and the balance of mass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from fpsolver import load
from fpsolver.case import BadCase
from fpsolver.errors import BadUsage
from fpsolver.output.results import as_json
from tests.problems.cases import Evolved, box, evolved
from tests.problems.texts import brownian

parallel = pytest.mark.parallel
D = 0.1
BOTH = '[boundary]\nabsorbing = "x < 0.01 or x > 0.99"\n'
RIGHT = '[boundary]\nabsorbing = "x > 0.9999"\n'
QUIET = "[run]\nerrors = false\n"


def evolution(initial: str, times: list[float], more: str = "") -> str:
    text = f"[evolution]\ninitial = {{ {initial} }}\nend_time = {times[-1]}\noutput_times = {times}\n"
    return text + ("" if "tolerance" in more else "tolerance = 1e-9\n") + more


def interval(cells: int, boundary: str, rest: str, degree: int = 4) -> str:
    return brownian([0.0], [1.0], [cells], D, degree) + boundary + '[regions]\nleft = "x < 0.5"\nall = "x < 2"\n' + rest


def columns(run: Evolved) -> dict[float, dict[str, float]]:
    """Time -> what the curves say of mass and boundary."""
    record = run.solution.record
    return {
        time: {"mass": moments.mass, **more} for (time, moments), more in zip(record.curves, record.more, strict=True)
    }


def heat(time: float, modes: int = 400) -> tuple[float, float, float]:
    """Mass, and what has left at 0 and at 1, from 2 on (0, 1/2) with u = 0 at both ends: sine series."""
    k = np.pi * np.arange(1, modes)
    amplitude = 4.0 * (1.0 - np.cos(k / 2.0)) / k
    now = amplitude * np.exp(-D * k**2 * time)
    gone = amplitude / k - now / k  # D integral of the slope at 0; at 1 with a sign per mode
    mass = float((now * (1.0 - np.cos(k)) / k).sum())
    series_left = 0.75 - float((now / k).sum())  # harmonic 1 - x at the start: the mean is 3/4
    assert abs(float(gone.sum()) - series_left) < 1e-2  # that series converges too slowly to compare with
    return mass, series_left, 1.0 - mass - series_left


@pytest.mark.parametrize("method", ["krylov", "sdirk"])
def test_heat_between_two_absorbing_ends_follows_its_series(shared_folder: Path, method: str) -> None:
    """What is left, and what left at either end, also at an early time when the density at the start is not 0 there."""
    times = [0.05, 0.5, 2.0]
    more = f'method = "{method}"\ntolerance = 1e-8\n'
    run = evolved(shared_folder, interval(16, BOTH, evolution('uniform = "left"', times, more) + QUIET))
    found = columns(run)
    for time, close in zip(times, (1e-8, 1e-10, 1e-10), strict=True):
        assert found[time]["mass"] == pytest.approx(heat(time)[0], abs=close)
        assert found[time]["absorbed"] == pytest.approx(1.0 - heat(time)[0], abs=close)
    through = run.results["through"]
    assert through["x_lower"]["absorbed"]["value"] == pytest.approx(heat(2.0)[1], abs=1e-8)
    assert through["x_upper"]["absorbed"]["value"] == pytest.approx(heat(2.0)[2], abs=1e-8)
    slowest = 4.0 / np.pi * 2.0 / np.pi * np.exp(-D * np.pi**2 * 2.0)  # by then the next mode is e^(-18) of it
    assert run.results["mass"]["value"] == pytest.approx(slowest, rel=1e-6)
    assert run.results["flux"]["value"] == pytest.approx(D * np.pi**2 * slowest, rel=1e-6)
    assert run.passed


@pytest.mark.parametrize(("degree", "order"), [(1, 2.0), (2, 4.0), (3, 6.0)])
def test_the_mass_left_converges_at_twice_the_degree(shared_folder: Path, degree: int, order: float) -> None:
    errors = []
    for cells in (4, 8, 16):
        run = evolved(shared_folder, interval(cells, BOTH, evolution('uniform = "left"', [1.0]) + QUIET, degree))
        errors.append(abs(run.results["mass"]["value"] - heat(1.0)[0]))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.6), errors
    assert np.log2(errors[1] / errors[2]) == pytest.approx(order, abs=0.6), errors


def plane(rest: str, absorbing: str = "x > 0.9999") -> str:
    """A rotating drift and noise that depends on the point, all of D."""
    text = box([-1.0, -1.0], [1.0, 1.0], [10, 10])
    text += (
        '[loss]\nexpression = "x**2/4 + y**2/2"\n[drift]\nextra = ["-y", "x"]\n[noise]\ndiffusion = "0.2 + 0.1*y**2"\n'
    )
    return text + f'[boundary]\nabsorbing = "{absorbing}"\n[regions]\nall = "x < 2"\n' + rest


@parallel
def test_what_is_left_is_the_survival_curve_of_an_exit(shared_folder: Path) -> None:
    """Forward and backward, from the same density: drift that is no gradient, one wall that absorbs."""
    start, times = "gaussian = { mean = [0.2, 0.1], std = 0.2 }", [0.3, 1.0, 4.0]
    exits = f'[[exit]]\nregion = "all"\ninitial = {{ {start} }}\ntimes = {times}\n'
    run = evolved(shared_folder, plane(evolution(start, times) + exits + QUIET))
    names, rows = run.solution.record.tables["survival_all.csv"]
    survival = {row[0]: row[names.index("survival_1")] for row in rows}
    found = columns(run)
    for time in times:
        assert found[time]["mass"] == pytest.approx(survival[time], abs=2e-6)
        assert found[time]["mass"] + found[time]["absorbed"] == pytest.approx(1.0, abs=1e-12)
        density = rows[[row[0] for row in rows].index(time)][names.index("density_1")]
        assert found[time]["flux"] == pytest.approx(density, rel=1e-4)
    assert run.passed
    assert set(run.results["through"]) == {"x_upper"}


def test_flux_is_what_the_mass_loses_per_time(shared_folder: Path) -> None:
    step = 1e-3
    times = [1.0 - step, 1.0, 1.0 + step]
    run = evolved(shared_folder, plane(evolution("gaussian = { mean = [0.2, 0.1], std = 0.2 }", times) + QUIET))
    found = columns(run)
    slope = (found[times[2]]["mass"] - found[times[0]]["mass"]) / (2.0 * step)
    assert found[1.0]["flux"] == pytest.approx(-slope, rel=1e-5)


def free_flight(boundary: str, rest: str, cells: int = 16) -> str:
    """Drift along x without noise there, and noise across it alone."""
    text = box([-1.0, -1.0], [1.0, 1.0], [cells, 4]) + '[drift]\nextra = ["1", "-y"]\n'
    return text + '[noise]\ndiffusion = [["0", "0"], ["0", "0.1"]]\n' + boundary + '[regions]\nall = "x < 2"\n' + rest


def test_drift_alone_carries_a_density_out_undisturbed(shared_folder: Path) -> None:
    """Where noise is along the boundary, nothing may be imposed on a density: it leaves as if it went on."""
    times = [0.5, 0.8, 1.0, 1.6]
    start = evolution("gaussian = { mean = [0.0, 0.0], std = [0.15, 0.3] }", times)
    run = evolved(shared_folder, free_flight(RIGHT, start + QUIET))
    found = columns(run)
    for time in times:
        assert found[time]["mass"] == pytest.approx(norm.cdf((1.0 - time) / 0.15), abs=1e-4)
        assert found[time]["flux"] == pytest.approx(norm.pdf((1.0 - time) / 0.15) / 0.15, abs=2e-3)
    assert run.passed
    assert run.results["moved_mass"] < 1e-4


def test_nothing_leaves_where_the_drift_points_inward(shared_folder: Path) -> None:
    wall = '[boundary]\nabsorbing = "x < -0.99"\n'
    start = evolution("gaussian = { mean = [0.0, 0.0], std = 0.2 }", [1.0])
    with pytest.raises(BadUsage, match="nothing can leave through the absorbing part"):
        evolved(shared_folder, free_flight(wall, start))
    both = '[boundary]\nabsorbing = "x < -0.99 or x > 0.99"\n'
    run = evolved(shared_folder, free_flight(both, start + QUIET))
    assert set(run.results["through"]) == {"x_upper"}


def entering(time: float, rate: float, modes: int = 400) -> float:
    """Mass from 1 on (0, 1), with a flux in at 0 and absorption at 1: cosine series around rate (1 - x)/D."""
    k = np.pi * (np.arange(modes) + 0.5)
    amplitude = 2.0 * (np.sin(k) / k - rate / D / k**2)
    return rate / (2.0 * D) + float((amplitude * np.exp(-D * k**2 * time) * np.sin(k) / k).sum())


@parallel
def test_influx_builds_up_as_its_series(shared_folder: Path) -> None:
    rate, times = 0.7, [0.3, 2.0, 8.0]
    boundary = RIGHT + f'influx = "{rate}"\ninflux_on = "x < 0.01"\n'
    run = evolved(shared_folder, interval(12, boundary, evolution('expression = "1"', times) + QUIET))
    found = columns(run)
    for time in times:
        assert found[time]["mass"] == pytest.approx(entering(time, rate), abs=1e-8)
        assert found[time]["entered"] == pytest.approx(rate * time, rel=1e-10)
        assert found[time]["mass"] + found[time]["absorbed"] - found[time]["entered"] == pytest.approx(1.0, abs=1e-11)
    assert run.passed


def stationary(run: Evolved) -> Any:
    return as_json(run.solution.answers["stationary"].results)


def test_between_source_and_sink_stands_a_straight_line(shared_folder: Path) -> None:
    """rho = j (1 - x)/D; the mean time that mass stays is the mean exit time from where it enters, 1/(2D)."""
    boundary = RIGHT + 'influx = "0.7"\ninflux_on = "x < 0.01"\n'
    text = interval(6, boundary, '[stationary]\n[[exit]]\nregion = "all"\nstart = [[0.0]]\n' + QUIET)
    run = evolved(shared_folder, text)
    found = stationary(run)
    assert found["mass"]["value"] == pytest.approx(0.7 / (2.0 * D), rel=1e-11)
    assert found["mean"][0]["value"] == pytest.approx(1.0 / 3.0, rel=1e-11)
    assert found["regions"]["left"]["value"] == pytest.approx(0.7 / D * 3.0 / 8.0, rel=1e-11)
    assert found["through"]["x_upper"]["flux"]["value"] == pytest.approx(0.7, rel=1e-11)
    leaving = as_json(run.solution.answers["exit"].results)[0]["starts"][0]["mean"]["value"]
    assert found["mean_residence_time"]["value"] == pytest.approx(leaving, rel=1e-10)
    assert run.passed


INFLUX = 'influx = "1 + y"\ninflux_on = "x < -0.99"\n'


@parallel
def test_residence_is_the_mean_exit_time_over_the_influx(shared_folder: Path) -> None:
    """In the plane, without detailed balance; and doubling the influx doubles the mass, not the time."""
    ask = "[stationary]\n" + QUIET
    boundary = f'absorbing = "x > 0.9999"\n{INFLUX}'
    one, two = (
        stationary(evolved(shared_folder, plane(ask).replace('absorbing = "x > 0.9999"\n', each)))
        for each in (boundary, boundary.replace('"1 + y"', '"2 + 2*y"'))
    )
    assert two["mass"]["value"] == pytest.approx(2.0 * one["mass"]["value"], rel=1e-10)
    assert two["mean_residence_time"]["value"] == pytest.approx(one["mean_residence_time"]["value"], rel=1e-10)
    assert one["influx"]["value"] == pytest.approx(2.0, rel=1e-12)
    starts = np.polynomial.legendre.leggauss(4)
    points = [[-1.0, float(y)] for y in starts[0]]
    exits = f'[[exit]]\nregion = "all"\nstart = {points}\n' + QUIET
    run = evolved(shared_folder, plane(exits))
    means = [start["mean"]["value"] for start in as_json(run.solution.answers["exit"].results)[0]["starts"]]
    average = float((starts[1] * (1.0 + starts[0])) @ np.array(means)) / 2.0
    assert one["mean_residence_time"]["value"] == pytest.approx(average, rel=1e-4)


def test_a_flow_that_drift_carries_through_stays_for_its_length(shared_folder: Path) -> None:
    """At speed 1 through a length of 2, whatever noise does across: the mean residence time is 2."""
    boundary = RIGHT + 'influx = "1 - y**2"\ninflux_on = "x < -0.99"\n'
    found = stationary(evolved(shared_folder, free_flight(boundary, "[stationary]\n" + QUIET, 8)))
    assert found["mean_residence_time"]["value"] == pytest.approx(2.0, rel=1e-9)
    assert found["mass"]["value"] == pytest.approx(2.0 * 4.0 / 3.0, rel=1e-9)


def test_an_evolution_with_influx_settles_to_the_stationary_density(shared_folder: Path) -> None:
    text = plane(evolution("gaussian = { mean = [0.2, 0.1], std = 0.2 }", [200.0]) + "[stationary]\n" + QUIET)
    text = text.replace('absorbing = "x > 0.9999"\n', f'absorbing = "x > 0.9999"\n{INFLUX}')
    run = evolved(shared_folder, text)
    found = stationary(run)
    assert run.results["mass"]["value"] == pytest.approx(found["mass"]["value"], rel=1e-6)
    assert run.results["flux"]["value"] == pytest.approx(2.0, rel=1e-6)
    assert run.mean[1] == pytest.approx(found["mean"][1]["value"], abs=1e-6)


def test_the_monotone_scheme_loses_mass_alike(shared_folder: Path) -> None:
    text = interval(80, BOTH, evolution('uniform = "left"', [1.0]) + QUIET).replace(
        "[discretization]\ndegree = 4\n", '[discretization]\nscheme = "monotone"\n'
    )
    run = evolved(shared_folder, text)
    assert run.results["mass"]["value"] == pytest.approx(heat(1.0)[0], rel=2e-3)
    assert run.passed


def test_stated_errors_cover_the_true_ones(shared_folder: Path) -> None:
    run = evolved(shared_folder, interval(4, BOTH, evolution('uniform = "left"', [0.3, 1.0]), 2))
    for entry, exact in (
        (run.results["mass"], heat(1.0)[0]),
        (run.results["absorbed"], 1.0 - heat(1.0)[0]),
        (run.results["through"]["x_lower"]["absorbed"], heat(1.0)[1]),
    ):
        assert abs(entry["value"] - exact) <= entry["error"], (entry, exact)
        assert entry["error"] < 0.01


def test_nothing_is_said_of_what_is_not_left(shared_folder: Path) -> None:
    run = evolved(shared_folder, interval(8, BOTH, evolution('uniform = "left"', [1.0, 1000.0]) + QUIET))
    assert run.results["absorbed"]["value"] == pytest.approx(1.0, abs=1e-10)
    assert run.results["mean"][0]["value"] is None
    assert run.passed


@pytest.mark.parametrize(
    ("boundary", "message"),
    [
        ('influx = "1"\n', "none of influx_on, influx_group"),
        ('influx = "-1"\ninflux_on = "x < 0.01"\n', "the influx is -1 at x = 0; write what comes in, >= 0"),
        ('influx = "0*x"\ninflux_on = "x < 0.01"\n', "the influx is 0 everywhere"),
        ('influx = "1/x"\ninflux_on = "x < 0.01"\n', "the value is inf at x = 0; write an expression that is finite"),
        ('influx_on = "x < 0.01"\n', "only used with influx; write influx"),
        ('influx = "1"\ninflux_group = "inlet"\n', "only a mesh file has named groups; write influx_on"),
        ('influx = "1"\ninflux_on = "x < 0"\n', "no point of the boundary is inside; write a condition"),
    ],
)
def test_what_comes_in_is_asked_for_properly(tmp_path: Path, boundary: str, message: str) -> None:
    path = tmp_path / "case.toml"
    path.write_text(interval(4, RIGHT + boundary, evolution('expression = "1"', [1.0])), encoding="utf-8")
    with pytest.raises(BadCase) as caught:
        load(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("boundary", "section", "message"),
    [
        ('influx = "1"\ninflux_on = "x < 0.01"\n', '[[exit]]\nregion = "all"\n', "asks what comes in"),
        (
            "",
            "[stationary]\n",
            "all mass is absorbed in the end, and nothing stationary is left; write boundary.influx",
        ),
        ('influx = "1"\ninflux_on = "x < 0.01"\n', "[stationary]\neigenvalues = 3\n", "stationary.eigenvalues"),
        ('influx = "1"\ninflux_on = "x < 0.01"\n', "[stationary]\nregularizations = [0.1, 0.01]\n", "regularizations"),
    ],
)
def test_questions_without_an_answer_are_refused(tmp_path: Path, boundary: str, section: str, message: str) -> None:
    path = tmp_path / "case.toml"
    path.write_text(interval(4, RIGHT + boundary, section), encoding="utf-8")
    with pytest.raises(BadCase) as caught:
        load(path)
    assert message in str(caught.value)


def test_a_part_cannot_absorb_and_let_in(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    both = RIGHT.replace("x > 0.9999", "x > -0.5") + INFLUX.replace("x < -0.99", "y > 0.99")
    path.write_text(free_flight(both, "[stationary]\n"), encoding="utf-8")
    with pytest.raises(BadCase, match="the boundary absorbs, so nothing can come in there"):
        load(path)
