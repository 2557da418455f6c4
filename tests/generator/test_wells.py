"""Wells, passes and ways out of potentials that are known."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.generator.wells import wells


def two_wells(points: np.ndarray, d: float, tilt: float = 0.1) -> np.ndarray:
    return ((points[:, 0] ** 2 - 1) ** 2 / 4 + tilt * points[:, 0] + 2 * (points[:, 1:] ** 2).sum(axis=1)) / d


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_both_wells_and_the_pass_between_them(dimension: int) -> None:
    found = wells(lambda points: two_wells(points, 0.01), [-2.0] * dimension, [2.0] * dimension)
    x = np.sort(np.roots([1, 0, -1, 0.1]).real)  # minima and the pass
    f = (x**2 - 1) ** 2 / 4 + 0.1 * x
    np.testing.assert_allclose(found.points[:, 0], x[[0, 2]], atol=0.05)
    np.testing.assert_allclose(found.bottoms, [0.0, (f[2] - f[0]) / 0.01], atol=1.0)
    np.testing.assert_allclose(found.top, (f[1] - f[0]) / 0.01, atol=2.5)
    np.testing.assert_allclose(found.depths[1], (f[1] - f[2]) / 0.01, atol=2.5)


def test_a_shallow_well_needs_no_pin() -> None:
    """Its barrier is 0.25/0.2 = 1.25 nats."""
    assert len(wells(lambda points: two_wells(points, 0.2, 0.0), [-2.0, -1.0], [2.0, 1.0]).points) == 1


def test_the_way_out_of_a_part_is_its_top() -> None:
    """Out of x < 0.5 the way leads over the pass at 0: 25 nats, whatever lies behind."""
    found = wells(
        lambda points: two_wells(points, 0.01, 0.0), [-2.0, -1.0], [2.0, 1.0], lambda points: points[:, 0] < 0.5
    )
    assert len(found.points) == 1
    assert found.top == pytest.approx(25.0, abs=2.5)


def test_a_flat_potential_has_one_well_and_no_barrier() -> None:
    found = wells(lambda points: np.zeros(len(points)), [0.0, 0.0], [1.0, 1.0])
    assert found.points.shape == (1, 2)
    assert found.top == 0.0
