"""The limit of Noisy SGD where it is known: Gaussian densities, quadrature along a line, and faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from petsc4py import PETSc
from scipy.linalg import solve_continuous_lyapunov

from fpsolver.generator.pinned import Pinned
from fpsolver.problems.base import Answer
from fpsolver.problems.noisy import levels as noisy_levels
from fpsolver.problems.noisy.identity import balance
from fpsolver.problems.noisy.levels import rungs
from fpsolver.problems.noisy.problem import solve_noisy_sgd
from tests import exact
from tests.equations import Array
from tests.problems.cases import box
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel

CASE = """[domain]
lower = [-1.5, -1.2]
upper = [1.5, 1.2]
cells = [10, 10]
[loss]
expression = "x**2 + y**2"
[noise]
diffusion = {noise}
[stationary]
regularizations = [4e-2, 2e-2, 1e-2]
"""


def results(folder: Path, noise: str) -> Any:
    return solve_noisy_sgd(setting(folder, CASE.format(noise=noise))).results


def test_noise_along_a_line_collapses_onto_it(shared_folder: Path) -> None:
    """Across the line a Gaussian of variance eps/2: W1 of two of them is sqrt(2/pi) times what their widths differ."""
    found = results(shared_folder, '[["0.2", "0"], ["0", "0"]]')
    for level in found["levels"]:
        assert level["covariance"][1][1].value == pytest.approx(level["regularization"] / 2, rel=1e-3)
    for one in found["differences"]:
        widths = np.sqrt(one["from"] / 2), np.sqrt(one["to"] / 2)
        # along the line the widths differ too, by less
        assert one["wasserstein1"].value == pytest.approx(np.sqrt(2 / np.pi) * (widths[0] - widths[1]), rel=0.15)
    assert "singular" in found["verdict"]


def test_noise_everywhere_has_a_density_for_its_limit(shared_folder: Path) -> None:
    """Variances d/2 + eps/2: all differences are of order eps."""
    found = results(shared_folder, '[["0.2", "0"], ["0", "0.3"]]')
    for level in found["levels"]:
        epsilon = level["regularization"]
        assert level["covariance"][0][0].value == pytest.approx((0.2 + epsilon) / 2, rel=2e-2)
    assert "density" in found["verdict"]
    assert found["orders"]["l1"]["last"].value == pytest.approx(1.0, abs=0.2)


def on_line(folder: Path, loss: str, noise: str, levels: list[float], end: float = 2.0) -> Answer:
    text = box([-end], [end], [24]) + f'[loss]\nexpression = "{loss}"\n[noise]\ndiffusion = "{noise}"\n'
    return solve_noisy_sgd(setting(folder, f"{text}[stationary]\nregularizations = {levels}\n"))


def within(quantity: Any, value: float) -> bool:
    """Whether a distance is right up to what is said of its error."""
    return bool(abs(quantity.value - value) <= max(quantity.floor, 1e-3 * value) < 0.03 * value)


@pytest.mark.parametrize("d", [0.0, 0.1])
def test_gaussians_on_a_line(shared_folder: Path, d: float) -> None:
    """rho = N(0, (d + eps)/2): W1 = sqrt(2/pi) |s - t|, W2 = |s - t|. Without noise the limit is a point mass, and W1
    is of order 1/2 then; with noise all that is smooth in eps is of order 1."""
    found: Any = on_line(shared_folder, "x**2", f"{d}", [4e-2, 2e-2, 1e-2]).results
    for one in found["differences"]:
        apart = float(np.sqrt((d + one["from"]) / 2) - np.sqrt((d + one["to"]) / 2))
        assert within(one["wasserstein1"], np.sqrt(2 / np.pi) * apart)
        assert one["wasserstein2_lower"].value == pytest.approx(apart, rel=1e-6)
        assert one["wasserstein2_upper"].value == pytest.approx(apart, rel=3e-2)
    orders = {name: each["last"].value for name, each in found["orders"].items()}
    assert orders["covariance"] == pytest.approx(1.0, abs=1e-6)
    assert orders["wasserstein2_lower"] == pytest.approx(_order(lambda eps: np.sqrt(d + eps)), abs=1e-5)
    assert orders["wasserstein1"] == pytest.approx(_order(lambda eps: np.sqrt(d + eps)), abs=0.03)
    if d:
        assert found["verdict"] == "density limit"
        assert (found["at_zero"]["states"], found["at_zero"]["kinds"]) == (1, ["density"])
        to_limit = np.sqrt(2 / np.pi) * (np.sqrt((d + 1e-2) / 2) - np.sqrt(d / 2))
        assert within(found["at_zero"]["wasserstein1"], to_limit)
        assert found["left"]["wasserstein1"].value == pytest.approx(to_limit, rel=0.1)  # one power of eps is not all
    else:
        assert found["verdict"] == "singular limit"
        assert "collapses onto points" in found["why"]
        assert orders["l1"] == pytest.approx(0.0, abs=0.05)  # of two Gaussians it depends on the ratio of widths alone
        assert found["codimension"].value == pytest.approx(1.0, abs=1e-4)
        assert found["at_zero"]["kinds"] == ["point mass"]
        assert found["left"]["wasserstein1"].value == pytest.approx(np.sqrt(2 / np.pi * 1e-2 / 2), rel=0.1)


def _order(width: Callable[[float], float]) -> float:
    """p for which a^p - b^p and b^p - c^p have the ratio of the differences of a width, a = 2 b = 4 c."""
    return float(np.log2((width(4e-2) - width(2e-2)) / (width(2e-2) - width(1e-2))))


def test_noise_in_one_direction_and_a_drift_that_turns(shared_folder: Path) -> None:
    """A S + S A' = 2 (D + eps I) for any eps, 0 too, where S is regular: L1 and all else is of order 1."""
    levels, noise = [8e-3, 4e-3, 2e-3], np.diag([0.4, 0.0])
    drift = '[drift]\nextra = ["2*y", "-2*x"]\n[loss]\nexpression = "x**2/2 + y**2/2"\n'
    text = box([-2.5, -2.5], [2.5, 2.5], [8, 8]) + drift + '[noise]\ndiffusion = [["0.4", "0"], ["0", "0"]]\n'
    found: Any = solve_noisy_sgd(setting(shared_folder, f"{text}[stationary]\nregularizations = {levels}\n")).results
    turning = np.array([[1.0, -2.0], [2.0, 1.0]])
    exactly = [solve_continuous_lyapunov(turning, 2 * (noise + eps * np.eye(2))) for eps in levels]
    for level, covariance in zip(found["levels"], exactly, strict=True):
        assert [[c.value for c in row] for row in level["covariance"]] == pytest.approx(covariance, abs=2e-5)
    for one, wide, narrow in zip(found["differences"], exactly[:-1], exactly[1:], strict=True):
        assert one["l1"].value == pytest.approx(l1_of_gaussians(wide, narrow), rel=1e-2)
    assert found["orders"]["l1"]["last"].value == pytest.approx(1.0, abs=0.05)
    assert found["verdict"] == "density limit"
    assert found["at_zero"]["kinds"] == ["density"]
    zero = solve_continuous_lyapunov(turning, 2 * noise)
    assert found["at_zero"]["l1"].value == pytest.approx(l1_of_gaussians(exactly[-1], zero), rel=3e-2)
    assert found["left"]["l1"].value == pytest.approx(l1_of_gaussians(exactly[-1], zero), rel=0.1)


