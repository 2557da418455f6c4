"""Quadrature that follows regions and narrow densities: exact where it says exact, orders elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import basix
import numpy as np
import numpy.typing as npt
import pytest
from dolfinx import fem

from fpsolver.domain import rules
from fpsolver.domain.cells import Cells
from fpsolver.domain.rules import Rule, region_rule, resolved_rule
from fpsolver.generator.quadrature import Quadrature
from tests.equations import COMM, box, curved_square, largest, orders, total

Array = npt.NDArray[np.float64]
pytestmark = pytest.mark.parallel

GRIDS: dict[int, tuple[int, ...]] = {1: (5,), 2: (4, 3), 3: (3, 2, 2)}


def unit_box(dimension: int) -> Cells:
    return Cells.of(box([0.0] * dimension, [1.0] * dimension, GRIDS[dimension]))


def integral(rule: Rule, values: Array) -> float:
    return total(rule.weights @ values)


def monomials(points: Array, degree: int) -> list[Array]:
    powers = itertools.product(range(degree + 1), repeat=points.shape[1])
    return [np.prod(points ** np.array(power), axis=1) for power in powers if sum(power) <= degree]


def exact_below(normal: Sequence[float], offset: float, degree: int) -> list[float]:
    """Integrals of the monomials over {n . x < offset} in the unit box, iterated and split at every kink."""
    nodes, weights = np.polynomial.legendre.leggauss(8)

    def along(rest: Sequence[float], offset: float, power: Sequence[int]) -> float:
        if not len(rest):
            return 1.0 if offset > 0 else 0.0
        slope, others = rest[0], rest[1:]
        kinks = [offset - np.dot(others, corner) for corner in itertools.product((0.0, 1.0), repeat=len(others))]
        inner = {kink / slope for kink in kinks if 0.0 < kink / slope < 1.0}
        ends = sorted({0.0, 1.0} | inner)
        value = 0.0
        for a, b in itertools.pairwise(ends):
            for node, weight in zip(nodes, weights, strict=True):
                x = a + (b - a) * (node + 1) / 2
                value += weight * (b - a) / 2 * x ** power[0] * along(others, offset - slope * x, power[1:])
        return value

    powers = itertools.product(range(degree + 1), repeat=len(normal))
    return [along(normal, offset, power) for power in powers if sum(power) <= degree]


@pytest.mark.parametrize(
    ("normal", "offset"),
    [([1.0], 0.53), ([-1.0], -0.4), ([1.0, 0.7], 0.61), ([0.9, -0.3], 0.2), ([1.0, 0.6, 0.4], 0.77)],
)
def test_polynomials_are_integrated_exactly_over_half_spaces(normal: list[float], offset: float) -> None:
    """Also where the plane cuts through cells, and through columns of vertices (0.4 is a vertex of the interval)."""
    degree = 3 if len(normal) == 3 else 6
    rule = region_rule(unit_box(len(normal)), lambda p: p @ np.array(normal) - offset, degree)
    computed = [integral(rule, values) for values in monomials(rule.points, degree)]
    np.testing.assert_allclose(computed, exact_below(normal, offset, degree), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_region_and_its_complement_make_the_whole(dimension: int) -> None:
    """Curved or not, nothing is lost at the interface: both sides cut the same cells at the same places."""
    cells = unit_box(dimension)

    def level(points: Array) -> Array:
        return ((points - 0.31) ** 2).sum(axis=1) - 0.4**2

    inside, outside = region_rule(cells, level, 4), region_rule(cells, lambda p: -level(p), 4)
    for a, b, exact in zip(
        monomials(inside.points, 1), monomials(outside.points, 1), [1.0] + [0.5] * dimension, strict=True
    ):
        assert integral(inside, a) + integral(outside, b) == pytest.approx(exact, rel=1e-12)


def disc_error(cells: Cells) -> float:
    rule = region_rule(cells, lambda p: ((p - 0.5) ** 2).sum(axis=1) - 0.37**2, 4)
    return abs(integral(rule, np.ones(len(rule.weights))) - np.pi * 0.37**2) / (np.pi * 0.37**2)


def test_the_error_along_a_circle_falls_by_four_per_halving(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = unit_box(2)
    errors = []
    for halvings in (1, 2, 3, 4, 5):
        monkeypatch.setitem(rules.HALVINGS, 2, halvings)
        errors.append(disc_error(cells))
    np.testing.assert_allclose(orders(errors), 2.0, atol=0.15)


def test_a_circle_is_resolved_to_its_stated_accuracy_on_a_coarse_mesh() -> None:
    assert disc_error(unit_box(2)) < 1e-4


def test_an_interval_with_curved_level_is_cut_to_round_off() -> None:
    rule = region_rule(unit_box(1), lambda p: p[:, 0] ** 2 - 0.3, 4)
    assert integral(rule, rule.points[:, 0]) == pytest.approx(0.15, abs=1e-12)


def test_a_separatrix_along_a_column_of_vertices_splits_in_half() -> None:
    """|g| below 1e-9 of its variation is boundary, so round-off in the vertices decides nothing."""
    cells = Cells.of(box([-1.0, -1.0], [1.0, 1.0], (6, 6)))
    rule = region_rule(cells, lambda p: p[:, 0] + 1e-14 * np.sin(1e6 * p[:, 1]), 4)
    assert integral(rule, np.ones(len(rule.weights))) == pytest.approx(2.0, rel=1e-12)


def test_a_narrow_density_is_integrated_on_coarse_cells() -> None:
    cells, width = unit_box(2), 1e-3

    def too_large(corners: Array) -> npt.NDArray[np.bool_]:
        size = np.ptp(corners, axis=1).max(axis=1)
        near = (np.abs(corners - 0.6).min(axis=1) < 9 * width + size[:, None]).all(axis=1)
        return np.asarray((size > width) & near)

    rule = resolved_rule(cells, too_large, 8, halvings=40)
    values = np.exp(-((rule.points - 0.6) ** 2).sum(axis=1) / (2 * width**2)) / (2 * np.pi * width**2)
    assert integral(rule, values) == pytest.approx(1.0, abs=1e-8)
    assert integral(rule, np.ones(len(values))) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("degree", [1, 4])
def test_quadrature_points_are_those_of_dolfinx(dimension: int, degree: int) -> None:
    compare_points(Quadrature(fem.functionspace(box([-1.0] * dimension, [2.0] * dimension, GRIDS[dimension]),
                                                ("Lagrange", degree)), 2 * degree + 4))  # fmt: skip


def test_quadrature_points_are_those_of_dolfinx_on_curved_cells() -> None:
    """A blocked coordinate element tabulated as if it were scalar gives wrong points without a word."""
    compare_points(Quadrature(fem.functionspace(curved_square(4), ("Lagrange", 2)), 8))


def compare_points(quadrature: Quadrature) -> None:
    import ufl

    domain = quadrature.space.mesh
    here = np.arange(len(quadrature.cells.nodes), dtype=np.int32)
    expression = fem.Expression(ufl.SpatialCoordinate(domain), quadrature.reference)
    theirs = expression.eval(domain, here).reshape(quadrature.points.shape)
    assert largest(quadrature.points - theirs) < 1e-14 * 4


def test_measures_add_up_to_the_volume_on_curved_cells() -> None:
    """The wavy edges lie inside the square, so its area stays one: det is a polynomial, integrated exactly."""
    quadrature = Quadrature(fem.functionspace(curved_square(4), ("Lagrange", 2)), 8)
    assert total(quadrature.measure.sum()) == pytest.approx(1.0, rel=1e-13)


@pytest.mark.parametrize("curved", [False, True])
def test_pull_back_undoes_the_cell_map(curved: bool) -> None:
    cells = Cells.of(curved_square(4)) if curved else unit_box(3)
    rng = np.random.default_rng(COMM.rank)
    chosen = rng.integers(0, len(cells.nodes), 300)
    reference = rng.dirichlet(np.ones(cells.dimension + 1), 300)[:, 1:]
    points = cells.points_in(chosen, reference)
    assert largest(cells.pull_back(chosen, points) - reference) < 1e-12


def test_inverse_jacobians_and_volumes_agree_with_differences() -> None:
    cells = Cells.of(curved_square(4))
    nodes, _ = basix.make_quadrature(basix.CellType.triangle, 3)
    step = 1e-6
    columns = [
        (cells.points(nodes + step * e)[: cells.owned] - cells.points(nodes - step * e)[: cells.owned]) / (2 * step)
        for e in np.eye(2)
    ]
    jacobian = np.stack(columns, axis=-1)
    assert largest(cells.inverse_jacobians(nodes) @ jacobian - np.eye(2)) < 1e-8
    assert largest(cells.volumes(nodes)[: cells.owned] - np.abs(np.linalg.det(jacobian))) < 1e-9
