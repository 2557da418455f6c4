"""Exit times against quadrature along a line and independent solutions, for all kinds of noise."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.model.coefficients import Coefficients
from tests import exact
from tests.equations import Array, orders
from tests.problems.answers import Solved, reference, solved
from tests.problems.cases import PROJECT, box
from tests.problems.texts import WELLS, leave, line, plane, regions

parallel = pytest.mark.parallel

LINE_WELLS = "(x**2 - 1)**2/4"
LEFT = regions(left="x < 0")


def over_the_barrier(d: float, starts: npt.ArrayLike, end: float = 0.0) -> tuple[Array, Array]:
    """R1 and R2: mean and variance of the time from x to {x >= end}, by quadrature."""
    noise = np.full_like
    means, spread = exact.exit_times_on_a_line(lambda x: x**3 - x, lambda x: noise(x, d), (-2.0, end), starts)
    return means[0], spread


def errors(run: Solved, means: Array, variances: Array, number: int = 0) -> tuple[float, float]:
    """Largest relative errors of means and variances over the starts."""
    return (
        float(np.abs(run.means(number) / means - 1.0).max()),
        float(np.abs(run.variances(number) / variances - 1.0).max()),
    )


@pytest.mark.parametrize(("d", "tolerance"), [(0.1, 1e-5), (0.05, 1e-5), (0.02, 1e-5), (0.01, 1e-4)])
@pytest.mark.parametrize("dimension", [1, 2])
def test_two_wells_are_left_at_the_time_of_the_quadrature(
    shared_folder: Path, dimension: int, d: float, tolerance: float
) -> None:
    """Catches a solve that loses the digits which a barrier of 1/(4 D) nats takes (MET 1.6e11 at D = 0.01), a variance
    taken as a difference, and exit sets at the wrong place: one is the ridge, the other the far minimum."""
    model = line(LINE_WELLS, d) if dimension == 1 else plane(WELLS, d, (24, 18) if d > 0.01 else (20, 15))
    start = [-1.0, 0.0][:dimension]
    run = solved(
        shared_folder, model + regions(left="x < 0", most="x < 1") + leave("left", start) + leave("most", start)
    )
    assert run.passed
    for number, end in enumerate((0.0, 1.0)):
        assert run.exits[number]["unknowns"] <= 10_000
        mean, variance = errors(run, *over_the_barrier(d, [-1.0], end), number)
        assert mean < tolerance
        assert variance < 3 * tolerance


@parallel
def test_two_wells_on_any_number_of_ranks(shared_folder: Path) -> None:
    """Catches boundary nodes, pins or carried rates that are seen by one rank only."""
    run = solved(shared_folder, plane(WELLS, 0.02, (16, 12)) + LEFT + leave("left", [-1, 0], [-0.4, 0.3]))
    assert run.passed
    assert max(errors(run, *over_the_barrier(0.02, [-1.0, -0.4]))) < 1e-4


@pytest.mark.parametrize(
    ("d", "degree", "cells", "order", "reached"),
    [
        (0.1, 2, (80, 160, 320), 4, 1e-8),
        (0.01, 2, (640, 1280, 2560), 4, 1e-8),
        (0.1, 4, (20, 40, 80), 8, 1e-11),
        (0.01, 4, (80, 160, 320), 8, 1e-11),
    ],
)
def test_the_error_falls_with_the_square_of_the_order_of_the_elements(
    shared_folder: Path, d: float, degree: int, cells: tuple[int, ...], order: int, reached: float
) -> None:
    """Catches quadrature of too low a degree, boundary nodes beside the exit, and a plateau from round-off that grows
    with the barrier: on four times as many cells as the last ones the error must still be small."""
    exactly = over_the_barrier(d, [-1.0, -0.4])  # vertices

    def error(n: int) -> float:
        return max(errors(solved(shared_folder, _on_line(d, n, degree)), *exactly))

    found = [error(n) for n in cells]
    assert orders(found) == pytest.approx(order, abs=0.7), found
    assert found[-1] < reached
    assert error(4 * cells[-1]) < max(found[-1], 1e-11)


def _on_line(d: float, cells: int, degree: int) -> str:
    return line(LINE_WELLS, d, cells, degree=degree) + LEFT + leave("left", [-1], [-0.4])


@pytest.mark.parametrize(("degree", "reached"), [(2, 5e-5), (4, 1e-7)])
def test_the_error_falls_in_the_plane_too(shared_folder: Path, degree: int, reached: float) -> None:
    """At points anywhere, so with the order of the elements plus one: catches a fitted mesh or a grading whose cells do
    not shrink, and a start that is moved to a node."""
    starts = [(-1.0, 0.0), (-0.93, 0.07), (-0.4, -0.2)]
    exactly = over_the_barrier(0.1, [x for x, _ in starts])
    texts = [plane(WELLS, 0.1, (4 * n, 3 * n), degree=degree) + LEFT + leave("left", *starts) for n in (3, 6, 12)]
    found = [max(errors(solved(shared_folder, text), *exactly)) for text in texts]
    assert found[0] > 2 * found[1] > 4 * found[2]
    assert orders(found)[-1] > degree + 0.5, found
    assert found[-1] < reached


def rotated(angle: float, d: float, n: int, diagonal: str, starts: list[tuple[float, float]]) -> str:
    """R2 with its axes turned: the ridge cuts the grid."""
    c, s = float(np.cos(angle)), float(np.sin(angle))
    u, v = f"({c!r}*x + {s!r}*y)", f"({c!r}*y - {s!r}*x)"
    text = plane(WELLS.replace("x", "X").replace("y", v).replace("X", u), d, (5 * n, 5 * n), (2.5, 2.5), diagonal)
    places = [[c * a - s * b, s * a + c * b] for a, b in starts]
    return text + regions(left=f"{u} < 0") + leave("left", *places)


def test_a_ridge_across_the_grid_is_as_good_as_one_along_it(shared_folder: Path) -> None:
    """Worst case over meshes with the same sizes of cells, variances being allowed three times the error of means.
    Catches exits made of whole cells of the user's grid (a staircase is worse by orders of magnitude) and badly shaped
    cells beside a fitted exit."""
    d, starts = 0.02, [(-1.0, 0.0), (-0.93, 0.07), (-0.4, -0.2), (-1.3, 0.3)]
    exactly = over_the_barrier(d, [x for x, _ in starts])

    def worst(texts: list[str]) -> float:
        found = [errors(solved(shared_folder, text), *exactly) for text in texts]
        return max(max(mean, variance / 3) for mean, variance in found)

    straight = worst([plane(WELLS, d, (4 * n, 3 * n)) + LEFT + leave("left", *starts) for n in (4, 6)])
    turned = worst([rotated(0.7, d, n, diagonal, starts) for n in (4, 6) for diagonal in ("right", "left")])
    assert turned < 10 * straight


@pytest.mark.parametrize(("d", "scale", "count"), [(0.002, 4.31279e54, 4), (0.00108, 7.55913e100, 3)])
def test_times_beyond_all_bounds(shared_folder: Path, d: float, scale: float, count: int) -> None:
    """Barriers of 125 and 231 nats. Catches everything that is not accurate in a relative sense, and overflow: the last
    moments are 8e219 and 3e303."""
    text = line(LINE_WELLS, d) + LEFT + leave("left", [-1], [-0.4], more=f"moments = {count}\n")
    run = solved(shared_folder, text)
    exactly = over_the_barrier(d, [-1.0, -0.4])
    assert exactly[0][0] == pytest.approx(scale, rel=1e-5)
    assert max(errors(run, *exactly)) < 1e-5
    moments = [entry["value"] for entry in run.exits[0]["starts"][0]["moments"]]
    assert moments == pytest.approx([math.factorial(k) * exactly[0][0] ** k for k in range(1, count + 1)], rel=1e-5)
    assert run.rate() * run.means()[0] == pytest.approx(1.0, rel=1e-9)
    assert run.passed


@pytest.mark.parametrize(("d", "cells", "tolerance"), [(1e-2, 80, 1e-9), (1e-4, 20, 1e-2)])
def test_a_drift_that_carries_everything_out(shared_folder: Path, d: float, cells: int, tolerance: float) -> None:
    """dx = dt + sqrt(2 D) dW: the time is sharp, with a variance down to 1e-4 of its square. Catches a variance that is
    the difference of two moments: on the coarse mesh that is wrong by 6 %; and one that forgets that starts which are
    spread out arrive one after the other."""
    spread_out = "initial = { gaussian = { mean = [-0.5], std = 0.02 } }\n"
    text = line("-x", d, cells, (-1.0, 1.0)) + regions(r="x < 0.9") + leave("r", [-0.5], [0.5], more=spread_out)
    run = solved(shared_folder, text)
    noise = np.full_like
    means, spread = exact.exit_times_on_a_line(lambda x: -noise(x, 1), lambda x: noise(x, d), (-1.0, 0.9), [-0.5, 0.5])
    assert spread == pytest.approx([2.8 * d, 0.8 * d], rel=1e-6)
    expected = np.append(means[0], 1.4), np.append(spread, 2.8 * d + 0.02**2)
    assert max(errors(run, *expected)) < tolerance
    assert run.passed


R10 = {  # loss, diffusion, starts and their numbers in the references
    "R10a": ("(x**2 - 1)**2/4 + 2*(y - x/2)**2", '[["0.1", "0.06"], ["0.06", "0.1"]]'),
    "R10b": ("(x**2 - 1)**2/4 + 2*(y - x/2)**2", '[["0.1", "0.1"], ["0.1", "0.1"]]'),
    "R10c": (WELLS, '[["0.1*(0.3 + 0.5*x*x)", "0.05*x*y"], ["0.05*x*y", "0.1*(0.3 + 0.5*y*y)"]]'),
}
STARTS = {
    "R10a": [(-1.0, 0.0), (-1.0, -0.5), (-0.5, 0.3)],
    "R10b": [(-1.0, 0.0), (-1.0, -0.5), (-0.5, 0.3)],
    "R10c": [(-1.0, 0.0), (-0.5, 0.3)],
}


def r10(name: str, diagonal: str = "right") -> str:
    return plane(*R10[name], (20, 15), diagonal=diagonal) + LEFT + leave("left", *STARTS[name])


@pytest.mark.parametrize(
    ("name", "diagonal"),
    [
        ("R10a", "right"),
        ("R10a", "left"),
        ("R10b", "right"),
        ("R10b", "left"),
        ("R10c", "right"),
        ("R10c", "left"),
    ],
)
def test_correlated_singular_and_multiplicative_noise(shared_folder: Path, name: str, diagonal: str) -> None:
    """Against independent solutions without detailed balance. Catches K used for its transpose, off-diagonal entries of
    D or its divergence lost, and edges along the noise (one of the diagonals) that make a rank-one D fall apart. From
    the quasi-stationary density the mean time is one over the rate; from the other eigenvector of K it is not."""
    run = solved(shared_folder, r10(name, diagonal))
    expected = [reference(name, f"exit.0.starts.{i}.mean") for i in range(len(STARTS[name]))]
    assert run.means() == pytest.approx(expected, rel=1e-4)
    assert run.passed
    assert lowest_where_mass_is(run, "left") > -1e-3
    if name == "R10b":  # its quasi-stationary density has a front that the mesh does not resolve
        return
    times, settled = run.field("exit_time_left")[1], run.field("quasi_stationary_density_left")[1]
    assert settled @ times / settled.sum() == pytest.approx(1.0 / run.rate(), rel=2e-3)


def test_a_lost_ito_term_would_be_seen(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault injection: the drift of Ito's process in conservative form has div D in it."""
    monkeypatch.setattr(Coefficients, "advection", property(lambda self: self.gradient - self.extra))
    run = solved(shared_folder, r10("R10c"))
    assert abs(run.means()[0] / reference("R10c", "exit.0.starts.0.mean") - 1.0) > 0.1


