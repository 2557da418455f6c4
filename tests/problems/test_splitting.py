"""Which share of the mass each minimum receives: exact in one dimension, the same in other units and in a mirror."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special

from fpsolver.problems.base import Setting
from fpsolver.problems.evolution.problem import evolution_of
from fpsolver.problems.splitting.plateau import NoPlateau, plateau
from fpsolver.problems.splitting.problem import solve_splitting
from fpsolver.problems.splitting.watcher import MassWatcher
from tests import exact
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel

Array = np.typing.NDArray[np.float64]

MEAN, SPREAD, NOISE, TILT = 0.15, 0.3, 0.03, 0.05
WALL = 1.6
RADIUS = 0.1
TIMES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
STAGES = ("deterministic", "committor", "plateau", "final", "stationary")

CASE = """[domain]
lower = [{low}]
upper = [{high}]
cells = [{cells}]
[loss]
expression = "{loss}"
[noise]
diffusion = {noise}
[evolution]
initial = {{ gaussian = {{ mean = [{mean}], std = {spread} }} }}
output_times = {times}
[splitting]
radius = {radius}
[stationary]
"""

TWO_WELLS = "(x**2 - 1)**2/4 + {tilt}*x"


def case(**changes: object) -> str:
    """Two wells, the left one deeper."""
    given: dict[str, object] = {
        "low": -WALL,
        "high": WALL,
        "cells": 32,
        "loss": TWO_WELLS.format(tilt=TILT),
        "noise": NOISE,
        "mean": MEAN,
        "spread": SPREAD,
        "times": list(TIMES),
        "radius": RADIUS,
    }
    return CASE.format(**(given | changes))


def split(folder: Path, text: str) -> tuple[Any, Setting]:
    """The entry of results.json."""
    given = setting(folder, text)
    return solve_splitting(given).results, given


def by_place(found: Any) -> list[Any]:
    return sorted(found["basins"], key=lambda basin: basin["minimum"])


def values(found: Any, stage: str) -> list[float]:
    return [basin[stage].value for basin in by_place(found)]


def loss(x: Any, tilt: float = TILT) -> Any:
    return (x**2 - 1) ** 2 / 4 + tilt * x


def slope(x: Any) -> Any:
    return x**3 - x + TILT


def critical() -> list[float]:
    return sorted(float(root.real) for root in np.roots([1.0, 0.0, -1.0, TILT]))


def share_of(q: Callable[[Array], Array], mean: float = MEAN, spread: float = SPREAD) -> float:
    """The integral of q over the initial density."""
    x = np.linspace(mean - 8 * spread, mean + 8 * spread, 40001)
    density = np.exp(-(((x - mean) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
    return float(integrate.simpson(density * q(x), x=x))


def rising(potential: Callable[[Array], Array], noise: float, ends: tuple[float, float]) -> Callable[[Array], Array]:
    """The probability to reach the right end before the left one: the integral of exp(f/D), 0 and 1 beyond."""
    x = np.linspace(*ends, 4001)
    height = potential(x)
    steps = integrate.cumulative_simpson(np.exp((height - height.max()) / noise), x=x, initial=0.0)
    return lambda points: np.interp(points, x, steps / steps[-1])


def test_shares_in_one_dimension_are_integrals(shared_folder: Path) -> None:
    """Without noise the basin ends at the saddle; with noise q is an integral; on the plateau and at the end masses
    are those of the density, found by a spectral method; in the end of all they are integrals of exp(-f/D)."""
    left, saddle, right = critical()
    found, _ = split(shared_folder, case())
    basins = by_place(found)
    assert values(found, "deterministic")[0] == pytest.approx(special.ndtr((saddle - MEAN) / SPREAD), abs=1e-5)
    q = rising(loss, NOISE, (left + RADIUS, right - RADIUS))
    assert values(found, "committor")[1] == pytest.approx(share_of(q), abs=1e-5)
    density = exact.in_one_dimension(loss, slope, NOISE, (-WALL, WALL), (MEAN, SPREAD))
    x = np.linspace(saddle, WALL, 4001)

    def mass(time: float) -> float:
        return float(integrate.simpson(density(time, x), x=x))

    assert values(found, "final")[1] == pytest.approx(mass(TIMES[-1]), abs=1e-6)
    assert found["plateau"]["exists"]
    assert min(abs(basins[1]["plateau"].value - mass(time)) for time in TIMES) < 1e-6
    assert abs(basins[1]["plateau"].value - share_of(q)) < 2e-3  # what leaves meanwhile
    weights = [exact.mass_on_a_line(lambda y: loss(y) / NOISE, part) for part in ((-WALL, saddle), (saddle, WALL))]
    assert values(found, "stationary") == pytest.approx([weight / sum(weights) for weight in weights], rel=1e-6)


def test_escapes_take_the_time_of_the_quadrature(shared_folder: Path) -> None:
    """From a minimum to the ball around the other one; and the chain with these rates has the stationary masses of the
    committors, as the fluxes of both directions are equal."""
    found, _ = split(shared_folder, case())
    left, _, right = critical()
    there, _ = exact.exit_times_on_a_line(slope, lambda x: np.full_like(x, NOISE), (-WALL, right - RADIUS), [left], 1)
    back, _ = exact.exit_times_on_a_line(
        lambda x: -slope(-x), lambda x: np.full_like(x, NOISE), (-WALL, -left - RADIUS), [-right], 1
    )
    times = values(found, "escape_time")
    assert times == pytest.approx([there[0, 0], back[0, 0]], rel=1e-5)
    assert values(found, "stationary_chain")[0] == pytest.approx(times[0] / sum(times), rel=1e-9)
    assert values(found, "stationary_chain") == pytest.approx(values(found, "stationary_committor"), rel=2e-2)


def test_three_wells(shared_folder: Path) -> None:
    """From a ridge only the two minima beside it are reached first. Catches probabilities that are exchanged, and a
    path that passes a minimum without being counted."""
    third = lambda x: 1.5 * x**2 * (x**2 - 1) ** 2 + 0.02 * x  # noqa: E731
    mean, spread, noise = 0.45, 0.2, 0.02
    text = case(
        loss="1.5*x**2*(x**2 - 1)**2 + 0.02*x", mean=mean, spread=spread, noise=noise, cells=48, times=[0.1, 1.0]
    )
    found, _ = split(shared_folder, text)
    slopes = np.polynomial.Polynomial([0.02, 3.0, 0.0, -12.0, 0.0, 9.0])
    low, first, middle, second, high = sorted(float(root.real) for root in slopes.roots())
    over_first = rising(third, noise, (low + RADIUS, middle - RADIUS))
    over_second = rising(third, noise, (middle + RADIUS, high - RADIUS))
    shares = [
        1.0 - share_of(over_first, mean, spread),
        share_of(lambda x: over_first(x) - over_second(x), mean, spread),
        share_of(over_second, mean, spread),
    ]
    assert values(found, "committor") == pytest.approx(shares, abs=2e-5)
    cuts = special.ndtr((np.array([first, second]) - mean) / spread)
    assert values(found, "deterministic") == pytest.approx([cuts[0], cuts[1] - cuts[0], 1.0 - cuts[1]], abs=1e-5)


def test_without_separate_time_scales_there_is_no_plateau(shared_folder: Path) -> None:
    """D = 0.3 against a barrier of 1/4: mass leaves while it still comes to rest."""
    found, _ = split(shared_folder, case(noise=0.3))
    assert not found["plateau"]["exists"]
    assert "not below 0.01" in found["plateau"]["why"]
    for basin in found["basins"]:
        assert basin["plateau"].value is None
        assert basin["plateau"].why == found["plateau"]["why"]
        assert basin["final"].value == pytest.approx(basin["stationary"].value, rel=1e-6)


def test_the_plateau_is_where_masses_move_least() -> None:
    """Masses that rise to 0.4 within 1 and leave within 1e6: found between, and as long as nothing has moved by 1 %."""
    times = np.geomspace(1e-2, 1e8, 201)
    first = 0.4 * (1.0 - np.exp(-times)) * np.exp(-times / 1e6)
    masses = np.stack([first, 1.0 - first], axis=1)
    found = plateau(times, masses, np.full(201, np.nan), 5.0, 1e6)
    assert 10.0 < times[found.row] < 1e5
    assert first[found.first] > 0.39
    assert abs(first[found.last] - 0.39) < 0.005
    assert found.drift <= 0.01 + 1e-12
    with pytest.raises(NoPlateau, match=r"later evolution\.end_time"):
        plateau(times[:20], masses[:20], np.full(20, np.nan), 5.0, 1e6)
    with pytest.raises(NoPlateau, match=r"more evolution\.output_times"):
        plateau(np.array([1e-2, 1e7]), masses[:2], np.full(2, np.nan), 5.0, 1e6)


def test_all_shares_of_every_row_add_up_to_one(shared_folder: Path) -> None:
    """At every time, by every definition."""
    found, given = split(shared_folder, case())
    watcher = evolution_of(given).watched["splitting"]
    assert isinstance(watcher, MassWatcher)
    rows = watcher.rows
    assert rows[:, 0].tolist() == [0.0, *TIMES]
    assert rows[:, 1:3].sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-9)
    assert rows[:, 3:5].sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-9)
    assert (np.diff(rows[:, 5]) < 0.0).all()  # less and less is undecided
    for stage in (*STAGES, "predicted", "stationary_committor", "stationary_chain"):
        assert sum(values(found, stage)) == pytest.approx(1.0, abs=1e-9 if stage != "deterministic" else 1e-5), stage


def test_noise_in_one_direction(shared_folder: Path) -> None:
    """D = diag(d, 0), singular: x goes its own way and has the masses of one dimension, while y falls to 0."""
    text = f"""[domain]
