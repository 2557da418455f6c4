"""Derivatives of expressions against differences: each function, and random formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsolver.case.expressions import Expression, parse

NAMES = ("x", "y")


def difference(expression: Expression, name: str, point: dict[str, float], step: float = 1e-2) -> tuple[float, float]:
    """Ridders' extrapolated central difference, and its own error estimate."""

    def central(h: float) -> float:
        high = expression.evaluate({**point, name: point[name] + h})
        low = expression.evaluate({**point, name: point[name] - h})
        return float(high - low) / (2 * h)

    table = [[central(step)]]
    best, error = table[0][0], math.inf
    for row in range(1, 10):
        table.append([central(step / 1.4**row)])
        for column in range(1, row + 1):
            factor = 1.96**column
            table[row].append((table[row][-1] * factor - table[row - 1][column - 1]) / (factor - 1))
            change = max(abs(table[row][-1] - table[row][-2]), abs(table[row][-1] - table[row - 1][-1]))
            if change < error:
                best, error = table[row][-1], change
    return best, error


SMOOTH = [
    "abs(x - 2)",
    "sqrt(x + 1)",
    "exp(-x*y)",
    "log(x + 2*y)",
    "sin(3*x)",
    "cos(x*y)",
    "tan(x/2)",
    "sinh(x)",
    "cosh(2*x)",
    "tanh(3*x)",
    "erf(x*y)",
    "min(x, 3*y, 5)",
    "max(x**2, y)",
    "x/y",
    "x/(1 + x**2)",
    "x**5",
    "x**-2",
    "x**0.5",
    "x**y",
    "2**x",
    "-x**2",
    "(x > 0.1)*x**2",
    "(x - y)**3/(x + y)",
    "+x - -y",
]


@pytest.mark.parametrize("source", SMOOTH)
@pytest.mark.parametrize("name", NAMES)
def test_each_function(source: str, name: str) -> None:
    expression = parse(source, NAMES)
    for point in ({"x": 0.7, "y": 0.45}, {"x": 1.3, "y": 0.2}):
        expected, error = difference(expression, name, point)
        assert float(expression.derivative(name).evaluate(point)) == pytest.approx(
            expected, rel=1e-9, abs=10 * error + 1e-10
        )


@pytest.mark.parametrize("power", [2, 3, 4, 5, -1, -2, 7])
def test_whole_powers_of_negative_numbers_never_meet_a_logarithm(power: int) -> None:
    slope = parse(f"x**{power}", ["x"]).derivative("x")
    assert float(slope.evaluate({"x": -1.5})) == pytest.approx(power * (-1.5) ** (power - 1), rel=1e-14)


def test_derivatives_at_special_points() -> None:
    """A derivative by the general rule x**y would be nan at 0."""
    at = {"x": 0.0, "y": 2.0}
    assert parse("x**y", NAMES).derivative("x").evaluate(at) == 0.0
    assert parse("x**y", NAMES).derivative("y").evaluate(at) == 0.0
    assert parse("abs(x)", NAMES).derivative("x").evaluate(at) == 0.0
    assert parse("tanh(x)", NAMES).derivative("x").evaluate({"x": 800.0}) == 0.0
    assert parse("tanh(x)", NAMES).derivative("x").evaluate({"x": 20.0}) == pytest.approx(
        4 * math.exp(-40.0), rel=1e-12
    )


def test_a_branch_that_is_not_taken_leaves_no_nan() -> None:
    slope = parse("max(sqrt(x), 1)", NAMES).derivative("x")
    assert slope.evaluate({"x": np.array([0.0, 4.0])}) == pytest.approx([0.0, 0.25])


@pytest.mark.parametrize("source", ["sign(x)", "x > 0", "not x > y", "x > 0 and y > 0", "x > 0 or y > 0", "3", "y**2"])
def test_piecewise_constants_have_derivative_zero(source: str) -> None:
    assert parse(source, NAMES).derivative("x").value == 0.0


def test_second_derivatives() -> None:
    hessian = parse("exp(-x**2)*y**3", NAMES).derivative("x").derivative("y")
    x, y = 0.3, 0.8
    assert float(hessian.evaluate({"x": x, "y": y})) == pytest.approx(-2 * x * math.exp(-(x**2)) * 3 * y**2, rel=1e-14)


LEAF = st.sampled_from(["x", "y", "1", "2.5", "0.3", "pi", "0"])


def _grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    unary = st.sampled_from(["sin", "cos", "tanh", "erf", "exp", "-", "abs", "sinh", "cosh", "tan", "sign"])
    return st.one_of(
        st.tuples(unary, inner).map(lambda parts: f"{parts[0]}(({parts[1]})/2)"),
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda parts: f"({parts[0]}){parts[1]}({parts[2]})"),
        st.tuples(inner, st.sampled_from(["2", "3", "-1", "0.5", "y"])).map(lambda parts: f"({parts[0]})**{parts[1]}"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"
        ),
        st.tuples(inner, inner).map(lambda parts: f"({parts[0]} < {parts[1]})"),
    )


FORMULAS = st.recursive(LEAF, _grow, max_leaves=12)


@settings(deadline=None, max_examples=300)
@given(FORMULAS, st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_random_formulas(source: str, x: float, y: float) -> None:
    """Wherever the difference quotient can be trusted (no kink or pole within its step), both agree."""
    expression = parse(source, NAMES)
    point = {"x": x, "y": y}
    exact = float(expression.derivative("x").evaluate(point))
    around = [
        float(expression.derivative("x").evaluate({"x": x + h, "y": y}))
        for h in (-1e-2, -1e-3, -1e-6, 1e-6, 1e-3, 1e-2)
    ]
    with np.errstate(all="ignore"):
        expected, error = difference(expression, "x", point)
    scale = 1 + abs(exact)
    kink = max(abs(around[2] - exact), abs(around[3] - exact)) > 1e-3 * scale
    pole = max(abs(slope - exact) for slope in around) > scale
    if not math.isfinite(sum(around) + exact + expected) or kink or pole or error > 1e-6 * scale:
        return
    assert exact == pytest.approx(expected, rel=1e-5, abs=1e-5)


@settings(deadline=None, max_examples=300)
@given(FORMULAS, st.floats(-2, 2), st.floats(-2, 2))
def test_the_value_is_that_of_python(source: str, x: float, y: float) -> None:
    """Same grammar and precedence as Python: the test may use eval, the program never does."""
    words = {name: getattr(math, name) for name in ("sin", "cos", "tan", "tanh", "sinh", "cosh", "exp", "erf", "pi")}
    words |= {"abs": abs, "min": min, "max": max, "sign": lambda v: float(np.sign(v)), "x": x, "y": y}
    try:
        expected = eval(source, {"__builtins__": {}}, words)
    except (ArithmeticError, TypeError):  # Python has no inf or nan here; negative numbers have complex roots
        return
    if isinstance(expected, complex):
        return
    found = float(parse(source, NAMES).evaluate({"x": x, "y": y}))
    if math.isfinite(found) and abs(found) < 1e12:
        assert found == pytest.approx(float(expected), rel=1e-9, abs=1e-9)
