"""Which members a sweep has: lists and ranges of values, their combinations, names and mistakes."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import CASE

from fpsolver.case import BadCase
from fpsolver.case.overrides import toml_value
from fpsolver.errors import BadUsage
from fpsolver.study.sweep.family import member_name, read_family
from fpsolver.study.sweep.values import split, values

SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
)
TOML = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=2)
)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CASE)
    return path


def spelled(value: object) -> str:
    """A value in TOML, on one line."""
    match value:
        case list():
            return f"[{', '.join(map(spelled, value))}]"
        case dict():
            return "{" + ", ".join(f"{key} = {spelled(part)}" for key, part in value.items()) + "}"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").rstrip("\n")


@given(st.lists(TOML, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_what_was_joined_by_commas_is_split_there_and_nowhere_else(parts: list[object]) -> None:
    texts = [spelled(part) for part in parts]
    assert split(",".join(texts)) == texts
    assert split(" , ".join(texts)) == texts
    assert [toml_value(text) for text in split(",".join(texts))] == parts


@given(st.text("[](){}\"'\\,a1 ", max_size=20))
@settings(max_examples=300, deadline=None)
def test_any_text_is_split_or_refused_with_a_sentence(text: str) -> None:
    try:
        parts = split(text)
    except BadUsage as refused:
        parts = [text] if "; write " in str(refused) else []
    assert all(part.strip() for part in parts) or parts == [text]
    assert re.sub(r"\s", "", ",".join(parts)) == re.sub(r"\s", "", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1,0.2", ["0.1", "0.2"]),
        ("[8,6],[16,12]", ["[8,6]", "[16,12]"]),
        ("{file='a,b.npz'},{point=[0,1]}", ["{file='a,b.npz'}", "{point=[0,1]}"]),
        ('"max(x, y)","a\\",b"', ['"max(x, y)"', '"a\\",b"']),
        ("max(x, y),x", ["max(x, y)", "x"]),
        ("0.1:0.5:5", ["0.1", "0.2", "0.3", "0.4", "0.5"]),
        ("1:4:4", ["1", "2", "3", "4"]),
        ("1.0:2.0:2", ["1.0", "2.0"]),
        ("0.01:1:3:log", ["0.01", "0.1", "1.0"]),
        ("5,0.1:0.2:2", ["5", "0.1", "0.2"]),
        ("2:-2:3", ["2", "0", "-2"]),
    ],
)
def test_lists_and_ranges(text: str, expected: list[str]) -> None:
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a value is missing"),
        ("1,,2", "a value is missing"),
        ("1,2,", "a value is missing"),
        ("[1,2", "] is missing"),
        ("1]", "closes nothing"),
        ('"a,b', "a quote is not closed"),
        ("0:1:1", "2 to 10000 values"),
        ("0:1:99999999999999999999", "2 to 10000 values"),
        ("1:1:5", "two different numbers"),
        ("0:1:5:log", "positive ends"),
        ("1e400:2:5", "two different numbers"),
    ],
)
def test_lists_that_make_no_sense(text: str, said: str) -> None:
    with pytest.raises(BadUsage, match=re.escape(said)):
        values(text)


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 40), st.booleans())
def test_ranges_hold_their_ends_and_as_many_values_as_they_say(a: float, b: float, count: int, is_log: bool) -> None:
    if math.isclose(a, b, rel_tol=1e-6):
        return
    found = [float(value) for value in values(f"{a!r}:{b!r}:{count}" + ":log" * is_log)]
    assert len(found) == count
    assert found[0] == pytest.approx(a, rel=1e-11)
    assert found[-1] == pytest.approx(b, rel=1e-11)
    steps = [math.log(y / x) if is_log else y - x for x, y in pairwise(found)]
    assert steps == pytest.approx([steps[0]] * (count - 1), rel=1e-5, abs=1e-9)


def test_all_combinations_or_side_by_side(case: Path) -> None:
    family = read_family(case, ["parameters.x=1,2", "domain.cells=[8],[16]"])
    assert [member.name for member in family.members] == ["x=1,cells=8", "x=1,cells=16", "x=2,cells=8", "x=2,cells=16"]
    assert family.overrides(family.members[1].values) == ["parameters.x=1", "domain.cells=[16]"]
    beside = read_family(case, ["parameters.x=1,2", "domain.cells=[8],[16]"], together=True)
    assert [member.name for member in beside.members] == ["x=1,cells=8", "x=2,cells=16"]
    with pytest.raises(BadUsage, match=r"different lengths .parameters.x has 3, domain.cells has 2"):
        read_family(case, ["parameters.x=1,2,3", "domain.cells=[8],[16]"], together=True)


@pytest.mark.parametrize(
    ("over", "settings_", "said"),
    [
        ([], [], "--over is missing"),
        (["parameters.x"], [], "not KEY=V1,V2"),
        (["=1"], [], "not KEY=V1,V2"),
        (["parameters.x=1,2", "parameters.x=3"], [], "given twice"),
        (["parameters.x=1,2"], ["parameters.x=3"], "--set gives it one value"),
        (["parameters.x=0.1,1e-1"], [], "0.1 and 1e-1 are the same value"),
        (["parameters.x=0:1:200", "parameters.y=0:1:200"], [], "40000 members are more than"),
    ],
)
def test_families_that_make_no_sense(case: Path, over: list[str], settings_: list[str], said: str) -> None:
    with pytest.raises(BadUsage, match=re.escape(said)):
        read_family(case, over, settings_)


def test_all_mistakes_of_all_members_are_told_at_once_and_by_name(case: Path) -> None:
    with pytest.raises(BadCase) as refused:
        read_family(case, ["noise.diffusion=0.1,-1", "domain.cells=[8],[0]"])
    told = str(refused.value)
    assert re.search(r"^--over: diffusion=-1,cells=8: noise.diffusion: ", told, re.MULTILINE)
    assert re.search(r"^--over: diffusion=0.1,cells=0; diffusion=-1,cells=0: domain.cells", told, re.MULTILINE)
    assert "2 mistakes" in told


def test_a_mistake_of_the_case_itself_is_told_once(case: Path) -> None:
    with pytest.raises(BadCase) as refused:
        read_family(case, ["parameters.x=1:50:50"], ["noise.difusion=1"])
    assert len(refused.value.mistakes) == 1
    assert "x=1" not in str(refused.value)


@given(st.lists(TOML, min_size=2, max_size=2, unique_by=spelled))
@settings(max_examples=200, deadline=None)
def test_names_are_file_names_and_tell_members_apart(pair: list[object]) -> None:
    first, second = (member_name(["title"], [spelled(value)]) for value in pair)
    for name in (first, second):
        assert len(name.encode()) < 200
        assert re.fullmatch(r"title=[\w.+~-]*", name, re.ASCII)
    same = pair[0] == pair[1] or str(pair[0]) == str(pair[1])
    assert same or first != second
