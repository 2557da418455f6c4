"""Lines of keys in TOML, however it is written."""

from __future__ import annotations

import tomllib

import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from fpsolver.case.positions import scan

TEXT = '''\
# comment with [brackets] = "and quotes
title = "a # b" # after

[domain] # heading
lower = [
  -2.0, # first
  [1, 2], "],[",
]
shape.kind = 'it''s'
"quoted key" = 1
evolution = { initial = { point = [0, 1] }, "a b" = """x
y""", c = 1 }
[[exit]]
region = "left"
start = [[1, 2],
         [3, 4]]
[exit.inner]
deep = 1979-05-27 07:32:00
[[exit]]
  region = \'\'\'
[not a heading]
\'\'\'
  "\\u0061" = 2
[a.b.c]
d.e = true
[ "x" . y ]
z=1
'''.replace("'it''s'", "'it s'")


def test_lines() -> None:
    tomllib.loads(TEXT)
    lines = scan(TEXT)
    expected = {
        ("title",): 2,
        ("domain",): 4,
        ("domain", "lower"): 5,
        ("domain", "lower", 0): 6,
        ("domain", "lower", 1): 7,
        ("domain", "lower", 1, 1): 7,
        ("domain", "lower", 2): 7,
        ("domain", "shape"): 9,
        ("domain", "shape", "kind"): 9,
        ("domain", "quoted key"): 10,
        ("domain", "evolution", "initial", "point"): 11,
        ("domain", "evolution", "c"): 12,
        ("exit",): 13,
        ("exit", 0): 13,
        ("exit", 0, "start", 1): 16,
        ("exit", 0, "inner", "deep"): 18,
        ("exit", 1): 19,
        ("exit", 1, "region"): 20,
        ("exit", 1, "a"): 23,
        ("a", "b", "c", "d", "e"): 25,
        ("x", "y", "z"): 27,
    }
    assert {path: lines.get(path) for path in expected} == expected


def paths(value: object, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {path} | {found for key, inner in items for found in paths(inner, (*path, key))}


SCALARS = st.one_of(
    st.integers(-9, 9), st.booleans(), st.text("ab\"'\\\n#[]{}=.é", max_size=6), st.floats(allow_nan=False)
)
TABLES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text('ab" .#', max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.text("ab=[", max_size=3), TABLES, max_size=4))
def test_every_key_of_any_toml_has_a_line(document: dict[str, object]) -> None:
    text = tomli_w.dumps(document)
    assert paths(tomllib.loads(text)) - {()} <= scan(text).keys()


def test_windows_line_ends() -> None:
    assert scan("a = 1\r\nb = [\r\n1]\r\n")[("b", 0)] == 3
