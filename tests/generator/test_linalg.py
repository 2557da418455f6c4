"""Solves that judge themselves: residuals, transposes, refinement, and failures that say why on every rank."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.linalg import Factorization, SolveCount, backward_error, direct
from tests.equations import COMM, Array, gathered

pytestmark = pytest.mark.parallel

SIZE = 40


def matrix(entries: Array) -> PETSc.Mat:
    """A dense array as a distributed sparse matrix, its diagonal always stored."""
    n = len(entries)
    result = PETSc.Mat().createAIJ((n, n), nnz=n, comm=COMM)
    low, high = result.getOwnershipRange()
    for i in range(low, high):
        columns = np.flatnonzero((entries[i] != 0) | (np.arange(n) == i)).astype(PETSc.IntType)
        result.setValues(i, columns, entries[i, columns])
    result.assemble()
    return result


def vector(like: PETSc.Mat, values: Array) -> PETSc.Vec:
    result = like.createVecLeft()
    low, high = result.getOwnershipRange()
    result.array[:] = values[low:high]
    return result


def example(symmetric: bool = False) -> Array:
    """Sparse, diagonally dominant, over twenty orders of magnitude as weights make it."""
    rng = np.random.default_rng(0)
    entries = np.where(rng.random((SIZE, SIZE)) < 0.15, rng.normal(size=(SIZE, SIZE)), 0.0)
    entries += np.diag(np.abs(entries).sum(axis=1) + 1.0)
    if symmetric:
        entries = entries + entries.T
    scale = np.exp(np.linspace(0.0, -23.0, SIZE))
    return scale[:, None] * entries * scale[None]


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_solution_solves_its_system(symmetric: bool, transposed: bool) -> None:
    """Componentwise: the smallest unknowns, 1e-20 of the largest entries, are as good as the others."""
    entries, count = example(symmetric), SolveCount()
    a = matrix(entries)
    b = vector(a, np.exp(np.linspace(0.0, -23.0, SIZE)) * np.random.default_rng(1).normal(size=SIZE))
    factors = Factorization(a, "test", symmetric=symmetric, count=count)
    x = factors.solve(b, transposed=transposed)
    residual = np.abs((entries.T if transposed else entries) @ gathered(x) - gathered(b))
    bound = np.abs(entries.T if transposed else entries) @ np.abs(gathered(x)) + np.abs(gathered(b))
    assert (residual / bound).max() < 1e-14
    assert (count.solves, count.factorizations) == (1, 1)
    assert count.backward_error < 1e-14


def test_the_matrix_and_the_right_side_are_left_alone() -> None:
    entries = example()
    a = matrix(entries)
    b = vector(a, np.ones(SIZE))
    Factorization(a, "test", symmetric=False, count=SolveCount()).solve(b)
    np.testing.assert_array_equal(gathered(b), 1.0)
    np.testing.assert_array_equal(gathered(a.getDiagonal()), np.diag(entries))


def test_one_factorisation_serves_both_ways_and_many_sides() -> None:
    a, count = matrix(example()), SolveCount()
    factors = Factorization(a, "test", symmetric=False, count=count)
    for seed in range(3):
        b = vector(a, np.random.default_rng(seed).normal(size=SIZE))
        for transposed in (False, True):
            assert backward_error(a, factors.solve(b, transposed=transposed), b, transposed=transposed) < 1e-13
    assert (count.solves, count.factorizations) == (6, 1)


@pytest.mark.parametrize("transposed", [False, True])
def test_the_backward_error_is_its_definition(transposed: bool) -> None:
    entries = example()
    a = matrix(entries)
    x, b = np.random.default_rng(3).normal(size=(2, SIZE))
    m = entries.T if transposed else entries
    expected = (np.abs(b - m @ x) / (np.abs(m) @ np.abs(x) + np.abs(b))).max()
    assert backward_error(a, vector(a, x), vector(a, b), transposed=transposed) == pytest.approx(expected, rel=1e-12)


def test_the_backward_error_sees_one_wrong_entry_on_the_last_rank() -> None:
    entries = np.eye(SIZE)
    a = matrix(entries)
    b = np.ones(SIZE)
    wrong = b.copy()
    wrong[-1] += 1e-6
    assert backward_error(a, vector(a, wrong), vector(a, b)) == pytest.approx(5e-7, rel=1e-5)


def graded() -> Array:
    """Elimination of these columns cancels: a plain solve loses digits componentwise."""
    rng = np.random.default_rng(5)
    u = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0]
    v = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))[0]
    return u @ np.diag(10.0 ** np.linspace(0, -9, SIZE)) @ v


def test_refinement_corrects_an_inexact_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that is off by 1e-5: two refinements bring 1e-15, in the first solve and in all later ones."""
    apply = Factorization._apply

    def sloppy(self: Factorization, rhs: PETSc.Vec, transposed: bool) -> PETSc.Vec:
        solution = apply(self, rhs, transposed)
        solution.scale(1 + 1e-5)
        return solution

    monkeypatch.setattr(Factorization, "_apply", sloppy)
    a, count = matrix(example()), SolveCount()
    factors = Factorization(a, "test", symmetric=False, count=count)
    for seed in range(2):
        b = vector(a, np.random.default_rng(seed).normal(size=SIZE))
        for transposed in (False, True):
            assert backward_error(a, factors.solve(b, transposed=transposed), b, transposed=transposed) < 1e-12
    assert count.backward_error < 1e-12
    monkeypatch.setattr(direct, "MOST_REFINEMENTS", 0)
    count = SolveCount()
    Factorization(a, "test", symmetric=False, count=count).solve(vector(a, np.ones(SIZE)))
    assert count.backward_error > 1e-6  # and without them the count tells


