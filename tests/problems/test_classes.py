"""Closed classes: how many stationary states a model has and where they live."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate

from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import SolveCount
from fpsolver.model.directions import reached
from fpsolver.problems.reach.connections import parts_of
from fpsolver.problems.stationary.classes import Class, classes
from tests.equations import COMM, NO_WEIGHT
from tests.problems.cases import PROJECT, box
from tests.problems.settings import setting

parallel = pytest.mark.parallel


def found(
    folder: Path, loss: str, noise: str, cells: Sequence[int], end: float = 2.0, diagonal: str | None = None
) -> tuple[Generator, list[Class]]:
    d = len(cells)
    text = box([-end] * d, [end] * d, cells, diagonal) + f"{loss}\n[noise]\ndiffusion = {noise}\n"
    given = setting(folder, text)
    generator = weighted_generator(given.domain, given.model, given.case.discretization.degree, NO_WEIGHT)
    return generator, classes(generator, given.case.coordinates)


def on_line(folder: Path, loss: str, noise: str, cells: int = 61) -> list[Class]:
    return found(folder, f'[loss]\nexpression = "{loss}"', f'"{noise}"', [cells])[1]


def in_plane(folder: Path, loss: str, noise: str, diagonal: str = "right") -> list[Class]:
    return found(folder, loss, noise, [16, 16], diagonal=diagonal)[1]


def formula(expression: str) -> str:
    return f'[loss]\nexpression = "{expression}"'


WELLS = formula("(x**2 - 1)**2/4 + 2*y**2")
KINETIC = '[drift]\nextra = ["y", "x - x**3 - y"]'
RANK_ONE = '[["0.1", "0.1"], ["0.1", "0.1"]]'


def sizes(every: Sequence[Class]) -> list[int]:
    return [COMM.allreduce(int(each.nodes.sum())) for each in every]


@parallel
@pytest.mark.parametrize(
    ("loss", "noise", "diagonal"),
    [
        (WELLS, '"0.1"', "right"),
        (WELLS, '"0.1*(1 + x**2)"', "left"),
        (WELLS, '[["0.1", "0.05"], ["0.05", "0.1"]]', "right"),
        (WELLS, RANK_ONE, "left"),
        (KINETIC, '["0", "0.2"]', "right"),
        (KINETIC, '["0", "0.2"]', "left"),
    ],
)
def test_usually_everything_is_one_class(shared_folder: Path, loss: str, noise: str, diagonal: str) -> None:
    generator, every = found(shared_folder, loss, noise, [12, 12], 1.5, diagonal)
    assert [(each.kind, each.text, each.everything) for each in every] == [("density", "the whole domain", True)]
    assert sizes(every) == [generator.unknowns]


@parallel
def test_corners_that_drift_empties_are_transient(shared_folder: Path) -> None:
    """With noise along (1, 1) alone, u = x - y moves by the drift: far from the diagonal in one direction only."""
    (only,) = in_plane(shared_folder, WELLS, RANK_ONE)
    assert only.kind == "density"
    assert not only.everything
    assert 0.3 < COMM.allreduce(int(only.cells.sum())) / 512 < 0.7


@parallel
def test_regular_cases_are_cheap(shared_folder: Path) -> None:
    generator, _ = found(shared_folder, WELLS, '"0.1*(1 + x**2)"', [50, 50])
    assert generator.unknowns > 40_000
    times = []
    for _ in range(3):
        COMM.barrier()
        start = time.perf_counter()
        (only,) = classes(generator)
        times.append(time.perf_counter() - start)
    assert only.everything
    assert COMM.allreduce(min(times)) / COMM.size < 0.5  # 0.03 s alone; the machine may be busy


@parallel
@pytest.mark.parametrize("cells", [60, 61])
def test_noise_that_vanishes_at_the_saddle_splits_the_line(shared_folder: Path, cells: int) -> None:
    """Also where 0 lies inside a cell."""
    left, right = on_line(shared_folder, "(x**2 - 1)**2/4", "0.3*x**2", cells)
    assert (left.kind, right.kind) == ("density", "density")
    assert left.text == "-2 < x < 0 (noise vanishes at x = 0, and nothing leads out)"
    assert right.text == "0 < x < 2 (noise vanishes at x = 0, and nothing leads out)"
    assert COMM.allreduce(int((left.nodes & right.nodes).sum())) == 1
    assert sum(sizes([left, right])) == 4 * cells + 2


@parallel
def test_the_density_of_one_class(shared_folder: Path) -> None:
    """rho = (1/D) exp(-integral of f'/D) = x^(1/0.3 - 2) exp(-x^2/0.6) on the right."""
    text = box([-2.0], [2.0], [60]) + formula("(x**2 - 1)**2/4") + '\n[noise]\ndiffusion = "0.3*x**2"\n'
    given = setting(shared_folder, text)
    generator = given.generator(given.reference)
    _, right = classes(generator)
    inverse = Pinned(generator, ~right.nodes, np.array([[0.8]]), "class", SolveCount())
    density = inverse.forward[0]
    points = generator.quadrature.points[: generator.quadrature.cells.owned, :, 0]
    mean = generator.observable(points).dot(density) / generator.total.dot(density)

    def rho(x: float, power: int) -> float:
        return float(x ** (power + 1 / 0.3 - 2) * np.exp(-(x**2) / 0.6))

    exact = integrate.quad(rho, 0.0, 2.0, args=(1,))[0] / integrate.quad(rho, 0.0, 2.0, args=(0,))[0]
    assert mean == pytest.approx(exact, rel=1e-4)


@parallel
def test_mass_collapses_where_noise_and_drift_vanish(shared_folder: Path) -> None:
    (only,) = on_line(shared_folder, "x**2/2", "0.3*x**2", 60)
    assert only.kind == "point mass"
    assert only.text == "x = 0, where noise and drift both vanish: mass collapses there, and no density exists"
    assert sizes([only]) == [1]
    both = on_line(shared_folder, "(x**2 - 1)**2/4", "0.3*(x**2 - 1)**2")
    assert [(each.kind, each.lower[0]) for each in both] == [
        ("point mass", pytest.approx(-1.0)),
        ("point mass", pytest.approx(1.0)),
    ]


@parallel
def test_what_flows_through_a_gate_is_transient(shared_folder: Path) -> None:
    (only,) = on_line(shared_folder, "-x", "0.5*(x - 0.3)**2")
    assert only.text == "0.3 < x < 2 (noise vanishes at x = 0.3, and nothing leads out)"
    assert (only.lower[0], only.upper[0]) == (pytest.approx(0.3), pytest.approx(2.0))


@parallel
def test_an_interval_at_rest_is_one_set_of_point_masses(shared_folder: Path) -> None:
    (only,) = on_line(shared_folder, "max(abs(x) - 0.5, 0)**2", "max(abs(x) - 0.5, 0)**2", 60)
    assert only.kind == "point mass"
    assert (only.lower[0], only.upper[0]) == (pytest.approx(-0.5, abs=1e-5), pytest.approx(0.5, abs=1e-5))


@parallel
@pytest.mark.parametrize("cells", [16, 17])
def test_a_trap_in_the_plane_takes_everything(shared_folder: Path, cells: int) -> None:
    square = "(x**2 + y**2)"
    _, every = found(shared_folder, formula(f"{square}/2"), f'"0.2*{square}"', [cells, cells])
    assert [each.kind for each in every] == ["point mass"]
    assert every[0].text.startswith("(x, y) = (0, 0), where noise and drift both vanish")
    _, repelled = found(shared_folder, formula(f"{square}**2/4 - {square}/2"), f'"0.2*{square}"', [cells, cells])
    assert [(each.kind, each.everything) for each in repelled] == [("density", True)]


@parallel
def test_a_line_without_noise_splits_the_plane_or_is_a_gate(shared_folder: Path) -> None:
    split = in_plane(shared_folder, formula("(x**2 - 1)**2 + y**2"), '"0.1*x**2"')
    assert [(each.lower[0], each.upper[0]) for each in split] == [(-2.0, 0.0), (0.0, 2.0)]
    assert "neither noise nor drift leads out of it" in split[0].text
    assert COMM.allreduce(int((split[0].nodes & split[1].nodes).sum())) == 65  # the nodes of the line
    (gate,) = in_plane(shared_folder, formula("x + y**2"), '"0.2*x**2"')
    assert (gate.lower[0], gate.upper[0]) == (-2.0, 0.0)


@parallel
def test_parts_know_where_the_exit_is(shared_folder: Path) -> None:
    """Right of the gate everything can leave through the wall at 2; left of it nothing can."""
    generator, _ = found(shared_folder, formula("x + y**2"), '"0.2*x**2"', [8, 8])
    nodes = generator.space.tabulate_dof_coordinates()[: generator.space.dofmap.index_map.size_local]
    parts = parts_of(generator, fixed=np.isclose(nodes[:, 0], 2.0))
    cells = generator.quadrature.cells
    middles = cells.points(np.array([[1 / 3, 1 / 3]]))[: cells.owned, 0, 0]
    assert np.array_equal(parts.leaves, middles > 0.0)
    assert parts.caught.all()  # the left part is never left, and the right one leads there too
    # through the left wall everything leaves: the drift brings it there
    left = parts_of(generator, fixed=np.isclose(nodes[:, 0], -2.0))
    assert left.leaves.all()
    assert not left.caught.any()
    assert not left.closed.any()


ROUND = formula("(x**2 + y**2 - 1)**2/4")
TURNING = '[drift]\nextra = ["2*y", "-2*x"]\n'
SLANTED = formula("((x + y)**2/2 - 1)**2/4 + (x - y)**2")
ALONG_X = '[["0.1", "0"], ["0", "0"]]'
TANGENT = '[["0.1*y**2", "-0.1*x*y"], ["-0.1*x*y", "0.1*x**2"]]'
RADIAL = '[["0.1*x**2", "0.1*x*y"], ["0.1*x*y", "0.1*y**2"]]'


@parallel
@pytest.mark.parametrize("diagonal", ["right", "left"])
@pytest.mark.parametrize("cells", [12, 13])
@pytest.mark.parametrize(
    ("loss", "noise", "kind"),
    [
        (WELLS, ALONG_X, "singular"),  # onto y = 0, on facets or between them
        (SLANTED, RANK_ONE, "singular"),  # onto x = y, across facets
        (ROUND, TANGENT, "singular"),  # onto the circle
        (formula("(x**2 - 1)**2/4 + 2*(y - x**2/2)**2"), ALONG_X, "density"),  # along a valley that is curved
        (TURNING + formula("x**2/2 + y**2/2"), ALONG_X, "density"),
        (TURNING + ROUND, RADIAL, "density"),  # noise never turns, but the drift carries it around
        (KINETIC, '["0", "0.2"]', "density"),
    ],
    ids=["line", "slanted", "circle", "valley", "spiral", "carousel", "kinetic"],
)
def test_noise_that_keeps_to_a_curve_makes_no_density(
    shared_folder: Path, loss: str, noise: str, kind: str, cells: int, diagonal: str
) -> None:
    """A density exists where brackets of noise and drift reach all directions, or the drift crosses all leaves."""
    _, every = found(shared_folder, loss, noise, [cells, cells], diagonal=diagonal)
    assert [each.kind for each in every] == [kind]
    words = "noise reaches 1 of 2 directions: mass collapses in it, and no density exists"
    assert (words in every[0].text) == (kind == "singular")


@parallel
@pytest.mark.parametrize("cells", [8, 9])
def test_without_noise_only_points_are_left(shared_folder: Path, cells: int) -> None:
    """Not the cells around them, which are neither left nor crossed."""
    _, every = found(shared_folder, formula("x**2/2 + y**2"), '["0", "0"]', [cells, cells])
    assert [each.kind for each in every] == ["point mass"]


@parallel
@pytest.mark.parametrize(
    ("drift", "kind"), [('["y", "z", "-x - 2*y - 2*z"]', "density"), ('["-x", "-y", "-z"]', "singular")]
)
def test_noise_along_one_axis_of_space(shared_folder: Path, drift: str, kind: str) -> None:
    """It is handed on from z to y to x, by a bracket of a bracket, or not at all."""
    _, every = found(shared_folder, f"[drift]\nextra = {drift}", '["0", "0", "0.2"]', [4, 4, 4])
    assert [each.kind for each in every] == [kind]


def test_directions_of_linear_drift_are_those_of_kalman(shared_folder: Path) -> None:
    """The rank of (D, BD, B^2 D): of noise through a chain, a chain that is cut, and a plane that is invariant."""
    chains = {
        '["y", "z", "-x - 2*y - 2*z"]': [[0, 1, 0], [0, 0, 1], [-1, -2, -2]],
        '["y", "-y", "-z"]': [[0, 1, 0], [0, -1, 0], [0, 0, -1]],
        '["-x", "z - y", "-y - z"]': [[-1, 0, 0], [0, -1, 1], [0, -1, -1]],
    }
    noise = np.diag([0.0, 0.0, 0.2])
    for drift, matrix in chains.items():
        text = box([-1.0] * 3, [2.0] * 3, [1] * 3) + f"[drift]\nextra = {drift}\n"
        model = setting(shared_folder, text + '[noise]\ndiffusion = ["0", "0", "0.2"]\n').model
        b = np.array(matrix, dtype=float)
        rank = np.linalg.matrix_rank(np.hstack([noise, b @ noise, b @ b @ noise]))
        points = np.array([[0.1, 0.2, 0.3], [0.0, 0.0, 0.0], [1.0, -0.5, 0.7]])
        assert reached(model, [-1.0] * 3, [2.0] * 3, points).count.tolist() == [rank] * 3


def test_brackets_of_fields_that_are_not_linear(shared_folder: Path) -> None:
    """D = diag(1, x^2) reaches all but on x = 0, where [X_1, X_2] = (0, 2x) fails too, and only 1 of 2 is left."""
    text = box([-1.0] * 2, [1.0] * 2, [1] * 2) + '[drift]\nextra = ["0", "0"]\n[noise]\ndiffusion = ["1", "x**2"]\n'
    found_there = reached(setting(shared_folder, text).model, [-1.0] * 2, [1.0] * 2, np.array([[0.3, 0.0], [0.0, 0.4]]))
    assert found_there.count.tolist() == [2, 1]
    assert np.abs(found_there.normal[1]) == pytest.approx([0.0, 1.0], abs=1e-6)


def test_the_neuron_has_one_stationary_state(shared_folder: Path) -> None:
    """Noise vanishes at its saddle, which throws paths back. (Strong noise collapses mass there.)"""
    text = (PROJECT / "cases" / "iris_neuron.toml").read_text(encoding="utf-8").split("[evolution]")[0]
    text = text.replace("../data", str(PROJECT / "data")).replace("cells = [36, 36]", "cells = [12, 12]")
    for step, kind in ((0.5, "density"), (4.0, "point mass")):
        given = setting(shared_folder, text.replace("learning_rate = 0.5", f"learning_rate = {step}"))
        (only,) = classes(weighted_generator(given.domain, given.model, 2, NO_WEIGHT), given.case.coordinates)
        assert only.kind == kind
