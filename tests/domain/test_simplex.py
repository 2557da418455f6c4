"""Simplices: what cutting and halving must keep."""

from __future__ import annotations

from math import factorial

import basix
import numpy as np
import numpy.typing as npt
import pytest

from fpsolver.domain.simplex import clip, element_subcells, halves, kuhn_cells, reference_simplex

Array = npt.NDArray[np.float64]


def volumes(simplices: Array) -> Array:
    edges = simplices[:, 1:] - simplices[:, :1]
    return np.abs(np.linalg.det(edges)) / factorial(simplices.shape[2])


def random_simplices(dimension: int, count: int = 200) -> Array:
    return np.random.default_rng(dimension).normal(size=(count, dimension + 1, dimension))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_halves_are_equal_shares_of_the_whole(dimension: int) -> None:
    simplices = random_simplices(dimension)
    parts = halves(simplices).reshape(len(simplices), 2**dimension, dimension + 1, dimension)
    for k in range(2**dimension):
        np.testing.assert_allclose(volumes(parts[:, k]), volumes(simplices) / 2**dimension, rtol=1e-10)
    # together they balance where the whole does: nothing lies outside, nothing twice
    np.testing.assert_allclose(parts.mean(axis=(1, 2)), simplices.mean(axis=1), atol=1e-13)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_clip_cuts_into_two_sides_of_the_right_volume_and_place(dimension: int) -> None:
    """Catches a staircase with a path missing, doubled, or on the wrong side."""
    simplices = random_simplices(dimension)
    rng = np.random.default_rng(7)
    normal, offset = rng.uniform(0.5, 1.5, dimension), 0.1
    level = simplices @ normal - offset
    below, from_below = clip(simplices, level)
    above, from_above = clip(simplices, -level)
    assert (below @ normal - offset).max() <= 1e-12
    assert (above @ normal - offset).min() >= -1e-12

    def moments(parts: Array, origin: npt.NDArray[np.int64]) -> Array:
        """Volume and volume times centroid, per simplex of origin."""
        values = volumes(parts)[:, None] * np.hstack([np.ones((len(parts), 1)), parts.mean(axis=1)])
        sums = np.zeros((len(simplices), dimension + 1))
        np.add.at(sums, origin, values)
        return sums

    whole = moments(simplices, np.arange(len(simplices)))
    np.testing.assert_allclose(moments(below, from_below) + moments(above, from_above), whole, atol=1e-12)


def test_clip_of_one_triangle_is_known() -> None:
    triangle = reference_simplex(2)[None]
    part, source = clip(triangle, triangle @ np.array([1.0, 0.0]) - 0.5)  # x < 1/2
    assert volumes(part).sum() == pytest.approx(0.5 - 0.125, rel=1e-14)
    assert set(source) == {0}


def test_clip_leaves_nothing_of_what_is_outside_and_all_of_what_is_inside() -> None:
    simplices = random_simplices(2, 5)
    level = np.array([[1.0, 2, 3], [-1, -2, -3], [0, 1, 2], [0, 0, 0], [-1, 0, 0]])
    part, source = clip(simplices, level)
    kept = np.bincount(source, volumes(part), minlength=5)
    np.testing.assert_allclose(kept, volumes(simplices) * [0, 1, 0, 0, 1], rtol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_a_simplex_is_cut_into_degree_to_the_dimension_equal_parts(dimension: int, degree: int) -> None:
    steps, small = kuhn_cells(dimension, degree)
    assert (steps.sum(axis=1) == degree).all()
    assert len(small) == degree**dimension
    parts = (steps[:, 1:] / degree)[small]
    np.testing.assert_allclose(volumes(parts), 1.0 / factorial(dimension) / degree**dimension, rtol=1e-12)


@pytest.mark.parametrize("degree", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("kind", [basix.CellType.interval, basix.CellType.triangle, basix.CellType.tetrahedron])
def test_the_nodes_of_an_element_tile_it_although_they_are_warped(kind: basix.CellType, degree: int) -> None:
    element = basix.create_element(basix.ElementFamily.P, kind, degree, basix.LagrangeVariant.gll_warped)
    points = np.asarray(element.points)
    small = element_subcells(points, degree)
    assert len(np.unique(small)) == len(points)
    assert volumes(points[small]).sum() == pytest.approx(1.0 / factorial(points.shape[1]), rel=1e-12)
