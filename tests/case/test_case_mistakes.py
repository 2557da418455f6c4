"""Everything that is wrong is reported at once, in the stated form, at its line."""

# ruff: noqa: E501 (tables of messages, one case in each line)

from __future__ import annotations

from pathlib import Path

import pytest
from case_texts import GOOD, changed

from fpsolver.case import BadCase, load
from fpsolver.case.schema import KEYS, LISTS, Key, Kind
from fpsolver.case.together import NOT_TOGETHER

TEN = """\
titel = "ten mistakes"
[parameters]
x = 3.0
[domain]
lower = [-2.0, -1.5]
upper = [2.0]
cells = [0, 24]
[loss]
expression = "(x^2 - 1)**2/4"
[noise]
learning_rate = "rate"
bach_size = 8
covariance = "samples"
[regions]
left = "x"
[evolution]
initial = { gaussian = { mean = [-1.0, 0.0], std = -0.2 } }
end_time = true
output_times = [1, 2,
  2]
[[probe]]
point = [0.0, 0.0]
[[probe]]
pont = [0.0, 0.0]
[[exit]]
region = "rigth"
"""


def test_ten_kinds_of_mistakes_each_at_its_line(mistakes) -> None:
    found = mistakes(TEN)
    expected = [
        "case.toml:1: titel: unknown key; did you mean title?",
        "case.toml:3: parameters.x: the name x is taken by the coordinate x; write another name for the parameter",
        "case.toml:6: domain.upper: [2.0] has 1 entry; write 2, one per coordinate (x, y)",
        "case.toml:7: domain.cells.0: 0 is less than 1; write at least 1",
        'case.toml:9: loss.expression: the sign ^ is not part of the language at column 3 of "(x^2 - 1)**2/4"; '
        "write ** for a power",
        "case.toml:10: noise.batch_size: missing; write batch_size = 8",
        'case.toml:11: noise.learning_rate: unknown name rate at column 1 of "rate"; '
        "write one of x, or define rate in [parameters]",
        "case.toml:12: noise.bach_size: unknown key; did you mean batch_size?",
        'case.toml:13: noise.covariance: "samples" needs a loss per sample; '
        "write a matrix of expressions, or loss.per_sample with [data]",
        'case.toml:15: regions.left: this is a number, not a condition; write a comparison, such as "x < 0"',
        "case.toml:17: evolution.initial.gaussian.std: -0.2 is not positive; write a number > 0, such as 0.2",
        "case.toml:18: evolution.end_time: true is not a number; write end_time = 100.0",
        "case.toml:20: evolution.output_times.2: 2 does not come after 2; write ascending times",
        "case.toml:23: probe.1.point: missing; write point = [-0.5, 0.1]",
        "case.toml:24: probe.1.pont: unknown key; did you mean point?",
        'case.toml:26: exit.0.region: there is no region "rigth"; write a region of [regions]: left',
    ]
    assert found == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[noise]", "[nois]", "case.toml:10: nois: unknown section; did you mean noise?"),
        ("[noise]\ndiffusion", "[noise]\nend_time = 3\ndiffusion", "11: noise.end_time: unknown key; it belongs to [evolution]"),
        ("[noise]\ndiffusion", "[noise]\nlearning_rate = 1\nbatch_size = 1\ndiffusion", "11: noise.learning_rate: does not go with diffusion; write one of diffusion, learning_rate"),
        ('[noise]\ndiffusion = "d"', "[noise]", "10: noise: none of diffusion, learning_rate is given; write exactly one of them"),
        ('diffusion = "d"', "diffusion = 1\nbatch_size = 4", "12: noise.batch_size: only used with learning_rate"),
        ("[loss]\nexpression", "[drift]\nexpression", "9: drift.expression: unknown key; it belongs to [loss]"),
        ('[loss]\nexpression = "(x**2 - 1)**2/4 + 2*y**2"', "", "1: loss: the case has neither [loss] nor [drift]; "),
        ("[domain]", "[domain]\nshape = 'blob'", '5: domain.shape: "blob" is not known; write one of "box", "interval", "ball", "disk", "annulus", "mesh"'),
        ("[domain]", "[domain]\nshape = 'bal'", '(did you mean ball?)'),
        ("[domain]", "[domain]\nshape = 'interval'", "5: domain.shape: an interval has 1 dimension, not 2; "),
        ("[domain]", "[domain]\nradius = 1", '5: domain.radius: does not go with shape = "box"; write it with ball or annulus only'),
        ("cells", "cell_size = 0.1\ncells", "7: domain.cell_size: does not go with cells; "),
        ("cells = [32, 24]", "cell_size = 1e-9", "7: domain.cell_size: 1e-09 makes more than 1000000 cells; "),
        ("cells = [32, 24]", "cells = [32, 2.5]", "7: domain.cells.1: 2.5 is not a whole number; "),
        ("cells = [32, 24]", "cells = [32, 24, 24]", "7: domain.cells: [32, 24, 24] has 3 entries; write 2, one per coordinate (x, y)"),
        ("upper = [2.0, 1.5]", "upper = [2.0, -1.5]", "6: domain.upper.1: -1.5 is not above lower (-1.5); write more than -1.5"),
        ("upper = [2.0, 1.5]", "upper = [2.0, inf]", "6: domain.upper.1: inf is not a finite number; "),
        ("lower = [-2.0, -1.5]", "lower = [-2.0, 'y']", '5: domain.lower.1: "y" depends on the coordinate y; write a number, or'),
        ("lower = [-2.0, -1.5]", "lower = -2.0", "5: domain.lower: -2.0 is not a list of numbers; write lower = [-2.0, -1.5]"),
        ("[domain]", "[domain]\ncoordinates = ['a', 'a']", "5: domain.coordinates.1: the name a is taken by the coordinate a; "),
        ("[domain]", "[domain]\ncoordinates = ['e', 'y']", "5: domain.coordinates.0: the name e is taken by the constant e; "),
        ("[domain]", "[domain]\ncoordinates = ['1a', 'y']", '5: domain.coordinates.0: "1a" cannot be the name of a coordinate; '),
        ("[domain]", "[domain]\ncoordinates = ['x']", '5: domain.coordinates: ["x"] has 1 entry; write 2'),
        ("d = 0.1", "d = 0.1\nexp = 2", "4: parameters.exp: the name exp is taken by the function exp; "),
        ("d = 0.1", "d = 0.1\nand = 2", "4: parameters.and: the name and is taken by the operator and; "),
        ("d = 0.1", "d = 0.1\nleft = 2", "14: regions.left: the name left is taken by the parameter left; "),
        ("d = 0.1", "d = 'c'\nc = 'd'", "3: parameters.d: defined in a circle (c and d); write a number for one of them"),
        ("d = 0.1", "d = 'd'", "3: parameters.d: defined in a circle (d); "),
        ("d = 0.1", "d = '1/0'", '3: parameters.d: "1/0" is not finite; '),
        ("d = 0.1", "d = 0.1\nc = 'q'", "4: parameters.c: unknown name q"),
        ("d = 0.1", "d = [1]", "3: parameters.d: [1] is not a number; write d = 0.1"),
        ("d = 0.1", "d = 1" + "0" * 400, "3: parameters.d: a number of more than 30 digits is not finite"),
        ('left = "x < 0"', "left = 3", "13: regions.left: 3 is not a condition in quotes; "),
        ('left = "x < 0"', '"a b" = "x < 0"', '13: regions.a b: "a b" cannot be the name of a region; '),
        ("end_time = 10.0", "frames = 3", "15: evolution.end_time: missing; "),
        ("end_time = 10.0", "frames = 3\noutput_times = [1]", "18: evolution.output_times: does not go with frames; "),
        ("end_time = 10.0", "output_times = []", "17: evolution.output_times: the list is empty; "),
        ("end_time = 10.0", "output_times = [0, 1]", "17: evolution.output_times.0: 0 is not positive; "),
        ("end_time = 10.0", "end_time = 1\noutput_times = [1, 2]", "18: evolution.output_times.1: 2 is later than end_time (1); "),
        ("end_time = 10.0", "end_time = 1\ntolerance = 2", "18: evolution.tolerance: 2 is more than 0.1; "),
        ("end_time = 10.0", "end_time = 1\nmethod = 'krilov'", '(did you mean krylov?)'),
        ("end_time = 10.0", "end_time = '100'", None),
        ("std = 0.2", "std = [0.2]", "16: evolution.initial.gaussian.std: [0.2] has 1 entry; write 2"),
        ("std = 0.2", "sdt = 0.2", "16: evolution.initial.gaussian.sdt: unknown key; did you mean std?"),
        ("{ gaussian = { mean = [-1.0, 0.0], std = 0.2 } }", "{ }", "16: evolution.initial: none of gaussian, point, uniform, "),
        ("{ gaussian = { mean = [-1.0, 0.0], std = 0.2 } }", "{ uniform = 'lef' }", '16: evolution.initial.uniform: there is no region "lef"; did you mean left?'),
        ("{ gaussian = { mean = [-1.0, 0.0], std = 0.2 } }", "{ file = 'nowhere' }", '16: evolution.initial.file: "nowhere" does not exist; '),
        ("{ gaussian = { mean = [-1.0, 0.0], std = 0.2 } }", "{ file = 'case.toml' }", '"case.toml" is a file, not a results folder; '),
        ("{ gaussian = { mean = [-1.0, 0.0], std = 0.2 } }", "[1]", "16: evolution.initial: [1] is not a table; "),
        ("[[probe]]", "[probe]", "18: probe: [[probe]] is a list of sections; write [[probe]] with two brackets"),
        ("[noise]", "[[noise]]", "10: noise: [{ diffusion = ... }] is not a section; write [noise] once"),
        ("[[probe]]", "[data]\nfile = 'a.csv'\ncolumns = { a = 'b' }\n[[probe]]", "18: data: only a loss per sample uses data; "),
        ("[[probe]]", "[run]\nwalltime = '1:2'\n[[probe]]", '19: run.walltime: "1:2" is no time; '),
        ("[[probe]]", "[discretization]\ndegree = 0\n[[probe]]", "19: discretization.degree: 0 is less than 1; "),
        ("[[probe]]", "[discretization]\ndegree = 'autto'\n[[probe]]", 'degree: "autto" is not a whole number or "auto"; '),
        ("[[probe]]", "[discretization]\ndegree = 2\nscheme = 'monotone'\n[[probe]]", "the monotone scheme has degree 1, not 2; "),
        ("[[probe]]", "[drift]\nextra = ['-y']\n[[probe]]", '19: drift.extra: ["-y"] has 1 entry; write 2'),
        ("[[probe]]", "[entropy]\nkinds = ['kl', 'kll']\n[[probe]]", "19: entropy.kinds.1: "),
        ("[[probe]]", "[boundary]\ngroup = 'a'\n[[probe]]", "19: boundary.group: only a mesh file has named groups; "),
        ("[[probe]]", "[simulation]\nkind = 'sgd'\n[[probe]]", '19: simulation.kind: "sgd" needs a loss per sample; '),
        ("[[probe]]", "[[committor]]\nsource = 'left'\ntarget = 'left'\n[[probe]]", "20: committor.0.target: source and target are the same region"),
        ('expression = "(x**2', 'table = "a.npz"\nexpression = "(x**2', "9: loss.table: does not go with expression; "),
    ],
)  # fmt: skip
def test_one_mistake(mistakes, load_text, old: str, new: str, message: str | None) -> None:
    text = changed(old, new)
    if message is None:
        load_text(text)
    else:
        found = mistakes(text)
        assert any(message in line for line in found), "\n".join(found)


