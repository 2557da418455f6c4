"""The order at which SGD approaches its diffusion, from differences and their intervals."""

from __future__ import annotations

import pytest

from fpsolver.study.sgd_limit import Difference, order


def test_the_order_is_that_of_the_differences() -> None:
    """What is lost in its interval does not count; the interval of the order follows from theirs."""
    line = [Difference(rate, 0.3 * rate**1.5, 0.01 * rate**1.5) for rate in (0.5, 0.25, 0.125)]
    found = order([*line, Difference(0.01, 1.0, 2.0)])
    assert found is not None
    assert found[0] == pytest.approx(1.5)
    assert 0.0 < found[1] < 0.1
    assert order(line[:1]) is None