def kinetic(diagonal: str) -> str:
    """R5: position and velocity, noise on the velocity alone, and an exit that is a position."""
    return (
        box([-2.5, -3.0], [2.5, 3.0], [24, 24], diagonal)
        + 'coordinates = ["x", "p"]\n[drift]\nextra = ["p", "-(x**3 - x) - p"]\n'
        + '[noise]\ndiffusion = [["0", "0"], ["0", "0.2"]]\npotential = "((x**2 - 1)**2/4 + p**2/2)/0.2"\n'
        + LEFT
        + leave("left", [-1, 0])
    )


@pytest.mark.parametrize("diagonal", ["right", "left"])
def test_a_particle_leaves_where_its_velocity_points_out(shared_folder: Path, diagonal: str) -> None:
    """Catches u = 0 on all of x = 0: there particles with p < 0 come in, and the time is far too short; and a mesh that
    is not graded towards the grazing point (0, 0)."""
    run = solved(shared_folder, kinetic(diagonal))
    assert run.exits[0]["unknowns"] <= 10_000
    assert run.means()[0] == pytest.approx(reference("R5", "exit.0.starts.0.mean"), rel=5e-4)
    points, times = run.field("exit_time_left")
    at_rim = np.abs(points[:, 0]) < 1e-9
    assert (times[at_rim & (points[:, 1] < -0.5)] > 5.0).all()
    assert lowest_where_mass_is(run, "left") > -1e-3
    assert run.passed