def l1_of_gaussians(one: Array, other: Array) -> float:
    """Of mean 0, on a lattice."""
    side = np.linspace(-4.0, 4.0, 401)
    points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    apart = exact.gaussian([0.0, 0.0], one)(points) - exact.gaussian([0.0, 0.0], other)(points)
    return float(np.abs(apart).sum() * (side[1] - side[0]) ** 2)


@pytest.mark.parametrize(
    ("loss", "noise", "winner"),
    [
        ("(x**2 - 1)**2/4 + 0.1*x", "0", "the lowest minimum"),
        ("(x**2 - 1)**2/4", "0.3*(x - 1)**2", "one of several lowest minima"),
        ("(x**2 - 1)**2/4 - 0.02*x", "0.3*(x + 1)**2", "a minimum that is not the lowest"),
        ("(x**2 - 1)**2/4", "0", "several minima share"),
    ],
)
def test_which_minimum_takes_all(shared_folder: Path, loss: str, noise: str, winner: str) -> None:
    """rho = exp(-integral of f'/D)/D by quadrature, D that of the case and eps: where noise vanishes at a minimum, that
    one wins, be it the lowest or not, and though without eps each minimum without noise is a state of its own."""
    levels = [4e-2, 1e-2, 2.5e-3]
    found: Any = on_line(shared_folder, loss, noise, levels).results
    x = np.linspace(-2.0, 2.0, 400_001)
    loss_there, noise_there = (np.broadcast_to(eval(each, {"x": x}), x.shape) for each in (loss, noise))
    minima = [float(each["point"][0]) for each in found["minima"]]
    for number, eps in enumerate(levels):
        d = noise_there + eps
        slope = np.gradient(loss_there, x) / d
        potential = np.append(0.0, np.cumsum((slope[1:] + slope[:-1]) / 2 * np.diff(x))) + np.log(d)
        rho = np.exp(potential.min() - potential)
        nearest = np.abs(x[:, None] - np.array(minima)).argmin(axis=1)
        shares = np.bincount(nearest, rho) / rho.sum()
        for each, share in zip(found["minima"], shares, strict=True):
            assert each["masses"][number].value == pytest.approx(share, rel=2e-2, abs=1e-5)
    assert winner in found["why"]
    assert found["verdict"] == "singular limit"


