"""Points and the cells that hold them: one owner over all ranks, wherever the point lies."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.domain.cells import Cells
from fpsolver.domain.locate import point_rules
from tests.equations import COMM, box, curved_square, largest, total

pytestmark = pytest.mark.parallel

GRIDS: dict[int, tuple[int, ...]] = {1: (9,), 2: (6, 5), 3: (4, 3, 3)}


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_corners_facets_and_inner_points_have_one_owner(dimension: int) -> None:
    """Points on facets and vertices belong to several cells and several ranks; a sum must count them once."""
    domain = box([-1.0] * dimension, [2.0] * dimension, GRIDS[dimension])
    cells = Cells.of(domain)
    everything = COMM.allgather(cells.nodes[: cells.owned])
    corners = np.unique(np.concatenate(everything).reshape(-1, dimension).round(12), axis=0)
    middles = np.concatenate([(nodes[:, 0] + nodes[:, 1]) / 2 for nodes in everything])  # on edges
    inner = np.random.default_rng(0).uniform(-1, 2, (50, dimension))
    points = np.concatenate([corners, middles, inner])
    rules = point_rules(domain, cells, points)
    owners, error = np.zeros(len(points)), 0.0
    for i, rule in enumerate(rules):
        assert rule is not None, points[i]
        owners[i] = len(rule.weights)
        if len(rule.weights):
            assert rule.weights[0] == 1.0
            assert rule.cell[0] < cells.owned
            error = max(error, float(np.abs(cells.points_in(rule.cell, rule.reference) - points[i]).max()))
            assert rule.reference.min() > -1e-8
            assert rule.reference.sum() < 1 + 1e-8
    np.testing.assert_array_equal(COMM.allreduce(owners), 1.0)
    assert largest(error) < 1e-7


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_a_point_outside_is_nobodys_on_every_rank(dimension: int) -> None:
    domain = box([0.0] * dimension, [1.0] * dimension, GRIDS[dimension])
    near, far = [0.5] * (dimension - 1) + [1.0 + 1e-5], [40.0] * dimension
    inside = [0.5] * dimension
    found = point_rules(domain, Cells.of(domain), [near, inside, far])
    assert [rule is None for rule in found] == [True, False, True]


def test_no_points_are_no_rules() -> None:
    domain = box([0.0], [1.0], (9,))
    assert point_rules(domain, Cells.of(domain), []) == []


def test_points_of_curved_cells_are_found() -> None:
    domain = curved_square(4)
    cells = Cells.of(domain)
    points = np.random.default_rng(3).uniform(0.02, 0.98, (100, 2))
    rules = point_rules(domain, cells, points)
    error, owners = 0.0, 0
    for rule, point in zip(rules, points, strict=True):
        assert rule is not None
        owners += len(rule.cell)
        if len(rule.cell):
            error = max(error, float(np.abs(cells.points_in(rule.cell, rule.reference)[0] - point).max()))
    assert total(owners) == len(points)
    assert largest(error) < 1e-7
