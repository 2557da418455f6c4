"""Differences against derivatives by hand, in one to three dimensions, inside the box and on its walls."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.model import Array, Coefficients
from fpsolver.model.derivatives import local


class Bent:
    """b = (xy, sin z, x z²) and a full D in three dimensions, with their derivatives."""

    dimension = 3
    constant_scalar_diffusion = None
    gradient_drift = False
    potential = None

    def loss(self, points: Array) -> Array:
        return np.zeros(len(points))

    def __call__(self, points: Array) -> Coefficients:
        assert (np.abs(points) <= 2.0).all(), "a stencil reaches out of the box"
        x, y, z = points.T
        extra = np.stack([x * y, np.sin(z), x * z**2], axis=1)
        d = np.zeros((len(points), 3, 3))
        d[:, 0, 0], d[:, 1, 1], d[:, 2, 2] = 2.0 + np.sin(x * y), 9.0 + x**2, 9.0
        d[:, 1, 2] = d[:, 2, 1] = np.exp(x) * y * z
        return Coefficients(0.0 * x, 0.0 * points, extra, d, 0.0 * points)

    def jacobian(self, points: Array) -> Array:
        x, y, z = points.T
        none = 0.0 * x
        rows = [[y, x, none], [none, none, np.cos(z)], [z**2, none, 2 * x * z]]
        return np.moveaxis(np.array(rows), 2, 0)

    def bends(self, points: Array) -> tuple[Array, Array]:
        """Second derivatives of D_xx and D_yz."""
        x, y, z = points.T
        none, s, c, e = 0.0 * x, np.sin(x * y), np.cos(x * y), np.exp(x)
        one = [[-y * y * s, c - x * y * s, none], [c - x * y * s, -x * x * s, none], [none, none, none]]
        two = [[e * y * z, e * z, e * y], [e * z, none, e], [e * y, e, none]]
        return np.moveaxis(np.array(one), 2, 0), np.moveaxis(np.array(two), 2, 0)


def points() -> Array:
    """Inside, on walls, edges and corners, and less than a step away from them."""
    inside = np.random.default_rng(0).uniform(-2.0, 2.0, (100, 3))
    outside = np.random.default_rng(1).uniform(-3.0, 3.0, (100, 3)).clip(-2.0, 2.0)
    return np.concatenate([inside, outside, [[2.0, -2.0, 2.0], [1.9985, -1.9999, 0.0]]])


def test_drift_and_diffusion_in_three_dimensions() -> None:
    model, at = Bent(), points()
    found = local(model, at, [-2.0] * 3, [2.0] * 3)
    np.testing.assert_allclose(found.jacobian, model.jacobian(at), atol=1e-10)
    x, y, _ = at.T
    slope = np.stack([y * np.cos(x * y), x * np.cos(x * y), 0.0 * x], axis=1)
    np.testing.assert_allclose(found.slope[:, 0, 0], slope, atol=1e-10)
    one, two = model.bends(at)
    np.testing.assert_allclose(found.bend[:, 0, 0], one, atol=2e-7)
    np.testing.assert_allclose(found.bend[:, 1, 2], two, atol=2e-7)
    np.testing.assert_array_equal(found.bend, found.bend.transpose(0, 2, 1, 4, 3))
    assert not local(model, at, [-2.0] * 3, [2.0] * 3, bends=False).bend.any()


class Root:
    """D = √x + √y + ... where only the box has real numbers; b = x^5."""

    constant_scalar_diffusion = None
    gradient_drift = False
    potential = None

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def loss(self, points: Array) -> Array:
        return np.zeros(len(points))

    def __call__(self, points: Array) -> Coefficients:
        noise = np.sqrt(points).sum(axis=1)[:, None, None] * np.eye(self.dimension)
        return Coefficients(0.0 * points[:, 0], 0.0 * points, points**5, noise, 0.0 * points)


@pytest.mark.parametrize("dimension", [1, 2])
def test_nothing_is_evaluated_outside(dimension: int) -> None:
    """Numbers at the wall where the root ends, and good ones near it; polynomials to order six are exact."""
    at = np.random.default_rng(0).uniform(0.0, 4.0, (50, dimension))
    at[0], at[1] = 0.0, 1.0
    found = local(Root(dimension), at, [0.0] * dimension, [4.0] * dimension)
    assert np.isfinite(found.bend).all()
    steps = np.einsum("nii->ni", found.jacobian)
    np.testing.assert_allclose(steps, 5.0 * at**4, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.bend[1, 0, 0], -0.25 * np.eye(dimension), atol=1e-7)


def test_order_of_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six along an axis, four in a plane: a wrong weight would leave one."""
    model, at = Bent(), np.random.default_rng(2).uniform(-1.0, 1.0, (50, 3))
    errors = []
    for step in (0.04, 0.02):
        monkeypatch.setattr("fpsolver.model.derivatives.STEP", step)
        found = local(model, at, [-2.0] * 3, [2.0] * 3)
        first = np.abs(found.jacobian - model.jacobian(at)).max()
        second = np.abs(found.bend[:, 0, 0] - model.bends(at)[0]).max(axis=0)
        errors.append([first, second[0, 0], second[0, 1]])
    orders = np.log2(np.array(errors[0]) / np.array(errors[1]))
    np.testing.assert_allclose(orders, [6.0, 6.0, 4.0], atol=0.3)
