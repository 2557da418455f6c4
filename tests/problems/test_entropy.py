"""Relative entropies along evolutions: Gaussians whose entropies are known, the balance dH/dt = -I, and late rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsolver.problems.base import Answer
from fpsolver.problems.entropy.problem import solve_entropy
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel

Array = npt.NDArray[np.float64]

MEAN, SPREAD = np.array([0.8, -0.4]), 0.05
NOISE = np.diag([0.2, 0.0])
MATRICES = {"turning": np.array([[1.0, 1.0], [-1.0, 0.5]]), "symmetric": np.array([[2.0, 1.0], [1.0, 2.0]])}


def gaussian_kl(mean: Array, spread: Array, final: Array) -> float:
    """KL of N(mean, spread) relative to N(0, final)."""
    ratio = np.linalg.solve(final, spread)
    return float((np.trace(ratio) - len(mean) - np.linalg.slogdet(ratio)[1] + mean @ np.linalg.solve(final, mean)) / 2)


AT_FIRST = gaussian_kl(np.array([0.7]), np.array([[0.35**2]]), np.array([[0.25]]))
"""Of the parabola."""


def exact(matrix: Array, time: float) -> float:
    """KL after a time of dX = -A X dt + sqrt(2 D) dW from the initial Gaussian."""
    final = solve_continuous_lyapunov(matrix, 2 * NOISE)
    carried = expm(-matrix * time)
    return gaussian_kl(carried @ MEAN, final + carried @ (SPREAD * np.eye(2) - final) @ carried.T, final)


def linear(matrix: Array, end: float, frames: int, cells: int = 26) -> str:
    (a, b), (c, d) = (-matrix).tolist()
    return f"""[domain]
lower = [-2.0, -1.8]
upper = [2.2, 1.6]
cells = [{cells}, {cells}]
[drift]
extra = ["{a!r}*x + {b!r}*y", "{c!r}*x + {d!r}*y"]
[noise]
diffusion = [["0.2", "0"], ["0", "0"]]
[evolution]
initial = {{ gaussian = {{ mean = [0.8, -0.4], std = {SPREAD**0.5!r} }} }}
end_time = {end}
frames = {frames}
[entropy]
kinds = ["kl"]
"""


def well(cells: int, more: str = "") -> str:
    """A parabola in one dimension."""
    return f"""[domain]
lower = [-3.0]
upper = [3.0]
cells = [{cells}]
[loss]
expression = "x**2/2"
[noise]
diffusion = 0.25
[evolution]
initial = {{ gaussian = {{ mean = [0.7], std = 0.35 }} }}
end_time = 5.0
frames = 40
{more}
[entropy]
kinds = ["kl", "chi2", "power"]
"""


def solved(folder: Path, text: str) -> Answer:
    return solve_entropy(setting(folder, text))


def entry(answer: Answer, kind: str, name: str) -> float:
    results: Any = answer.results
    value = results[kind][name].value
    assert value is not None, results[kind][name].why
    return float(value)


def failed(answer: Answer) -> list[str]:
    return [check.name for check in answer.checks if not check.passed]


@pytest.mark.parametrize("kind", MATRICES)
@pytest.mark.parametrize("time", [0.5, 2.0])
def test_entropy_of_gaussians_with_noise_in_one_direction(shared_folder: Path, kind: str, time: float) -> None:
    """D is singular, and the stationary density is a narrow Gaussian across it."""
    answer = solved(shared_folder, linear(MATRICES[kind], time, 4))
    assert entry(answer, "kl", "initial") == pytest.approx(exact(MATRICES[kind], 0.0), rel=2e-3)
    assert entry(answer, "kl", "final") == pytest.approx(exact(MATRICES[kind], time), rel=2e-3)
    assert failed(answer) == []


def test_the_late_rate_of_an_entropy_that_swings(shared_folder: Path) -> None:
    """2 mu = 1.5, twice the real part of a complex pair; and the modified entropy promises just that."""
    text = linear(MATRICES["turning"], 12.0, 48, 28)
    text = text.replace("[-2.0, -1.8]", "[-2.5, -2.0]").replace("[2.2, 1.6]", "[2.5, 2.0]")  # nothing felt of the walls
    answer = solved(shared_folder, text)
    assert entry(answer, "kl", "rate") == pytest.approx(1.5, rel=1e-2)
    results: Any = answer.results
    rows = {row["theorem"]: row for row in results["theory"]}
    applies = [row for row in rows.values() if row["applies"] and row["promises"] is not None]
    assert any(row["promises"].value == pytest.approx(1.5, rel=1e-6) for row in applies)
    assert all(row["holds"] is not False for row in rows.values())
    assert results["bakry_emery"]["curvature"].value is None


def test_all_entropies_of_a_parabola_decay_at_twice_the_gap(shared_folder: Path) -> None:
    answer = solved(shared_folder, well(20))
    assert entry(answer, "kl", "initial") == pytest.approx(AT_FIRST, rel=1e-5)
    for kind in ("kl", "chi2", "power"):
        assert entry(answer, kind, "rate") == pytest.approx(2.0, rel=1e-2)
    assert failed(answer) == []


def test_the_balance_of_entropy_and_dissipation_converges(shared_folder: Path) -> None:
    """dH/dt from the generator against -I from gradients, at all output times."""
    defects = [float(solved(shared_folder, well(cells)).results["balance"]) for cells in (6, 12)]  # type: ignore[call-overload,arg-type]
    assert defects[1] < 1e-3
    assert defects[1] < defects[0] / 4


@pytest.mark.parametrize("more", ['method = "sdirk"', '[discretization]\nscheme = "monotone"'])
def test_other_methods_agree(shared_folder: Path, more: str) -> None:
    answer = solved(shared_folder, well(60, more))
    assert entry(answer, "kl", "initial") == pytest.approx(AT_FIRST, rel=5e-3)
    assert failed(answer) == []


def test_a_point_mass_has_no_initial_entropy(shared_folder: Path) -> None:
    text = well(20).replace("{ gaussian = { mean = [0.7], std = 0.35 } }", "{ point = [0.7] }")
    results: Any = solved(shared_folder, text).results
    assert results["kl"]["initial"].value is None
    assert results["kl"]["initial"].why
