"""∇f, ∇·D and the rest of the coefficients for every kind of model, against differences of f and D."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.model import build
from tests.model.kinds import KINDS, Write, difference, random_points, table


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_are_exact(kind: str, write: Write) -> None:
    """Catches a wrong sign or index in ∇f or ∇·D: the Itô term has no other witness."""
    dimension, text = KINDS[kind]
    model = build(write(text, dimension, table()))
    points = random_points(50, dimension)
    found = model(points)
    np.testing.assert_allclose(found.gradient, difference(model.loss, points), atol=2e-9, rtol=1e-8)
    slopes = difference(lambda at: model(at).diffusion, points)
    np.testing.assert_allclose(found.divergence, np.einsum("nijj->ni", slopes), atol=2e-9, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_shapes_and_symmetry(kind: str, write: Write) -> None:
    dimension, text = KINDS[kind]
    model = build(write(text, dimension, table()))
    points = random_points(7, dimension)
    found = model(points)
    assert model.dimension == dimension
    assert found.loss.shape == (7,)
    assert found.gradient.shape == found.extra.shape == found.divergence.shape == (7, dimension)
    assert found.diffusion.shape == (7, dimension, dimension)
    assert np.array_equal(found.diffusion, found.diffusion.swapaxes(1, 2))  # to the last bit
    np.testing.assert_allclose(model.loss(points), found.loss, rtol=1e-14)
    np.testing.assert_array_equal(found.advection, found.gradient - found.extra + found.divergence)
    assert model.gradient_drift == ("drift" not in kind)


@pytest.mark.parametrize("kind", KINDS)
def test_no_points_are_no_trouble(kind: str, write: Write) -> None:
    """A rank may own no cells."""
    dimension, text = KINDS[kind]
    model = build(write(text, dimension, table()))
    found = model(np.empty((0, dimension)))
    assert found.loss.shape == model.loss(np.empty((0, dimension))).shape == (0,)
    assert found.diffusion.shape == (0, dimension, dimension)


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_does_not_depend_on_its_company(kind: str, write: Write) -> None:
    """Ranks evaluate different sets of points; a quadrature point must get the same numbers on any of them."""
    dimension, text = KINDS[kind]
    model = build(write(text, dimension, table()))
    points = random_points(33, dimension)
    together, alone = model(points), model(points[20:21])
    for name in ("loss", "gradient", "extra", "diffusion", "divergence"):
        whole, single = getattr(together, name)[20:21], getattr(alone, name)
        np.testing.assert_allclose(single, whole, rtol=1e-13, atol=1e-14)
