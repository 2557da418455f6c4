"""Models given by formulas: equivalent ways of writing D, what is recognised as constant, and known potentials."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsolver.model import build
from tests.model.kinds import BATCH, LOSS_2, LOSS_3, SAMPLES_2, Write, difference, random_points, table

POINTS = random_points(20, 2)


def test_scalar_diagonal_and_matrix_are_the_same_diffusion(write: Write) -> None:
    entry = "0.1 + x**2*y**2"
    texts = [f"'{entry}'", f"['{entry}', '{entry}']", f"[['{entry}', '0'], ['0', '{entry}']]"]
    results = [build(write(f"{LOSS_2}[noise]\ndiffusion = {text}\n"))(POINTS) for text in texts]
    for other in results[1:]:
        np.testing.assert_array_equal(other.diffusion, results[0].diffusion)
        np.testing.assert_array_equal(other.divergence, results[0].divergence)


def test_covariance_is_scaled_to_a_diffusion(write: Write) -> None:
    """D = η/(2B) Σ + ε I: the regularization is not scaled."""
    matrix = "[['2 + x**2', 'x*y'], ['x*y', '3 + y**2']]"
    plain = build(write(f"{LOSS_2}[noise]\ndiffusion = {matrix}\n"))(POINTS)
    batch = f"{BATCH}covariance = {matrix}\nregularization = 0.25\n"
    scaled = build(write(LOSS_2 + batch))(POINTS)
    np.testing.assert_allclose(scaled.diffusion, 0.125 * plain.diffusion + 0.25 * np.eye(2), rtol=1e-15)
    np.testing.assert_allclose(scaled.divergence, 0.125 * plain.divergence, rtol=1e-15)


def test_drift_alone_has_no_loss(write: Write) -> None:
    model = build(write("[drift]\nextra = ['-2*x - y', '-x - 2*y']\n[noise]\ndiffusion = [['0.2', '0'], ['0', '0']]\n"))
    found = model(POINTS)
    assert not found.loss.any()
    assert not found.gradient.any()
    assert not model.loss(POINTS).any()
    np.testing.assert_allclose(found.advection, POINTS @ np.array([[2.0, 1.0], [1.0, 2.0]]), rtol=1e-14)
    np.testing.assert_array_equal(found.diffusion, np.broadcast_to(np.diag([0.2, 0.0]), (20, 2, 2)))


@pytest.mark.parametrize(
    ("noise", "expected"),
    [
        ("diffusion = 0.1", 0.1),
        ("diffusion = 'd'", 0.3),
        ("diffusion = ['d', '0.3']", 0.3),
        ("diffusion = [['d', '0'], ['0', 'd']]\nregularization = 0.2", 0.5),
        ("diffusion = 0\nregularization = 0.2", 0.2),
        ("learning_rate = 0.5\nbatch_size = 2\ncovariance = [['4', '0'], ['0', '4']]", 0.5),
        ("diffusion = ['d', '0.2']", None),
        ("diffusion = [['d', '0.1'], ['0.1', 'd']]", None),
        ("diffusion = '0.1 + x**2'", None),
        ("diffusion = [['0.2', '0'], ['0', '0']]", None),
    ],
)
def test_constant_scalar_diffusion_is_recognised(noise: str, expected: float | None, write: Write) -> None:
    model = build(write(f"{LOSS_2}[parameters]\nd = 0.3\n[noise]\n{noise}\n"))
    assert model.constant_scalar_diffusion == expected
    assert (model.potential is None) == (expected is None)


@pytest.mark.parametrize("text", [LOSS_2, SAMPLES_2])
def test_gibbs_potential_is_the_loss_over_the_noise(text: str, write: Write) -> None:
    model = build(write(f"{text}[noise]\ndiffusion = 0.05\nregularization = 0.05\n", 2, table()))
    assert model.potential is not None
    found = model(POINTS)
    value, gradient = model.potential(POINTS)
    np.testing.assert_allclose(value, found.loss / 0.1, rtol=1e-14)
    np.testing.assert_allclose(gradient, found.gradient / 0.1, rtol=1e-14)


@pytest.mark.parametrize("spoiler", ["[drift]\nextra = ['-y', 'x']\n", ""])
def test_no_potential_is_invented(spoiler: str, write: Write) -> None:
    """f/d is wrong with a rotation, and undefined without noise."""
    noise = "diffusion = 0.1" if spoiler else "diffusion = 0"
    assert build(write(f"{LOSS_2}{spoiler}[noise]\n{noise}\n")).potential is None


def test_a_drift_of_zero_is_no_drift(write: Write) -> None:
    model = build(write(f"{LOSS_2}[drift]\nextra = ['0', '0']\n[noise]\ndiffusion = 0.1\n"))
    assert model.gradient_drift
    assert model.potential is not None


def test_the_stated_potential_wins_and_has_an_exact_gradient(write: Write) -> None:
    """The kinetic case: D is singular, the drift is not a gradient, H/T is known; a - D∇Ψ keeps e^{-Ψ}."""
    model = build(
        write(
            "[drift]\nextra = ['y', '-(x**3 - x) - y']\n[noise]\ndiffusion = [['0', '0'], ['0', '0.2']]\n"
            "potential = '((x**2 - 1)**2/4 + y**2/2)/0.2'\n"
        )
    )
    assert model.potential is not None
    assert model.constant_scalar_diffusion is None
    value, gradient = model.potential(POINTS)
    x, y = POINTS.T
    np.testing.assert_allclose(value, ((x**2 - 1) ** 2 / 4 + y**2 / 2) / 0.2, rtol=1e-14)
    np.testing.assert_allclose(gradient, difference(lambda at: model.potential(at)[0], POINTS), rtol=1e-8, atol=1e-8)
    found = model(POINTS)
    rest = found.advection - np.einsum("nij,nj->ni", found.diffusion, gradient)
    np.testing.assert_allclose(rest, np.stack([-y, x**3 - x], axis=1), rtol=1e-12, atol=1e-13)


def test_many_points_are_worked_through_in_blocks(write: Write) -> None:
    model = build(write(f"{LOSS_3}[noise]\ndiffusion = '0.1 + x**2'\n", 3))
    points = random_points(70_000, 3)
    found = model(points)
    for part in (slice(0, 5), slice(32_766, 32_771), slice(69_995, 70_000)):
        np.testing.assert_allclose(model(points[part]).diffusion, found.diffusion[part], rtol=1e-14)
        np.testing.assert_allclose(model(points[part]).gradient, found.gradient[part], rtol=1e-14, atol=1e-15)


def test_memory_is_that_of_the_result(write: Write) -> None:
    """Temporaries come and go by blocks: besides the coefficients, no more than a few megabytes."""
    model = build(write(f"{LOSS_3}[noise]\ndiffusion = '0.1 + x**2'\n", 3))
    points = random_points(300_000, 3)
    tracemalloc.start()
    try:
        found = model(points)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found.loss) == 300_000
    assert peak - kept < 20e6


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entries=st.lists(st.floats(-3, 3), min_size=6, max_size=6),
    epsilon=st.just(0.0) | st.floats(1e-90, 2),  # smaller ones are refused
    point=st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=2),
)
def test_a_quadratic_matrix_has_the_divergence_of_the_hand(
    write: Write, entries: list[float], epsilon: float, point: list[float]
) -> None:
    """D = [[a + b x² + ε, c x y], [c x y, e + g y² + ε]] has ∇·D = (2 b x + c x, c y + 2 g y)."""
    a, b, c, e, g = entries[0] + 40, abs(entries[1]), entries[2], entries[3] + 40, abs(entries[4])
    matrix = f"[['{a!r} + {b!r}*x**2', '({c!r})*x*y'], ['({c!r})*x*y', '{e!r} + {g!r}*y**2']]"
    found = build(write(f"{LOSS_2}[noise]\ndiffusion = {matrix}\nregularization = {epsilon!r}\n"))(np.array([point]))
    x, y = point
    expected = [[a + b * x**2 + epsilon, c * x * y], [c * x * y, e + g * y**2 + epsilon]]
    np.testing.assert_allclose(found.diffusion[0], expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.divergence[0], [(2 * b + c) * x, (c + 2 * g) * y], rtol=1e-13, atol=1e-13)
