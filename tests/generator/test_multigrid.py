"""Multigrid between degrees against factors: the same solutions, and as many iterations on every mesh."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.generator import inverse as choice
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.inverse import inverse
from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import Factorization, Multigrid, SolveCount
from fpsolver.linalg import multigrid as levels
from tests.equations import NO_WEIGHT, box, double_well, gathered, linear
from tests.problems.answers import solved
from tests.problems.cases import evolved
from tests.problems.texts import leave, regions, settle

pytestmark = pytest.mark.parallel

TURNING = linear([[1.0, -1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.5]], np.diag([0.3, 0.3, 0.2]))
WELLS = double_well(0.1, dimension=3)


@pytest.fixture
def option() -> Iterator[PETSc.Options]:
    """The table of options, left as it was found."""
    table = PETSc.Options()
    before = set(table.getAll())
    yield table
    for name in set(table.getAll()) - before:
        table.delValue(name)


@pytest.fixture
def small_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no matrix were small enough to be factorised."""
    monkeypatch.setattr(choice, "LARGEST_FACTORS", dict.fromkeys((1, 2, 3), 0))


def wells(cells: int, degree: int) -> Generator:
    """Reversible, in a box around one well."""
    return weighted_generator(
        box([-1.6, -0.8, -0.8], [1.6, 0.8, 0.8], [2 * cells, cells, cells]), WELLS, degree, WELLS.weight
    )


def turning(cells: int, degree: int) -> Generator:
    """Without detailed balance and without a weight."""
    return weighted_generator(box([-1.5] * 3, [1.5] * 3, [cells] * 3), TURNING, degree, NO_WEIGHT)


def load(generator: Generator) -> PETSc.Vec:
    """The total with a wave on it, as all ranks know it."""
    nodes = generator.space.tabulate_dof_coordinates()[: generator.total.getLocalSize()]
    vector = generator.total.copy()
    vector.array[:] *= 1.0 + np.sin(3.0 * nodes[:, 0] + nodes[:, 1])
    return vector


@pytest.mark.parametrize(("make", "degree"), [(wells, 1), (wells, 2), (wells, 3), (turning, 2), (turning, 3)])
@pytest.mark.parametrize("transposed", [False, True])
def test_it_solves_what_factors_solve(make: type[Generator], degree: int, transposed: bool) -> None:
    """M + K/5: every component, also the small ones where the weight is small."""
    generator = make(4, degree)
    matrix, rhs, count = generator.shifted(0.2), load(generator), SolveCount()
    symmetric = generator.reversible
    exact = Factorization(matrix, "exact", symmetric=symmetric, count=SolveCount()).solve(rhs, transposed=transposed)
    found = _levels(generator, matrix, symmetric, count).solve(rhs, transposed=transposed)
    assert gathered(found) == pytest.approx(gathered(exact), rel=1e-8, abs=1e-10 * np.abs(gathered(exact)).max())
    assert count.backward_error < 1e-10
    assert 0 < count.iterations < 40
    assert count.solves == 1


@pytest.mark.parametrize("make", [wells, turning])
def test_iterations_do_not_grow_with_the_mesh(
    option: PETSc.Options, small_factors: None, make: type[Generator]
) -> None:
    """K with a pin, which is what exit times and stationary states are solved with."""
    found = []
    for cells in (4, 8):
        generator, count = make(cells, 2), SolveCount()
        nothing = np.zeros(generator.total.getLocalSize(), dtype=bool)
        pinned = Pinned(generator, nothing, np.array([[-1.0, 0.0, 0.0]]), "test", count)
        pinned.hitting_time()
        found.append(count.iterations)
    assert found[1] <= found[0] + 4, found


def test_aggregates_take_over_where_the_coarse_matrix_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "LARGEST_COARSE", 10)
    generator, count = wells(6, 2), SolveCount()
    matrix, rhs = generator.shifted(0.2), load(generator)
    solver = _levels(generator, matrix, True, count)
    assert solver.coarse_type == "gamg"
    exact = Factorization(matrix, "exact", symmetric=True, count=SolveCount()).solve(rhs)
    assert gathered(solver.solve(rhs)) == pytest.approx(gathered(exact), rel=1e-7)


@pytest.mark.parametrize(("asked", "kind"), [("lu", Factorization), ("mg", Multigrid), (None, Factorization)])
def test_the_user_decides_and_else_the_size(option: PETSc.Options, asked: str | None, kind: type[object]) -> None:
    generator = wells(2, 2)
    if asked is not None:
        option["test_pc_type"] = asked
    made = inverse(generator, generator.shifted(0.1), "test", SolveCount(), symmetric=True)
    assert isinstance(made, kind)


def test_no_option_of_ours_stays_in_the_table(option: PETSc.Options) -> None:
    before, generator = option.getAll(), wells(2, 2)
    _levels(generator, generator.shifted(0.1), True, SolveCount())
    assert option.getAll() == before


def test_a_failure_names_its_reason_and_a_remedy(option: PETSc.Options) -> None:
    option["test_ksp_max_it"] = 1
    generator = wells(3, 2)
    with pytest.raises(
        SolverFailed, match=r"test: not solved, KSP_DIVERGED_\w+ after 1 iterations.\n.*-test_pc_type lu"
    ):
        _levels(generator, generator.shifted(10.0), True, SolveCount()).solve(load(generator))


CASE = (
    '[domain]\nshape = "box"\nlower = [-1.8, -1.0]\nupper = [1.8, 1.0]\ncells = [16, 8]\n'
    '[loss]\nexpression = "(x**2 - 1)**2/4 + y**2 + 0.1*x"\n[drift]\nextra = ["-0.2*y", "0.2*x"]\n'
    "[noise]\ndiffusion = 0.2\n[discretization]\ndegree = 2\n" + regions(left="x < 0")
)


def test_a_whole_run_gives_the_same_numbers(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stationary state, spectrum, exit time with its duality, and an evolution, none of them with factors."""
    start = "[evolution]\ninitial = { gaussian = { mean = [-1.0, 0.0], std = 0.3 } }\n"
    start += "output_times = [0.5, 4.0]\nend_time = 4.0\n"
    asked = CASE + settle(3) + leave("left", [-1.0, 0.0])
    quiet = "[run]\nerrors = false\n"
    one, begun = solved(shared_folder, asked), evolved(shared_folder, CASE + start + quiet)
    monkeypatch.setattr(choice, "LARGEST_FACTORS", dict.fromkeys((1, 2, 3), 0))
    two, again = solved(shared_folder, asked), evolved(shared_folder, CASE + start + quiet)
    assert two.passed
    assert again.passed
    assert two.means() == pytest.approx(one.means(), rel=1e-9)
    assert two.mass("left") == pytest.approx(one.mass("left"), rel=1e-9)
    assert two.eigenvalues == pytest.approx(one.eigenvalues, rel=1e-7)
    assert again.region("left") == pytest.approx(begun.region("left"), rel=1e-8)
    assert again.results["mass"]["value"] == pytest.approx(1.0, abs=1e-11)


def _levels(generator: Generator, matrix: PETSc.Mat, symmetric: bool, count: SolveCount) -> Multigrid:
    rows: npt.NDArray[np.integer] | None = None
    return Multigrid(matrix, choice.from_vertices(generator, rows), "test", symmetric=symmetric, count=count)
