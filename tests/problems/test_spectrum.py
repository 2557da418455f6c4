"""Eigenvalues, gaps of any size, and the jumps between wells that they are made of."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from tests.equations import Array
from tests.problems.answers import Solved, reference, solved
from tests.problems.cases import box
from tests.problems.texts import WELLS, leave, line, plane, regions, settle

LINE_WELLS = "(x**2 - 1)**2/4"
HALVES = regions(left="x < 0", right="x > 0")


def sums(rates: list[float], count: int) -> list[float]:
    """The smallest sums of multiples of the rates, without 0."""
    combinations = product(range(count + 1), repeat=len(rates))
    return sorted(float(np.dot(many, rates)) for many in combinations)[1 : count + 1]


def test_a_linear_drift_on_a_line(shared_folder: Path) -> None:
    """Multiples of the slope, with Hermite polynomials. Catches eigenvalues that are skipped or doubled."""
    run = solved(shared_folder, line("0.7*(x - 0.3)**2", 0.2, 40, (-4.0, 5.0)) + settle(6))
    assert np.real(run.eigenvalues) == pytest.approx(1.4 * np.arange(1, 6), rel=1e-6)
    assert np.imag(run.eigenvalues) == pytest.approx(0.0, abs=1e-12)
    points, first = run.field("eigenfunction_1")
    x = points[:, 0] - 0.3
    seen = np.abs(x) < 1.0  # farther out there is no mass
    second, hermite = run.field("eigenfunction_2")[1], x**2 - 0.2 / 1.4
    for found, polynomial in ((first, x), (second, hermite)):
        factor = found[seen] @ polynomial[seen] / (polynomial[seen] @ polynomial[seen])
        assert found[seen] == pytest.approx(factor * polynomial[seen], abs=1e-5)
        assert np.abs(found).max() == pytest.approx(1.0, abs=1e-12)
    assert run.mean == pytest.approx([0.3], abs=1e-12)


def test_a_linear_drift_in_the_plane(shared_folder: Path) -> None:
    """Sums of the eigenvalues of the Hessian, whatever D I: also the double ones of a round well."""
    hessian = np.array([[1.5, 0.5], [0.5, 1.0]])
    run = solved(shared_folder, plane("(1.5*x**2 + y**2 + x*y)/2", 0.2, (14, 14), (3.0, 3.0)) + settle(7))
    assert run.eigenvalues == pytest.approx(sums(list(np.linalg.eigvalsh(hessian)), 6), rel=1e-4)
    assert run.covariance == pytest.approx(0.2 * np.linalg.inv(hessian), abs=1e-7)
    run = solved(shared_folder, plane("(x**2 + y**2)/2", 0.2, (12, 12), (3.0, 3.0)) + settle(6))
    assert run.eigenvalues == pytest.approx([1, 1, 2, 2, 2], rel=1e-4)


def test_a_rotation_turns_eigenvalues(shared_folder: Path) -> None:
    """f = |x|^2/2 and omega (-y, x): m (1 + i omega) + n (1 - i omega). Catches a lost member of a pair, and an order
    by modulus in place of the real part: 2 + 8 i comes before 3 + 4 i."""
    omega = 4.0
    model = plane("(x**2 + y**2)/2", 0.25, (12, 12), (3.0, 3.0)) + f'[drift]\nextra = ["{-omega}*y", "{omega}*x"]\n'
    found = solved(shared_folder, model + settle(6)).eigenvalues
    expected = [1 + 4j, 1 - 4j, 2, 2 + 8j, 2 - 8j]
    assert len(found) == 5
    for value in expected:
        assert min(abs(value - other) for other in found) < 1e-4, (value, found)


@pytest.mark.parametrize(("d", "cells"), [(0.1, (16, 12)), (0.05, (16, 12)), (0.02, (18, 14)), (0.01, (14, 10))])
def test_the_gap_of_two_wells(shared_folder: Path, d: float, cells: tuple[int, int]) -> None:
    """Down to 6.15e-12, in one and two dimensions. Catches a gap that is taken beside 0 from one Krylov space: it has
    an absolute error of 1e-13 and more."""
    chosen = reference("R2", "stationary.spectral_gap", f"parameters.d={d}")
    run = solved(shared_folder, plane(WELLS, d, cells) + settle())
    assert run.gap == pytest.approx(chosen, rel=1e-4)
    assert run.passed
    assert solved(shared_folder, line(LINE_WELLS, d) + settle()).gap == pytest.approx(chosen, rel=1e-6)


def test_a_gap_of_1e_55(shared_folder: Path) -> None:
    """By symmetry the slow eigenfunction is odd and so vanishes on the ridge: the gap is the rate of escape from either
    side, and twice each rate of exchange. Two solves on two meshes, one singular and one not."""
    text = line(LINE_WELLS, 0.002) + HALVES + settle(3) + leave("left", [-1]) + leave("right", [1])
    run = solved(shared_folder, text)
    assert run.gap == pytest.approx(2.318686e-55, rel=1e-5)
    assert [run.rate(0), run.rate(1)] == pytest.approx([run.gap, run.gap], rel=1e-6)
    rates, masses = exchange(run)
    assert rates[0, 1] + rates[1, 0] == pytest.approx(run.gap, rel=1e-9)
    assert masses == pytest.approx([0.5, 0.5], abs=1e-9)
    assert run.eigenvalues[1].real == pytest.approx(1.97, abs=0.02)  # the next one is that of one well, f'' = 2
    assert run.passed


def exchange(run: Solved) -> tuple[Array, Array]:
    found = run.stationary["metastable"]
    rates = np.array([[entry["value"] for entry in row] for row in found["rates"]])
    return rates, np.array([entry["mass"]["value"] for entry in found["sets"]])


@pytest.mark.parametrize("d", [0.05, 0.01, 0.002])
def test_jumps_between_unequal_wells(shared_folder: Path, d: float) -> None:
    """The exchange keeps the stationary masses, m_i k_ij = m_j k_ji, has the gap as the sum of both rates, and is half
    the rate of escape over the ridge, where half of the paths turn back. Catches rates that are not relative to the
    mass of their set, or are exchanged."""
    run = solved(shared_folder, line("(x**2 - 1)**2/4 + 0.02*x", d) + HALVES + settle(3) + leave("left", [-1]))
    rates, masses = exchange(run)
    assert masses[0] * rates[0, 1] == pytest.approx(masses[1] * rates[1, 0], rel=1e-9)
    assert masses.sum() == pytest.approx(1.0, abs=1e-12)
    assert run.stationary["metastable"]["sets"][0]["point"][0] == pytest.approx(-1.01, abs=0.01)
    accuracy = max(5e-2 * (d / 0.05) ** 2, 1e-6)
    assert rates[0, 1] + rates[1, 0] == pytest.approx(run.gap, rel=accuracy)
    assert masses == pytest.approx([run.mass("left"), run.mass("right")], rel=0.2 * d / 0.05)
    assert rates[0, 1] == pytest.approx(run.rate() / 2, rel=0.5 * (d / 0.05) ** 0.5)


def test_three_wells(shared_folder: Path) -> None:
    """A chain with two slow modes. Catches jumps past the middle well, and modes that are given to the wrong sets."""
    run = solved(shared_folder, line("3*x**2*(x**2 - 1)**2 + 0.03*x", 0.025, 60, (-1.5, 1.5)) + settle(4))
    rates, masses = exchange(run)
    order = np.argsort([entry["point"][0] for entry in run.stationary["metastable"]["sets"]])
    rates, masses = rates[np.ix_(order, order)], masses[order]
    flow = masses[:, None] * rates
    np.testing.assert_allclose(flow, flow.T, rtol=1e-8, atol=1e-14 * flow.max())
    assert rates[0, 2] < 1e-3 * rates[0, 1]
    chain = np.sort(np.linalg.eigvals(np.diag(rates.sum(axis=1)) - rates).real)
    assert chain[1:] == pytest.approx(np.real(run.eigenvalues[:2]), rel=1e-2)
    assert run.eigenvalues[2].real > 20 * run.eigenvalues[1].real


def test_one_well_has_no_metastable_sets(shared_folder: Path) -> None:
    """Nor have two wells that noise of their depth joins."""
    assert "metastable" not in solved(shared_folder, plane("x**2 + y**2", 0.1, (8, 8)) + settle(3)).stationary
    assert "metastable" not in solved(shared_folder, line(LINE_WELLS, 0.5) + settle(3)).stationary


def test_the_gap_of_a_particle_with_friction(shared_folder: Path) -> None:
    """R5: noise on the velocity alone, a weight that is given, a current that is not 0 and yet Gibbs' density."""
    text = (
        box([-2.5, -3.0], [2.5, 3.0], [20, 20])
        + 'coordinates = ["x", "p"]\n[drift]\nextra = ["p", "-(x**3 - x) - p"]\n'
        + '[noise]\ndiffusion = [["0", "0"], ["0", "0.2"]]\npotential = "((x**2 - 1)**2/4 + p**2/2)/0.2"\n'
    )
    run = solved(shared_folder, text + settle())
    assert run.gap == pytest.approx(reference("R5", "stationary.spectral_gap"), rel=1e-6)
    assert run.covariance[1, 1] == pytest.approx(0.2, rel=1e-6)
    assert run.covariance[0, 1] == pytest.approx(0.0, abs=1e-8)
    assert not run.stationary["detailed_balance"]
    assert run.passed
