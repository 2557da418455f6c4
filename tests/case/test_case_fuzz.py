"""Whatever is in the files or on the command line: a case or its mistakes come out, soon, and never another error."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import fuzzing
import meshio
import numpy as np
import pytest
from case_texts import CSV, FULL, GOOD, IRIS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fpsolver.case import BadCase, Case, ExpressionError, advise, dump, load, parse

PROJECT = Path(__file__).parents[2]
MESSAGE = re.compile(r"(?:.*:\d+|--set): .+: .+; .+")  # FILE:LINE: KEY: what is wrong; what to write
LONGEST = 10.0  # seconds: far more than any case may take, however slow the computer
BASES = [GOOD, FULL, IRIS, *(path.read_text() for path in sorted((PROJECT / "cases").glob("*.toml")))]
SEEDS = st.integers(0, 2**32)
SETTINGS = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(path: Path, overrides: tuple[str, ...]) -> Case | BadCase:
    """The case, or what is wrong with it."""
    try:
        return load(path, overrides)
    except BadCase as bad:
        return bad


def survives(path: Path, overrides: tuple[str, ...] = (), again: bool = False) -> None:
    """Loads a case: it is right, or all that is wrong is said in lines that a terminal can show."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = outcome(path, overrides)
        if isinstance(found, BadCase):
            *lines, last = str(found).split("\n")
            assert len(lines) == len(found.mistakes)
            assert last.endswith("nothing was computed or written")
            for line in lines:
                assert MESSAGE.fullmatch(line), line
                assert line.isprintable()
                assert len(line) < 1000 + len(str(path))
        else:
            assert all(str(line).isprintable() for line in advise(found))
            if again:
                stored = path.with_name("stored.toml")
                stored.write_text(dump(found), encoding="utf-8")
                assert load(stored) == found
    assert time.process_time() - began < LONGEST


@settings(SETTINGS, max_examples=1800)
@given(SEEDS)
def test_mutated_cases(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "iris.csv").write_text(CSV)
    path = tmp_path / "case.toml"
    path.write_text(fuzzing.mutated(chance.choice(BASES), chance), encoding="utf-8", errors="replace")
    survives(path, again=seed % 3 == 0)


