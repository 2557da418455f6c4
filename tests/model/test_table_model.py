"""Tables between the points of their grid: orders, exact derivatives, and a diffusion that is never indefinite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fpsolver.case import load
from fpsolver.model import Array, Model, build
from fpsolver.model.derivatives import slopes

LOWER, UPPER = (-2.0, -1.5), (2.0, 1.5)
CASE = """\
[domain]
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [4, 4]
[loss]
{loss}
[noise]
learning_rate = 1.0
batch_size = 2
regularization = 0.0
covariance = {covariance}
"""
FORMULA = CASE.format(
    loss='expression = "(x**2 - 1)**2/4 + sin(x*y) + 2*y**2"',
    covariance='[["0.5 + x**2/4", "0.2*sin(x*y)"], ["0.2*sin(x*y)", "0.6 + y**2/5"]]',
)
TABLE = CASE.format(loss='table = "t.npz"', covariance='"table"')


def grid(count: int) -> tuple[Array, Array, Array, Array]:
    """Two axes, and the coordinates of all points of their grid."""
    axes = [np.linspace(low, high, count) for low, high in zip(LOWER, UPPER, strict=True)]
    first, last = np.meshgrid(*axes, indexing="ij")
    return axes[0], axes[1], first, last


def model(folder: Path, text: str, **arrays: Array) -> Model:
    if arrays:
        np.savez(folder / "t.npz", **arrays)
    (folder / "case.toml").write_text(text)
    return build(load(folder / "case.toml"))


def sampled(folder: Path, count: int) -> Model:
    """The table of the formula."""
    x, y, first, last = grid(count)
    loss = (first**2 - 1) ** 2 / 4 + np.sin(first * last) + 2 * last**2
    covariance = np.stack([0.5 + first**2 / 4, 0.2 * np.sin(first * last), 0.6 + last**2 / 5], axis=-1)
    return model(folder, TABLE, axis_0=x, axis_1=y, loss=loss, covariance=covariance)


def random_points(count: int) -> Array:
    return np.random.default_rng(3).uniform(LOWER, UPPER, (count, 2))


def test_the_error_falls_with_the_order_of_the_splines(tmp_path: Path) -> None:
    """h⁶ for f and D, h⁵ for their derivatives."""
    points = random_points(2000)
    exact = model(tmp_path, FORMULA)(points)
    errors = {}
    for count in (21, 41):
        found = sampled(tmp_path, count)(points)
        errors[count] = {
            name: float(np.abs(getattr(found, name) - getattr(exact, name)).max())
            for name in ("loss", "gradient", "diffusion", "divergence")
        }
    order = {name: np.log2(errors[21][name] / errors[41][name]) for name in errors[21]}
    assert min(order["loss"], order["diffusion"]) > 5.5, order
    assert min(order["gradient"], order["divergence"]) > 4.5, order


def test_derivatives_are_those_of_what_is_used(tmp_path: Path) -> None:
    """On a grid so coarse that the functions have nothing in common with the formula any more."""
    found = sampled(tmp_path, 7)
    points = random_points(200)

    def columns(at: Array) -> Array:
        values = found(at)
        return np.concatenate([values.loss[:, None], values.diffusion.reshape(len(at), 4)], axis=1)

    first = slopes(columns, points, LOWER, UPPER)[1]
    here = found(points)
    np.testing.assert_allclose(here.gradient, first[:, 0], rtol=1e-8, atol=1e-9)
    divergence = np.einsum("nijj->ni", first[:, 1:].reshape(-1, 2, 2, 2))
    np.testing.assert_allclose(here.divergence, divergence, rtol=1e-8, atol=1e-9)


def test_diffusion_is_semidefinite_between_the_points(tmp_path: Path) -> None:
    """At 10^5 points, with random covariances of rank one at the points of a grid: the hardest there are."""
    x, y, first, _ = grid(13)
    vectors = np.random.default_rng(5).normal(size=(13, 13, 2))
    covariance = vectors[..., :, None] * vectors[..., None, :]
    found = model(tmp_path, TABLE, axis_0=x, axis_1=y, loss=first, covariance=covariance)
    values = np.linalg.eigvalsh(found(random_points(100_000)).diffusion)
    assert (values[:, 0] >= -1e-14 * values[:, 1]).all()
    assert (values[:, 0] > 1e-3).mean() > 0.1  # it is a real test: most points are not at the edge of the cone


@pytest.mark.parametrize(("name", "least"), [("factor", 1e-12), ("covariance", 1e-3)])
def test_a_factor_loses_nothing_where_the_noise_is_singular(tmp_path: Path, name: str, least: float) -> None:
    """Σ = x² in the first direction: the root |x| has a kink, which the factor x has not."""
    x, y, first, last = grid(20)  # no point of the grid is on the kink
    zero, one = 0.0 * first, 1.0 + 0.0 * last
    given = {
        "factor": np.stack([first, zero, zero, one], axis=-1).reshape(20, 20, 2, 2),
        "covariance": np.stack([first**2, zero, one], axis=-1),
    }[name]
    found = model(tmp_path, TABLE, axis_0=x, axis_1=y, loss=first, **{name: given})
    points = random_points(500)
    apart = float(np.abs(4.0 * found(points).diffusion[:, 0, 0] - points[:, 0] ** 2).max())
    assert apart < least if name == "factor" else apart > least


def test_three_dimensions_and_one(tmp_path: Path, write: Callable[..., object]) -> None:
    """A polynomial of degree 5 is met to round-off."""
    axis = np.linspace(-2.0, 2.0, 6)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    np.savez(tmp_path / "t.npz", axis_0=axis, axis_1=axis, axis_2=axis, loss=x**5 - x * y**2 * z + z**4)
    case = write("[loss]\ntable = 't.npz'\n[noise]\ndiffusion = 0.1\n", 3)
    points = np.random.default_rng(0).uniform(-2.0, 2.0, (50, 3))
    found = build(case)(points)  # type: ignore[arg-type]
    a, b, c = points.T
    np.testing.assert_allclose(found.loss, a**5 - a * b**2 * c + c**4, atol=1e-12)
    exact = np.stack([5 * a**4 - b**2 * c, -2 * a * b * c, 4 * c**3 - a * b**2], axis=1)
    np.testing.assert_allclose(found.gradient, exact, atol=1e-11)