@pytest.mark.parametrize("diagonal", ["right", "left"])
def test_times_of_the_neuron_are_positive_where_it_is(shared_folder: Path, diagonal: str) -> None:
    """Noise that almost vanishes across a valley, and vanishes at the saddle, which is on the exit; hard corners."""
    text = (PROJECT / "cases" / "iris_neuron.toml").read_text(encoding="utf-8").split("[evolution]")[0]
    text = text.replace("../data", str(PROJECT / "data")).replace("[36, 36]", f'[24, 24]\ndiagonal = "{diagonal}"')
    run = solved(shared_folder, text + leave("a_positive", [0.61648, 1.85942]))
    assert lowest_where_mass_is(run, "a_positive") > -1e-3
    assert run.means()[0] == pytest.approx(17133.0, rel=1e-2)
    assert run.passed


def lowest_where_mass_is(run: Solved, region: str) -> float:
    """The lowest time relative to the highest, where the quasi-stationary density exceeds 1e-12 of its maximum."""
    times, density = run.field(f"exit_time_{region}")[1], run.field(f"quasi_stationary_density_{region}")[1]
    visited = density > 1e-12 * density.max()
    assert visited.mean() > 0.02
    return float(times[visited].min() / times[visited].max())


@pytest.mark.parametrize("floor", [0.01, 0.0001])
def test_noise_that_grows_with_the_distance(shared_folder: Path, floor: float) -> None:
    """R6: D = 0.3 (floor + x^2), from the bottom of a well of width sqrt(floor) out of (-1, 1)."""
    text = line("x**2/2", f"0.3*({floor} + x**2)", 100, (-5.0, 5.0)) + regions(core="x**2 < 1") + leave("core", [0])
    run = solved(shared_folder, text)
    (mean,), spread = exact.exit_times_on_a_line(lambda x: x, lambda x: 0.3 * (floor + x**2), (0.0, 1.0), [0.0], 1)
    assert max(errors(run, mean, spread)) < 1e-6
    assert mean[0] == pytest.approx(reference("R6", "exit.0.starts.0.mean", f"parameters.floor={floor}"), rel=1e-10)


