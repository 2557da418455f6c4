"""Stationary densities, their moments, currents and modes: against formulas and independent solutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import linalg

from fpsolver.model.coefficients import Coefficients
from tests import exact
from tests.equations import Array
from tests.problems.answers import Solved, reference, solved
from tests.problems.cases import box
from tests.problems.texts import WELLS, line, plane, regions, settle

parallel = pytest.mark.parallel

TILTED = "(x**2 - 1)**2/4 + 0.1*x"
LOWEST = -290 * np.log(10.0)
"""Logarithm of the smallest density that is asked for."""


def check_logarithm(run: Solved, expected: Array, normalised: float) -> None:
    """The density and the effective potential on the lattice are those of log pi wherever pi > 1e-290, the density with
    a constant, the error of log Z on the mesh."""
    density, potential = run.field("stationary_density")[1], run.field("effective_potential")[1]
    seen = expected > LOWEST
    assert (~seen).any(), "the test wants the whole range of numbers"
    assert expected[seen].min() < LOWEST + 20
    constant = float(np.mean(np.log(density[seen]) - expected[seen]))
    assert abs(constant) < normalised
    np.testing.assert_allclose(np.log(density[seen]) - constant, expected[seen], rtol=0, atol=1e-8)
    np.testing.assert_allclose(potential[seen], expected.max() - expected[seen], rtol=0, atol=1e-8)


def test_gibbs_over_hundreds_of_nats_on_a_line(shared_folder: Path) -> None:
    """log pi = -f/D - log Z at D = 0.002. Catches a density that ends at the round-off of its maximum, the bend of the
    weight in what is written, and a Z that is summed on a mesh too coarse for wells of width 0.03."""
    run = solved(shared_folder, line(TILTED, 0.002, 60) + settle())
    x = run.field("stationary_density")[0][:, 0]

    def potential(x: Array) -> Array:
        return np.asarray(((x**2 - 1) ** 2 / 4 + 0.1 * x) / 0.002)

    lowest = potential(np.array([-1.0466802144516794]))[0]
    mass = exact.mass_on_a_line(lambda x: potential(x) - lowest, (-2.0, 2.0))
    check_logarithm(run, lowest - potential(x) - np.log(mass), 1e-8)
    assert run.passed


def test_gibbs_over_hundreds_of_nats_in_the_plane(shared_folder: Path) -> None:
    """A Gaussian of width 0.04 in a box of width 2, off the nodes; potentials count from the lowest written point."""
    h = np.array([[1.3, 0.3], [0.3, 1.7]])
    loss = "1.3*(x-0.11)**2/2 + 1.7*(y+0.07)**2/2 + 0.3*(x-0.11)*(y+0.07)"
    run = solved(shared_folder, plane(loss, 0.002, (14, 14), (1.0, 1.0)) + settle())
    points = run.field("stationary_density")[0] - [0.11, -0.07]
    normaliser = 0.5 * np.log(np.linalg.det(h)) - np.log(2 * np.pi * 0.002)
    check_logarithm(run, normaliser - np.einsum("ni,ij,nj->n", points, h, points) / 0.004, 1e-4)
    assert run.covariance == pytest.approx(0.002 * np.linalg.inv(h), rel=1e-3)
    assert run.passed


@pytest.mark.parametrize("d", [0.1, 0.05, 0.02, 0.01])
def test_the_mass_and_the_rates_of_a_shallow_well(shared_folder: Path, d: float) -> None:
    """R1 tilted: 2.48e-9 of the mass in the right well at D = 0.01. Catches a small mass that is one minus a large one,
    and a gap that is the difference of close eigenvalues."""
    run = solved(shared_folder, line(TILTED, d) + regions(left="x < 0", right="x > 0") + settle())
    chosen = f"parameters.d={d}"
    assert run.mass("right") == pytest.approx(reference("R1_tilted", "stationary.regions.right", chosen), rel=1e-9)
    assert run.gap == pytest.approx(reference("R1_tilted", "stationary.spectral_gap", chosen), rel=1e-5)
    assert run.mass("left") + run.mass("right") == pytest.approx(1.0, abs=1e-13)
    assert run.passed


@pytest.mark.parametrize("floor", [0.01, 0.0001])
def test_heavy_tails(shared_folder: Path, floor: float) -> None:
    """R6: rho ~ (floor + x^2)^(-1 - 1/0.6). Catches Ito's noise taken as Stratonovich's (then rho is (floor + x^2)
    higher), and a mesh of 0.1 that does not see a peak of width 0.01."""
    text = line("x**2/2", f"0.3*({floor} + x**2)", 100, (-5.0, 5.0)) + regions(tail="x**2 > 1") + settle()
    run = solved(shared_folder, text + "[[probe]]\npoint = [0.0]\n")
    chosen = f"parameters.floor={floor}"
    assert run.mass("tail") == pytest.approx(reference("R6", "stationary.regions.tail", chosen), rel=1e-6)
    assert run.covariance[0, 0] == pytest.approx(reference("R6", "stationary.covariance.0.0", chosen), rel=1e-6)
    peak = run.solution.answers["stationary"].probes[0]["stationary_density"].value
    assert peak == pytest.approx(reference("R6", "probes.0.stationary_density", chosen), rel=1e-6)
    assert run.stationary["detailed_balance"]
    assert run.stationary["current"]["value"] == 0.0


PAIR = 0.75 + 0.25j * np.sqrt(15)
LINEAR = {  # drift matrix A of dX = -A X dt + noise on x alone, and the sums of its eigenvalues
    "R4a": ([[1.0, 1.0], [-1.0, 0.5]], [PAIR, PAIR.conjugate(), 2 * PAIR, 2 * PAIR.conjugate(), 1.5]),
    "R4b": ([[2.0, 1.0], [1.0, 2.0]], [1.0, 2.0, 3.0, 3.0, 4.0]),
}


@pytest.mark.parametrize("name", [pytest.param("R4a", marks=parallel), "R4b"])
def test_noise_on_one_coordinate_alone(shared_folder: Path, name: str) -> None:
    """Covariance from Lyapunov's equation, eigenvalues of A and their sums. Catches a transposed drift, a complex pair
    that is split or given by its modulus, and a D that is made regular."""
    matrix, expected = LINEAR[name]
    a = np.array(matrix)
    extra = [f"-({a[i, 0]})*x - ({a[i, 1]})*y" for i in range(2)]
    text = box([-2.5, -2.5], [2.5, 2.5], [16, 16]) + f"[drift]\nextra = {extra}\n"
    run = solved(shared_folder, text + '[noise]\ndiffusion = [["0.2", "0"], ["0", "0"]]\n' + settle(6))
    covariance = linalg.solve_continuous_lyapunov(a, np.diag([0.4, 0.0]))
    np.testing.assert_allclose(run.covariance, covariance, atol=1e-6)
    np.testing.assert_allclose(run.mean, 0.0, atol=1e-6)
    left = list(run.eigenvalues)
    for value in expected:  # whatever the order of equal real parts
        nearest = min(left, key=lambda other: abs(other - value))
        assert abs(nearest - value) < 1e-4 * abs(value), (value, run.eigenvalues)
        left.remove(nearest)
    assert run.gap == pytest.approx(np.real(expected[0]), rel=1e-5)
    (mode,) = run.stationary["modes"]
    assert mode["point"] == pytest.approx([0.0, 0.0], abs=1e-6)
    assert not run.stationary["detailed_balance"]
    assert run.passed


R10 = {
    "R10a": ("(x**2 - 1)**2/4 + 2*(y - x/2)**2", '[["0.1", "0.06"], ["0.06", "0.1"]]'),
    "R10b": ("(x**2 - 1)**2/4 + 2*(y - x/2)**2", '[["0.1", "0.1"], ["0.1", "0.1"]]'),
    "R10c": (WELLS, '[["0.1*(0.3 + 0.5*x*x)", "0.05*x*y"], ["0.05*x*y", "0.1*(0.3 + 0.5*y*y)"]]'),
}


def r10(name: str, diagonal: str = "right") -> str:
    return plane(*R10[name], (18, 14), diagonal=diagonal) + settle() + "[[probe]]\npoint = [0.0, 0.0]\n"


@pytest.mark.parametrize(
    ("name", "diagonal"),
    [("R10a", "right"), ("R10b", "right"), ("R10b", "left"), ("R10c", "left")],
)
def test_without_detailed_balance(shared_folder: Path, name: str, diagonal: str) -> None:
    """Against independent solutions. Catches K in place of its transpose (then the constant comes out) and a wrong
    divergence of D; and modes that are ripples of a front, or hidden by those: there are two, by symmetry as high."""
    run = solved(shared_folder, r10(name, diagonal))
    assert run.gap == pytest.approx(reference(name, "stationary.spectral_gap"), rel=1e-3)
    for i in range(2):
        assert run.covariance[i, i] == pytest.approx(reference(name, f"stationary.covariance.{i}.{i}"), rel=1e-4)
    density = run.solution.answers["stationary"].probes[0]["stationary_density"].value
    assert density == pytest.approx(reference(name, "probes.0.stationary_density"), rel=1e-2)
    modes = sorted(run.stationary["modes"], key=lambda mode: mode["point"])
    bottom = np.array([1.0, 0.0 if name == "R10c" else 0.5])
    assert [mode["minimum"] for mode in modes] == [pytest.approx(-bottom, abs=1e-6), pytest.approx(bottom, abs=1e-6)]
    assert max(mode["distance"] for mode in modes) < 0.2
    assert max(mode["height"] for mode in modes) < 1e-3
    assert not run.stationary["detailed_balance"]
    assert run.passed


def test_a_lost_ito_term_would_be_seen(shared_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault injection: without div D the noise is no longer Ito's."""
    monkeypatch.setattr(Coefficients, "advection", property(lambda self: self.gradient - self.extra))
    run = solved(shared_folder, r10("R10c"))
    assert abs(run.covariance[0, 0] / reference("R10c", "stationary.covariance.0.0") - 1.0) > 0.01