lower = [-{WALL}, -1.2]
upper = [{WALL}, 1.2]
cells = [16, 12]
[loss]
expression = "{TWO_WELLS.format(tilt=TILT)} + y**2/4"
[noise]
diffusion = [["{NOISE}", "0"], ["0", "0"]]
[evolution]
initial = {{ gaussian = {{ mean = [{MEAN}, 0.1], std = {SPREAD} }} }}
output_times = [0.3, 1.0]
[splitting]
radius = {RADIUS}
"""
    found, _ = split(shared_folder, text)
    _, saddle, _ = critical()
    density = exact.in_one_dimension(loss, slope, NOISE, (-WALL, WALL), (MEAN, SPREAD))
    x = np.linspace(saddle, WALL, 4001)
    assert values(found, "deterministic")[0] == pytest.approx(special.ndtr((saddle - MEAN) / SPREAD), abs=1e-3)
    assert values(found, "final")[1] == pytest.approx(float(integrate.simpson(density(1.0, x), x=x)), abs=1e-3)
    assert sum(values(found, "committor")) == pytest.approx(1.0, abs=1e-8)


def same(one: Sequence[float], other: Sequence[float], stage: str) -> None:
    assert list(one) == pytest.approx(list(other), abs=1e-5), stage


def test_a_mirror_image_has_the_shares_exchanged(shared_folder: Path) -> None:
    one, _ = split(shared_folder, case())
    other, _ = split(shared_folder, case(mean=-MEAN, loss=TWO_WELLS.format(tilt=-TILT)))
    for stage in STAGES:
        same(values(one, stage), values(other, stage)[::-1], stage)


def test_units_of_length_and_time_change_no_share(shared_folder: Path) -> None:
    """x -> 2 x and t -> t/3: the loss becomes 12 f(x/2), D twelve times as large."""
    one, _ = split(shared_folder, case())
    text = case(
        low=-2 * WALL,
        high=2 * WALL,
        loss=f"12*((x**2/4 - 1)**2/4 + {TILT}*x/2)",
        noise=12 * NOISE,
        mean=2 * MEAN,
        spread=2 * SPREAD,
        times=[time / 3 for time in TIMES],
        radius=2 * RADIUS,
    )
    other, _ = split(shared_folder, text)
    for stage in STAGES:
        same(values(one, stage), values(other, stage), stage)
    assert values(other, "escape_time") == pytest.approx([time / 3 for time in values(one, "escape_time")], rel=1e-6)
    assert other["plateau"]["from"] == pytest.approx(one["plateau"]["from"] / 3)
