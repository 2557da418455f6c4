"""Observed orders and limits of sequences whose limit is known."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.study.orders import trend


def sequence(order: float, levels: int = 4, limit: float = 3.0, constant: float = 0.2) -> list[float]:
    return [limit + constant * 2.0 ** (-order * level) for level in range(levels)]


@pytest.mark.parametrize("order", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("levels", [3, 4])
def test_a_power_of_the_cell_size_is_recognised_and_its_limit_found(order: float, levels: int) -> None:
    found = trend(sequence(order, levels), order, by_degree=False)
    assert found.asymptotic
    assert not found.note
    assert found.order == pytest.approx(order, abs=1e-9)
    assert found.extrapolated == pytest.approx(3.0, abs=1e-10)
    assert abs(found.extrapolated - sequence(order, levels)[-1]) <= 1.0001 * found.uncertainty


def test_values_that_fall_by_a_factor_per_degree_have_their_limit() -> None:
    values = [3.0 + 0.2 * 0.1**degree for degree in range(3)]
    found = trend(values, None, by_degree=True)
    assert found.asymptotic
    assert found.extrapolated == pytest.approx(3.0, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "expected", "word"),
    [
        ([1.0, 1.1, 1.25, 1.5], 2.0, "do not fall"),
        (sequence(1.0), 4.0, "order 1.0 where 4 is expected"),
        (sequence(8.0), 2.0, "too good"),
        (list(np.cumsum([1.0, 0.5, 0.4, 0.02])), None, "erratic"),
    ],
)
def test_outside_the_asymptotic_range_nothing_is_extrapolated(
    values: list[float], expected: float | None, word: str
) -> None:
    found = trend(values, expected, by_degree=False)
    assert not found.asymptotic
    assert word in found.note
    assert found.extrapolated == values[-1]
    assert found.uncertainty >= abs(values[-1] - values[-2])


def test_values_that_agree_to_round_off_have_no_order() -> None:
    found = trend([1.0, 1.0 + 1e-15, 1.0], 2.0, by_degree=False)
    assert found.asymptotic
    assert found.order is None
    assert 0.0 < found.uncertainty < 1e-10


def test_zero_by_symmetry_is_round_off_of_what_it_is_compared_with() -> None:
    assert trend([1e-16, -3e-16, 2e-16], 2.0, by_degree=False, size=1.0).asymptotic


def test_two_levels_are_extrapolated_with_the_order_of_theory() -> None:
    found = trend(sequence(2.0, levels=2), 2.0, by_degree=False)
    assert found.order is None
    assert found.extrapolated == pytest.approx(3.0, abs=1e-12)