def wrong_value(key: Key) -> str:
    return {Kind.TEXT: "[1]", Kind.BOOLEAN: '"yes"', Kind.TABLE: "3", Kind.COLUMNS: "3", Kind.FILE: "3"}.get(
        key.kind, "true"
    )


def heading(section: str) -> str:
    return f"[[{section}]]" if section in LISTS else f"[{section}]"


def around(key: Key) -> str:
    """What a schedule is judged against: a case without it, with the noise that the key belongs to."""
    if not key.section.startswith("schedule"):
        return ""
    noise = "diffusion = 0.1" if key.name == "diffusion" else 'learning_rate = 0.1\nbatch_size = 1\ncovariance = "1"'
    return (
        '[domain]\nlower = [-2.0]\nupper = [2.0]\ncells = [8]\n[loss]\nexpression = "x**2"\n'
        f"[noise]\n{noise}\n[evolution]\ninitial = {{ point = [0.0] }}\nend_time = 1.0\n"
    )


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_key_refuses_a_wrong_type_at_its_line(mistakes, key: Key) -> None:
    body = f"{key.name} = {wrong_value(key)}\n"
    text = body if not key.section else f"# a case\n{heading(key.section)}\n{body}{around(key)}"
    line = 1 if not key.section else 3
    dotted = key.dotted.replace(f"{key.section}.", f"{key.section}.0.", 1) if key.section in LISTS else key.dotted
    found = [message for message in mistakes(text) if message.startswith(f"case.toml:{line}: {dotted}")]
    assert any(" is not " in message for message in found), mistakes(text)
    assert not any("unknown" in message for message in found)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.dotted)
