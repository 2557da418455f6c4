"""Initial densities: the functional that a case means, integrated by a rule that resolves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from dolfinx import mesh

from fpsolver.case import Region
from fpsolver.case.expressions import parse
from fpsolver.case.sections import Initial
from fpsolver.domain.cells import Cells
from fpsolver.errors import BadUsage
from fpsolver.problems.evolution.initial import InitialDensity, initial_density
from tests.equations import Array, Field, box, total

pytestmark = pytest.mark.parallel


def none_earlier(folder: Path) -> Field:
    raise AssertionError("no start here comes from a file")


def square(cells: int = 6) -> mesh.Mesh:
    return box([-2.0, -1.5], [2.0, 1.5], (cells, cells))


def made(initial: Initial, domain: mesh.Mesh, regions: dict[str, Region] | None = None) -> InitialDensity:
    names = ("x", "y", "z")[: domain.geometry.dim]
    return initial_density(initial, domain, Cells.of(domain), names, regions or {}, 12, none_earlier)


def moments(density: InitialDensity) -> tuple[float, Array, Array]:
    """Mass, mean and covariance."""
    mass = density.rule.weights * density.density
    points = density.rule.points
    whole = total(mass.sum())
    mean = np.array([total(mass @ x) for x in points.T])
    offset = points - mean
    covariance = [[total(mass @ (a * b)) for a in offset.T] for b in offset.T]
    return whole, mean, np.array(covariance)


@pytest.mark.parametrize("std", [0.1, 0.02, 1e-4, 1e-9])
def test_a_gaussian_much_narrower_than_a_cell_has_its_mass_mean_and_variance(std: float) -> None:
    mass, mean, covariance = moments(made(Initial("gaussian", mean=(-0.9, 0.11), std=std), square()))
    assert mass == pytest.approx(1.0, rel=1e-12)
    assert mean == pytest.approx([-0.9, 0.11], abs=1e-6 * std + 1e-14)
    np.testing.assert_allclose(covariance / std**2, np.eye(2), atol=1e-5)


def test_a_gaussian_may_be_as_wide_as_it_likes_in_one_direction_only() -> None:
    _, mean, covariance = moments(made(Initial("gaussian", mean=(0.0, 0.1), std=(0.2, 0.02)), square()))
    assert mean == pytest.approx([0.0, 0.1], abs=1e-7)
    np.testing.assert_allclose(covariance, np.diag([0.04, 4e-4]), atol=1e-7)


def test_a_gaussian_is_cut_at_the_wall_and_normalised() -> None:
    """Half of it: mean sqrt(2/pi) s from the wall, variance (1 - 2/pi) s^2."""
    mass, mean, covariance = moments(made(Initial("gaussian", mean=(2.0, 0.0), std=0.1), square()))
    assert mass == pytest.approx(1.0, rel=1e-12)
    assert mean[0] == pytest.approx(2.0 - 0.1 * np.sqrt(2 / np.pi), abs=1e-7)
    assert covariance[0, 0] == pytest.approx(0.01 * (1 - 2 / np.pi), abs=1e-7)


@pytest.mark.parametrize("point", [(0.3, 0.2), (-2.0, -1.5), (0.0, 0.0), (2.0, 0.5)])
def test_a_point_is_one_unit_of_mass_at_one_place(point: tuple[float, float]) -> None:
    """In a cell, at a corner of the box, at a vertex, on the wall: on several ranks and cells, counted once."""
    density = made(Initial("point", point=point), square())
    mass, mean, covariance = moments(density)
    assert density.is_point
    assert mass == pytest.approx(1.0, rel=1e-13)
    assert mean == pytest.approx(point, abs=1e-13)
    np.testing.assert_allclose(covariance, 0.0, atol=1e-25)


def region(source: str, level: str) -> dict[str, Region]:
    return {"there": Region("there", parse(level, ("x", "y")), source)}


@pytest.mark.parametrize(
    ("level", "area", "middle", "within"),
    [
        ("x - 0.13", 2.13 * 3.0, [-0.935, 0.0], 1e-12),
        ("(x-0.2)**2 + (y+0.1)**2 - 0.49", np.pi * 0.49, [0.2, -0.1], 1e-4),
    ],
)
def test_a_uniform_density_fills_a_region_that_cuts_cells(
    level: str, area: float, middle: list[float], within: float
) -> None:
    density = made(Initial("uniform", region="there"), square(), region("", level))
    mass, mean, _ = moments(density)
    assert mass == pytest.approx(1.0, rel=1e-13)
    assert mean == pytest.approx(middle, abs=within)
    heights: npt.NDArray[np.float64] = density.density
    assert np.abs(heights * area - 1.0).max(initial=0.0) < 2 * within / 0.49


def test_an_expression_with_a_jump_is_resolved_inside_cells() -> None:
    """Heights 1 and 3 beside x = 0.13, which cuts cells: mass 2.13 and 3 * 1.87 of the whole."""
    density = made(Initial("expression", expression=parse("2 + sign(x - 0.13)", ("x", "y"))), square())
    right = density.rule.points[:, 0] > 0.13
    share = total((density.rule.weights * density.density)[right].sum())
    assert share == pytest.approx(3 * 1.87 / (2.13 + 3 * 1.87), abs=3e-4)
    assert total(density.rule.weights @ density.density) == pytest.approx(1.0, rel=1e-13)


def test_a_smooth_expression_is_normalised() -> None:
    """exp(x) on [-2, 2]: mean x = 2 coth 2 - 1."""
    _, mean, _ = moments(made(Initial("expression", expression=parse("7*exp(x)", ("x", "y"))), square()))
    assert mean == pytest.approx([2 / np.tanh(2.0) - 1.0, 0.0], abs=1e-9)


def test_a_density_that_comes_from_elsewhere_is_normalised() -> None:
    domain = square()
    density = initial_density(
        Initial("file", file=Path("earlier")),
        domain,
        Cells.of(domain),
        ("x", "y"),
        {},
        12,
        lambda folder: lambda points: 5.0 * (points[:, 0] + 2.0),
    )
    mass, mean, _ = moments(density)
    assert mass == pytest.approx(1.0, rel=1e-13)
    assert mean[0] == pytest.approx(-2.0 + 8.0 / 3.0, rel=1e-12)


@pytest.mark.parametrize(
    ("initial", "message"),
    [
        (Initial("point", point=(2.5, 0.0)), "lies outside the mesh"),
        (Initial("gaussian", mean=(40.0, 0.0), std=0.1), "no mass on the mesh"),
        (Initial("expression", expression=parse("0*x", ("x", "y"))), "no mass on the mesh"),
    ],
)
def test_a_start_without_mass_here_is_refused_by_all_ranks(initial: Initial, message: str) -> None:
    with pytest.raises(BadUsage, match=message):
        made(initial, square())
