"""Coefficients at the points of a mesh: round-off becomes zero and is told, what is no diffusion is refused by all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mpi4py import MPI

from fpsolver.errors import BadUsage
from fpsolver.generator.sound import Unsound, definite, least_eigenvalues, sound
from fpsolver.generator.weight import Weight, no_potential
from fpsolver.model.coefficients import Coefficients
from tests.equations import COMM
from tests.problems.settings import setting

RNG = np.random.default_rng(7)


def coefficients(diffusion: np.ndarray) -> Coefficients:
    n, d = diffusion.shape[:2]
    return Coefficients(np.zeros(n), np.zeros((n, d)), np.zeros((n, d)), diffusion, np.zeros((n, d)))


def rotated(values: list[float], count: int) -> np.ndarray:
    """Symmetric matrices with these eigenvalues."""
    d = len(values)
    turns = np.linalg.qr(RNG.standard_normal((count, d, d)))[0]
    found = np.einsum("nik,k,njk->nij", turns, values, turns)
    return (found + found.transpose(0, 2, 1)) / 2


@pytest.mark.parametrize(
    "values", [[0.3], [-2e-3, 1.0], [0.0, 1.0], [-1e-5, 0.2, 1.0], [0.0, 0.0, 1.0], [1.0, 2.0, 3.0]]
)
def test_least_eigenvalues(values: list[float]) -> None:
    """Closed forms and Gershgorin's bound agree on the sign; below zero the value is the eigenvalue itself."""
    least = least_eigenvalues(rotated(values, 50))
    assert np.allclose(least, min(values), atol=1e-14) if min(values) < 0 else (least <= min(values) + 1e-14).all()
    assert not (least < -1e-14).any() or min(values) < 0


@pytest.mark.parametrize("values", [[-1e-13], [-1e-13, 1.0], [-2e-13, -1e-13, 1.0]])
def test_round_off_is_put_to_zero(values: list[float]) -> None:
    diffusion = rotated(values, 20)
    found, least = definite(coefficients(diffusion))
    assert least == pytest.approx(min(values), rel=1e-2)
    assert np.linalg.eigvalsh(found.diffusion).min() > -1e-15
    assert np.abs(found.diffusion - diffusion).max() < 3e-13
    assert (found.diffusion == found.diffusion.transpose(0, 2, 1)).all()


def test_what_is_definite_is_left_alone() -> None:
    """Singular tensors, which round to -1e-17, included."""
    vectors = RNG.standard_normal((200, 3))
    given = coefficients(vectors[:, :, None] * vectors[:, None, :])
    assert definite(given)[0] is given


@pytest.mark.parallel
def test_a_point_of_one_rank_is_an_error_of_all() -> None:
    """Only the last rank has a bad point; all raise the same message, so nobody waits."""
    points = np.zeros((5, 2)) + COMM.rank
    for bad, message in (
        (-1e-6, r"D has the eigenvalue -1e-06 at \(%d, %d\)"),
        (np.nan, r"the diffusion is not finite at"),
    ):
        diffusion = np.tile(np.eye(2), (5, 1, 1))
        if COMM.rank == COMM.size - 1:
            diffusion[3, 0, 0] = bad
        last = COMM.size - 1
        with pytest.raises(Unsound, match=message % (last, last) if "%" in message else message):
            sound(coefficients(diffusion), points, COMM)


@pytest.mark.parallel
def test_what_is_round_off_depends_on_the_size_of_d_on_all_ranks() -> None:
    """-1e-13 is none beside a D of 1e-3, and is beside one of 1 on another rank."""
    points = np.zeros((4, 1))
    diffusion = np.full((4, 1, 1), 1.0 if COMM.rank == 0 else 1e-3)
    if COMM.rank == COMM.size - 1:
        diffusion[2] = -1e-13
    found, raised = sound(coefficients(diffusion), points, COMM)
    assert raised == pytest.approx(-1e-13)
    assert found.diffusion.min() >= 0.0
    if COMM.size == 1:
        with pytest.raises(Unsound):
            sound(coefficients(diffusion * np.array([1e-3, 1e-3, 1.0, 1e-3])[:, None, None]), points, MPI.COMM_SELF)


def case_with(diffusion: str) -> str:
    return (
        "[domain]\nlower = [-1, -1]\nupper = [1, 1]\ncells = [6, 6]\n"
        '[loss]\nexpression = "x**2 + y**2"\n'
        f"[noise]\ndiffusion = {diffusion}\n"
        "[stationary]\n[discretization]\ndegree = 2\n"
    )


@pytest.mark.parallel
def test_a_run_tells_of_round_off_once(shared_folder: Path) -> None:
    told: list[str] = []
    given = setting(shared_folder, case_with('[[1, 1], [1, "1 - 4e-13"]]'))
    object.__setattr__(given, "announce", told.append)
    for _ in range(2):
        given.generator(Weight(no_potential))
    assert told == ["noise: D has eigenvalues down to -2.0e-13 of its size: round-off, they are taken as 0"]


@pytest.mark.parallel
def test_what_the_samples_have_missed_is_refused_at_its_line(shared_folder: Path) -> None:
    """A hole in D so narrow that only a quadrature point meets it."""
    plain = setting(shared_folder, case_with("1.0"))
    points = plain.quadrature_points[0]
    x, y = COMM.bcast(points[len(points) // 2])
    hole = f"1 - 3*exp(-((x - {x!r})**2 + (y - {y!r})**2)/1e-12)".replace("np.float64", "")
    for formula, message in (
        (hole, r"case.toml:7: noise: D has the eigenvalue -2 at \(.*\), a point of the mesh; write a tensor"),
        (
            f"1 + 1e-9*log((x - {x!r})**2 + (y - {y!r})**2)".replace("np.float64", ""),
            "noise: the diffusion is not finite",
        ),
    ):
        given = setting(shared_folder, case_with(f'"{formula}"'))
        with pytest.raises(BadUsage, match=message):
            given.generator(Weight(no_potential))
