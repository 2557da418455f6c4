"""What sampling finds: points are named, round-off is forgiven, small sets are found."""

# ruff: noqa: E501 (tables of messages, one case in each line)

from __future__ import annotations

from pathlib import Path

import pytest
from case_texts import GOOD, changed

pytestmark = pytest.mark.usefixtures("everything_available")

LOSS = '"(x**2 - 1)**2/4 + 2*y**2"'
NOISE = 'diffusion = "d"'
INITIAL = "{ gaussian = { mean = [-1.0, 0.0], std = 0.2 } }"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (LOSS, '"log(x) + y"', "9: loss.expression: the value is nan at x = -2, y = -1.5; write a formula that is finite"),
        (LOSS, '"x/y"', "9: loss.expression: the value is -inf at x = "),
        (LOSS, '"exp(1e4*x)"', "9: loss.expression: the value is inf at x = "),
        (LOSS, '"max(0, x)**0.5 + y"', "9: loss.expression: the derivative with respect to x is nan at"),
        (NOISE, "diffusion = [['d', 'd/2'], ['d/3', 'd']]", "11: noise.diffusion: the matrix is not symmetric: entry 1,2 is 0.05 and entry 2,1 is 0.0333333 at x = -2, y = -1.5; "),
        (NOISE, "diffusion = [['x', 0], [0, 1]]", "11: noise.diffusion: an eigenvalue is negative, -2 at x = -2, y = "),
        (NOISE, "diffusion = [[1, 2], [2, 1]]", "11: noise.diffusion: an eigenvalue is negative, -1 at "),
        (NOISE, "diffusion = ['y', 1]", "11: noise.diffusion: an eigenvalue is negative, -1.5 at "),
        (NOISE, "diffusion = -1", "11: noise.diffusion: the value is negative, -1 at "),
        (NOISE, "diffusion = '(x - 0.3141)**2 + (y - 0.271)**2 - 1e-6'", "11: noise.diffusion: the value is negative, "),
        (NOISE, "diffusion = [['1', '1/x'], ['1/x', '1']]", "11: noise.diffusion.0.1: the value is "),
        (NOISE, "learning_rate = 1\nbatch_size = 1\ncovariance = -1", "13: noise.covariance: the value is negative"),
        (NOISE, "diffusion = 1\npotential = '1/x'", "12: noise.potential: the value is "),
        ('left = "x < 0"', 'left = "x < -2"', "13: regions.left: no point of the domain is inside (closest: x = -2, y = "),
        ('left = "x < 0"', 'left = "x**2 < 0"', "13: regions.left: no point of the domain is inside (closest: x = 0"),
        ('left = "x < 0"', 'left = "log(x) < 0"', "13: regions.left: the value is nan"),
        ("point = [-0.5, 0.1]", "point = [-2.5, 0.1]", "19: probe.0.point: the probe (x = -2.5, y = 0.1) is outside the domain; write a point with -2 <= x <= 2, -1.5 <= y <= 1.5"),
        ("mean = [-1.0, 0.0]", "mean = [-1.0, 9.0]", "16: evolution.initial.gaussian.mean: the mean (x = -1, y = 9) is outside"),
        (INITIAL, "{ point = [-1.0, 9.0] }", "16: evolution.initial.point: the point (x = -1, y = 9) is outside the domain"),
        (INITIAL, "{ expression = 'x' }", "16: evolution.initial.expression: the density is negative, -2 at x = -2"),
        (INITIAL, "{ expression = 0 }", "16: evolution.initial.expression: the density has no mass: it is 0 everywhere"),
        (INITIAL, "{ expression = 'x > 3' }", "16: evolution.initial.expression: the density has no mass"),
        (INITIAL, "{ expression = '1/x**2' }", "16: evolution.initial.expression: the value is inf at x = 0"),
        ("[[probe]]", "[[exit]]\nregion = 'left'\nstart = [[1, 0]]\n[[probe]]", '20: exit.0.start.0: the start (x = 1, y = 0) is not inside the region left; write a point where "x < 0" holds'),
        ("[[probe]]", "[[exit]]\nregion = 'left'\nstart = [[-1, 0], [-3, 0]]\n[[probe]]", "20: exit.0.start.1: the start (x = -3, y = 0) is outside the domain"),
        ("[[probe]]", "[[exit]]\nregion = 'left'\nstart = [[0, 0]]\n[[probe]]", "20: exit.0.start.0: the start (x = 0, y = 0) is not inside"),
        ("[[probe]]", "[boundary]\nabsorbing = 'x > 2.5'\n[[probe]]", "19: boundary.absorbing: no point of the boundary is absorbing"),
        ("[[probe]]", "[boundary]\nabsorbing = 'x >= 2'\n[[probe]]", "19: boundary.absorbing: no point of the boundary is absorbing"),
    ],
)  # fmt: skip
def test_sampled_mistakes(mistakes, old: str, new: str, message: str) -> None:
    found = mistakes(changed(old, new))
    assert any(message in line for line in found), "\n".join(found)


def test_overlapping_source_and_target(mistakes) -> None:
    text = changed('left = "x < 0"', 'left = "x < 0.5"')
    found = mistakes(changed("[[probe]]", "[[committor]]\nsource = 'left'\ntarget = 'right'\n[[probe]]", text))
    assert len(found) == 1
    assert "20: committor.0.target: source and target overlap, at x = " in found[0]


