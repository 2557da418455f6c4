"""How mass gathers at the minima: in a parabola as the bound says, elsewhere faster; wrong constants are found out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fpsolver
from fpsolver.case import BadCase, load
from fpsolver.case.watched import Concentration
from fpsolver.model.funnel import Funnel
from fpsolver.problems.base import Answer
from fpsolver.problems.concentration.balls import Ball, places_of
from fpsolver.problems.concentration.bounds import ExitLadder, by_flux, second_moment, time_to_gather
from fpsolver.problems.concentration.problem import solve_concentration
from fpsolver.problems.concentration.regime import below_from, drift_regime
from fpsolver.problems.concentration.watcher import GatheringWatcher
from fpsolver.problems.evolution.problem import evolution_of
from fpsolver.problems.exit.problem import solve_exits
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel

PROJECT = Path(__file__).parents[2]
ABOVE = "concentration: second moment above its bound, relative"

CASE = """[domain]
lower = [{low}]
upper = [{high}]
cells = [{cells}]
[loss]
expression = "{loss}"
[noise]
diffusion = "{noise}"
[evolution]
initial = {initial}
output_times = {times}
[concentration]
{keys}
"""
PARABOLA = {
    "low": -3.0,
    "high": 3.0,
    "cells": 30,
    "loss": "x**2",
    "noise": "0.05",
    "initial": "{ gaussian = { mean = [0.5], std = 0.2 } }",
    "times": [0.1, 0.3, 0.5, 1.0, 2.0, 5.0],
    "keys": "",
}
WELLS = PARABOLA | {
    "low": -1.8,
    "high": 1.8,
    "cells": 36,
    "loss": "(x**2 - 1)**2/4",
    "noise": "0.02",
    "initial": "{ gaussian = { mean = [-0.9], std = 0.1 } }",
    "times": [0.1, 0.3, 1.0, 3.0, 10.0, 100.0],
}


def concentrated(folder: Path, given: dict[str, Any], **changes: Any) -> tuple[Any, Answer, GatheringWatcher]:
    """The entry of results.json, the answer, and who watched."""
    where = setting(folder, CASE.format(**(given | changes)))
    answer = solve_concentration(where)
    watcher = evolution_of(where).watched["concentration"]
    assert isinstance(watcher, GatheringWatcher)
    return answer.results, answer, watcher


def balls(folder: Path, given: dict[str, Any], **changes: Any) -> list[Ball | str]:
    """The balls of a case alone."""
    return [place.ball for place in places_of(setting(folder, CASE.format(**(given | changes))))]


def test_in_a_parabola_the_bound_is_the_second_moment(shared_folder: Path) -> None:
    """Both are e^(-4t) 0.29 + 0.025 (1 - e^(-4t)) as long as no mass leaves the ball."""
    found, answer, watcher = concentrated(shared_folder, PARABOLA)
    times, curves = watcher.times, watcher.curves
    exact = np.exp(-4.0 * times) * 0.29 + 0.025 * (1.0 - np.exp(-4.0 * times))
    np.testing.assert_allclose(curves["moment_1"], exact, rtol=1e-6)
    np.testing.assert_allclose(curves["moment_bound_1"], exact, rtol=1e-6)
    entry = found["minima"][0]
    assert (entry["lambda"].value, entry["T"].value) == pytest.approx((2.0, 0.05), rel=1e-6)
    assert entry["noise_floor"].value == pytest.approx(0.5, rel=1e-6)
    wanted = 0.1 * entry["within"] ** 2
    assert entry["concentration_time"]["bound"].value == pytest.approx(
        np.log((0.29 - 0.025) / (wanted - 0.025)) / 4.0, rel=1e-5
    )
    assert entry["concentration_time"]["computed"].value <= entry["concentration_time"]["bound"].value
    assert all(check.passed for check in answer.checks)


def test_a_point_in_a_parabola(shared_folder: Path) -> None:
    """A point mass is no density on the mesh, but its distance is known."""
    _, _, watcher = concentrated(shared_folder, PARABOLA, initial="{ point = [0.6] }")
    times = watcher.times
    exact = np.exp(-4.0 * times) * 0.36 + 0.025 * (1.0 - np.exp(-4.0 * times))
    np.testing.assert_allclose(watcher.curves["moment_1"], exact, rtol=1e-5)
    np.testing.assert_allclose(watcher.curves["moment_bound_1"], exact, rtol=1e-6)


def test_a_wrong_constant_is_found_out(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a drift that is said to pull a tenth faster than it does, the certificate fails."""

    def pairs(self: Funnel) -> Any:
        return np.array([[1.1 * self.pull, self.trace]])

    monkeypatch.setattr(Funnel, "pairs", property(pairs))
    _, answer, _ = concentrated(shared_folder, PARABOLA)
    assert [check.passed for check in answer.checks] == [False]


