"""Walkers of the diffusion against exact formulas: of Euler's scheme, of exit times, of singular noise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scenes import case_of, lifetimes, moments
from scipy.integrate import quad

from fpsolver.case import load
from fpsolver.simulation.crossing import Crossing
from fpsolver.simulation.lifetimes import Lifetimes
from fpsolver.simulation.moments import Z99, share
from fpsolver.simulation.paths import INSIDE
from fpsolver.simulation.starts import start_from
from fpsolver.simulation.streams import stream
from fpsolver.simulation.tensor import root
from fpsolver.simulation.walls import Walls

CASES = Path(__file__).parents[2] / "cases"
LINE = (
    '[domain]\nlower = [-9.0]\nupper = [9.0]\ncells = [20]\n[loss]\nexpression = "x**2/2"\n[noise]\ndiffusion = 0.5\n'
)
SURE = 4.5 / Z99
"""Half widths of 99 % in 4.5 standard errors: a right number misses once in 150,000 times."""


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_roots_of_singular_noise_are_exact(rank: int) -> None:
    """Among them points without any noise, where Cholesky would divide by zero."""
    random = np.random.default_rng(1)
    half = random.normal(size=(3, rank, 200)) * (np.arange(200) > 3)
    half[0, :, :50] = 0.0  # no noise in the first coordinate
    full = np.einsum("ikn,jkn->ijn", half, half)
    lower = np.array([[np.broadcast_to(entry, 200) for entry in row] for row in root(tuple(map(tuple, full)))])
    again = np.einsum("ikn,jkn->ijn", lower, lower)
    assert np.abs(again - 2.0 * full).max() < 1e-6 * np.abs(full).max()
    assert np.abs(np.triu(lower.transpose(2, 0, 1), 1)).max() == 0.0


def test_means_and_variances_are_those_of_the_scheme(tmp_path: Path) -> None:
    """x_n of dX = -X dt + dW by Euler: mean (1 - h)^n x_0 and variance h Σ (1 - h)^2k, for a step far from 0."""
    text = LINE + "[evolution]\ninitial = { point = [1.0] }\noutput_times = [1.0, 3.0]\n"
    h = 0.1
    for found, steps in zip(moments(case_of(tmp_path, text), h, 40_000), (10, 30), strict=True):
        mean, variance = (1 - h) ** steps, h * sum((1 - h) ** (2 * k) for k in range(steps))
        assert abs(found.mean[0].value - mean) < SURE * found.mean[0].half
        assert abs(found.covariance[0][0].value - variance) < SURE * found.covariance[0][0].half
        assert found.covariance[0][0].half == pytest.approx(Z99 * variance * math.sqrt(2 / 40_000), rel=0.05)


def test_noise_follows_a_schedule(tmp_path: Path) -> None:
    """Without drift the variance is 2 D times the integral of the factor, 1 until t = 1 and 3 from then on."""
    text = LINE.replace('"x**2/2"', '"0*x"') + "[evolution]\ninitial = { point = [0.0] }\noutput_times = [0.5, 2.0]\n"
    text += "[schedule]\ndiffusion = { piecewise = [[0.0, 1.0], [1.0, 3.0]] }\n"
    for found, variance in zip(moments(case_of(tmp_path, text), 0.1, 20_000), (0.5, 4.0), strict=True):
        assert abs(found.covariance[0][0].value - variance) < SURE * found.covariance[0][0].half


def test_walls_push_back_along_the_noise(tmp_path: Path) -> None:
    """Beyond x = 1 a walker goes back along D n, which takes y with it; where no noise is across, it stays there."""
    text = '[domain]\nlower = [-1.0, -1.0]\nupper = [1.0, 1.0]\ncells = [4, 4]\n[loss]\nexpression = "x"\n'
    text += '[noise]\ndiffusion = [["1", "0.5"], ["0.5", "1"]]\n'
    walls, random = Walls(case_of(tmp_path, text)), np.random.default_rng(1)
    points = np.array([[1.1, -1.2], [0.0, 0.3]])
    walls.contain(points, None, ((1.0, 0.5), (0.5, 1.0)), 0.1, random)
    assert points == pytest.approx(np.array([[0.9, -0.8], [-0.1, 0.5]]))
    points = np.array([[1.1], [0.3]])
    walls.contain(points, None, ((0.0, 0.0), (0.0, 1.0)), 0.1, random)
    assert points == pytest.approx(np.array([[1.0], [0.3]]))


EXIT = LINE + '[regions]\nmiddle = "x < 1 and x > -1"\n[[exit]]\nregion = "middle"\nstart = [[0.0]]\n'


def mean_exit() -> float:
    """E τ from 0 for dX = -X dt + dW and |x| < 1, by quadrature."""
    inner = lambda y: quad(lambda v: math.exp(-v * v), 0.0, y)[0]  # noqa: E731
    return float(quad(lambda y: 2.0 * math.exp(y * y) * inner(y), 0.0, 1.0)[0])


def test_exit_times_converge_at_first_order_with_bridges_and_half_without(tmp_path: Path) -> None:
    """What steps of h and 2h differ by falls like the error, and has next to no noise of its own."""
    case, exact, steps, walkers = case_of(tmp_path, EXIT), mean_exit(), (0.1, 0.0125), 40_000
    order, last = {}, {}
    for bridge in (True, False):
        found = [lifetimes(case, step, 60.0, walkers, bridge=bridge) for step in steps]
        means = [[each.mean for each in pair if each.mean is not None] for pair in found]
        apart = [abs(coarse.value - fine.value) for fine, coarse in means]
        order[bridge] = math.log(apart[0] / apart[1]) / math.log(steps[0] / steps[1])
        last[bridge] = abs(means[-1][0].value - exact), means[-1][0].half
    assert order[True] > 0.9
    assert 0.35 < order[False] < 0.7
    assert last[True][0] < last[True][1] + 2.0 * steps[1]
    assert last[False][0] > 5.0 * last[False][1]


def test_edges_without_noise_across_are_met_by_ends_alone(tmp_path: Path) -> None:
    """No bridge, and the time is where the chord crosses."""
    case = case_of(tmp_path, EXIT)
    edge = Crossing(case.regions["middle"].level, ("x",))
    before, after = edge.standing(np.array([[0.5, 0.99]])), edge.standing(np.array([[1.5, 0.99]]))
    places, shares = edge.left(before, after, ((0.0,),), 0.1, np.random.default_rng(1))
    assert list(places) == [0]
    assert shares[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "start", "exact", "step"),
    [("rank_one_escape", 0, 13.648907, 0.02), ("kinetic_escape", 0, 21.864445, 0.02)],
)
def test_exit_times_of_singular_noise(name: str, start: int, exact: float, step: float) -> None:
    """Reference values of the shipped cases, within three standard errors and the error of the step."""
    fine, coarse = lifetimes(load(CASES / f"{name}.toml"), step, 400.0, 4_000)
    assert fine.mean is not None
    assert coarse.mean is not None
    assert fine.exits == fine.walkers
    assert abs(fine.mean.value - exact) < 3.0 / Z99 * fine.mean.half + abs(coarse.mean.value - fine.mean.value)


def test_censored_times_are_estimated_from_exposure() -> None:
    """Exponential times that are cut at their mean: 37 % never leave, and the mean is still found."""
    times = np.random.default_rng(1).exponential(2.0, 20_000)
    found = Lifetimes.of(np.where(times < 2.0, times, INSIDE), 2.0, (1.0,))
    assert found.censored == pytest.approx(math.exp(-1.0), abs=0.02)
    assert found.mean is not None
    assert abs(found.mean.value - 2.0) < SURE * found.mean.half
    assert found.deviation is None
    assert found.survival[1.0].value == pytest.approx(math.exp(-0.5), abs=0.02)
    nobody = Lifetimes.of(np.full(100, INSIDE), 2.0, ())
    assert nobody.mean is None
    assert nobody.least == pytest.approx(200.0 / math.log(100.0))


def test_a_share_of_none_has_an_interval() -> None:
    """No walker of 1000 in a region does not mean that nothing is there."""
    assert share(0.0, 1000).half == pytest.approx(Z99**2 / (1000 + Z99**2))


@pytest.mark.parametrize(
    ("initial", "mean", "variance"),
    [
        ("{ gaussian = { mean = [0.0], std = 100.0 } }", 0.0, 27.0),  # cut by the domain to a uniform density
        ('{ uniform = "right" }', 4.5, 6.75),
        ('{ expression = "max(x, 0)" }', 6.0, 4.5),
    ],
)
def test_walkers_start_from_the_initial_density(tmp_path: Path, initial: str, mean: float, variance: float) -> None:
    text = LINE + f'[regions]\nright = "x > 0"\n[evolution]\ninitial = {initial}\nend_time = 1.0\n'
    case = case_of(tmp_path, text)
    assert case.evolution is not None
    found = start_from(case.evolution.initial, case)(stream(1, 0, 0, 4), 40_000)[0]
    assert abs(found.mean() - mean) < 4.5 * math.sqrt(variance / 40_000)
    assert found.var() == pytest.approx(variance, rel=0.03)
