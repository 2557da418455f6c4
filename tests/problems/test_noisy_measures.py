"""Wasserstein distances against other programs and laws, and verdicts on differences that follow known laws."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from fpsolver.problems.noisy.verdict import Evidence, judge, left, order
from fpsolver.problems.noisy.wasserstein import Distance, gelbrich, wasserstein
from tests.equations import COMM, Array

parallel = pytest.mark.parallel


def apart(points: Array, one: Array, other: Array) -> Distance:
    """The distance of clouds whose points are spread over the ranks."""
    here = np.arange(len(points)) % COMM.size == COMM.rank
    return wasserstein(COMM, points[here], one[here] / one.sum(), other[here] / other.sum())


def bell(points: Array, mean: Array, width: float) -> Array:
    return np.asarray(np.exp(-((points - mean) ** 2).sum(axis=1) / (2 * width**2)))


def lattice(count: int, end: float = 3.0) -> Array:
    side = np.linspace(-end, end, count)
    return np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)


@parallel
@pytest.mark.parametrize("seed", range(4))
def test_clouds_on_a_line_against_scipy(seed: int) -> None:
    """Uneven points with rough masses: scipy lets masses sit at points, and the difference is within the bound."""
    drawn = np.random.default_rng(seed)
    x = np.sort(drawn.uniform(-2.0, 2.0, 2000))
    one, other = bell(x[:, None], np.array([-0.5]), 0.4), drawn.uniform(0.0, 1.0, 2000) * (x > 0.0)
    found = apart(x[:, None], one, other)
    exact = wasserstein_distance(x, x, one, other)
    assert abs(found.first - exact) <= found.bound
    assert found.first == pytest.approx(exact, rel=2e-3)


@parallel
def test_a_cloud_that_differs_along_one_axis_alone() -> None:
    """In the plane, but what has to be carried is the same on each line: the distance is that on a line."""
    points = lattice(41)
    across = np.exp(-(points[:, 1] ** 2))
    one, other = (across * bell(points[:, :1], np.array([m]), w) for m, w in ((-0.4, 0.5), (0.6, 0.8)))
    found = apart(points, one, other)
    exact = wasserstein_distance(points[:, 0], points[:, 0], one, other)
    assert found.first == pytest.approx(exact, abs=max(found.error, 1e-3))
    assert found.error < 0.1 * exact
    assert found.second >= found.first  # Jensen


@parallel
@pytest.mark.parametrize("shift", [(0.3, 0.0), (0.3, -0.45)])
def test_what_is_only_moved_is_as_far_as_it_was_moved(shift: tuple[float, float]) -> None:
    points = lattice(41)
    one, other = bell(points, np.zeros(2), 0.5), bell(points, np.array(shift), 0.5)
    found = apart(points, one, other)
    assert found.first == pytest.approx(float(np.hypot(*shift)), abs=max(found.error, 1e-3))
    assert found.error < 0.1 * found.first


@parallel
@pytest.mark.parametrize("d", [1, 2])
def test_a_distance_is_one(d: int) -> None:
    """Zero between equals, symmetric, with the triangle inequality, and twice as large in a space twice as wide."""
    points = lattice(21) if d == 2 else np.linspace(-3.0, 3.0, 201)[:, None]
    clouds = [bell(points, np.full(d, mean), width) for mean, width in ((0.0, 0.5), (0.8, 0.5), (0.3, 1.0))]
    assert apart(points, clouds[0], clouds[0]).first == pytest.approx(0.0, abs=1e-14)
    found = {(i, j): apart(points, clouds[i], clouds[j]) for i in range(3) for j in range(3) if i != j}
    for i, j in ((0, 1), (1, 2), (0, 2)):
        assert found[i, j].first == pytest.approx(found[j, i].first, rel=1e-9)
        k = 3 - i - j
        rest = found[i, k].first + found[k, j].first
        assert found[i, j].first <= rest + found[i, k].error + found[k, j].error
    assert apart(2.0 * points, clouds[0], clouds[2]).first == pytest.approx(2.0 * found[0, 2].first, rel=1e-9)


def test_gaussians_with_covariances_that_do_not_commute() -> None:
    """W2^2 = |m - n|^2 + tr(S + T - 2 (ST)^(1/2)), by eigenvalues of S T; for numbers it is |s - t|."""
    s, t = np.array([[2.0, 0.7], [0.7, 0.5]]), np.array([[0.6, -0.3], [-0.3, 1.5]])
    cross = np.sqrt(np.linalg.eigvals(s @ t).real).sum()
    exact = np.sqrt(1.25 + np.trace(s + t) - 2 * cross)
    assert gelbrich(np.array([1.0, 0.0]), s, np.array([0.0, 0.5]), t) == pytest.approx(exact, rel=1e-12)
    one = np.zeros(1)
    assert gelbrich(one, np.array([[4.0]]), one, np.array([[1.0]])) == pytest.approx(1.0)


LEVELS = [1e-1, 3e-2, 1e-2, 3e-3]
PAIRS = list(pairwise(LEVELS))


def falling(p: float, c: float = 0.7) -> list[float]:
    """Differences of c eps^p between the levels."""
    return [c * abs(a**p - b**p) if p else c * np.log(a / b) for a, b in PAIRS]


@pytest.mark.parametrize("p", [-0.5, 0.0, 0.5, 1.0, 2.0])
def test_the_order_and_what_is_left_of_a_power_law(p: float) -> None:
    assert order(PAIRS, falling(p)) == pytest.approx(p, abs=1e-6)
    rest = left(PAIRS[-1], falling(p)[-1], p)
    assert rest == (pytest.approx(0.7 * LEVELS[-1] ** p) if p > 0 else None)


def test_no_order_without_two_positive_differences() -> None:
    assert order(PAIRS[:1], [1.0]) is None
    assert order(PAIRS, [1.0, 0.0, 0.5]) is None


def evidence(l1: list[float], w1: list[float], codimension: float, walls: Callable[[float], float]) -> Evidence:
    concentration = [-0.5 * codimension * np.log(eps) for eps in LEVELS]
    return Evidence(PAIRS, l1, w1, concentration, [walls(eps) for eps in LEVELS], 4.0, 2)


@pytest.mark.parametrize(
    ("l1", "w1", "codimension", "walls", "kind", "words"),
    [
        (falling(1.0), falling(1.0), 0.0, 0.0, "density limit", "ε^1.00"),
        (falling(0.0), falling(0.5), 1.0, 0.0, "singular limit", "curves, of codimension 1"),
        (falling(0.0), falling(0.5), 2.0, 0.0, "singular limit", "points, of codimension 2"),
        (falling(0.0), falling(0.5), 1.5, 0.0, "singular limit", "codimension 1.50, in the mean"),
        (falling(0.0), falling(0.0), 1.0, 0.0, "none", "no limit is seen"),
        (falling(0.0), falling(0.5), 1.0, 0.2, "none", "escape"),
        (falling(0.02), falling(0.5), 0.02, 0.0, "undecided", "smaller values"),
        ([1e-9] * 3, falling(1.0), 0.0, 0.0, "density limit", "does not change any more"),
    ],
)
def test_verdicts(l1: list[float], w1: list[float], codimension: float, walls: float, kind: str, words: str) -> None:
    found = judge(evidence(l1, w1, codimension, lambda eps: walls * (1.0 - eps)))
    assert found.kind == kind
    assert words in found.why


def test_two_levels_decide_nothing() -> None:
    few = Evidence(PAIRS[:1], [0.1], [0.1], [0.0, 0.1], [0.0, 0.0], 4.0, 2)
    assert judge(few).kind == "undecided"