@pytest.mark.parametrize("mean", [-0.9, -0.35, 0.1])
def test_bounds_hold_in_a_double_well_wherever_the_mass_begins(mean: float, shared_folder: Path) -> None:
    """In a ball, on the slope outside of both, and on the ridge between the wells."""
    initial = f"{{ gaussian = {{ mean = [{mean}], std = 0.1 }} }}"
    found, answer, watcher = concentrated(shared_folder, WELLS, initial=initial)
    assert len(found["minima"]) == 2
    for number in (1, 2):
        curves = {name: watcher.curves[f"{name}_{number}"] for name in ("moment", "within")}
        assert (curves["moment"] <= watcher.curves[f"moment_bound_{number}"] + 1e-9).all()
        assert (curves["within"] >= watcher.curves[f"within_bound_{number}"] - 1e-9).all()
    assert all(check.passed for check in answer.checks)
    shares = [entry["first_basin"].value for entry in found["minima"]]
    assert sum(shares) == pytest.approx(1.0, abs=1e-6)


def test_leaving_is_as_unlikely_as_is_said(shared_folder: Path) -> None:
    """Against the law of the exit time from the same ball, and its mean from the centre."""
    found, _, watcher = concentrated(shared_folder, WELLS, initial="{ point = [-1.0] }", noise="0.03")
    left = next(i for i, entry in enumerate(found["minima"]) if entry["minimum"][0] < 0)
    entry, gathering = found["minima"][left], watcher.gatherings[left]
    times = [3.0, 10.0, 30.0, 100.0]
    text = CASE.format(**(WELLS | {"noise": "0.03"})).replace("[concentration]", "")
    text += f'[regions]\nball = "(x + 1)**2 < {entry["radius"] ** 2!r}"\n'
    text += f'[[exit]]\nregion = "ball"\nstart = [[-1.0]]\ntimes = {times}\nenclosure = "never"\n'
    tables: list[Any] = []
    where = setting(shared_folder, text)

    class Listening(type(where.recorder)):  # type: ignore[misc]
        def table(self, name: str, columns: Any, rows: Any) -> None:
            if name.startswith("survival"):
                tables.append(np.array(rows))

    where = replace(where, recorder=Listening())
    mean = solve_exits(where).results[0]["starts"][0]["mean"].value  # type: ignore[index]
    assert entry["escape_time_at_least"].value <= mean
    gone = 1.0 - tables[0][1:, 1]
    bounds = gathering.left(np.array(times))
    assert (gone <= bounds + 1e-9).all()
    assert bounds[0] < 1.0


