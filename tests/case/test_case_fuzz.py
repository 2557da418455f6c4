"""Whatever is in the file or on the command line: a case or its mistakes come out, never another error."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from case_texts import CSV, FULL, GOOD, IRIS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsolver.case import BadCase, Case, advise, dump, load
from fpsolver.case.schema import KEYS

pytestmark = pytest.mark.usefixtures("everything_available")

VALUES = [
    "0", "-1", "1e308", "1e-320", "nan", "-inf", "true", '""', '"x"', '"1/0"', '"q"', "[]", "[[]]", "[1, [2]]", "{}",
    "[{}]", "{ a = 1 }", "1979-05-27", '"x < 0"', '["x", "y"]', "[[1, 2], [3, 4]]", "99999999999999999",  '"\\u0000"',
    '"samples"', '"auto"', '"9**9**9"', "'''\n'''", '"left"', '"mesh"', '"ball"', '"monotone"', "[1e400, 1]", '"e"',
]  # fmt: skip
SECTIONS = sorted({key.section for key in KEYS})
HEADINGS = ["[parameters]", "[a.b]", *(f"[{name}]" for name in SECTIONS), *(f"[[{name}]]" for name in SECTIONS)]
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def mutated(text: str, seed: int) -> str:
    """One to four changes of the kind that people and editors make."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        lines = text.splitlines() or [""]
        line = chance.randrange(len(lines))
        match chance.randrange(9):
            case 0:
                del lines[line]
            case 1:
                lines.insert(line, lines[chance.randrange(len(lines))])
            case 2 | 3 | 4:
                lines[line] = re.sub("= .*", lambda _: f"= {chance.choice(VALUES)}", lines[line])
            case 5:
                key = chance.choice(KEYS)
                lines.insert(line, f"{key.name} = {chance.choice(VALUES)}")
            case 6:
                lines[line] = re.sub(r"[-\d.]+", lambda _: chance.choice(VALUES), lines[line], count=1)
            case 7:
                lines[line] = chance.choice(HEADINGS)
            case 8:
                place = chance.randrange(len(lines[line]) + 1)
                lines[line] = lines[line][:place] + chance.choice("[]{}\"'=.,# \t\\é0x-*") + lines[line][place:]
        text = "\n".join(lines) + "\n"
    return text


def survives(path: Path, overrides: tuple[str, ...] = ()) -> None:
    bad: BadCase | None = None
    try:
        case = load(path, overrides)
    except BadCase as error:
        bad = error
    if bad is not None:
        lines = str(bad).splitlines()
        assert len(lines) == len(bad.mistakes) + 1
        assert all(len(line) < 1000 for line in lines)
        return
    assert isinstance(case, Case)
    assert all(str(line) for line in advise(case))
    stored = path.with_name("stored.toml")
    stored.write_text(dump(case), encoding="utf-8")
    assert load(stored) == case


@settings(SETTINGS, max_examples=500)
@given(st.sampled_from([GOOD, FULL, IRIS]), st.integers(0, 2**32))
def test_mutated_cases(tmp_path: Path, text: str, seed: int) -> None:
    (tmp_path / "iris.csv").write_text(CSV)
    path = tmp_path / "case.toml"
    path.write_text(mutated(text, seed), encoding="utf-8")
    survives(path)


@settings(SETTINGS, max_examples=100)
@given(st.binary(max_size=60))
def test_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "case.toml"
    path.write_bytes(data)
    survives(path)


KEY_TEXTS = [key.dotted for key in KEYS] + ["exit.0.start", "exit.0.start.1.0", "probe.0.point", "parameters.d", "x.y"]


@settings(SETTINGS, max_examples=300)
@given(
    st.sampled_from(KEY_TEXTS), st.one_of(st.sampled_from(VALUES), st.text(max_size=8)), st.sampled_from([GOOD, FULL])
)
def test_overrides(tmp_path: Path, key: str, value: str, text: str) -> None:
    path = tmp_path / "case.toml"
    path.write_text(text, encoding="utf-8")
    survives(path, (f"{key}={value}",))
