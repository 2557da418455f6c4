"""The equation of second order in the learning rate: its drift, and its order against the exact means of SGD."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.case import BadCase
from fpsolver.model import Array, build
from fpsolver.model.derivatives import local
from tests.model.kinds import LOSS_2, LOSS_3, SAMPLES_2, Write, random_points, table

NOISE = """[noise]
learning_rate = {rate}
batch_size = 2
covariance = [['0.3', '0.1'], ['0.1', '0.2']]
order = {order}
"""
EVOLUTION = "[evolution]\nend_time = 1.0\ninitial = {point = [0.0, 0.0]}\n"
QUADRATIC = "[loss]\nexpression = '1.5*x**2 + 0.8*x*y + y**2'\n"
BENT = np.array([[3.0, 0.8], [0.8, 2.0]])
COVARIANCE = np.array([[0.3, 0.1], [0.1, 0.2]]) / 2.0
START = np.array([0.7, -1.1])
TIME = 1.2
RATES = (0.1, 0.05, 0.025, 0.0125)


@pytest.mark.parametrize("text", [LOSS_2, SAMPLES_2])
def test_the_drift_is_the_gradient_of_the_modified_loss(text: str, write: Write) -> None:
    """f + eta/4 |grad f|^2, by differences of the model of first order; the loss is f, the noise is the same."""
    rate = 0.2
    first, second = (build(write(text + NOISE.format(rate=rate, order=order), 2, table())) for order in (1, 2))
    points = random_points(20, 2)
    step = 1e-5
    moved = points[:, None, None] + step * np.array([1.0, -1.0])[:, None, None] * np.eye(2)
    there = first(moved.reshape(-1, 2))
    modified = (there.loss + rate / 4.0 * (there.gradient**2).sum(axis=1)).reshape(-1, 2, 2)
    found, plain = second(points), first(points)
    np.testing.assert_allclose(found.gradient, (modified[:, 0] - modified[:, 1]) / (2.0 * step), rtol=1e-7, atol=1e-8)
    for name in ("loss", "diffusion", "divergence", "extra"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))


@pytest.mark.parametrize(("dimension", "text"), [(2, LOSS_2), (3, LOSS_3), (2, SAMPLES_2)])
def test_hessians_are_derivatives_of_gradients(dimension: int, text: str, write: Write) -> None:
    model = build(write(f"{text}[noise]\ndiffusion = 0.1\n", dimension, table()))
    points = random_points(10, dimension)
    jacobian = local(model, points, (-2.0,) * dimension, (2.0,) * dimension, bends=False).jacobian
    hessian = model.hessian(points)  # type: ignore[attr-defined]
    np.testing.assert_allclose(hessian, -jacobian, rtol=1e-8, atol=1e-8)


def test_the_gibbs_weight_is_that_of_the_modified_loss(write: Write) -> None:
    """So the drift leads down its slope: grad Psi D = grad f~."""
    noise = NOISE.replace("[['0.3', '0.1'], ['0.1', '0.2']]", "0.4").format(rate=0.2, order=2)
    model = build(write(LOSS_2 + noise))
    assert model.potential is not None
    points = random_points(10, 2)
    value, slope = model.potential(points)
    np.testing.assert_allclose(slope * 0.02, model(points).gradient, rtol=1e-13)
    step = np.array([1e-5, 0.0])
    ahead, behind = model.potential(points + step)[0], model.potential(points - step)[0]
    np.testing.assert_allclose((ahead - behind) / 2e-5, slope[:, 0], rtol=1e-6, atol=1e-7)
    assert np.isfinite(value).all()


def after_sgd(rate: float) -> tuple[Array, Array]:
    """Mean and covariance of x <- x - rate (BENT x + noise) after the time TIME."""
    keep = np.eye(2) - rate * BENT
    mean, covariance = START, np.zeros((2, 2))
    for _ in range(round(TIME / rate)):
        mean, covariance = keep @ mean, keep @ covariance @ keep.T + rate**2 * COVARIANCE
    return mean, covariance


def after_diffusion(write: Write, rate: float, order: int) -> tuple[Array, Array]:
    """The same of dX = b dt + sqrt(2 D) dW with the linear drift and the constant D of the model, exactly."""
    model = build(write(QUADRATIC + NOISE.format(rate=rate, order=order)))
    drift = -model(np.eye(2)).gradient.T
    values, vectors = np.linalg.eigh(-drift)
    noise = vectors.T @ model(np.zeros((1, 2))).diffusion[0] @ vectors
    sums = values[:, None] + values
    spread = 2.0 * noise * (1.0 - np.exp(-sums * TIME)) / sums
    return vectors @ (np.exp(-values * TIME) * (vectors.T @ START)), vectors @ spread @ vectors.T


@pytest.mark.parametrize("order", [1, 2])
def test_means_have_the_order_that_is_said(order: int, write: Write) -> None:
    """E X and E X X^T after a fixed time against SGD itself, for learning rates that are halved."""
    errors = []
    for rate in RATES:
        mean, covariance = after_sgd(rate)
        found, spread = after_diffusion(write, rate, order)
        second = covariance + np.outer(mean, mean) - spread - np.outer(found, found)
        errors.append([np.abs(mean - found).max(), np.abs(second).max()])
    observed = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(observed[-1], order, atol=0.1)


@pytest.mark.parametrize("order", [1, 2])
def test_covariances_are_of_second_order_either_way(order: int, write: Write) -> None:
    """The covariance itself is of first order in the learning rate, so its relative error stays of first order."""
    errors = []
    for rate in RATES:
        errors.append(np.abs(after_sgd(rate)[1] - after_diffusion(write, rate, order)[1]).max())
    assert np.log2(errors[-2] / errors[-1]) == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            "[loss]\nexpression = 'x**2'\n[noise]\ndiffusion = 0.1\norder = 2\n",
            "learning rate, which the case does not",
        ),
        (QUADRATIC + NOISE.format(rate=0.1, order=2) + "regularization = 0.1\n", "does not shrink"),
        (QUADRATIC + NOISE.format(rate=0.1, order=2) + "[drift]\nextra = ['y', '-x']\n", "without [drift]"),
        (
            QUADRATIC + NOISE.format(rate=0.1, order=2) + EVOLUTION + "[schedule]\nlearning_rate = '0.1/(1 + t)'\n",
            "which [schedule] changes",
        ),
        (QUADRATIC + NOISE.format(rate=0.1, order=3), "noise.order: 3"),
    ],
)
def test_what_has_no_second_order_is_refused(text: str, what: str, write: Write) -> None:
    with pytest.raises(BadCase) as caught:
        write(text)
    assert what in str(caught.value)
