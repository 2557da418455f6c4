"""Inputs that once hung the program, filled its memory, or showed a traceback."""

# ruff: noqa: E501 (tables of messages, one case in each line)

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from case_texts import CSV, GOOD, IRIS, changed

from fpsolver.case.ledger import MOST as MOST_MISTAKES
from fpsolver.case.reading import MOST as MOST_ENTRIES
from fpsolver.case.source import MAX_PARTS
from fpsolver.cli import main

PROJECT = Path(__file__).parents[2]
INITIAL = "{ gaussian = { mean = [-1.0, 0.0], std = 0.2 } }"
SOON = 5.0  # seconds of one core; each took minutes, or all memory


@pytest.fixture
def soon():
    """The test takes little time."""
    began = time.process_time()
    yield
    assert time.process_time() - began < SOON


def test_signs_that_a_terminal_obeys_are_not_shown(mistakes) -> None:
    found = mistakes(changed("d = 0.1", 'd = 0.1\n"\\u001b[31m" = 1\n"a\\nb" = "\\u0007"\n"\\u2028" = 2'))
    assert len(found) >= 3
    assert all(line.isprintable() for line in found)


def test_long_names_and_values_are_shortened(mistakes) -> None:
    text = changed("d = 0.1", f'd = 0.1\n"{"k" * 100_000}" = "{"v" * 100_000}"')
    assert all(len(line) < 1000 for line in mistakes(text))


@pytest.mark.usefixtures("soon")
def test_so_many_mistakes_are_not_all_looked_at(mistakes) -> None:
    found = mistakes(changed("end_time = 10.0", f"output_times = {['q'] * 50_000}"))
    assert len(found) == MOST_MISTAKES + 1
    assert any(f"more than {MOST_MISTAKES} mistakes" in line for line in found)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize(
    ("heading", "entry"),
    [("[regions]", 'r{} = "x < 0"'), ("[parameters]", "p{} = 1"), ("", '[[exit]]\nregion = "left"\n# {}')],
)
def test_thousands_of_entries_are_refused(mistakes, heading: str, entry: str) -> None:
    text = GOOD.replace(heading, "", 1) if heading else GOOD
    entries = "\n".join(entry.format(i) for i in range(MOST_ENTRIES + 1))
    text = f"{heading}\n{entries}\n{text}" if heading else f"{text}\n{entries}\n"
    assert any(f"entries; write at most {MOST_ENTRIES}" in line for line in mistakes(text))


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("sign", ["a", '"a"', "'a'"])
def test_names_of_very_many_parts_are_refused(mistakes, sign: str) -> None:
    """Both reading them and keeping their places take the square of the number of parts."""
    long = ".".join([sign] * 20_000)
    for text in (f"{long} = 1\n", f"[{long}]\n", f"a = {{ {long} = 1 }}\n"):
        assert f"case.toml:1: file: a name has more than {MAX_PARTS} parts" in mistakes(text)[0]
    found = mistakes(GOOD, [f"title={{ {long} = 1 }}", f"{'a.' * 20_000}a=1"])
    assert any("unknown section a" in line for line in found)


@pytest.mark.usefixtures("soon")
def test_deep_tables_of_dotted_names(mistakes) -> None:
    part = ".".join(["a"] * 40)
    text = f"{part} = {{ " * 150 + "b = 1" + " }" * 150
    assert mistakes(text)


def test_a_title_may_have_many_dots(load_text) -> None:
    load_text(changed('title = "two minima"', f'title = "{"a. " * 30}..." # {"." * 200}'))


def test_overrides_that_are_no_numbers_or_texts(mistakes) -> None:
    assert "has entries 0 to 0" in mistakes(GOOD, [f"probe.{'9' * 5000}.point=1"])[0]
    assert "has entries 0 to 0" in mistakes(GOOD, ["probe.٠.point=[0, 0]"])[0]
    assert mistakes(GOOD, ["title=\udcff"]) == [
        "--set: title: this is not UTF-8; write it in a terminal that uses UTF-8"
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("end_time = 10.0", "end_time = 1e308", "17: evolution.end_time: 1e+308 is more than 1e+100; write it in other units"),
        ("std = 0.2", "std = 1e-320", "is less than 1e-100; write it in other units"),
        ('diffusion = "d"', "diffusion = 1e-300", "11: noise.diffusion: 1e-300 is less than 1e-100; "),
        ("upper = [2.0, 1.5]", "upper = [1e308, 1.5]", "6: domain.upper.0: 1e+308 is more than 1e+100; "),
        ("(x**2 - 1)**2/4", "1e200*x", "9: loss.expression: the value is -2e+200 at x = -2, y = -1.5; write it in other units"),
        (INITIAL, "{ expression = '1e300*exp(-x**2)' }", "16: evolution.initial.expression: the value is 1.8"),
        ("upper = [2.0, 1.5]", "upper = [2.0, 1e9]", None),
        ("lower = [-2.0, -1.5]\nupper = [2.0, 1.5]", "lower = [1e9, -1.5]\nupper = [1000000001, 1.5]", "6: domain.upper.0: cells from 1e+09 to 1e+09 cannot be told from one another; "),
        ('left = "x < 0"', f'{"l" * 101} = "x < 0"', "13: regions."),
        ("[[probe]]", "[[committor]]\nsource = 'left'\ntarget = 'right'\n[[committor]]\nsource = 'left'\ntarget = 'right'\n[[probe]]", "23: committor.1.target: left and right have a committor already; remove it"),
    ],
)  # fmt: skip
def test_numbers_and_names_beyond_reason(load_text, mistakes, old: str, new: str, message: str | None) -> None:
    text = changed(old, new)
    if message is None:
        load_text(text)
    else:
        found = mistakes(text)
        assert any(message in line for line in found), "\n".join(found)


