"""The expression language: what it means, what it refuses and how it says so."""

from __future__ import annotations

import copy
import math
import pickle
import time

import numpy as np
import pytest
from scipy import special

from fpsolver.case.expressions import ExpressionError, Program, parse
from fpsolver.case.expressions.grammar import CONSTANTS, FUNCTIONS

NAMES = ("x", "y")
POINT = {"x": 2.0, "y": -0.5}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("-x**2", -4.0),
        ("2**-1", 0.5),
        ("2**3**2", 512.0),
        ("-2**-2", -0.25),
        ("8/4/2", 1.0),
        ("1 - 2 - 3", -4.0),
        ("2 + 3*4", 14.0),
        ("1 < 2 < 3", 1.0),
        ("1 < 2 > 3", 0.0),
        ("not 1 < 2", 0.0),
        ("not not x", 1.0),
        ("x > 0 and not y > 0 or x > 9", 1.0),
        ("x > 9 and y > 9 or x > 0", 1.0),
        ("1 or 0 and 0", 1.0),
        ("1e3 + .5 + 5. + 1_000", 2005.5),
        ("min(3, x, 7)", 2.0),
        ("(x == 2) + (x != 2)*10", 1.0),
        ("2*(x >= 2) + (x <= 1)", 2.0),
        ("pi*e", math.pi * math.e),
        ("sign(y)*abs(y)", -0.5),
        ("d*x", 0.2),
        ("lambda + in*if", 7.0),
    ],
)
def test_values(source: str, value: float) -> None:
    parameters = {"d": 0.1, "lambda": 1.0, "in": 2.0, "if": 3.0}
    assert float(parse(source, NAMES, parameters).evaluate(POINT)) == pytest.approx(value, rel=1e-15)


def test_the_error_function_is_accurate_everywhere() -> None:
    x = np.linspace(-6, 6, 1001)
    assert np.allclose(parse("erf(x)", ["x"]).evaluate({"x": x}), special.erf(x), rtol=1e-15, atol=0)
    assert parse("erf(0.3)", []).value == math.erf(0.3)


