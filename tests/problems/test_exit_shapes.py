"""Regions of all shapes, walls that absorb, and starts spread over a density: Brownian motion in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import special

from tests.equations import Array, orders
from tests.problems.answers import Solved, solved
from tests.problems.texts import brownian, leave, line, plane, regions

parallel = pytest.mark.parallel

D = 0.3
ZERO = float(special.jn_zeros(0, 1)[0])


def moments(run: Solved, start: int = 0) -> list[float]:
    return [entry["value"] for entry in run.exits[0]["starts"][start]["moments"]]


def interval_moments(x: float, count: int) -> list[float]:
    """E[tau^k] out of (-1, 1) with 2 D = 1: solutions of u'' = -2 k u_{k-1}, as polynomials."""
    previous, found = np.polynomial.Polynomial([1.0]), []
    for k in range(1, count + 1):
        bent = (-2.0 * k * previous).integ(2)
        previous = bent - (bent(1.0) + bent(-1.0)) / 2 - (bent(1.0) - bent(-1.0)) / 2 * np.polynomial.Polynomial([0, 1])
        found.append(float(previous(x)))
    return found


def test_brownian_motion_in_an_interval(shared_folder: Path) -> None:
    """Four moments, the escape rate pi^2 D / L^2 and the quasi-stationary cosine. Catches a factor k or k! in the
    recursion, D in place of 2 D, and densities that are not of unit mass. The ends are no nodes of the given mesh."""
    text = brownian([-1.0], [2.0], [13], D) + regions(r="(x + 0.45)*(x - 1.55) < 0")
    run = solved(shared_folder, text + leave("r", [0.3], [1.2], more="moments = 4\n"))
    for start, x in enumerate((0.3, 1.2)):
        scale = 1.0 / (2 * D)
        expected = [m * scale ** (k + 1) for k, m in enumerate(interval_moments(x - 0.55, 4))]
        assert moments(run, start) == pytest.approx(expected, rel=1e-6)
        assert run.variances()[start] == pytest.approx(expected[1] - expected[0] ** 2, rel=1e-6)
    assert run.rate() == pytest.approx(np.pi**2 * D / 4, rel=1e-7)
    points, density = run.field("quasi_stationary_density_r")
    x = points[:, 0] - 0.55
    inside = np.abs(x) < 1
    assert density == pytest.approx(np.where(inside, np.pi / 4 * np.cos(np.pi / 2 * x), 0.0), abs=1e-6)
    assert run.field("exit_time_r")[1] == pytest.approx(np.where(inside, (1 - x**2) / (2 * D), 0.0), abs=1e-9)
    assert run.passed


@parallel
def test_brownian_motion_in_a_disc(shared_folder: Path) -> None:
    """Catches straight edges in place of curved ones (an error of 1e-2), and a rate that is one over the mean time:
    exactly it is j0^2 D / R^2 with the zero of a Bessel function, and the density J0."""
    text = brownian([-1.2, -1.1], [1.2, 1.3], [12, 12], D) + regions(r="x**2 + y**2 < 1")
    run = solved(shared_folder, text + leave("r", [0.3, 0.2], [0, 0]))
    assert run.means() == pytest.approx([0.87 / (4 * D), 1 / (4 * D)], rel=2e-5)
    assert run.variances()[1] == pytest.approx(1 / (32 * D**2), rel=5e-5)
    assert run.rate() == pytest.approx(ZERO**2 * D, rel=2e-5)
    points, density = run.field("quasi_stationary_density_r")
    r = np.minimum(np.hypot(*points.T), 1.0)
    assert density == pytest.approx(special.j0(ZERO * r) * ZERO / (2 * np.pi * special.j1(ZERO)), abs=2e-5)
    assert run.passed


@pytest.mark.parametrize(("degree", "order"), [(2, 3.0), (4, 3.5)])
def test_curved_edges_do_not_spoil_the_order(shared_folder: Path, degree: int, order: float) -> None:
    """Edges of degree 2 miss the circle by h^4 in the mean; straight ones by h^2, whatever the elements."""

    def error(cells: int) -> float:
        text = brownian([-1.2, -1.2], [1.2, 1.2], [cells] * 2, D, degree) + regions(r="x**2 + y**2 < 1")
        return abs(float(solved(shared_folder, text + leave("r", [0.3, 0.2])).means()[0]) * 4 * D / 0.87 - 1.0)

    found = [error(cells) for cells in (8, 16, 32)]
    assert orders([found[0], found[-1]])[0] / 2 > order - 0.5, found


def test_an_annulus_is_left_through_both_rims(shared_folder: Path) -> None:
    """R8. Catches 'and' taken as 'or', and an inner rim that nothing leaves through (then it takes four times as
    long)."""
    region = regions(ring="x**2 + y**2 < 4 and x**2 + y**2 > 0.25")
    text = brownian([-2.1, -2.1], [2.1, 2.1], [22, 22], D) + region + leave("ring", [1, 0], [0.6, -0.8], [0.9, 1.2])
    run = solved(shared_folder, text)
    r = np.array([1.0, 1.0, 1.5])
    expected = (4 - r**2 - 3.75 * np.log(2 / r) / np.log(4)) / (4 * D)
    assert run.means() == pytest.approx(expected, rel=1e-4)
    assert expected[0] == pytest.approx(0.9375)
    assert run.passed


def test_a_region_of_two_parts(shared_folder: Path) -> None:
    """Two discs, no way from one to the other: each has its own times, and the larger one the escape rate. Catches
    'or' taken as 'and', and one part that is pinned for both."""
    region = regions(r="(x - 1)**2 + y**2 < 0.64 or (x + 1)**2 + y**2 < 0.36")
    text = brownian([-2, -1], [2, 1], [32, 16], D) + region + leave("r", [1, 0], [-1, 0], [-1.3, 0.2])
    run = solved(shared_folder, text)
    assert run.means() == pytest.approx(np.array([0.64, 0.36, 0.36 - 0.13]) / (4 * D), rel=2e-4)
    assert run.rate() == pytest.approx(ZERO**2 * D / 0.64, rel=2e-4)


def test_walls_that_absorb(shared_folder: Path) -> None:
    """The walls are exits only where the case says so. Catches walls that absorb everywhere or nowhere, and a rim of
    the exit set that is missing in the corners."""
    everything = regions(all="x < 10")

    def found(lower: list[float], cells: list[int], absorbing: str, *starts: list[float]) -> Solved:
        text = brownian(lower, [2.0, 1.0][: len(lower)], cells, D) + f'[boundary]\nabsorbing = "{absorbing}"\n'
        return solved(shared_folder, text + everything + leave("all", *starts))

    run = found([0.0], [20], "x < 1", [0.5], [1.5])
    assert run.means() == pytest.approx([x * (4 - x) / (2 * D) for x in (0.5, 1.5)], rel=1e-9)
    assert run.rate() == pytest.approx(np.pi**2 * D / 16, rel=1e-9)
    run = found([0.0, 0.0], [12, 6], "abs(x - 1) > 0.999999", [0.5, 0.3], [1.5, 0.8])
    assert run.means() == pytest.approx([0.375 / D, 0.375 / D], rel=1e-6)
    assert run.rate() == pytest.approx(np.pi**2 * D / 4, rel=1e-6)
    run = found([0.0, 0.0], [12, 6], "x < 10", [1.0, 0.5], [0.5, 0.3])
    assert run.means() == pytest.approx([in_a_rectangle(1.0, 0.5), in_a_rectangle(0.5, 0.3)], rel=2e-6)
    assert run.rate() == pytest.approx(1.25 * np.pi**2 * D, rel=1e-7)


def in_a_rectangle(x: float, y: float) -> float:
    """Mean time out of (0, 2) x (0, 1), a double sine series."""
    m, n = np.meshgrid(np.arange(1, 600, 2), np.arange(1, 600, 2))
    terms = np.sin(m * np.pi * x / 2) * np.sin(n * np.pi * y) / (m * n * (m**2 / 4 + n**2))
    return float(16 / (np.pi**4 * D) * terms.sum())


def test_an_absorbing_wall_is_an_exit_like_any_other(shared_folder: Path) -> None:
    """The same set as the end of a region and as a wall."""
    model = plane("(x**2 - 1)**2/4 + 2*(y - x/2)**2", '[["0.1", "0.06"], ["0.06", "0.1"]]', (16, 12))
    inside = solved(shared_folder, model + regions(left="x < 0") + leave("left", [-1, -0.5]))
    model = model.replace("upper = [2.0, 1.5]", "upper = [0.0, 1.5]").replace("[16, 12]", "[8, 12]")
    model += '[boundary]\nabsorbing = "x > -1e-9"\n' + regions(left="x < 9")
    walled = solved(shared_folder, model + leave("left", [-1, -0.5]))
    assert walled.means()[0] == pytest.approx(inside.means()[0], rel=1e-4)


def test_a_start_spread_over_a_density_is_the_mean_over_its_points(shared_folder: Path) -> None:
    """Moments are linear in the start, the variance is not: points leave at different times, which the law of total
    variance adds. Catches a density that is not of unit mass, and one that is weighted by w."""
    model = plane("(x**2 - 1)**2/4 + 2*(y - x/2)**2", '[["0.1", "0.06"], ["0.06", "0.1"]]', (14, 10))
    nodes, weights = np.polynomial.hermite_e.hermegauss(7)
    weights = np.outer(weights, weights).ravel() / (2 * np.pi)
    points = [[-1 + 0.15 * a, -0.5 + 0.15 * b] for a in nodes for b in nodes]
    spread = "initial = { gaussian = { mean = [-1.0, -0.5], std = 0.15 } }\n"
    text = model + regions(left="x < 0") + leave("left", *points) + f'[[exit]]\nregion = "left"\n{spread}'
    run = solved(shared_folder, text)
    mean = weights @ run.means(0)
    total = weights @ run.variances(0) + weights @ (run.means(0) - mean) ** 2
    (entry,) = run.exits[1]["starts"]
    assert entry["initial"] == "gaussian"
    assert entry["point"] == pytest.approx([-1.0, -0.5], abs=1e-9)
    assert run.means(1)[0] == pytest.approx(mean, rel=1e-6)
    assert run.variances(1)[0] == pytest.approx(total, rel=1e-5)
    assert run.means(1)[0] < run.means(0)[len(points) // 2] - 1e-3


def test_a_uniform_start(shared_folder: Path) -> None:
    """Over a part of an interval: the mean of a polynomial."""
    region = regions(r="x**2 < 1", part="(x + 0.2)*(x - 0.7) < 0")
    text = brownian([-1.5], [1.5], [30], D) + region + '[[exit]]\nregion = "r"\ninitial = { uniform = "part" }\n'
    expected = (0.9 - (0.7**3 + 0.2**3) / 3) / 0.9 / (2 * D)
    assert solved(shared_folder, text).means()[0] == pytest.approx(expected, rel=1e-7)


def test_exits_of_one_case_do_not_know_of_each_other(shared_folder: Path) -> None:
    """Catches meshes, wells or weights that are kept under a key which two regions share, and the order of answers."""
    every = regions(left="x < 0", disc="(x + 1)**2 + y**2 < 0.25", right="x > 0.3")
    exits = [leave("left", [-1, 0]), leave("disc", [-0.9, 0.1], [-1, 0]), leave("right", [1, 0.2])]
    model = plane("(x**2 - 1)**2/4 + 2*y**2 + 0.05*x", 0.015, (12, 10)) + every
    together = solved(shared_folder, model + "".join(exits))
    assert [entry["region"] for entry in together.exits] == ["left", "disc", "right"]
    for number, text in enumerate(exits):
        alone = solved(shared_folder, model + text)
        assert together.means(number) == pytest.approx(alone.means(), rel=1e-12)
        assert together.rate(number) == pytest.approx(alone.rate(), rel=1e-12)


def test_a_probe_outside_of_the_region_is_out_already(shared_folder: Path) -> None:
    """And inside it says the same as a start."""
    probes = "".join(f"[[probe]]\npoint = [{x}]\n" for x in (0.3, 1.2))
    text = line("", "0.3", 30, (-1.5, 1.5)) + '[drift]\nextra = ["0"]\n' + regions(r="x**2 < 1") + leave("r", [0.3])
    run = solved(shared_folder, text + probes)
    inside, outside = (entry["exit_time_r"] for entry in run.solution.answers["exit"].probes)
    assert (inside.value, outside.value) == (pytest.approx(run.means()[0], rel=1e-12), 0.0)


def test_escape_is_never_slower_from_a_smaller_region(shared_folder: Path) -> None:
    """Times grow with the region and rates fall. Their product is 1 where the escape is rare, 1.45 from the centre of a
    disc with noise alone."""
    radii = (0.5, 0.8, 1.1)
    every = regions(**{f"r{i}": f"x**2 + 2*y**2 < {r**2}" for i, r in enumerate(radii)})
    exits = "".join(leave(f"r{i}", [0.2, 0.1]) for i in range(3))
    run = solved(shared_folder, plane("x**2/2 + y**2 + x*y/3", 0.2, (18, 14), (1.5, 1.2)) + every + exits)
    means: Array = np.array([run.means(i)[0] for i in range(3)])
    rates = np.array([run.rate(i) for i in range(3)])
    assert (np.diff(means) > 0).all()
    assert (np.diff(rates) < 0).all()
    assert (means * rates < 1.6).all()
