"""Survival curves against series, closed forms and the exponential of the matrix, from flat to metastable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import erfc, ndtr
from scipy.stats import norm

from fpsolver.generator.pinned import Pinned
from fpsolver.generator.slow import slow_modes
from fpsolver.linalg import SolveCount
from fpsolver.problems.exit.killed import killed
from fpsolver.problems.exit.starts import starts_of
from fpsolver.problems.exit.survival import survival
from tests.equations import Array, dense, gathered
from tests.problems.answers import Solved, solved
from tests.problems.cases import box
from tests.problems.settings import setting
from tests.problems.texts import brownian, leave, line, plane, regions

parallel = pytest.mark.parallel

LINE_WELLS = "(x**2 - 1)**2/4"
LEFT = regions(left="x < 0")
WALLS = '[boundary]\nabsorbing = "x < 0.01 or x > 0.99"\n'
NO_ERRORS = "[run]\nerrors = false\n"


@dataclass(frozen=True)
class Curve:
    """The table of an exit."""

    times: Array
    values: Array
    densities: Array


def curve(run: Solved, region: str) -> Curve:
    columns, rows = run.solution.record.tables[f"survival_{region}.csv"]
    count = (len(columns) - 1) // 2
    assert columns[:2] == ["time", "survival_1"]
    return Curve(rows[1:, 0], rows[1:, 1 : count + 1], rows[1:, count + 1 :])


def quantile(run: Solved, start: int, level: str) -> float:
    return float(run.exits[0]["starts"][start]["survival"]["quantiles"][level]["value"])


def at(times: Sequence[float] | Array) -> str:
    return f"times = {[float(time) for time in times]}\n"


def staying_between_walls(times: Array, x: float, d: float) -> Array:
    """P(tau > t) of sqrt(2 d) W in (0, 1): images for early times, Fourier's series for late ones."""
    odd = np.arange(1, 400, 2)
    late = (4 / (np.pi * odd) * np.sin(np.pi * odd * x) * np.exp(-d * (np.pi * odd) ** 2 * times[:, None])).sum(axis=1)
    shifts, spread = np.arange(-20, 21), np.sqrt(2 * d * times[:, None])
    images = [ndtr((1 - side * x - 2 * shifts) / spread) - ndtr((-side * x - 2 * shifts) / spread) for side in (1, -1)]
    return np.where(d * times < 0.05, (images[0] - images[1]).sum(axis=1), late)


@parallel
def test_brownian_motion_between_two_walls(shared_folder: Path) -> None:
    """Catches a projected start that leaks, a wrong first vector, and a space that is too small for early times or late
    ones: four decades of time, with relative accuracy down to 1e-12 of what is left."""
    d, starts = 0.5, [0.5, 0.3, 0.08]
    times = np.geomspace(1e-3, 5.5, 25)
    text = (
        brownian([0.0], [1.0], [40], d)
        + WALLS
        + regions(r="x < 2")
        + leave("r", *([x] for x in starts), more=at(times))
    )
    run = solved(shared_folder, text)
    found = curve(run, "r")
    exactly = np.column_stack([staying_between_walls(times, x, d) for x in starts])
    assert np.abs(found.values - exactly).max() < 1e-6
    assert (np.abs(found.values / exactly - 1.0) < 1e-6).all()
    assert exactly.min() < 1e-11
    step = 1e-4 * times
    slopes = [staying_between_walls(times - step, x, d) - staying_between_walls(times + step, x, d) for x in starts]
    assert found.densities == pytest.approx(np.array(slopes).T / (2 * step[:, None]), rel=1e-4, abs=1e-4)
    assert run.passed
    late = run.exits[0]["starts"][0]["survival"]["exponential"]
    assert late["slow_amplitude"]["value"] == pytest.approx(4 / np.pi, rel=1e-6)
    assert late["coefficient_of_variation"]["value"] == pytest.approx(np.sqrt(2 / 3), rel=1e-6)


def test_quantiles_of_a_start_beside_the_wall(shared_folder: Path) -> None:
    """Half of the paths leave within 1/50 of the mean time: catches times that begin too late, and quantiles by
    interpolation in a table. Before a path is far, there is one wall: P(tau < t) = erfc(x / 2 sqrt(d t))."""
    x, d = 0.02, 0.5
    text = brownian([0.0], [1.0], [80], d) + WALLS + regions(r="x < 2") + leave("r", [x])
    run = solved(shared_folder, text)
    for level in (0.05, 0.25, 0.5):
        z = norm.isf(level / 2) / np.sqrt(2)
        assert erfc(z) == pytest.approx(level)
        assert quantile(run, 0, f"{level:g}") == pytest.approx((x / (2 * z)) ** 2 / d, rel=1e-3)
    found = curve(run, "r")
    assert (np.diff(found.values[:, 0]) <= 1e-6).all()
    assert found.values.max() <= 1.0 + 1e-4
    assert found.values.min() >= -1e-12
    assert run.passed