def test_noise_that_vanishes_leaves_a_dirac(shared_folder: Path) -> None:
    """D = 0.1 (x^2 - 1)^2 is 0.4 y^2 near the minima, where the drift pulls with 2. More noise has a floor."""
    given = WELLS | {
        "cells": 120,
        "times": [0.1, 0.2, 0.4, 0.8],
        "initial": "{ gaussian = { mean = [0.8], std = 0.07 } }",
    }
    found, answer, _ = concentrated(shared_folder, given, noise="0.1*(x**2 - 1)**2", keys="radius = 0.3")
    entry = next(entry for entry in found["minima"] if entry["minimum"][0] > 0)
    assert entry["dirac"]
    assert entry["noise_floor"].value == 0.0
    pull, steepest = 0.7 * 1.7, 0.1 * 2.3**2  # of (1 - R)(2 - R) and of 0.1 (2 + R)^2
    assert entry["dirac_rate"].value == pytest.approx(2.0 * (pull - steepest), rel=1e-4)
    assert entry["escape_time_at_least"].infinite
    assert all(check.passed for check in answer.checks)
    noisy = balls(shared_folder, given, noise="0.1*(x**2 - 1)**2 + 1e-4", keys="radius = 0.3")
    assert all(isinstance(ball, Ball) and not ball.funnel.gathers and ball.floor(0.1) > 0.0 for ball in noisy)


def test_a_distance_below_the_noise_floor_is_told(shared_folder: Path) -> None:
    found, _, _ = concentrated(shared_folder, PARABOLA, keys="within = 0.4")
    assert "radius below noise floor" in found["minima"][0]["concentration_time"]["bound"].why


def test_balls_that_do_not_pull_or_do_not_fit_give_no_bound(shared_folder: Path) -> None:
    for radius, word in (("1.2", "leaves the domain"), ("0.5", "")):
        found = balls(shared_folder, WELLS, keys=f"radius = {radius}")
        assert [isinstance(ball, Ball) for ball in found] == [not word] * 2
        assert all(word in ball for ball in found if isinstance(ball, str))
    found = balls(shared_folder, WELLS | {"low": -3.0, "high": 3.0}, keys="radius = 1.5")
    assert all(isinstance(ball, str) and "is not positive" in ball for ball in found)
    found = balls(shared_folder, WELLS, keys="within = 0.9")
    assert all(isinstance(ball, str) and "write less than" in ball for ball in found)


def test_a_velocity_has_no_ball(shared_folder: Path) -> None:
    """The particle flies away from the minimum as often as back."""
    box = {"low": "-1.8, -2.0", "high": "1.8, 2.0", "cells": "8, 8", "initial": "{ point = [-1.0, 0.0] }"}
    text = CASE.format(**(WELLS | box))
    where = setting(shared_folder, text.replace("[concentration]", "[momentum]\nfriction = 1.0\n[concentration]"))
    assert all(isinstance(place.ball, str) and "velocity" in place.ball for place in places_of(where))


def test_what_crosses_unseen_is_taken_to_do_the_worst() -> None:
    """Over one step: above the integral for any way in which the mass goes from one value to the other."""
    pairs, square = np.array([[1.3, 0.2]]), 1.0
    u = np.linspace(0.0, 0.7, 4001)
    for ends in ((0.3, 0.9), (0.9, 0.3)):
        bound = by_flux(np.array([0.05]), ends, 0.7, pairs, square)[0]
        for power in (0.1, 1.0, 10.0):
            q = ends[0] + (ends[1] - ends[0]) * (u / 0.7) ** power
            left = np.exp(-2.0 * 1.3 * (0.7 - u))
            whole = np.exp(-2.0 * 1.3 * 0.7) * 0.05 + np.trapezoid(left * 2.0 * 0.2 * q, u)
            whole += square * (ends[1] - left[0] * ends[0] - np.trapezoid(q * 2.0 * 1.3 * left, u))
            assert min(whole, square * ends[1]) <= bound + 1e-6
    still = by_flux(np.array([0.05]), (0.8, 0.8), 0.7, pairs, square)[0]
    assert still == pytest.approx(second_moment(np.array([0.7]), 0.05, 0.8, pairs)[0], rel=1e-14)