@settings(SETTINGS, max_examples=1000)
@given(SEEDS)
def test_cases_drawn_up_from_the_schema(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "case.toml"
    path.write_text(fuzzing.drawn_up(random.Random(seed)), encoding="utf-8")
    survives(path, again=seed % 3 == 0)


@settings(SETTINGS, max_examples=500)
@given(SEEDS)
def test_cases_in_other_encodings(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "case.toml"
    path.write_bytes(fuzzing.as_bytes(chance.choice(BASES), chance))
    survives(path)


@settings(SETTINGS, max_examples=500)
@given(st.binary(max_size=60))
def test_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "case.toml"
    path.write_bytes(data)
    survives(path)


@settings(SETTINGS, max_examples=1200)
@given(SEEDS)
def test_tables_of_data(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "case.toml"
    path.write_text(IRIS)
    (tmp_path / "iris.csv").write_bytes(fuzzing.table(random.Random(seed)))
    survives(path)


MESHED = """
[domain]
shape = "mesh"
file = "some.{ending}"
[loss]
expression = "x**2 + y**2"
[noise]
diffusion = 0.1
[boundary]
group = "rim"
[regions]
part = {{ group = "inside" }}
[[exit]]
region = "part"
"""


@pytest.fixture(scope="module")
def meshes() -> dict[str, str]:
    """The text of one small mesh with groups in all formats that are read."""
    x, y = (part.ravel() for part in np.meshgrid(np.arange(4.0), np.arange(3.0)))
    corner = np.array([4 * j + i for j in range(2) for i in range(3)])
    cells = np.concatenate([corner[:, None] + [0, 1, 5], corner[:, None] + [0, 5, 4]])
    rim = np.array([[0, 1], [1, 2], [2, 3]])
    tags = {"gmsh:physical": [np.full(len(cells), 1), np.full(3, 2)]}
    tags["gmsh:geometrical"] = tags["gmsh:physical"]
    made = meshio.Mesh(
        np.column_stack([x, y, 0 * x]),
        [("triangle", cells), ("line", rim)],
        cell_data=tags,
        point_data={"gmsh:dim_tags": np.tile([2, 1], (len(x), 1))},
        field_data={"inside": np.array([1, 2]), "rim": np.array([2, 1])},
    )
    texts = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, written in (("22", "gmsh22"), ("41", "gmsh")):
            file = Path(folder) / f"{name}.msh"
            meshio.write(file, made, file_format=written, binary=False)
            texts[name] = file.read_text(encoding="utf-8")
    return texts


@settings(SETTINGS, max_examples=100)
@given(SEEDS)
def test_mesh_files(tmp_path: Path, meshes: dict[str, str], seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "some.msh").write_bytes(fuzzing.mesh(meshes[chance.choice(sorted(meshes))], chance))
    path = tmp_path / "case.toml"
    path.write_text(MESHED.format(ending="msh"), encoding="utf-8")
    survives(path)


@settings(SETTINGS, max_examples=1000)
@given(SEEDS)
def test_overrides(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "case.toml"
    path.write_text(chance.choice([GOOD, FULL]), encoding="utf-8")
    survives(path, tuple(fuzzing.overrides(chance)))


@settings(SETTINGS, max_examples=3900)
@given(SEEDS)
def test_expressions(seed: int) -> None:
    """They parse or say why not; values and derivatives are numbers, infinities or nan, without a warning."""
    chance = random.Random(seed)
    text = fuzzing.formula(chance) if seed % 4 else "".join(chance.choice(fuzzing.SIGNS + "xy()+<") for _ in range(8))
    try:
        expression = parse(text, ("x", "y", "z"), {"d": 0.1})
    except ExpressionError:
        return
    values = {name: [0.0, -1.0, 1e200, 1e-200] for name in "xyz"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for each in (expression, expression.derivative("x"), expression.derivative("x").derivative("y")):
            assert each.evaluate(values).shape == (4,)


def watched(folder: Path, words: list[str], deed: str = "") -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own that ends at once where text is run as a program or a shell starts."""
    program = (
        "import sys\n"
        "from fpsolver import cli\n"
        "import fpsolver.case\n"
        "def hook(event, details):\n"
        "    if event in ('exec', 'compile'):\n"
        "        frame, names = sys._getframe(1), []\n"
        "        while frame is not None:\n"
        "            names.append(frame.f_code.co_filename)\n"
        "            frame = frame.f_back\n"
        "        if not any('importlib' in name for name in names):  # a library that is needed from here on\n"
        "            sys.stderr.write(f'Traceback: executed {details} in {names[:5]}'); sys.exit(99)\n"
        "    if event in ('os.system', 'subprocess.Popen', 'os.exec', 'os.posix_spawn', 'socket.connect'):\n"
        "        sys.stderr.write(f'Traceback: {event}'); sys.exit(99)\n"
        "sys.addaudithook(hook)\n"
        f"{deed}\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", program, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


def test_the_command_line_says_all_in_lines_and_executes_nothing(tmp_path: Path) -> None:
    (tmp_path / "iris.csv").write_text(CSV)
    names = []
    for seed in range(150):
        chance = random.Random(seed)
        text = fuzzing.mutated(chance.choice(BASES), chance) if seed % 2 else fuzzing.drawn_up(chance)
        names.append(f"case_{seed}.toml")
        (tmp_path / names[-1]).write_text(text, encoding="utf-8", errors="replace")
    done = watched(tmp_path, ["validate", *names])
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    *lines, last = done.stderr.splitlines()
    assert len(lines) > 100
    assert all(MESSAGE.fullmatch(line) for line in lines)
    assert last == f"{len(lines)} mistakes; nothing was computed or written"
    before = {path.name for path in tmp_path.iterdir()}
    assert before == {"iris.csv", *names}  # nothing was written


@pytest.mark.parametrize(
    "deed", ["eval('1')", "import subprocess; subprocess.run(['true'])", "import os; os.system('true')"]
)
def test_what_is_executed_is_noticed(tmp_path: Path, deed: str) -> None:
    """On an offender: the watch over the command line is able to bark."""
    done = watched(tmp_path, ["validate"], deed)
    assert done.returncode == 99, done.stderr


@pytest.mark.parametrize("name", ["case.toml", "iris.csv"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """A pipe that nobody writes to, a device without an end, a link that leads to itself, a folder."""
    (tmp_path / "case.toml").write_text(IRIS)
    path = tmp_path / name
    for make in (os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda path: path.symlink_to(path), os.mkdir):
        path.unlink(missing_ok=True)
        make(path)
        survives(tmp_path / "case.toml")
        with pytest.raises(BadCase, match=r"not an ordinary file|cannot be read|does not exist|folder"):
            load(tmp_path / "case.toml")