def test_names_that_make_the_same_name(mistakes) -> None:
    """committor_a_b_c is that of (a, b_c) and of (a_b, c); covariance_a_b_a is that of (a_b, a) and of (a, b_a)."""
    regions = 'a = "x < -1.5"\na_b = "x < -1.2"\nb_c = "x > 1.5"\nc = "x > 1.2"\n'
    pairs = "[[committor]]\nsource = 'a'\ntarget = 'b_c'\n[[committor]]\nsource = 'a_b'\ntarget = 'c'\n"
    text = changed("[[probe]]", f"{pairs}[[probe]]", changed("[regions]\n", f"[regions]\n{regions}"))
    found = mistakes(text)
    assert len(found) == 1
    assert "committor.1.target: committor_a_b_c is the name of another committor too" in found[0]
    three = '[domain]\nlower = [0, 0, 0]\nupper = [1, 1, 1]\ncells = [2, 2, 2]\ncoordinates = ["a_b", "a", "b_a"]\n'
    found = mistakes(f'{three}[loss]\nexpression = "a"\n[noise]\ndiffusion = 1\n')
    assert len(found) == 1
    assert "domain.coordinates: covariance_a_b_a is the name of two columns" in found[0]


@pytest.mark.parametrize(
    ("csv", "message"),
    [
        ("petal length,petal_width\n1,5,2\n1,2\n", "iris.csv:2: 3 values, but the header has 2 names; write as many values as names, with"),
        ("petal length,petal_width\n" + "1,5,2\n" * 9, "9 lines in all are too long"),
        ("petal length,petal_width\n1_000,2\n1,3\n", 'iris.csv:2: petal length: "1_000" is not a finite number'),
        ("petal length,petal_width\n٣,2\n1,3\n", "is not a finite number"),
        ("petal length;petal_width\n1;2\n", "write commas between the values, not ; or tabs"),
        (f"{'a' * 200_000}\n1\n", "cannot be read (field larger than field limit"),
    ],
)  # fmt: skip
def test_tables_that_look_right(mistakes, tmp_path: Path, csv: str, message: str) -> None:
    (tmp_path / "iris.csv").write_text(csv)
    found = mistakes(IRIS)
    assert any(message in line for line in found), "\n".join(found)


def test_standardised_columns_do_not_depend_on_their_unit(load_text, tmp_path: Path) -> None:
    """Squares of large numbers overflow, those of small ones are 0."""
    (tmp_path / "iris.csv").write_text(CSV)
    usual = load_text(IRIS).data.columns["feature"]
    for factor in ("e200", "e-200"):
        lines = [line.replace(",", f"{factor},") if line and line[0].isdigit() else line for line in CSV.splitlines()]
        (tmp_path / "iris.csv").write_text("\n".join(lines))
        assert np.allclose(load_text(IRIS).data.columns["feature"], usual, rtol=1e-14)


def test_a_home_folder_is_not_looked_up(mistakes) -> None:
    assert "~ stands for nothing here" in mistakes(IRIS.replace("iris.csv", "~/iris.csv"))[0]


def run(words: list[str], folder: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONPATH": str(PROJECT)} | more.pop("env", {})  # type: ignore[operator]
    command = [sys.executable, "-m", "fpsolver", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, timeout=100, check=False, **({"capture_output": True} | more)
    )  # type: ignore[call-overload, no-any-return]


def test_the_terminal_may_know_few_signs_be_gone_or_full(tmp_path: Path) -> None:
    (tmp_path / "case.toml").write_text(GOOD)
    plain = run(["validate", "case.toml"], tmp_path, env={"PYTHONIOENCODING": "ascii"})
    assert plain.returncode == 0, plain.stderr
    assert b"cell P?clet number" in plain.stdout
    with open("/dev/full", "wb") as full:
        refused = run(["validate", "case.toml"], tmp_path, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert refused.returncode == 3
    assert refused.stderr == b"standard output cannot be written (No space left on device)\n"
    reader, writer = os.pipe()
    os.close(reader)
    gone = run(["validate", "case.toml"], tmp_path, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (gone.returncode, gone.stderr) == (141, b"")


@pytest.mark.parametrize("name", [".toml", "..toml", "...toml"])
def test_a_case_without_a_name_has_no_results_folder(tmp_path: Path, monkeypatch, capsys, name: str) -> None:
    (tmp_path / name).write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    assert main(["run", name]) == 2
    assert "no results folder can have this name; rename the file, or write -o DIR" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """Names of files are bytes."""
    name = os.fsdecode(b"case\xff.toml")
    (tmp_path / name).write_text(GOOD)
    done = run(["validate", name], tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / name).write_text("x")
    assert b"Traceback" not in run(["validate", name], tmp_path).stderr
