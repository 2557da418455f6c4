"""The smooth parts of a level function, and that they tell where the level is negative."""

from __future__ import annotations

import numpy as np
import pytest

from fpsolver.case.expressions import level, parse, smooth_parts
from fpsolver.case.expressions.expression import Expression

NAMES = ("x", "y")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("x < 0", 1),
        ("x**2 + y**2 < 1", 1),
        ("x < 0 and y < 0", 2),
        ("not (x < 0 or y < 0) or x + y < 1", 3),
        ("abs(x) < 1", 2),
        ("max(abs(x), abs(y)) < 1", 4),
        ("2*abs(x) - abs(y)/3 < 1", 4),
        ("-2*min(x, y) < max(x, 0.2)", 4),
        ("x*abs(y) < 0.3", 1),  # no sum: stays as it is
        ("x < 0 and x < 0", 1),
    ],
)
def test_the_parts_tell_where_the_level_is_negative(text: str, count: int) -> None:
    whole = level(text, NAMES)
    parts = smooth_parts(whole)
    assert len(parts.leaves) == count
    points = np.random.default_rng(1).uniform(-2, 2, (2, 500))
    at = dict(zip(NAMES, points, strict=True))
    negative = np.stack([leaf.evaluate(at) < 0 for leaf in parts.leaves], axis=1)
    assert np.array_equal(parts.inside(negative), whole.evaluate(at) < 0)


def test_no_part_has_a_corner() -> None:
    """Each of them is free of maxima, minima and absolute values; fails if they are left below a sum."""
    text = "max(x, y) + min(x, 0.5) - abs(y - 0.1) < 0.3 and not abs(abs(x) - 1) < 0.5"
    for leaf in smooth_parts(level(text, NAMES)).leaves:
        program = leaf.__reduce__()[1][0]  # type: ignore[index]
        assert not {op for op, _, _ in program} & {"max", "min", "abs"}


def test_too_many_parts_are_taken_as_one() -> None:
    many = " or ".join(f"x < {i}" for i in range(40))
    assert len(smooth_parts(level(many, NAMES)).leaves) == 1
    product = " + ".join(f"abs(x - {i})" for i in range(9))
    whole = Expression(parse(f"{product} - 20", NAMES, {}).node, product)
    parts = smooth_parts(whole)
    assert parts.leaves == (whole,)
    assert parts.inside(np.array([[True], [False]])).tolist() == [True, False]
