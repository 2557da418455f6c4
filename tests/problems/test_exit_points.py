"""Where paths leave: against harmonic measures in closed form, on lines, discs, balls and between neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from tests.equations import Array
from tests.problems.answers import Solved, solved
from tests.problems.cases import box
from tests.problems.texts import WELLS, brownian, leave, line, plane, regions

parallel = pytest.mark.parallel

WALLS = '[boundary]\nabsorbing = "x < 0.01 or x > 0.99"\n'


def table(run: Solved, region: str) -> dict[str, Array]:
    """The columns of the table of an exit."""
    columns, rows = run.solution.record.tables[f"exit_points_{region}.csv"]
    return dict(zip(columns, rows.T, strict=True))


def into(entry: Any) -> dict[str, float]:
    return {name: part["value"] for name, part in entry["leaves_into"].items()}


def mean(entry: Any) -> list[float]:
    return [part["value"] for part in entry["exit_point"]["mean"]]


def covariance(entry: Any) -> Array:
    return np.array([[part["value"] for part in row] for row in entry["exit_point"]["covariance"]])


@parallel
def test_on_a_line_probabilities_are_linear(shared_folder: Path) -> None:
    """Brownian motion between walls and in a part of the interval: the two ends by the distance of the start. Catches a
    sign, an end that is forgotten, and a wall that counts as a neighbour."""
    text = brownian([0.0], [1.0], [20], 0.5) + WALLS + regions(all="x < 2", low="x < 0.4", high="x > 0.4 and x < 2")
    run = solved(shared_folder, text + leave("all", [0.3]) + leave("low", [0.3], [0.1]))
    found = table(run, "all")
    assert found["x"] == pytest.approx([0.0, 1.0], abs=1e-12)
    assert found["density_1"] == pytest.approx([0.7, 0.3], abs=1e-10)
    assert found["quasi_stationary"] == pytest.approx([0.5, 0.5], abs=1e-9)
    start = run.exits[0]["starts"][0]
    assert mean(start) == pytest.approx([0.3], abs=1e-10)
    assert covariance(start) == pytest.approx(np.array([[0.21]]), abs=1e-10)
    assert into(start) == pytest.approx({"boundary": 1.0})
    assert into(run.exits[1]["starts"][0]) == pytest.approx({"high": 0.75, "boundary": 0.25})
    assert into(run.exits[1]["starts"][1]) == pytest.approx({"high": 0.25, "boundary": 0.75})
    assert run.passed


def test_a_drift_favours_one_end(shared_folder: Path) -> None:
    """Scale function of an Ornstein-Uhlenbeck process on (-1, 1.5): catches K used for its transpose."""
    d, x = 0.4, 0.2
    run = solved(shared_folder, line("x**2/2", d) + regions(r="max(x - 1.5, -1 - x) < 0") + leave("r", [x]))
    points = np.linspace(-1.0, 1.5, 100_001)
    scale = np.exp(points**2 / (2 * d))
    right = scale[points <= x].sum() / scale.sum()
    assert table(run, "r")["density_1"] == pytest.approx([1.0 - right, right], abs=2e-5)


def poisson(points: Array, start: tuple[float, ...]) -> Array:
    """Harmonic measure of the unit disc per length, of the unit ball per area."""
    d = len(start)
    sphere = 2 * np.pi if d == 2 else 4 * np.pi
    return np.asarray((1 - np.dot(start, start)) / (sphere * np.linalg.norm(points - start, axis=1) ** d))


@parallel
def test_harmonic_measure_of_a_disc(shared_folder: Path) -> None:
    """Off the centre, on a curved edge, with neighbours that meet in the middle of facets. Catches chords for arcs,
    parts that are counted by whole facets, and an order along the edge that jumps."""
    starts = [(0.3, 0.4), (0.0, 0.0)]
    names = regions(disc="x*x + y*y < 1", up="x*x + y*y > 1 and y > 0.3*x", down="x*x + y*y > 1 and y < 0.3*x")
    text = brownian([-1.2, -1.2], [1.2, 1.2], [12, 12], 0.5) + names + leave("disc", *starts)
    run = solved(shared_folder, text)
    found = table(run, "disc")
    points = np.column_stack([found["x"], found["y"]])
    assert found["measure"].sum() == pytest.approx(2 * np.pi, rel=1e-5)
    angle = np.arctan2(0.3, 1.0) + np.pi * (np.arange(20_000) + 0.5) / 20_000
    above = np.column_stack([np.cos(angle), np.sin(angle)])
    for number, start in enumerate(starts):
        density = found[f"density_{number + 1}"]
        assert density == pytest.approx(poisson(points, start), abs=1e-3)
        assert density @ found["measure"] == pytest.approx(1.0, abs=1e-9)
        entry = run.exits[0]["starts"][number]
        assert mean(entry) == pytest.approx(start, abs=1e-9)  # coordinates are harmonic
        assert into(entry)["up"] == pytest.approx(poisson(above, start).mean() * np.pi, abs=1e-5)
        assert sum(into(entry).values()) == pytest.approx(1.0, abs=1e-9)
    spread = covariance(run.exits[0]["starts"][0])
    assert spread == pytest.approx((1 - 0.25) / 2 * np.eye(2), abs=1e-4)  # x^2 - y^2 and x y are harmonic too
    top = run.exits[0]["starts"][0]["exit_point"]["mode"]
    assert np.arctan2(top[1], top[0]) == pytest.approx(np.arctan2(0.4, 0.3), abs=0.1)
    assert (found["curve"] == 0).all()
    assert (np.diff(found["along"]) > 0).all()
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps == pytest.approx(np.diff(found["along"]), rel=1e-2)
    assert run.passed


def test_two_curves(shared_folder: Path) -> None:
    """A ring: probabilities of its circles go by logarithms of the radius, and each circle is a curve."""
    text = brownian([-1.2, -1.2], [1.2, 1.2], [12, 12], 0.5)
    text += regions(ring="max(x*x + y*y - 1, 0.1 - x*x - y*y) < 0", core="x*x + y*y < 0.1")
    run = solved(shared_folder, text + leave("ring", [0.5, 0.4]))
    inner = np.log(1 / np.hypot(0.5, 0.4)) / np.log(1 / np.sqrt(0.1))
    assert into(run.exits[0]["starts"][0]) == pytest.approx({"core": inner, "elsewhere": 1 - inner}, abs=1e-4)
    found = table(run, "ring")
    assert set(found["curve"]) == {0.0, 1.0}
    radius = np.hypot(found["x"], found["y"])
    for number, size in ((0, 1.0), (1, np.sqrt(0.1))):
        here = found["curve"] == number
        assert radius[here] == pytest.approx(size, rel=1e-3)
        assert found["measure"][here].sum() == pytest.approx(2 * np.pi * size, rel=1e-3)
        assert found["along"][here].max() < 2 * np.pi * size


@parallel
def test_the_saddle_is_where_a_well_is_left(shared_folder: Path) -> None:
    """The loss is a sum, so y at the exit has its stationary Gaussian. Overlapping neighbours are named together, and a
    region that holds both sides of the edge is none. Catches densities of too low a degree: the facets are wider than
    the Gaussian."""
    d = 0.05
    names = regions(left="x < 0", right="x > 0", up="x > 0 and y > 0.2", low="y < 2")
    run = solved(shared_folder, plane(WELLS, d, (16, 12)) + names + leave("left", [-1, 0]))
    start, settled = run.exits[0]["starts"][0], run.exits[0]["quasi_stationary"]
    above = norm.sf(0.2 / np.sqrt(d / 4))
    for entry in (start, settled):
        assert into(entry) == pytest.approx({"right": 1 - above, "right and up": above}, abs=2e-5)
        assert mean(entry) == pytest.approx([0.0, 0.0], abs=1e-5)
        assert covariance(entry)[1, 1] == pytest.approx(d / 4, rel=1e-4)
    found = table(run, "left")
    assert found["density_1"] == pytest.approx(norm.pdf(found["y"], scale=np.sqrt(d / 4)), abs=0.01)
    assert np.abs(start["exit_point"]["mode"]).max() < 0.05
    assert run.passed


def test_a_barrier_of_a_hundred_nats(shared_folder: Path) -> None:
    """Two ways out, over nearly equal barriers, a saddle and a slope, where K is singular to round-off."""
    d, end = 0.0025, -np.sqrt(2.0)
    run = solved(
        shared_folder,
        line("(x**2 - 1)**2/4 - 0.006*x", d, 80) + regions(r=f"max(x, {float(end)!r} - x) < 0") + leave("r", [-1.0]),
    )
    x = np.linspace(end, 0.0, 400_001)
    height = ((x**2 - 1) ** 2 / 4 - 0.006 * x) / d
    scale = np.exp(height - height.max())
    right = np.trapezoid(scale * (x <= -1.0)) / np.trapezoid(scale)
    assert 0.05 < right < 0.95
    found = table(run, "r")["density_1"]
    assert found[1] == pytest.approx(right, rel=1e-4)
    assert found[0] == pytest.approx(1 - right, rel=1e-4)
    assert run.exits[0]["starts"][0]["mean"]["value"] > 1e40
    assert run.passed


@parallel
def test_a_particle_leaves_with_its_momentum(shared_folder: Path) -> None:
    """Nothing leaves with p < 0, where paths come in. The density turns out smooth, though on the exit set the solution
    has a jump. Catches outflow through the other half, and densities that swing from node to node."""
    text = box([-2.5, -3.0], [2.5, 3.0], [12, 12]) + 'coordinates = ["x", "p"]\n[discretization]\ndegree = 4\n'
    text += '[drift]\nextra = ["p", "-(x**3 - x) - p"]\n[noise]\ndiffusion = [["0", "0"], ["0", "0.2"]]\n'
    text += 'potential = "((x**2 - 1)**2/4 + p**2/2)/0.2"\n'
    text += regions(left="x < 0", fast="x > 0 and p > 0.8", slow="x > 0 and p < 0.8")
    run = solved(shared_folder, text + leave("left", [-1.0, 0.0]))
    found = table(run, "left")
    assert found["p"].min() >= 0.0
    assert found["density_1"].min() > -0.01
    turns = np.abs(np.diff(np.sign(np.diff(found["density_1"][found["density_1"] > 0.05]))))
    assert turns.sum() <= 4  # up once and down once
    start = run.exits[0]["starts"][0]
    assert into(start)["fast"] == pytest.approx(0.2567, abs=0.002)  # of 56 x 56 cells
    assert mean(start)[1] == pytest.approx(0.624, abs=0.003)
    assert run.passed


@parallel
def test_harmonic_measure_of_a_ball(shared_folder: Path) -> None:
    """In space. Catches areas of flat facets, and a centre of mass that is not that of the start."""
    start = (0.2, 0.0, 0.1)
    text = brownian([-1.2] * 3, [1.2] * 3, [6, 6, 6], 0.5, degree=2)
    text += regions(ball="x*x + y*y + z*z < 1", up="x*x + y*y + z*z > 1 and z > 0")
    run = solved(shared_folder, text + leave("ball", start))
    found = table(run, "ball")
    entry = run.exits[0]["starts"][0]
    assert found["measure"].sum() == pytest.approx(4 * np.pi, rel=2e-3)
    assert mean(entry) == pytest.approx(start, abs=1e-9)
    cosine, turn = np.meshgrid((np.arange(200) + 0.5) / 200, 2 * np.pi * np.arange(200) / 200)
    around = np.sqrt(1 - cosine**2)
    top = np.stack([around * np.cos(turn), around * np.sin(turn), cosine], axis=-1).reshape(-1, 3)
    expected = poisson(top, start).mean() * 2 * np.pi
    assert into(entry) == pytest.approx({"up": expected, "elsewhere": 1 - expected}, abs=0.01)
    assert run.passed