def by_the_matrix(folder: Path, text: str, times: Array) -> tuple[Array, Array, int]:
    """S from the starts at times that double, by the program and by the exponential of M^-1 K; number of slow modes."""
    world = setting(folder, text + NO_ERRORS)
    wanted = world.case.exits[0]
    problem = killed(world, wanted)
    starts = [start.functional for start in starts_of(world, wanted, problem)]
    generator, count = problem.generator, SolveCount()
    inverse = Pinned(generator, problem.fixed, problem.pins, "exit", count)
    found = survival(inverse, problem.fixed, None, starts, count, lambda: None)(times)
    free = ~problem.fixed
    mass = dense(generator.mass)[np.ix_(free, free)]
    rates = np.linalg.solve(mass, dense(generator.stiffness)[np.ix_(free, free)])
    left = np.linalg.solve(mass, gathered(generator.total)[free])
    step, rows = expm(-times[0] * rates), []
    for _ in times:
        rows.append([gathered(start)[free] @ (step @ left) for start in starts])
        step = step @ step
    return found, np.array(rows), slow_modes(inverse).size


THREE = "4*(x**2 - 1)**2*(x**2 - 0.1*x + 0.02)"

ODD = '[["0.1", "0.1"], ["0.1", "0.1"]]'
MATRICES = {
    "quickly": (line(LINE_WELLS, 0.2) + LEFT + leave("left", [-1.0], [-0.3]), 0, 1e-8),
    "slowly": (line(LINE_WELLS, 0.02) + LEFT + leave("left", [-1.0], [-0.2]), 1, 1e-7),
    "two wells": (line(THREE, 0.1, 60, (-1.6, 1.6)) + regions(r="x < 0.5") + leave("r", [-1.0], [0.1], [0.4]), 2, 1e-7),
    "rank one": (
        plane("(x**2 - 1)**2/4 + 2*(y - x/2)**2", ODD, (4, 3), degree=2) + LEFT + leave("left", [-1, 0], [-0.5, 0.3]),
        0,
        1e-5,
    ),
    "outwards": (line("-x", 0.05, 40, (-1.0, 1.0)) + regions(r="x < 0.9") + leave("r", [-0.5], [0.7]), 0, 1e-6),
}


@pytest.mark.parametrize("name", MATRICES)
def test_curves_are_those_of_the_exponential_of_the_matrix(shared_folder: Path, name: str) -> None:
    """With and without slow modes, detailed balance, and wells: catches slow modes that are split off with a wrong
    factor or left in the rest, and a projection that does not converge."""
    text, slow, tolerance = MATRICES[name]
    times = np.array([0.02 * 2**i for i in range(12)])
    found, expected, modes = by_the_matrix(shared_folder, text, times)
    assert modes == slow
    assert np.abs(found - expected).max() < tolerance


@parallel
def test_a_metastable_well_forgets(shared_folder: Path) -> None:
    """Barrier of 25 nats: the law is exponential but for what leaves at once from near the edge, and that share is the
    committor of a line. Catches a slow mode that is normalised wrongly, and a table that shows nothing of the fall."""
    d = 0.01
    run = solved(shared_folder, line(LINE_WELLS, d, 80) + LEFT + leave("left", [-1.0], [-0.1]))
    well, edge = (start["survival"] for start in run.exits[0]["starts"])
    mean = run.means()
    assert well["exponential"]["distance"]["value"] < 1e-6
    assert well["median"]["value"] == pytest.approx(np.log(2) * mean[0], rel=1e-6)
    for level in (0.05, 0.95):
        assert quantile(run, 0, f"{level:g}") == pytest.approx(-np.log1p(-level) * mean[0], rel=1e-6)
    x = np.linspace(-1.0, 0.0, 200_001)
    scale = np.exp((x**2 - 1) ** 2 / (4 * d) - 1 / (4 * d))
    stays = scale[x >= -0.1].sum() / scale.sum()  # probability to reach the bottom of the well first
    assert edge["exponential"]["slow_amplitude"]["value"] == pytest.approx(stays, rel=1e-4)
    assert edge["exponential"]["distance"]["value"] == pytest.approx(1.0 - stays, abs=1e-3)
    assert run.rate() * mean[1] == pytest.approx(stays, rel=1e-4)
    found = curve(run, "left")
    assert found.times[0] < 0.1
    assert found.times[-1] == pytest.approx(10 * mean.max())
    assert ((found.values[:, 0] < 0.9) & (found.values[:, 0] > 0.1)).sum() >= 10
    assert ((found.values[:, 1] < 0.99) & (found.values[:, 1] > 1.001 * stays)).sum() >= 5
    assert run.passed