def test_a_point_without_noise_and_drift_is_never_left(shared_folder: Path) -> None:
    """R6 with D = 0.3 x^2. Catches a huge number in place of infinity, and a finite time that it spoils: the other exit
    keeps away from 0."""
    text = (
        line("x**2/2", "0.3*x**2", 100, (-1.0, 1.0))
        + '[boundary]\nabsorbing = "abs(x) > 0.999"\n'
        + regions(all="x**2 < 1", slab="(x - 0.1)*(x - 1) < 0")
        + leave("all", [0])
        + leave("slab", [0.5])
    )
    run = solved(shared_folder, text)
    never = run.exits[0]["starts"][0]["mean"]
    assert (never["value"], never["infinite"]) == (None, True)
    assert "noise and drift both vanish at x = 0" in never["why"]
    assert run.means(1)[0] == pytest.approx(1.150243695745788, rel=1e-9)  # closed form


def test_a_factorisation_that_fails_says_why(shared_folder: Path) -> None:
    """With one megabyte for its work MUMPS gives up: no number may come out."""
    options = PETSc.Options()
    options["exit_mat_mumps_icntl_23"] = 1
    try:
        with pytest.raises(SolverFailed, match=r"(?s)exit: not solved.*MUMPS INFOG\(1\) = -\d+.*Try"):
            solved(shared_folder, r10("R10a"))
    finally:
        options.delValue("exit_mat_mumps_icntl_23")


def test_a_graded_mesh_is_as_fine_as_asked(shared_folder: Path) -> None:
    """Out over a slope of 8 nats per unit length: twice the grade, more cells, smaller errors."""
    text = line("8*x", 1.0, cells=5, ends=(0.0, 1.25), degree=2) + regions(inside="x < 1") + leave("inside", [0.25])
    exact = _up_a_slope(8.0, 0.25, 1.0)
    found = [solved(shared_folder, text, [f"domain.grade={grade}"]) for grade in (1.0, 2.0, 4.0)]
    cells = [run.exits[0]["cells"] for run in found]
    errors = [abs(run.means()[0] / exact - 1.0) for run in found]
    assert cells[0] < cells[1] < cells[2]
    assert errors[0] > 4.0 * errors[1] > 16.0 * errors[2]


def _up_a_slope(slope: float, start: float, end: float) -> float:
    """E tau from start to end > start against a constant drift with unit noise, reflected at 0."""
    return (np.exp(slope * end) - np.exp(slope * start)) / slope**2 - (end - start) / slope