def test_a_uniform_start_of_an_empty_region(mistakes) -> None:
    text = changed('left = "x < 0"', 'left = "x < -5"')
    found = mistakes(changed(INITIAL, "{ uniform = 'left' }", text))
    assert [line.split(": ")[1] for line in found] == ["regions.left", "evolution.initial.uniform"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (NOISE, "diffusion = 0"),
        (NOISE, "diffusion = [[0.1, 0.1], [0.1, 0.1]]"),
        (NOISE, "diffusion = [['x*x', 'x*y'], ['x*y', 'y*y']]"),
        (NOISE, "diffusion = [['sin(x)**2', 'sin(x)*cos(y)/3'], ['cos(y)*sin(x)/3', 'cos(y)**2/9']]"),
        (NOISE, "diffusion = '0.3*(x - 0.1)**2'"),
        (NOISE, "diffusion = [[0, 0], [0, 'd']]"),
        (LOSS, '"abs(x) + sqrt(x**2 + y**2)"'),
        ('left = "x < 0"', 'left = "(x - 0.7712)**2 + (y + 0.1234)**2 < 1e-6"'),
        ('left = "x < 0"', 'left = "x < 1e9"'),
        ('left = "x < 0"', 'left = "not (x > -1.9999 or y > -1.4999)"'),
        ("point = [-0.5, 0.1]", "point = [-2.0, 1.5]"),
        (INITIAL, "{ expression = 'exp(-((x - 0.777)**2 + (y - 0.555)**2)/2e-3)' }"),
        (INITIAL, "{ expression = 'max(1 - 4000*((x - 0.777)**2 + y**2), 0) + 0*x' }"),
        (INITIAL, "{ expression = 'x**2 + y**2 < 1' }"),
        ("[[probe]]", "[boundary]\nabsorbing = 'x > 1.99'\n[[probe]]"),
    ],
)
def test_what_is_right_passes(load_text, old: str, new: str) -> None:
    """Singular tensors, cones, tiny regions and narrow densities are all allowed."""
    load_text(changed(old, new))


DATA = """\
[domain]
lower = [-1, -1]
upper = [1, 1]
cells = [8, 8]
[loss]
per_sample = "(t - x*u - y)**2/2"
[data]
file = "d.csv"
columns = { u = "first", t = "second" }
standardize = true
[noise]
learning_rate = 0.1
batch_size = 1
"""


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        (
            "first,second\n1,2\n3,\n5,6\n",
            "9: data.columns.t: d.csv:3: second: a value is missing; write a number there, or",
        ),
        ("first,second\n1,2\n3\n5,6\n", "9: data.columns.t: d.csv:3: second: a value is missing; "),
        ("first,second\n1,2\nx,3\n", '9: data.columns.u: d.csv:3: first: "x" is not a finite number; '),
        ("first,second\n1,2\nnan,3\n", '9: data.columns.u: d.csv:3: first: "nan" is not a finite number; '),
        ('first,second\n"a\nb",2\n1,3\n', "9: data.columns.u: d.csv:3: first: "),
        ("first,secnd\n1,2\n", '9: data.columns.t: d.csv has no column "second"; did you mean secnd?'),
        ("first,second,second\n1,2,3\n", '9: data.columns.t: d.csv has 2 columns named "second"; '),
        ("first,second\n1,2\n1,3\n", '9: data.columns.u: the column "first" is constant and cannot be standardised; '),
        ("first,second\n", "8: data.file: d.csv has no rows below its header; "),
        ("", "8: data.file: d.csv has no rows below its header; "),
        (b"first,second\n\xff,2\n", "8: data.file: d.csv is not UTF-8; "),
        ('first,second\n"1,2\n', "8: data.file: d.csv cannot be read ("),
        (None, '8: data.file: "d.csv" does not exist; did you mean e.csv?'),
    ],
)
def test_data_files(mistakes, tmp_path: Path, csv: str | bytes | None, message: str) -> None:
    (tmp_path / "e.csv").write_text("")
    if csv is not None:
        (tmp_path / "d.csv").write_bytes(csv if isinstance(csv, bytes) else csv.encode())
    found = mistakes(DATA)
    assert any(message in line for line in found), "\n".join(found)


def test_many_bad_values_are_not_all_listed(mistakes, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("first,second\n" + "a,1\n" * 1000)
    found = mistakes(DATA)
    assert len(found) == 7  # five of them, their number, and the constant column
    assert any("1000 values in all are no numbers" in line for line in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("(t - x*u - y)**2/2", "log(t - x)", "6: loss.per_sample: the value is nan at x = -1, y = -1, row 2 of the data; "),
        ("(t - x*u - y)**2/2", "(tt - x)**2", "6: loss.per_sample: unknown name tt at column 2"),
        ("per_sample", "expression", "6: loss.expression: the data column t is not known here; "),
        ("{ u =", "{ x =", "9: data.columns.x: the name x is taken by the coordinate x; write another name for the data column"),
        ("[data]", "[dat]", "6: loss.per_sample: a loss per sample needs [data]; "),
        ('"d.csv"', '"."', '8: data.file: "." is a folder, not a file; '),
        ("{ u", "{ }#", "9: data.columns: { } is not a table"),
        ('"first"', "1", "9: data.columns.u: 1 is not a name in quotes; "),
    ],
)  # fmt: skip
def test_losses_per_sample(mistakes, tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "d.csv").write_text("first,second\n1,2\n2,-4\n3,5\n")
    found = mistakes(changed(old, new, DATA))
    assert any(message in line for line in found), "\n".join(found)


def test_a_large_data_file_is_checked_in_seconds(load_text, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("first,second\n" + "".join(f"{i % 97},{i % 89}.5\n" for i in range(50_000)))
    assert load_text(DATA).data.samples == 50_000


def test_the_good_case_is_good(load_text) -> None:
    load_text(GOOD)
