"""Relative entropies along evolutions: exact ones of Gaussians and of two wells, the balance dH/dt = -I, late rates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.linalg import expm, solve_continuous_lyapunov

from fpsolver.problems.base import Answer
from fpsolver.problems.entropy.curve import Curve
from fpsolver.problems.entropy.problem import solve_entropy
from fpsolver.problems.entropy.rows import Measured
from fpsolver.problems.entropy.watcher import EntropyWatcher, Row
from fpsolver.problems.evolution.problem import evolution_of
from tests import exact
from tests.equations import orders
from tests.problems.settings import setting
from tests.problems.texts import WELLS, plane

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


def linear_kl(matrix: Array, time: float) -> float:
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


def rows_of(folder: Path, text: str) -> tuple[Answer, list[Row]]:
    """The answer, and what was measured at all times."""
    given = setting(folder, text)
    answer = solve_entropy(given)
    watcher = evolution_of(given).watched["entropy"]
    assert isinstance(watcher, EntropyWatcher)
    return answer, watcher.rows


def kl(rows: list[Row]) -> dict[float, float]:
    """Time -> relative entropy."""
    return {round(row.time, 9): row.kinds[0].value for row in rows}


@pytest.mark.parametrize(("kind", "rate"), [("turning", 1.5), ("symmetric", 2.0)])
def test_gaussians_with_noise_in_one_direction(shared_folder: Path, kind: str, rate: float) -> None:
    """R4a and R4b: D is singular, and the stationary density is a narrow Gaussian across it. The late rate is 2 mu,
    twice the real part of the eigenvalues of the drift; the modified entropy promises just that, Bakry and Emery
    nothing."""
    text = linear(MATRICES[kind], 12.0, 48)
    text = text.replace("[-2.0, -1.8]", "[-2.5, -2.0]").replace("[2.2, 1.6]", "[2.5, 2.0]")  # nothing felt of the walls
    answer, rows = rows_of(shared_folder, text)
    found = kl(rows)
    for time in (0.0, 0.5, 1.0, 2.0, 4.0):
        assert found[time] == pytest.approx(linear_kl(MATRICES[kind], time), rel=2e-3), time
    assert failed(answer) == []
    assert entry(answer, "kl", "rate") == pytest.approx(rate, rel=1e-2)
    results: Any = answer.results
    theory = {row["theorem"]: row for row in results["theory"]}
    promised = theory["modified entropy"]
    assert promised["applies"]
    assert promised["promises"].value == pytest.approx(rate, rel=1e-6)
    assert all(row["holds"] is not False for row in theory.values())
    assert results["bakry_emery"]["curvature"].value is None


D = 0.1
IN_TWO_WELLS = {0.1: 0.9348529289002038, 0.5: 0.7502908091765973, 1.0: 0.7004313486922905, 5.0: 0.48006233610008503}
"""R2: relative entropy of the Gaussian around (-1, 0) of standard deviation 0.1 after these times, by `wells_kl`."""


def wells_kl(time: float) -> float:
    """Density and loss are sums over coordinates in the exponent, so the entropy is a sum of two integrals on lines."""
    found = 0.0
    for potential, slope, end, mean in (
        (lambda x: (x * x - 1) ** 2 / 4, lambda x: x**3 - x, 2.0, -1.0),
        (lambda y: 2 * y * y, lambda y: 4 * y, 1.5, 0.0),
    ):
        density = exact.in_one_dimension(potential, slope, D, (-end, end), (mean, 0.1))
        nodes, weights = np.polynomial.legendre.leggauss(600)
        x = end * nodes
        mass = end * (weights @ np.exp(-potential(x) / D))
        rho = np.maximum(density(time, x), 1e-300)
        found += float(end * (weights @ (rho * (np.log(rho * mass) + potential(x) / D))))
    return found


def test_two_wells(shared_folder: Path) -> None:
    """Within 1e-3 of what is exact, and falling from time to time."""
    assert [wells_kl(time) for time in IN_TWO_WELLS] == pytest.approx(list(IN_TWO_WELLS.values()), rel=1e-6)
    text = plane(WELLS, D, (20, 12)) + (
        f"[evolution]\ninitial = {{ gaussian = {{ mean = [-1.0, 0.0], std = 0.1 }} }}\n"
        f'output_times = {list(IN_TWO_WELLS)}\n[entropy]\nkinds = ["kl"]\n'
    )
    answer, rows = rows_of(shared_folder, text)
    found = kl(rows)
    assert [found[time] for time in IN_TWO_WELLS] == pytest.approx(list(IN_TWO_WELLS.values()), rel=1e-3)
    assert (np.diff([value for value in found.values() if np.isfinite(value)]) < 0.0).all()
    assert failed(answer) == []


def power_of_gaussians(p: float, time: float) -> float:
    """(the integral of rho^p pi^(1 - p) - 1)/(p - 1) for the parabola, whose densities are Gaussians."""
    final, decay = 0.25, np.exp(-time)
    mean, variance = 0.7 * decay, final + (0.35**2 - final) * decay**2
    curvature = p / variance + (1 - p) / final
    exponent = (p * mean / variance) ** 2 / (2 * curvature) - p * mean**2 / (2 * variance)
    integral = variance ** (-p / 2) * final ** ((p - 1) / 2) * curvature**-0.5 * np.exp(exponent)
    return float((integral - 1) / (p - 1))


def test_chi_squared_and_powers_of_gaussians(shared_folder: Path) -> None:
    """Exact at all times. The kinds are in the order of their exponents at every time, as the functions are."""
    text = well(20).replace("end_time = 5.0\nframes = 40", "output_times = [0.5, 1.0, 3.0]") + "power = 1.3\n"
    _, rows = rows_of(shared_folder, text)
    for row in rows:
        chi2, power = row.kinds[1].value, row.kinds[2].value
        assert chi2 == pytest.approx(power_of_gaussians(2.0, row.time), rel=1e-5), row.time
        assert power == pytest.approx(power_of_gaussians(1.3, row.time), rel=1e-5), row.time
        assert row.kinds[0].value < power < chi2


def test_all_entropies_of_a_parabola_decay_at_twice_the_gap(shared_folder: Path) -> None:
    answer = solved(shared_folder, well(20))
    assert entry(answer, "kl", "initial") == pytest.approx(AT_FIRST, rel=1e-5)
    for kind in ("kl", "chi2", "power"):
        assert entry(answer, kind, "rate") == pytest.approx(2.0, rel=1e-2)
    assert failed(answer) == []


def test_the_balance_of_entropy_and_dissipation_converges(shared_folder: Path) -> None:
    """dH/dt from the generator against -I from gradients, by the order 2 k of functionals."""

    def defect(cells: int) -> float:
        text = well(cells, "[discretization]\ndegree = 2").replace("frames = 40", "output_times = [1.0, 2.0, 5.0]")
        results: Any = solved(shared_folder, text).results
        return float(results["balance"])

    assert min(orders([defect(cells) for cells in (8, 16, 32)])) > 3.5


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


def curve(*values: tuple[float, float, float]) -> Curve:
    """From (value, total, uncertainty) at times 0, 1, ..."""
    measured = tuple(Measured(value, np.nan, np.nan, 0.0, 0.0, total, more) for value, total, more in values)
    times = np.arange(float(len(values)))
    return Curve("kl", times, np.ones(len(values), dtype=bool), measured, 0.0, starts_at_point=False)


def test_little_that_is_not_resolved_is_given_with_its_uncertainty() -> None:
    """An entropy is missing only where neither it nor a bound far below the largest one is known."""

    def final(value: float, total: float, uncertainty: float) -> Any:
        found = curve((2.0, 2.0, 0.0), (value, total, uncertainty))
        return found.entry(found.rate())["final"]

    clear = final(0.3, 0.3, 1e-4)
    assert (clear.value, clear.floor) == (0.3, pytest.approx(1e-4))
    little = final(np.nan, 1e-5, 3e-5)
    assert (little.value, little.floor) == (1e-5, pytest.approx(3e-5))
    for total, uncertainty in ((0.3, 0.1), (1e-5, 0.01), (1e-5, np.inf), (np.inf, 0.0), (np.nan, np.nan)):
        assert final(np.nan, total, uncertainty).value is None
        assert final(np.nan, total, uncertainty).why


def test_what_the_walls_leave_of_an_entropy_is_within_its_uncertainty(shared_folder: Path) -> None:
    """In a box that is felt, at a time when nothing is left in truth: tails decide, and where they are not known the
    entropy says so."""
    text = linear(MATRICES["turning"], 16.0, 4, 20)
    results: Any = solved(shared_folder, text).results
    final = results["kl"]["final"]
    assert final.value is not None
    assert abs(final.value - linear_kl(MATRICES["turning"], 16.0)) <= final.floor
    assert final.floor < 1e-3 * linear_kl(MATRICES["turning"], 0.0)