def test_no_current_where_detailed_balance_holds(shared_folder: Path) -> None:
    """Exactly 0, and the run says why; also where a constant D that is no multiple of I is along the axes of f."""
    for model in (
        plane(WELLS, 0.1, (10, 8)),
        plane("x**2 + 2*y**2", '["0.2", "0.4"]', (10, 8)),
        line(TILTED, "0.1 + x**2"),
    ):
        run = solved(shared_folder, model + settle())
        assert run.stationary["detailed_balance"] is True
        assert run.stationary["current"]["value"] == 0.0
        assert "current" not in run.solution.record.static


@pytest.mark.parametrize("potential", ["", 'potential = "2.3*(x**2 + y**2)"\n'], ids=["fitted", "given"])
def test_the_current_of_a_rotation(shared_folder: Path, potential: str) -> None:
    """f = |x|^2/2 turned by omega (-y, x) keeps its Gaussian, and J = omega (-y, x) pi, whose size is
    omega E|x| = omega sqrt(pi D/2). Catches the sign of J, the weight left out of it, and w for pi: the given
    potential is wrong on purpose, and any weight is right."""
    omega, d = 1.3, 0.25
    model = (
        plane("(x**2 + y**2)/2", d, (12, 12), (3.0, 3.0))
        + potential
        + f'[drift]\nextra = ["{-omega}*y", "{omega}*x"]\n'
    )
    run = solved(shared_folder, model + settle())
    points, current = run.field("current")
    density = np.exp(-(points**2).sum(axis=1) / (2 * d)) / (2 * np.pi * d)
    turned = omega * np.column_stack([-points[:, 1], points[:, 0]])
    np.testing.assert_allclose(current, turned * density[:, None], atol=3e-5)
    assert run.stationary["current"]["value"] == pytest.approx(omega * np.sqrt(np.pi * d / 2), rel=1e-5)
    assert not run.stationary["detailed_balance"]


