"""Contraction of paths with the same noise, against roots of D that are known."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.model import build
from fpsolver.model.contraction import Parting, coupling
from fpsolver.model.field import Field
from fpsolver.model.walls import oblique
from tests.model.kinds import FULL_3, LOSS_3, Write, random_points


def field(write: Write, text: str, dimension: int = 2) -> Field:
    case = write(text, dimension)
    return Field(build(case), case.domain)


@pytest.mark.parametrize(("k", "c"), [(1.0, 0.3), (0.2, 0.5)])
def test_geometric_brownian_motion(write: Write, k: float, c: float) -> None:
    """dX = -kX dt + √(2c) X dW: differences are solutions, E|X - Y|² = e^(-2(k - c)t)|x - y|², exactly."""
    found = coupling(field(write, f"[loss]\nexpression = '{k}*x**2/2'\n[noise]\ndiffusion = '{c}*x**2'\n", 1))
    assert found.monotone == pytest.approx(k, rel=1e-9)
    assert found.rough == pytest.approx(c, rel=1e-6)
    assert found.rate == pytest.approx(k - c, rel=1e-6)


def test_noise_along_a_direction_that_turns(write: Write) -> None:
    """D = v vᵀ = √D with v = (cos 0.3x, sin 0.3x): the derivative of the root in x has the squared norm 2 · 0.3²."""
    v = "cos(0.3*x)", "sin(0.3*x)"
    matrix = [[f"{one}*{two}" for one in v] for two in v]
    there = field(write, f"[loss]\nexpression = 'x**2 + 3*y**2/2'\n[noise]\ndiffusion = {matrix}\n")
    found = coupling(there)
    assert found.monotone == pytest.approx(2.0, rel=1e-9)
    assert found.rough == pytest.approx(0.18, rel=1e-6)
    assert found.rate == pytest.approx(1.82, rel=1e-6)
    assert oblique(there) is not None


def test_both_terms_are_taken_at_the_same_point(write: Write) -> None:
    """Where the drift pulls least the noise does not change: better than the difference of both extremes."""
    found = coupling(
        field(write, "[loss]\nexpression = 'x**2/2 + x**4/12'\n[noise]\ndiffusion = '(2 + x**2/4)**2'\n", 1)
    )
    x = np.linspace(-2.0, 2.0, 2001)
    assert found.rate == pytest.approx((1.0 + x**2 - (x / 2) ** 2).min(), rel=1e-6)
    assert found.rate > found.monotone - found.rough + 0.9


def test_derivatives_of_the_root(write: Write) -> None:
    """Of a full D in three dimensions, by differences of the root itself."""
    there = field(write, f"{LOSS_3}[noise]\ndiffusion = {FULL_3}\n", 3)
    points = random_points(20, 3)

    def root(at: np.ndarray) -> np.ndarray:
        values, vectors = np.linalg.eigh(there.model(at).diffusion)
        return np.asarray(vectors * np.sqrt(values)[:, None, :] @ vectors.swapaxes(1, 2))

    step = 1e-4 * np.eye(3)
    slope = np.stack([(root(points + e) - root(points - e)) / 2e-4 for e in step], axis=-1)
    np.testing.assert_allclose(Parting(there)(there.at(points)), np.einsum("nijk,nijl->nkl", slope, slope), atol=1e-6)


def test_a_root_with_an_edge(write: Write) -> None:
    """√(x + 2) is not Lipschitz at the wall -2, where noise vanishes linearly; √(x + 2.1) is."""
    edge = coupling(field(write, "[loss]\nexpression = 'x**2/2'\n[noise]\ndiffusion = 'x + 2'\n", 1))
    assert edge.rate == -np.inf
    assert np.isinf(edge.rough)
    assert edge.point == pytest.approx([-2.0], abs=1e-3)
    near = coupling(field(write, "[loss]\nexpression = 'x**2/2'\n[noise]\ndiffusion = 'x + 2.1'\n", 1))
    assert near.rough == pytest.approx(1.0 / (4.0 * 0.1), rel=1e-6)


def test_what_is_singular_in_d_does_not_matter(write: Write) -> None:
    """Only the drift counts where D is constant; a saddle of the loss parts paths."""
    noise = "\n[noise]\ndiffusion = [[0.2, 0], [0, 0]]\n"
    found = coupling(field(write, "[loss]\nexpression = 'x**2 + y**2/2 + x*y/2'" + noise))
    assert found.rate == pytest.approx(1.5 - np.sqrt(0.5), rel=1e-9)
    saddle = coupling(field(write, "[loss]\nexpression = 'x**2 - y**2/2'" + noise))
    assert saddle.rate == pytest.approx(-1.0, rel=1e-9)


def test_walls(write: Write) -> None:
    """Noise square to the walls, noise across them, and drift against a wall that noise does not reach."""
    loss = "[loss]\nexpression = 'x**2 + y**2/2'\n[noise]\ndiffusion = "
    assert oblique(field(write, loss + "['1 + y**2', '2 + x']\n")) is None
    tilted = field(write, loss + "[[0.2, 0.1], [0.1, 0.3]]\n")
    assert oblique(tilted) is not None
    assert oblique(tilted, np.array([[0.2, 0.1], [0.1, 0.3]])) is None
    assert oblique(field(write, loss + "[0.1, 0]\n")) is None
    assert "presses" in str(oblique(field(write, loss.replace("y**2/2", "y") + "[0.1, 0]\n")))