def test_the_predicted_time_is_when_the_bound_reaches_the_share() -> None:
    pairs = np.array([[1.0, 0.02], [0.8, 0.01]])
    time = time_to_gather(0.3, 0.9, pairs, 0.5, 0.2)
    assert time is not None
    assert second_moment(np.array([time]), 0.3, 0.9, pairs)[0] == pytest.approx(0.2 * 0.9 * 0.25, rel=1e-12)
    assert time_to_gather(0.3, 0.9, pairs, 0.1, 0.2) is None


def test_the_chance_to_leave_is_bounded_by_a_supersolution() -> None:
    """L exp(theta V) <= C for all V in the ball, by the constants, and C is attained."""
    pairs, spread, radius = np.array([[1.0, 0.3]]), 0.2, 1.5
    ladder = ExitLadder.of(pairs, spread, radius)
    v = np.linspace(0.0, 20.0, 200_001)
    for theta, growth in zip(ladder.theta[::7], ladder.growth[::7], strict=True):
        rise = np.exp(theta * v) * 2.0 * theta * (0.3 - v + 2.0 * theta * spread * v)
        assert rise.max() == pytest.approx(np.exp(growth + theta * radius**2), rel=1e-6)


def test_the_drift_regime_ends_after_the_last_change() -> None:
    times = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    masses = np.array([[0.1], [0.1], [0.5], [0.501], [0.502]])
    assert drift_regime(times, masses, 1.0, 0.01).end == 2.0
    assert drift_regime(times, masses, 1.0, 0.5).end == 0.0
    assert drift_regime(times, masses, 100.0, 0.01).end is None
    assert below_from(times, np.array([5.0, 1.0, 3.0, 1.0, 0.0]), 2.0) == 3.0
    assert below_from(times, np.array([5.0, 1.0, 3.0, 1.0, 4.0]), 2.0) is None


@pytest.mark.parametrize("name", ["interval", "interpolation", pytest.param("concentration", marks=pytest.mark.slow)])
def test_no_shipped_case_is_above_its_bound(name: str) -> None:
    case = fpsolver.load(PROJECT / "cases" / f"{name}.toml", ["run.errors=false"])
    solution = fpsolver.solve(replace(case, concentration=Concentration(None, None, 0.1, 0.01)))
    checks = [check for check in solution.certificate["checks"] if check["name"] == ABOVE]
    assert [check["passed"] for check in checks] == [True]


@pytest.mark.parametrize("cells", [40, 80])
def test_the_monotone_scheme_is_below_its_bound_up_to_its_mesh(cells: int, shared_folder: Path) -> None:
    text = CASE.format(**(PARABOLA | {"cells": cells})) + '[discretization]\nscheme = "monotone"\n'
    assert all(check.passed for check in solve_concentration(setting(shared_folder, text)).checks)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("share = 1.5", "concentration.share"),
        ("radius = 0.3\nwithin = 0.4", "is not less than the radius"),
        ('[boundary]\nabsorbing = "x > 2.99"', "bounds are those of a closed domain"),
        ('[schedule]\ndiffusion = "1/(1 + t)"', "bounds are those of the noise in [noise]"),
    ],
)
def test_mistakes_are_told(keys: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(CASE.format(**(PARABOLA | {"keys": keys})), encoding="utf-8")
    with pytest.raises(BadCase) as caught:
        load(path)
    assert what in str(caught.value)


def test_it_needs_an_evolution_a_loss_and_straight_lines(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    text = CASE.format(**PARABOLA)
    begin, end = text.index("[evolution]"), text.index("[concentration]")
    path.write_text(text[:begin] + text[end:], encoding="utf-8")
    with pytest.raises(BadCase, match=r"needs \[evolution\]"):
        load(path)
    periodic = text.replace('"x**2"', '"cos(pi*x/3)"').replace("cells = [30]", 'cells = [30]\nperiodic = ["x"]')
    path.write_text(periodic, encoding="utf-8")
    with pytest.raises(BadCase, match="a coordinate is periodic"):
        load(path)