def test_times_beyond_all_bounds(shared_folder: Path) -> None:
    """Barrier of 125 nats, mean time 4e54, from the bottom and from where half of the paths leave at once."""
    run = solved(shared_folder, line(LINE_WELLS, 0.002) + LEFT + leave("left", [-1.0], [-0.4], [-0.02]))
    mean, found = run.means(), curve(run, "left")
    assert mean[0] == pytest.approx(4.31279e54, rel=1e-5)
    times = found.times[found.times > 1e50]
    late = found.values[found.times > 1e50]
    assert len(times) > 30
    assert np.abs(late[:, :2] / np.exp(-times / mean[0])[:, None] - 1.0).max() < 1e-9
    stays = run.exits[0]["starts"][2]["survival"]["exponential"]["slow_amplitude"]["value"]
    assert 0.1 < stays < 0.9
    assert np.abs(late[:, 2] / np.exp(-times / mean[0]) / stays - 1.0).max() < 1e-9
    assert mean[2] == pytest.approx(stays * mean[0], rel=1e-9)
    assert run.passed


def test_two_wells_of_very_different_depth(shared_folder: Path) -> None:
    """From the shallow one most paths leave within its own time, and a part goes down and stays 1e11 times longer.
    Catches a tail lost in round-off of the faster rate, and squaring that loses small chances."""
    text = line(THREE, 0.01, 80, (-1.6, 1.6)) + regions(r="x < 0.5") + leave("r", [-1.0], [0.05])
    run = solved(shared_folder, text)
    found, mean, rate = curve(run, "r"), run.means(), run.rate()
    shallow = run.exits[0]["starts"][1]["survival"]
    tail = shallow["exponential"]["slow_amplitude"]["value"]
    assert tail < 1e-10
    assert mean[0] * rate == pytest.approx(1.0, rel=1e-9)
    own = shallow["median"]["value"] / np.log(2)
    assert 1e4 * own < mean[0]
    between = (found.times > 100 * own) & (found.times < 1e-3 / rate)
    assert between.sum() > 5
    assert np.abs(found.values[between, 1] / tail - 1.0).max() < 1e-2
    assert mean[1] == pytest.approx(own + tail / rate, rel=1e-3)
    assert run.passed


def ornstein_uhlenbeck(x: float, times: Array, d: float, edge: float) -> Array:
    """P(tau > t) of dX = -X dt + sqrt(2 d) dW within (-edge, edge), by 400 Chebyshev points."""
    n = 400
    theta = np.pi * np.arange(n + 1) / n
    points = np.cos(theta)
    weights = np.where((np.arange(n + 1) == 0) | (np.arange(n + 1) == n), 2.0, 1.0) * (-1.0) ** np.arange(n + 1)
    gaps = points[:, None] - points[None, :] + np.eye(n + 1)
    first = np.outer(weights, 1.0 / weights) / gaps
    first -= np.diag(first.sum(axis=1))
    first /= edge
    generator = (d * first @ first - np.diag(edge * points) @ first)[1:-1, 1:-1]
    values, vectors = np.linalg.eig(generator)
    parts = np.linalg.solve(vectors, np.ones(n - 1))
    shares = 1.0 / weights / (x / edge - points)  # barycentric interpolation
    at_start = shares[1:-1] / shares.sum()
    return np.asarray(((at_start @ vectors) * parts @ np.exp(np.outer(values, times))).real)


def test_an_ornstein_uhlenbeck_process_leaves_on_both_sides(shared_folder: Path) -> None:
    """Against a spectral solution. Catches an exit set of which one end is forgotten."""
    d, edge, x = 0.3, 1.2, 0.35
    times = np.geomspace(0.05, 30.0, 15)
    text = line("x**2/2", d, 30) + regions(r=f"max(x - {edge}, -{edge} - x) < 0") + leave("r", [x], more=at(times))
    run = solved(shared_folder, text)
    assert np.abs(curve(run, "r").values[:, 0] - ornstein_uhlenbeck(x, times, d, edge)).max() < 1e-6
    assert run.passed


