"""Constants of balls in which they are known: parabolas, the double well, noise that grows from the minimum."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from fpsolver.model import build
from fpsolver.model.funnel import Funnel, best_radius, funnel
from tests.model.kinds import Write

PARABOLA = "[loss]\nexpression = '1.5*x**2 + 0.8*x*y + y**2'\n"
BENT = np.array([[3.0, 0.8], [0.8, 2.0]])
WELL = "[loss]\nexpression = '(x**2 - 1)**2/4'\n"


def constants(write: Write, text: str, centre: tuple[float, ...] = (0.0, 0.0), radius: float = 0.7) -> Funnel:
    found = funnel(build(write(text, len(centre))), np.array(centre), radius)
    assert isinstance(found, Funnel)
    return found


@pytest.mark.parametrize("turn", ["", "[drift]\nextra = ['-5*y', '5*x']\n"])
def test_a_parabola_pulls_with_its_smallest_eigenvalue(turn: str, write: Write) -> None:
    """A rotation neither pulls nor scatters; noise with other axes scatters by its trace."""
    found = constants(write, PARABOLA + turn + "[noise]\ndiffusion = [['0.3', '0.1'], ['0.1', '0.2']]\n")
    assert found.pull == pytest.approx(np.linalg.eigvalsh(BENT)[0], rel=1e-6)
    assert found.trace == found.still == pytest.approx(0.5, rel=1e-12)
    assert found.spread == pytest.approx(np.linalg.eigvalsh([[0.3, 0.1], [0.1, 0.2]])[1], rel=1e-12)
    assert found.growth == 0.0
    assert found.exponent == pytest.approx(found.pull * 0.49 / (2.0 * found.spread))


def test_noise_that_grows_is_split_where_the_floor_is_lowest(write: Write) -> None:
    """tr D = 0.02 + 0.3 |x|^2 in a parabola: T0 = 0.02 and T1 = 0.3, however large the ball."""
    noise = "[noise]\ndiffusion = '0.01 + 0.15*(x**2 + y**2)'\n"
    found = constants(write, PARABOLA + noise)
    assert (found.still, found.growth) == pytest.approx((0.02, 0.3), rel=1e-3)
    assert found.trace == pytest.approx(0.02 + 0.3 * 0.49, rel=1e-6)
    assert found.steepest is None
    assert not found.gathers


@pytest.mark.parametrize(("share", "gathers"), [(0.2, True), (1.2, False)])
def test_noise_that_vanishes_at_the_minimum_leaves_no_floor(share: float, gathers: bool, write: Write) -> None:
    """tr D = 2 s |x|^2: all comes to the minimum where 2 s is below the smallest eigenvalue."""
    found = constants(write, PARABOLA + f"[noise]\ndiffusion = '{share}*(x**2 + y**2)'\n")
    assert found.steepest == pytest.approx(2.0 * share, rel=1e-6)
    assert found.gathers == gathers
    assert (found.steepest < found.pull) == gathers
    if gathers:
        assert found.pairs[-1] == pytest.approx([np.linalg.eigvalsh(BENT)[0] - 2.0 * share, 0.0], rel=1e-5)


def test_the_ball_of_a_double_well_is_that_of_the_largest_exponent(write: Write) -> None:
    """lambda = (1 - R)(2 - R) in the ball of radius R around 1, so R^2 (1 - R)(2 - R) has to be largest."""
    model = build(write(WELL + "[noise]\ndiffusion = 0.1\n", 1))
    radius = best_radius(model, np.array([1.0]), 0.95)
    best = minimize_scalar(lambda r: -(r**2) * (1.0 - r) * (2.0 - r), bounds=(0.0, 1.0), method="bounded")
    assert radius is not None
    assert -best.fun == pytest.approx(radius**2 * (1.0 - radius) * (2.0 - radius), rel=2e-3)
    found = funnel(model, np.array([1.0]), radius)
    assert isinstance(found, Funnel)
    assert found.pull == pytest.approx((1.0 - radius) * (2.0 - radius), rel=1e-6)


def test_no_ball_pulls_around_a_maximum(write: Write) -> None:
    model = build(write(WELL + "[noise]\ndiffusion = 0.1\n", 1))
    assert best_radius(model, np.array([0.0]), 0.9) is None
    assert funnel(model, np.array([0.0]), 0.5) == pytest.approx(-1.0, rel=1e-5)


def test_constants_have_the_units_that_are_said(write: Write) -> None:
    """Lengths twice as large and a clock three times as fast: lambda and T1 are rates, T0 and delta diffusions."""
    text = "[loss]\nexpression = '{}'\n[noise]\ndiffusion = '{}'\n"
    here = constants(write, text.format("x**2 + x**3/5", "0.01 + 0.15*x**4"), (0.0,), 0.4)
    there = constants(write, text.format("3*(x**2 + x**3/10)", "12*(0.01 + 0.15*x**4/16)"), (0.0,), 0.8)
    assert [there.pull, there.growth] == pytest.approx([3.0 * here.pull, 3.0 * here.growth], rel=1e-3)
    assert [there.trace, there.spread, there.still] == pytest.approx(
        [12.0 * here.trace, 12.0 * here.spread, 12.0 * here.still], rel=1e-3
    )
