"""Functionals of the space: assembled once, they are the integrals that they stand for, on any number of ranks."""

from __future__ import annotations

import numpy as np
import pytest
import ufl
from dolfinx import fem

from fpsolver.domain.cells import Cells
from fpsolver.domain.locate import point_rules
from fpsolver.domain.rules import region_rule
from fpsolver.generator.quadrature import Quadrature, owned_vector
from tests.equations import Array, box, curved_square, largest, total

pytestmark = pytest.mark.parallel


def quadrature(dimension: int, degree: int) -> Quadrature:
    domain = box([0.0] * dimension, [1.0] * dimension, {1: (7,), 2: (5, 4), 3: (2, 3, 2)}[dimension])
    return Quadrature(fem.functionspace(domain, ("Lagrange", degree)), 2 * degree + 4)


def some_function(rule: Quadrature) -> fem.Function:
    function = fem.Function(rule.space)
    function.interpolate(lambda x: np.sin(2 * x[0] + x[1]) + x[0] * x[2])
    return function


@pytest.mark.parametrize(("dimension", "degree"), [(1, 4), (2, 3), (3, 2)])
def test_a_functional_is_the_form_of_its_density(dimension: int, degree: int) -> None:
    rule = quadrature(dimension, degree)
    x = ufl.SpatialCoordinate(rule.space.mesh)
    form = (1 + x[0] ** 2) * ufl.TestFunction(rule.space) * ufl.dx
    expected = fem.assemble_vector(fem.form(form))
    from dolfinx import la

    expected.scatter_reverse(la.InsertMode.add)
    ours = rule.functional(1 + rule.points[: rule.cells.owned, :, 0] ** 2)
    assert largest(ours.array_r - expected.array[: len(ours.array_r)]) < 1e-15


def test_values_and_gradients_are_those_of_the_function() -> None:
    """A polynomial of the space's degree is represented exactly; on curved cells too."""
    for domain in (box([0.0, 0.0], [1.0, 1.0], (3, 4)), curved_square(3)):
        rule = Quadrature(fem.functionspace(domain, ("Lagrange", 4)), 10)
        function = fem.Function(rule.space)
        function.interpolate(lambda x: x[0] ** 2 - 3 * x[0] * x[1])  # degree 2 after a map of degree 2: within 4
        points = rule.points[: rule.cells.owned]
        x, y = points[..., 0], points[..., 1]
        assert largest(rule.values(function) - (x**2 - 3 * x * y)) < 1e-13
        assert largest(rule.gradients(function) - np.stack([2 * x - 3 * y, -3 * x], -1)) < 1e-11


def test_the_functional_of_a_region_is_its_integral() -> None:
    """Linear functions over the half x + y < 0.7: 0.7^2/2, and 0.7^3/6 for x."""
    rule = quadrature(2, 2)
    region = region_rule(rule.cells, lambda p: p.sum(axis=1) - 0.7, rule.degree)
    functional = rule.functional_of_rule(region, np.ones(len(region.weights)))
    x = fem.Function(rule.space)
    x.interpolate(lambda x: x[0])
    assert functional.sum() == pytest.approx(0.7**2 / 2, rel=1e-13)
    assert functional.dot(owned_vector(rule.space, x.x.array)) == pytest.approx(0.7**3 / 6, rel=1e-13)


@pytest.mark.parametrize("point", [(0.3, 0.41), (0.2, 0.25), (0.0, 1.0), (0.5, 0.5)])
def test_the_functional_of_a_point_is_the_value_there(point: tuple[float, float]) -> None:
    """Counted once, also where several cells and ranks meet."""
    rule = quadrature(2, 3)
    found = point_rules(rule.space.mesh, Cells.of(rule.space.mesh), [point])[0]
    assert found is not None
    functional = rule.functional_of_rule(found, np.ones(len(found.weights)))
    cubic = fem.Function(rule.space)
    cubic.interpolate(lambda x: x[0] ** 3 - x[0] * x[1] + 2)
    expected = point[0] ** 3 - point[0] * point[1] + 2
    assert functional.dot(owned_vector(rule.space, cubic.x.array)) == pytest.approx(expected, abs=1e-12)
    assert functional.sum() == pytest.approx(1.0, rel=1e-12)


def test_the_sum_over_all_ranks_counts_no_ghost_twice() -> None:
    rule = quadrature(2, 1)
    ones: Array = np.ones(rule.measure.shape)
    assert rule.functional(ones).sum() == pytest.approx(1.0, rel=1e-13)
    assert total(rule.measure.sum()) == pytest.approx(1.0, rel=1e-13)