def test_paths_that_never_leave(shared_folder: Path) -> None:
    """dX = -X dt + sqrt(2 a) X dW: log X is Brownian with a drift, so the law is inverse Gaussian of mass x^(1 + 1/a).
    Catches a curve that tends to 0, quantiles of what never happens, and exit probabilities that do not add up."""
    a, x = 0.2, 0.9
    times = np.geomspace(0.003, 10.0, 15)
    text = line("x**2/2", f"{a}*x**2", 60, (0.0, 1.2)) + regions(r="x < 1") + leave("r", [x], [0.7], more=at(times))
    run = solved(shared_folder, text)
    distance, drift, spread = -np.log(x), 1.0 + a, np.sqrt(2 * a * times)
    left = ndtr((-distance - drift * times) / spread)
    left += np.exp(-2 * drift * distance / (2 * a)) * ndtr((-distance + drift * times) / spread)
    assert np.abs(1.0 - left - curve(run, "r").values[:, 0]).max() < 1e-5
    start = run.exits[0]["starts"][0]
    never = 1.0 - x ** (1 + 1 / a)
    assert start["survival"]["never"]["value"] == pytest.approx(never, rel=1e-6)
    assert sum(part["value"] for part in start["leaves_into"].values()) == pytest.approx(1.0 - never, rel=1e-6)
    assert start["survival"]["quantiles"]["0.95"]["infinite"]
    assert "caught" in start["survival"]["quantiles"]["0.95"]["why"]
    median = start["survival"]["median"]["value"]
    assert np.interp(median, times, 1.0 - left) == pytest.approx(0.5, abs=0.01)
    assert run.passed


def kinetic(cells: int, temperature: float) -> str:
    noise = f'[noise]\ndiffusion = [["0", "0"], ["0", "{temperature}"]]\n'
    potential = f'potential = "((x**2 - 1)**2/4 + p**2/2)/{temperature}"\n'
    domain = box([-2.5, -3.0], [2.5, 3.0], [cells, cells]) + 'coordinates = ["x", "p"]\n'
    return domain + '[discretization]\ndegree = 4\n[drift]\nextra = ["p", "-(x**3 - x) - p"]\n' + noise + potential


@parallel
def test_a_particle_with_inertia(shared_folder: Path) -> None:
    """Noise in the momentum alone: nothing leaves before a path has come from -1 to 0; later the law is exponential.
    Catches growing modes of the projected matrix, and a curve with the noise of corners that are never visited."""
    times = [0.05, 0.2, 0.5, 40.0, 80.0, 160.0]
    run = solved(shared_folder, kinetic(8, 0.2) + LEFT + leave("left", [-1.0, 0.0], more=at(times)))
    found = curve(run, "left").values[:, 0]
    assert np.abs(found[:3] - 1.0).max() < 1e-4
    rates = -np.diff(np.log(found[3:])) / np.diff(times[3:])
    assert rates == pytest.approx(run.rate(), rel=1e-5)
    assert run.passed


def test_spread_starts_are_mixtures(shared_folder: Path) -> None:
    """From a density the curve is the mean of those from its points: catches a density that starts elsewhere."""
    times = [0.3, 1.0, 10.0, 100.0]
    spread = "initial = { gaussian = { mean = [-0.5], std = 0.05 } }\n"
    text = line(LINE_WELLS, 0.1, 40) + LEFT
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    points = [[-0.5 + 0.05 * node] for node in nodes]
    run = solved(shared_folder, text + leave("left", *points, more=at(times) + spread))
    found = curve(run, "left").values
    assert found[:, :-1] @ (weights / weights.sum()) == pytest.approx(found[:, -1], abs=1e-5)


def test_exits_from_one_region_have_tables_of_their_own(shared_folder: Path) -> None:
    """Catches a table that takes the place of another, and starts that are mixed up."""
    text = (
        line(LINE_WELLS, 0.2, 20) + LEFT + leave("left", [-1.0], more=at([1.0])) + leave("left", [-0.2], more=at([1.0]))
    )
    run = solved(shared_folder, text)
    names = [entry["tables"]["survival"] for entry in run.exits]
    assert names == ["survival_left.csv", "survival_left_2.csv"]
    first, second = (run.solution.record.tables[name][1][1, 1] for name in names)
    assert first > 2 * second