def test_an_ill_conditioned_system_has_a_small_backward_error() -> None:
    a, count = matrix(graded()), SolveCount()
    Factorization(a, "test", symmetric=False, count=count).solve(vector(a, np.ones(SIZE)))
    assert count.backward_error < 1e-11


def failure(entries: npt.NDArray[np.float64], name: str, symmetric: bool = False) -> str:
    """The message, which is the same on all ranks."""
    a = matrix(entries)
    with pytest.raises(SolverFailed) as caught:
        Factorization(a, name, symmetric=symmetric, count=SolveCount()).solve(vector(a, np.ones(len(entries))))
    messages = COMM.allgather(str(caught.value))
    assert len(set(messages)) == 1
    return messages[0]


@pytest.mark.parametrize("symmetric", [False, True])
def test_a_singular_matrix_is_refused_with_a_reason_and_a_remedy(symmetric: bool) -> None:
    """Two equal rows: structurally fine, numerically not."""
    entries = np.diag(np.full(SIZE, 2.0))
    entries[3:5, 3:5] = 2.0
    message = failure(entries, "stationary", symmetric)
    assert message.startswith("stationary: not solved, ")
    assert "MUMPS INFOG(1) = -10: the matrix is numerically singular" in message
    assert "-- -stationary_pc_factor_mat_solver_type superlu_dist" in message


def test_a_zero_row_is_refused_too() -> None:
    """Its diagonal scaling would be infinite."""
    entries = np.diag(np.full(SIZE, 2.0))
    entries[7, 7] = 0.0
    assert "not solved" in failure(entries, "mass")


def test_petsc_options_under_the_name_reach_the_solver() -> None:
    options = PETSc.Options()
    options["special_ksp_type"] = "gmres"
    options["special_pc_type"] = "none"
    options["special_ksp_max_it"] = 1
    try:
        a = matrix(graded())
        with pytest.raises(SolverFailed, match=r"special: not solved, KSP_.*after 1 iterations"):
            Factorization(a, "special", symmetric=False, count=SolveCount()).solve(vector(a, np.ones(SIZE)))
        Factorization(a, "other", symmetric=False, count=SolveCount()).solve(vector(a, np.ones(SIZE)))
    finally:
        for key in ("special_ksp_type", "special_pc_type", "special_ksp_max_it"):
            options.delValue(key)


def test_vectors_that_nobody_holds_are_freed_on_several_ranks_too() -> None:
    """petsc4py puts them aside on several ranks; a run would hold all vectors that it ever had."""
    local, rounds = 40_000, 200  # 0.3 MB a vector and rank
    diagonal = PETSc.Mat().createAIJ(((local, None), (local, None)), nnz=1, comm=COMM)
    begin, end = diagonal.getOwnershipRange()
    diagonal.setPreallocationCOO(np.arange(begin, end, dtype=np.int32), np.arange(begin, end, dtype=np.int32))
    diagonal.setValuesCOO(np.full(end - begin, 2.0))
    solver = Factorization(diagonal, "test", symmetric=True, count=SolveCount())
    vector = diagonal.createVecRight()
    vector.set(1.0)
    solver.solve(vector)
    before = _held()
    for _ in range(rounds):
        vector = solver.solve(vector)
    assert _held() - before < 0.3 * rounds * 8 * local
    solver.destroy()


def _held() -> int:
    """Bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
