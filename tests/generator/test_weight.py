"""Weights: the bend, the potentials that are integrated or fitted, and which one a problem gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from fpsolver.domain.cells import Cells
from fpsolver.generator.choice import CEILINGS, HIGHEST, Comparison, reference_weight
from fpsolver.generator.fitting import fitted_potential
from fpsolver.generator.generator import weighted_generator
from fpsolver.generator.integrated import integrated_potential
from fpsolver.generator.weight import BEND, Weight, bend
from tests.equations import COMM, Array, Equation, box, constant, double_well, largest, linear, total

pytestmark = pytest.mark.parallel


@pytest.mark.parametrize("ceiling", [10.0, 60.0])
def test_the_bend_is_the_identity_then_rises_to_a_constant(ceiling: float) -> None:
    z = np.linspace(-5.0, ceiling + 10 * BEND, 4001)
    value, slope = bend(z, ceiling)
    below = z <= ceiling
    np.testing.assert_array_equal(value[below], z[below])
    assert (np.diff(value) >= 0).all()
    assert ceiling + 0.5 * BEND < value.max() < ceiling + BEND
    assert ((slope >= 0) & (slope <= 1)).all()
    assert bend(np.array([1e6]), ceiling)[1][0] == 0.0


def test_the_bend_has_the_slope_that_it_states() -> None:
    """By differences, across the ceiling too: C^1 and more."""
    z, step = np.linspace(5.0, 30.0, 1001), 1e-4
    difference = (bend(z + step, 10.0)[0] - bend(z - step, 10.0)[0]) / (2 * step)
    np.testing.assert_allclose(difference, bend(z, 10.0)[1], atol=1e-7)


def test_a_weight_has_the_gradient_that_it_states() -> None:
    weight = replace(double_well(0.1).weight, ceiling=7.0, floor=0.5)
    points, step = np.random.default_rng(1).uniform(-1.5, 1.5, (200, 2)), 1e-6
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        difference = (weight(points + shift)[0] - weight(points - shift)[0]) / (2 * step)
        np.testing.assert_allclose(weight(points)[1][:, axis], difference, atol=1e-6)
    np.testing.assert_allclose(weight.density(points), np.exp(-weight(points)[0]))


NOISY = Equation(  # f = x^2/2, D = 0.3 (0.01 + x^2)
    1, np.copy, lambda p: 0.3 * (0.01 + p[:, 0] ** 2), lambda p: 0.6 * p
)


def test_the_integrated_potential_is_exact() -> None:
    """Psi' = (x + 0.6 x) / (0.3 (0.01 + x^2)): Psi = (8/3) log(0.01 + x^2)."""
    x = np.random.default_rng(0).uniform(-5.0, 5.0, (2000, 1))
    value, gradient = integrated_potential(NOISY, -5.0, 5.0)(x)
    exact = 1.6 / 0.6 * np.log(0.01 + x[:, 0] ** 2)
    constant_part = value - exact
    assert np.ptp(constant_part) < 1e-12
    np.testing.assert_allclose(gradient[:, 0], 1.6 * x[:, 0] / (0.3 * (0.01 + x[:, 0] ** 2)), rtol=1e-13)


def test_the_integrated_potential_makes_any_drift_in_one_dimension_reversible() -> None:
    weight = reference_weight(NOISY, [-5.0], [5.0], COMM)
    assert weight.kind == "integrated"
    assert weighted_generator(box([-5.0], [5.0], (40,)), NOISY, 4, weight).reversible


def test_where_the_noise_vanishes_the_integrated_weight_is_regular() -> None:
    """D = x^2 / 10: the weight, never the equation, is taken from a larger D."""
    equation = Equation(1, np.copy, lambda p: 0.1 * p[:, 0] ** 2, lambda p: 0.2 * p)
    value, gradient = integrated_potential(equation, -1.0, 1.0)(np.linspace(-1, 1, 101)[:, None])
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()
    generator = weighted_generator(
        box([-1.0], [1.0], (20,)), equation, 2, reference_weight(equation, [-1.0], [1.0], COMM)
    )
    assert not generator.reversible
    assert generator.kernel_defect() < 1e-14


FULL_RANK = ([[1.0, 0.3], [-0.2, 0.8]], [[0.2, 0.05], [0.05, 0.1]])


@pytest.fixture(scope="module")
def fitted() -> Weight:
    """For a linear drift with noise of full rank, whose stationary density is a known Gaussian."""
    return Weight(fitted_potential(linear(*FULL_RANK), [-3.0, -3.0], [3.0, 3.0], COMM), kind="fitted")


def test_the_fitted_potential_of_a_linear_drift_is_that_of_the_gaussian(fitted: Weight) -> None:
    drift, noise = (np.array(each) for each in FULL_RANK)
    inverse = np.linalg.inv(solve_continuous_lyapunov(drift, 2 * noise))
    points = np.random.default_rng(0).uniform(-3.0, 3.0, (20000, 2))
    exact = 0.5 * np.einsum("ni,ij,nj->n", points, inverse, points)
    near = exact < 20.0
    value, gradient = fitted.potential(points)
    difference = (value - exact)[near]
    assert np.ptp(difference) < 1e-3
    assert np.abs(gradient - points @ inverse)[near].max() < 2e-2


