"""The estimate of an error from two cruder values, on numbers whose errors are known."""

from __future__ import annotations

import math

import pytest

from fpsolver.quantity import Quantity
from fpsolver.study.estimate import LEAST, ROUND_OFF, error


def estimated(value: float, lower: float | None, coarser: float | None, degree: int = 4, **more: object) -> float:
    quantity = Quantity(value, **more)  # type: ignore[arg-type]
    others = [None if number is None else Quantity(number) for number in (lower, coarser)]
    return error(quantity, others[0], others[1], degree, max(1, degree - 1), smooth=True)


@pytest.mark.parametrize("degree", [2, 3, 4])
def test_it_falls_like_the_error(degree: int) -> None:
    """Errors h^2k and companions h^2(k-1) and (2h)^2k: halving h divides the estimate by 2^2k."""

    def at(h: float) -> float:
        values = (1.0 + h ** (2 * degree), 1.0 + h ** (2 * degree - 2), 1.0 + (2 * h) ** (2 * degree))
        return estimated(*values, degree=degree)

    assert math.log2(at(0.2) / at(0.1)) == pytest.approx(2 * degree, abs=0.3)
    assert at(0.1) > 0.1 ** (2 * degree)


def test_a_companion_that_agrees_by_accident_does_not_hide_the_other() -> None:
    assert estimated(1.0, 1.0, 1.01) == pytest.approx(LEAST * 0.01, rel=1e-6)
    assert estimated(1.0, 1.01, 1.0) == pytest.approx(LEAST * 0.01, rel=1e-6)


def test_one_difference_alone_is_taken_as_it_is() -> None:
    assert estimated(1.0, None, 1.01) == pytest.approx(0.01, rel=1e-6)
    assert estimated(1.0, 0.98, None) == pytest.approx(0.02, rel=1e-6)


def test_times_are_compared_in_their_logarithm() -> None:
    """The same ratios give the same relative error at any magnitude."""
    small = estimated(1.0, 1.1, 1.05, scale="log")
    large = estimated(1e80, 1.1e80, 1.05e80, scale="log")
    assert large / 1e80 == pytest.approx(small, rel=1e-9)


def test_a_companion_of_the_wrong_sign_is_no_small_difference() -> None:
    assert estimated(1.0, -1.0, 1.1, scale="log") > 0.5


def test_a_value_of_nothing_has_the_mean_difference() -> None:
    assert 0.0 < estimated(0.0, 1e-3, 1e-5) < 1e-3


def test_nothing_overflows() -> None:
    assert math.isfinite(estimated(1e250, 1e-250, 1e-200, scale="log"))


def test_known_errors_and_round_off_are_added() -> None:
    assert estimated(2.0, 2.0, 2.0) == pytest.approx(2 * ROUND_OFF)
    assert estimated(2.0, 2.0, 2.0, floor=1e-3) == pytest.approx(1e-3, rel=1e-6)


def test_what_is_zero_by_symmetry_has_the_round_off_of_its_size() -> None:
    assert estimated(0.0, 0.0, 0.0, size=3.0) == pytest.approx(3 * ROUND_OFF)


def test_complex_eigenvalues_are_compared_in_the_plane() -> None:
    one = Quantity(0.75, scale="log", imag=1.0)
    turned = Quantity(0.75, scale="log", imag=1.01)
    assert error(one, turned, turned, 4, 3, smooth=True) == pytest.approx(
        error(one, Quantity(0.75, imag=0.99), Quantity(0.75, imag=0.99), 4, 3, smooth=True), rel=0.05
    )