def test_mass_that_ends_at_the_walls_has_no_limit(shared_folder: Path) -> None:
    """In the whole space it would run away, the faster the smaller eps is."""
    found: Any = on_line(shared_folder, "-x**2/2", "0", [0.4, 0.1, 0.025]).results
    assert found["verdict"] == "none"
    assert "escape" in found["why"]


def test_the_identity_of_stationary_densities(shared_folder: Path) -> None:
    """integral of L phi d rho = -eps integral of phi'' d rho, here for N(0, (d + eps)/2), phi = s^p (1 - s^2)^4."""
    text = box([-2.0], [2.0], [40]) + '[loss]\nexpression = "x**2"\n[noise]\ndiffusion = "0.1"\n'
    given = setting(shared_folder, f"{text}[stationary]\nregularizations = [4e-2, 2e-2]\n")
    levels = [rung.level for rung in rungs(given)]
    s = np.linspace(-1.0, 1.0, 20_001)
    for level in levels:
        eps = level.regularization
        rho = np.exp(-((2 * s) ** 2) / (0.1 + eps))
        sizes = []
        for p in range(3):
            bend = (np.polynomial.Polynomial([0] * p + [1]) * np.polynomial.Polynomial([1, 0, -1]) ** 4).deriv(2)(s) / 4
            sizes.append(eps * abs(float((bend * rho).sum() / rho.sum())) / np.abs(bend).max())
        found = balance(level, given.case.domain, np.zeros(1))
        assert found.functions == 3
        assert found.size == pytest.approx(max(sizes), rel=1e-2)
        assert found.size <= eps
        assert found.defect < 1e-9
    # a density that is not the one of its eps
    other = replace(levels[1], state=replace(levels[1].state, vector=tilted(levels[1].state.vector)))
    assert balance(other, given.case.domain, np.zeros(1)).defect > 1e-2


def tilted(vector: PETSc.Vec) -> PETSc.Vec:
    """Other values, by up to a tenth."""
    first, last = vector.getOwnershipRange()
    other = vector.copy()
    other.array[:] *= 1.0 + 0.1 * np.sin(np.arange(first, last) * 6.0 / vector.getSize())
    return other


def test_a_wrong_density_does_not_pass(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate says that noise and drift are not balanced, where the formula of the density is not used."""
    monkeypatch.setattr(noisy_levels, "gibbs_state", lambda generator: None)
    name = "noisy SGD: balance of noise and drift"
    right = Pinned.stationary
    for spoilt in (False, True):
        if spoilt:
            monkeypatch.setattr(Pinned, "stationary", lambda self: tilted(right(self)))
        checks = on_line(shared_folder, "x**2", "0.1*(1 + x**2)", [4e-2, 2e-2, 1e-2]).checks
        (check,) = [each for each in checks if each.name == name]
        assert check.passed is not spoilt