def test_the_fitted_potential_is_one_function_on_all_ranks(fitted: Weight) -> None:
    points = np.random.default_rng(5).uniform(-3.0, 3.0, (500, 2))
    value, gradient = fitted.potential(points)
    for other_value, other_gradient in COMM.allgather((value, gradient)):
        np.testing.assert_array_equal(value, other_value)
        np.testing.assert_array_equal(gradient, other_gradient)


def test_the_gradient_of_the_fitted_potential_is_its_own(fitted: Weight) -> None:
    points, step = np.random.default_rng(6).uniform(-2.9, 2.9, (300, 2)), 1e-5
    for axis in range(2):
        shift = step * np.eye(2)[axis]
        difference = (fitted.potential(points + shift)[0] - fitted.potential(points - shift)[0]) / (2 * step)
        np.testing.assert_allclose(fitted.potential(points)[1][:, axis], difference, atol=1e-5)


@pytest.mark.slow
def test_singular_noise_gets_a_fitted_weight_too() -> None:
    """D of rank one: the weight comes from D + 0.4 tr(D)/n I and is consistent like any other."""
    equation = linear([[1.0, 1.0], [-1.0, 0.5]], [[0.2, 0.0], [0.0, 0.0]])
    weight = reference_weight(equation, [-4.0, -4.0], [4.0, 4.0], COMM)
    generator = weighted_generator(box([-4.0, -4.0], [4.0, 4.0], (8, 8)), equation, 2, weight)
    assert generator.weight.kind == "fitted"
    assert generator.kernel_defect() < 1e-14
    assert weight.potential(np.zeros((1, 2)))[0][0] < weight.potential(np.array([[3.0, 3.0]]))[0][0] - 10.0


def test_the_kind_of_weight_follows_from_what_is_known() -> None:
    gibbs = double_well(0.1)
    assert reference_weight(gibbs, [-2.0, -1.5], [2.0, 1.5], COMM).kind == "potential"
    stated = replace(gibbs, gradient_drift=False, extra=lambda p: p[:, ::-1] * [1.0, -1.0])
    assert reference_weight(stated, [-2.0, -1.5], [2.0, 1.5], COMM).kind == "given"


def chosen(weight: Weight, mean: float, std: float) -> Weight:
    """The weight for a Gaussian start on the interval [-10, 10]."""
    cells = Cells.of(box([-10.0], [10.0], (400,)))
    middle = np.array([[0.5]])
    points, volumes = cells.points(middle)[: cells.owned, 0], cells.volumes(middle)[: cells.owned, 0]
    rho: Array = np.exp(-((points[:, 0] - mean) ** 2) / (2 * std**2))
    rho = rho / total(volumes @ rho)
    return Comparison(weight, (points, volumes), COMM).best(points, volumes, rho)


PARABOLA = Weight(lambda p: (0.5 * p[:, 0] ** 2, p.copy()), kind="potential")


def test_data_like_the_weight_keep_the_highest_ceiling() -> None:
    assert chosen(PARABOLA, 0.0, 1.0).ceiling == CEILINGS[0]
    assert chosen(replace(PARABOLA, kind="fitted"), 0.0, 1.0).ceiling == HIGHEST["fitted"]
    assert chosen(replace(PARABOLA, kind="given"), 0.0, 1.0).ceiling == HIGHEST["given"]


def test_data_farther_out_get_a_lower_ceiling_and_then_no_weight() -> None:
    ceilings = [chosen(PARABOLA, mean, 0.5).ceiling for mean in (0.0, 3.0, 4.0)]
    assert ceilings[0] == CEILINGS[0]
    assert chosen(PARABOLA, 8.0, 0.5).kind == "none"
    assert sorted(ceilings, reverse=True) == ceilings


def test_all_ranks_take_the_same_weight() -> None:
    """The data live on one rank only."""
    kinds = COMM.allgather((chosen(PARABOLA, 4.5, 0.2).kind, chosen(PARABOLA, 4.5, 0.2).ceiling))
    assert len(set(kinds)) == 1


def test_the_floor_is_the_minimum_over_all_ranks() -> None:
    domain = box([0.0], [4.0], (40,))
    generator = weighted_generator(domain, Equation(1, np.copy, constant(1.0)), 2, PARABOLA)
    values = generator.quadrature.points[..., 0] ** 2 / 2
    smallest = -largest_of_negative(values)
    assert generator.weight.floor == pytest.approx(smallest, rel=1e-14)
    assert largest(generator.weight_at_points) == pytest.approx(1.0, rel=1e-14)


def largest_of_negative(values: Array) -> float:
    from mpi4py import MPI

    return float(COMM.allreduce(float((-values).max()), MPI.MAX))
