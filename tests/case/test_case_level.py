"""Level functions: {g < 0} is the set on which the condition holds, away from its boundary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsolver.case.expressions import ExpressionError, level, parse

NAMES = ("x", "y")
GRID = {"x": np.linspace(-2, 2, 41)[:, None] + 0.0012345, "y": np.linspace(-2, 2, 37)[None, :] + 0.0067891}


def agree(source: str) -> None:
    inside = level(source, NAMES).evaluate(GRID) < 0
    assert np.array_equal(inside, parse(source, NAMES).evaluate(GRID) != 0)


@pytest.mark.parametrize(
    "source",
    [
        "x < 0",
        "x <= 0",
        "x > y",
        "0 >= x*y",
        "-1 < x < 1",
        "x**2 + y**2 < 1 and y > 0",
        "x < 0 or y < 0 and x < 1",
        "not (x < 0 or not y < 1)",
        "not not x < 0",
        "not -1 < x <= y",
        "x < 5",
        "x > 5",
    ],
)
def test_the_level_is_negative_exactly_inside(source: str) -> None:
    agree(source)


ATOM = st.sampled_from(["x < 0.31", "y > x", "x*y <= 0.4", "-1 < x < 1.2", "x**2 + y**2 >= 1.7"])
CONDITIONS = st.recursive(
    ATOM,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda p: f"({p[0]}) {p[1]} ({p[2]})"),
        inner.map(lambda p: f"not ({p})"),
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=100)
@given(CONDITIONS)
def test_random_conditions(source: str) -> None:
    agree(source)


def test_levels_are_the_stated_functions() -> None:
    assert level("x < 1", NAMES) == parse("x - 1", NAMES)
    assert level("x >= 1", NAMES) == parse("1 - x", NAMES)
    assert level("x < 1 and y < 2", NAMES) == parse("max(x - 1, y - 2)", NAMES)
    assert level("x < 1 or y < 2", NAMES) == parse("min(x - 1, y - 2)", NAMES)
    assert level("not x < 1", NAMES) == parse("-(x - 1)", NAMES)
    assert level("x < d and d < 5", NAMES, {"d": 1.0}) == parse("max(x - 1, 1 - 5)", NAMES)


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("x", "write a comparison"),
        ("x - 1 and y < 0", "write a comparison"),
        ("x == 0", "write < or >"),
        ("1", "write a"),
    ],
)
def test_what_is_no_condition_is_refused(source: str, advice: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        level(source, NAMES)
    assert advice in caught.value.write