@pytest.mark.parametrize(
    ("source", "column", "advice"),
    [
        ("x^2", 2, "write ** for a power"),
        ("x && y", 3, "write and"),
        ("x || y", 3, "write or"),
        ("!x", 1, "write not"),
        ("2x", 2, "write 2*x"),
        ("x y", 3, "write x*y"),
        ("2(x)", 2, "write 2*("),
        ("(x)(y)", 4, "write )*("),
        ("x(2)", 2, "write x*("),
        ("x²", 2, "write **2"),
        ("x − 1", 3, "ordinary minus"),
        ("foo + 1", 1, "define foo in [parameters]"),
        ("1 + feature", 5, "did you mean features?"),
        ("expp(x)", 1, "did you mean exp?"),
        ("ln(x)", 1, "write log"),
        ("math.exp(x)", 5, "names have no parts"),
        ("exp", 1, "write exp(...)"),
        ("exp(x, 1)", 1, "write exp(value)"),
        ("exp()", 1, "write exp(value)"),
        ("min(x)", 1, "write min(one, other)"),
        ("pi(2)", 1, "write pi*(...)"),
        ("(x", 1, "write the missing )"),
        ("sin(x", 4, "write the missing )"),
        ("x)", 2, "leave it out"),
        ("x +", 4, "write what follows"),
        ("x if y else 2", 3, "(condition)*value"),
        ("x = 2", 3, "write < or >"),
        ("x // 2", 3, "no integer division"),
        ("x % 2", 3, "no remainder"),
        ("1,5", 2, "decimal point"),
        ("2*not x", 3, "parentheses"),
        ("True", 1, "write 1"),
        ("1__0", 1, "1000.0"),
    ],
)
def test_mistakes_say_where_and_what_to_write(source: str, column: int, advice: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(source, [*NAMES, "features"])
    assert f"column {column} " in caught.value.wrong
    assert advice in caught.value.write


@pytest.mark.parametrize(
    "source",
    [
        "().__class__.__bases__[0]",
        "__import__('os').system('true')",
        "x.real",
        "open('x')",
        "eval('1')",
        "lambda: 1",
        "[a for a in x]",
        "{x: 1}",
        "f'{x}'",
        "'text'",
        "(x := 3)",
        "x if x else y",
        "x; y",
        "x\ny",
        "*x",
        "**x",
        "min(*x, 2)",
        "min(x, key=y)",
        "x[0]",
        "...",
        "1j",
        "0x1F",
        "await x",
        "yield x",
        "@x",
        "x\x00",
        "\ud800",
        "",
        "   ",
        "(" * 100_000,
        "(" * 1900 + "x" + ")" * 1900,
        "-" * 3000 + "x",
        "not " * 900 + "x",
        "x**" * 1300 + "x",
        "sin(" * 900 + "x" + ")" * 900,
        "x" * 5000,
        "é",
        "ｘ",  # fullwidth x: Python would read it as x
    ],
)
def test_everything_else_is_refused_quickly(source: str) -> None:
    started = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        parse(source, NAMES)
    assert time.perf_counter() - started < 1.0
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("source", ["9**9**9**9", "1/0", "exp(1e9)", "1e999", "(1e300*x)**2"])
def test_huge_numbers_are_infinite_without_a_warning(source: str) -> None:
    assert math.isinf(parse(source, NAMES).evaluate(POINT))


def test_nan_is_a_value_of_expressions_not_an_error() -> None:
    assert math.isnan(parse("0/0 + log(-1)", NAMES).evaluate(POINT))


def test_long_sums_are_no_deep_recursion() -> None:
    expression = parse("+".join(["x"] * 1900), NAMES)
    assert float(expression.evaluate(POINT)) == 3800.0
    assert expression.derivative("x").value == 1900.0
    assert copy.deepcopy(expression) == expression
    assert pickle.loads(pickle.dumps(expression)).evaluate(POINT) == 3800.0


def test_equal_formulas_are_equal_and_shared() -> None:
    one, other = parse("sin(x*y) + 1", NAMES), parse(" sin( x * y )+1.0", NAMES)
    assert one == other
    assert one.node is other.node
    assert hash(one) == hash(other)
    assert one != parse("sin(y*x) + 1", NAMES)


def test_simplification() -> None:
    assert parse("0*log(x) + 1*y + 0", NAMES) == parse("y", NAMES)
    assert parse("d*x", NAMES, {"d": 0.0}).value == 0.0
    assert parse("x**1 - 0*y", NAMES).names == {"x"}


def test_repeated_subtrees_cost_once() -> None:
    """Without sharing the 40th power of the doubling has 10^12 nodes."""
    source = "x"
    expression = parse(source, NAMES)
    for _ in range(6):
        expression = expression.derivative("x")
    nested = "sin(" * 20 + "x*x" + ")" * 20
    slope = parse(nested, NAMES)
    for _ in range(3):
        slope = slope.derivative("x")
    started = time.perf_counter()
    assert np.isfinite(slope.evaluate({"x": np.linspace(0, 1, 100)})).all()
    assert time.perf_counter() - started < 5.0


def test_arrays_broadcast_and_belong_to_the_caller() -> None:
    x, t = np.linspace(0, 1, 4)[:, None], np.arange(3.0)
    for source in ("x*t", "x", "t", "3"):
        found = parse(source, ("x", "t")).evaluate({"x": x, "t": t})
        assert found.shape == (4, 3)
        found[:] = -1.0  # writable, and nobody else's
    assert x[0, 0] == 0.0
    assert t[2] == 2.0


def test_a_program_shares_between_expressions() -> None:
    f = parse("exp(x)*y", NAMES)
    values = {"x": np.array([0.0, 1.0]), "y": 2.0}
    found = Program([f, f.derivative("x"), f, f.derivative("y")])(values)
    assert [list(array) for array in found] == [list(e.evaluate(values)) for e in (f, f, f, parse("exp(x)", NAMES))]
    found[0][:] = 0.0
    assert found[2][0] == 2.0


def test_a_missing_value_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="y"):
        parse("x + y", NAMES).evaluate({"x": 1.0})


def test_constants() -> None:
    assert parse("2*d", (), {"d": 3.0}).value == 6.0
    assert parse("1 < 2", ()).value == 1.0
    assert parse("x", NAMES).value is None
    assert parse("x", NAMES).source == "x"


@pytest.mark.parametrize("name", [*FUNCTIONS, *CONSTANTS])
def test_every_word_of_the_grammar_works(name: str) -> None:
    source = name if name in CONSTANTS else f"{name}({', '.join(['0.5'] * FUNCTIONS[name][0])})"
    assert math.isfinite(parse(source, ()).value or 0.0)
