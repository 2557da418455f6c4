"""Data from arrays, words as classes, and losses by name, which are formulas that one could have written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpsolver.case.expressions import parse

HEAD = '[domain]\nlower = [-2.0]\nupper = [2.0]\ncells = [4]\ncoordinates = ["w"]\n'
TAIL = "[noise]\nlearning_rate = 0.5\nbatch_size = 2\n"
LOGISTIC = '[loss]\nname = "logistic"\nprediction = "w*x"\ntarget = "t"\n'
ROWS = "x,kind\n1.0,a\n-2.0,b\n0.5,c\n,c\n4.0, b\n"
CLASSES = '[data]\nfile = "d.csv"\ncolumns = { x = "x", t = "kind" }\nclasses = { t = { a = 0, b = 1 } }\n'


def test_rows_of_other_classes_are_left_out(load_text: Callable[..., Any], tmp_path: Path) -> None:
    """With gaps that they may have; and classes are not standardised."""
    (tmp_path / "d.csv").write_text(ROWS)
    case = load_text(HEAD + LOGISTIC + CLASSES + "standardize = true\n" + TAIL)
    assert case.data.columns["t"].tolist() == [0.0, 1.0, 1.0]
    assert case.data.columns["x"].mean() == pytest.approx(0.0, abs=1e-15)
    assert case.data.columns["x"].std() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CLASSES.replace("b = 1", "bb = 1"), 'd.csv has no "bb" in this column; did you mean b?'),
        (CLASSES.replace("b = 1", 'b = "one"'), '"one" is not a number'),
        (CLASSES.replace("{ t = {", "{ s = {"), "data.classes.s: there is no such name in columns"),
        (CLASSES.replace("b = 1", "b = 2"), 'a logistic loss has classes 0 and 1, but "t" is 2 in row 2'),
    ],
)
def test_mistakes_of_classes(mistakes: Callable[..., list[str]], tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "d.csv").write_text(ROWS)
    assert any(said in message for message in mistakes(HEAD + LOGISTIC + text + TAIL))


def test_arrays_and_csv_are_the_same_data(load_text: Callable[..., Any], tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(20, 3))
    classes = (values[:, 0] > 0.0).astype(int)
    np.savez(tmp_path / "d.npz", inputs=values, labels=classes)
    rows = "\n".join(f"{x!r},{t}" for x, t in zip(values[:, 2].tolist(), classes, strict=True))
    (tmp_path / "d.csv").write_text(f"x,t\n{rows}\n")
    found = [
        load_text(HEAD + LOGISTIC + f"[data]\nfile = '{file}'\ncolumns = {{ x = '{x}', t = '{t}' }}\n" + TAIL).data
        for file, x, t in (("d.npz", "inputs[2]", "labels"), ("d.csv", "x", "t"))
    ]
    for name in ("x", "t"):
        np.testing.assert_array_equal(found[0].columns[name], found[1].columns[name])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ('{ x = "inputs", t = "labels" }', 'write "inputs[0]" to "inputs[2]"'),
        ('{ x = "inputs[3]", t = "labels" }', 'write "inputs[0]" to "inputs[2]"'),
        ('{ x = "inputs[1]", t = "label" }', 'd.npz has no array "label"; did you mean labels?'),
        ('{ x = "short", t = "labels" }', "the arrays have different lengths (x = 3, t = 20)"),
    ],
)
def test_mistakes_of_arrays(mistakes: Callable[..., list[str]], tmp_path: Path, columns: str, said: str) -> None:
    np.savez(tmp_path / "d.npz", inputs=np.ones((20, 3)), labels=np.ones(20), short=np.ones(3))
    found = mistakes(HEAD + LOGISTIC + f"[data]\nfile = 'd.npz'\ncolumns = {columns}\n" + TAIL)
    assert any(said in message for message in found), found


@pytest.mark.parametrize(
    ("name", "formula"),
    [("squared", "(t - w*x)**2/2"), ("logistic", "log(1 + exp(w*x)) - t*w*x")],
)
def test_a_named_loss_is_its_formula(load_text: Callable[..., Any], tmp_path: Path, name: str, formula: str) -> None:
    """With derivatives up to second order, as the noise needs them."""
    (tmp_path / "d.csv").write_text(ROWS)
    named = load_text(HEAD + LOGISTIC.replace("logistic", name) + CLASSES + TAIL).loss.expression
    written = parse(formula, ["w", "x", "t"])
    values = {"w": np.linspace(-2, 2, 41)[:, None], "x": np.array([1.0, -2.0, 4.0]), "t": np.array([0.0, 1.0, 1.0])}
    for _ in range(3):
        np.testing.assert_allclose(named.evaluate(values), written.evaluate(values), rtol=1e-12, atol=1e-14)
        named, written = named.derivative("w"), written.derivative("w")


def test_softplus_keeps_its_digits() -> None:
    """exp(1000) is no number, and log(1 + 1e-300) would be 0."""
    softplus = parse("softplus(x)", ["x"])
    x = np.array([-1000.0, -700.0, -40.0, 0.0, 40.0, 1000.0])
    small = np.exp(x[1:3])
    np.testing.assert_allclose(softplus.evaluate({"x": x})[1:3], small, rtol=1e-15)
    np.testing.assert_allclose(softplus.evaluate({"x": x})[[0, 3, 4, 5]], [0.0, np.log(2.0), 40.0, 1000.0])
    slope = softplus.derivative("x")
    np.testing.assert_allclose(slope.evaluate({"x": x}), [0.0, small[0], small[1], 0.5, 1.0, 1.0], rtol=1e-13)
    assert np.isfinite(slope.derivative("x").evaluate({"x": x})).all()


def test_a_named_loss_needs_both_keys(mistakes: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(ROWS)
    found = mistakes(HEAD + '[loss]\nname = "squared"\nprediction = "w*x"\n' + CLASSES + TAIL)
    assert any("loss.target: missing" in message for message in found)