def test_the_current_has_no_sources(shared_folder: Path) -> None:
    """Integral of J . grad g = 0, here for g = x^2, y^2 and x y: catches a current that misses one of its parts."""
    run = solved(shared_folder, plane(*R10["R10a"], (16, 12)) + settle())
    points, current = run.field("current")
    size = run.stationary["current"]["value"]
    x, y = points.T
    along = np.array([2 * x * current[:, 0], 2 * y * current[:, 1], y * current[:, 0] + x * current[:, 1]])
    assert np.abs(along).mean(axis=1).min() * 12.0 > 0.1 * size
    assert np.abs(along.mean(axis=1)).max() * 12.0 < 2e-2 * size
    assert size > 0.01


@pytest.mark.parametrize(
    ("loss", "noise", "modes"),
    [
        ("(x**2 - 1)**2/4 + 0.02*x", "0.02", [-1.00985, 0.98985]),  # the roots of f', the deeper one first
        ("x**2/2", "0.3*(0.2 + (x - 1)**2)", [0.375]),  # f' + D' = 0
        ("x**2/2", "0.8/(1 + 4*x**2)", [0.61843, -0.61843]),  # 6.4 = (1 + 4 x^2)^2
    ],
)
def test_modes_are_where_drift_and_noise_balance(
    shared_folder: Path, loss: str, noise: str, modes: list[float]
) -> None:
    """f' + D' = 0 on a line. Catches minima of f that are called modes, and a height in the wrong unit."""
    run = solved(shared_folder, line(loss, noise, 60, (-3.0, 3.0)) + settle())
    found = run.stationary["modes"]
    assert sorted(mode["point"][0] for mode in found) == pytest.approx(sorted(modes), abs=1e-4)
    assert found[0]["height"] == 0.0
    if len(modes) == 2 and modes[0] + modes[1] != 0:
        assert found[0]["point"][0] == pytest.approx(modes[0], abs=1e-4)
        f = [(x * x - 1) ** 2 / 4 + 0.02 * x for x in modes]
        assert found[1]["height"] == pytest.approx((f[1] - f[0]) / 0.02, abs=1e-4)
        assert max(mode["distance"] for mode in found) < 1e-4
    else:
        for mode in found:
            assert mode["minimum"] == pytest.approx([0.0], abs=1e-6)
            assert mode["distance"] == pytest.approx(abs(mode["point"][0]), abs=1e-6)


def test_noise_moves_a_mode_in_the_plane(shared_folder: Path) -> None:
    """2 x + D' = 0 with D = 0.2 (0.5 + (x - 1)^2) along x, at x = 1/6; y knows nothing of it."""
    run = solved(
        shared_folder, plane("x**2 + y**2/2", '["0.2*(0.5 + (x - 1)**2)", "0.1"]', (12, 12), (2.0, 2.0)) + settle()
    )
    (mode,) = run.stationary["modes"]
    assert mode["point"] == pytest.approx([1 / 6, 0.0], abs=2e-3)
    assert mode["minimum"] == pytest.approx([0.0, 0.0], abs=1e-6)