def test_every_misspelt_key_is_answered(mistakes, key: Key) -> None:
    if not key.section or key.section in ("evolution.initial",):
        return
    wrong = key.name[:-1] + key.name[-1] * 2
    found = mistakes(f"{heading(key.section)}\n{wrong} = 1\n{around(key)}")
    assert any(f"unknown key; did you mean {key.name}?" in message for message in found), found


@pytest.mark.parametrize(("first", "second"), NOT_TOGETHER)
def test_sections_that_do_not_go_together_are_refused(mistakes, first: str, second: str) -> None:
    """What the other section would silently ignore."""
    sections = {
        "boundary": 'absorbing = "x > 1.9"',
        "schedule": 'diffusion = "1/(1 + t)"',
        "momentum": "friction = 1.0",
    }
    text = changed("[[probe]]", f"[{first}]\n{sections[first]}\n[[probe]]")
    if second != "evolution":  # the base case has one
        text = text.replace("[[probe]]", f"[{second}]\n{sections.get(second, '')}\n[[probe]]")
    if first == "momentum":
        text = text.replace(" + 2*y**2", "")
    found = mistakes(text)
    assert any(f"[{second}] with [{first}]" in message and NOT_TOGETHER[first, second] in message for message in found)


def test_mistakes_within_unavailable_sections_come_first(mistakes) -> None:
    found = mistakes(changed("[[probe]]", '[[exit]]\nregion = "left"\nmoment = 2\n[[probe]]'))
    assert found == ["case.toml:20: exit.0.moment: unknown key; did you mean moments?"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "case.toml:1: file: the file is empty; "),
        (b"  \n\n", "case.toml:1: file: the file is empty; "),
        (
            b"\xef\xbb\xbftitle = ''",
            "case.toml:1: file: the file starts with a byte order mark; save it as UTF-8 without BOM",
        ),
        ("title = ''".encode("utf-16"), "case.toml:1: file: the file is UTF-16; save it as UTF-8"),
        (b"a = 1\nb = '\xe9'\n", "case.toml:2: file: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        (b"#" * 1_000_001, "case.toml:1: file: the file is larger than 1000000 bytes; "),
        (
            b"a = 1\n[noise]\ndiffusion = d\n",
            'case.toml:3: noise.diffusion: not TOML: invalid value; write expressions in quotes: "d"',
        ),
        (b"a = 1\n[x]\nb = 2*d\n", 'write expressions in quotes: "2*d"'),
        (b"a = True\n", "case.toml:1: a: not TOML: invalid value; write true"),
        (b"a = 1\na = 2\n", "case.toml:2: a: not TOML: cannot overwrite a value; write each key"),
        (b"[a]\n[a]\n", "case.toml:2: TOML: not TOML: cannot declare"),
        (b"a = 'x\n", "case.toml:1: a: not TOML: "),
        (b"[a]\nb = { c = 1,\n d = 2 }\n", "write a table { ... } on one line, or give it a heading of its own"),
        (b"a = [1,\n", "case.toml:1: a: not TOML: "),
        (b"hello\n", "case.toml:1: TOML: not TOML: expected '=' after a key in a key/value pair; write key = value"),
        (b"a = " + b"[" * 50_000, "case.toml:1: file: brackets are nested too deeply; "),
        (b"a = " + b"[" * 300 + b"]" * 300, "a: unknown key; "),
        (b"a = " + b"9" * 5000, "case.toml:1: file: the file cannot be read as TOML"),
    ],
)
def test_files_that_are_no_cases(mistakes, text: bytes, message: str) -> None:
    found = mistakes(text)
    assert message in found[0], found


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "minima.toml").write_text(GOOD)
    for path, message in (
        (tmp_path, "this is a folder"),
        (tmp_path / "minma.toml", f"did you mean {tmp_path / 'minima.toml'}?"),
        (tmp_path / "no" / "c.toml", "there is no such file"),
        (tmp_path / "minima.toml" / "c.toml", "there is no such file"),
        (Path("/dev/null"), "not an ordinary file"),
        ("a\x00b", "cannot be read"),
        ("a" * 5000, "cannot be read"),
    ):
        with pytest.raises(BadCase, match="1 mistake; nothing was computed or written") as caught:
            load(path)
        assert message in str(caught.value)


def test_mistakes_are_sorted_by_line(mistakes) -> None:
    text = GOOD.replace("cells", "cels").replace("point", "pint").replace("end_time", "en_time")
    lines = [int(message.split(":")[1]) for message in mistakes(text)]
    assert lines == sorted(lines)
    assert len(lines) >= 5
