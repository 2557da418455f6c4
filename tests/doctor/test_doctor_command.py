"""``fpsolver doctor`` on the computer that the tests run on, and how its programs are started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fpsolver.doctor.surroundings import NoAnswer, Surroundings, answers, probing, run
from tests.launching import without_launcher

PROJECT = Path(__file__).parents[2]


def doctor(*words: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fpsolver", "doctor", *words],
        cwd=folder,
        env=without_launcher() | {"PYTHONPATH": str(PROJECT)} | more,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_a_computer_on_which_tests_pass_is_well(tmp_path: Path) -> None:
    """A file in the current folder that has the name of a module is of no consequence; nothing is left there."""
    (tmp_path / "mpi4py.py").write_text("raise SystemExit('imported')")
    done = doctor("--json", folder=tmp_path, PYTHONSAFEPATH="1")
    found = json.loads(done.stdout)
    assert [each for each in found["findings"] if each["verdict"] == "problem"] == []
    assert (done.returncode, done.stderr, found["problems"]) == (0, "", 0)
    assert {"fpsolver", "MPI", "launcher", "MUMPS", "compiled forms", "folder", "HDF5"} <= {
        each["name"] for each in found["findings"]
    }
    assert [path.name for path in tmp_path.iterdir()] == ["mpi4py.py"]


def test_a_problem_is_told_by_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from fpsolver.cli import main
    from fpsolver.doctor import checks
    from fpsolver.doctor.finding import ok, problem, warning

    found = [ok("disk", "fine"), warning("cores", "busy", "wait")]
    monkeypatch.setattr(checks, "findings", lambda about: iter(found))
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in told] == ["ok", "warning", "->", "no"]
    assert told[-1] == "no problems, 1 warning"
    found.append(problem("MPI", "lost", "find it"))
    assert main(["doctor"]) == 3
    assert capsys.readouterr().out.splitlines()[-1] == "1 problem, 1 warning"


def test_one_copy_speaks(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from fpsolver.doctor import command

    monkeypatch.setattr(command, "is_root", lambda: False)
    from fpsolver.cli import main

    assert main(["doctor"]) == 0
    assert capsys.readouterr().out == ""


def started(code: str, timeout: float = 60.0) -> str:
    return run([sys.executable, "-c", code], environment=os.environ, timeout=timeout).failure


def test_how_programs_end() -> None:
    assert started("") == ""
    assert started("raise KeyError('x')") == "exit code 1: KeyError: 'x'"
    assert started("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)") == "killed by SIGSEGV"
    with pytest.raises(NoAnswer, match="No such file"):
        run(["/no/such/program"], environment={}, timeout=1.0)


def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    """A launcher leaves ranks behind if it alone is killed."""
    note = tmp_path / "child"
    code = (
        "import subprocess; from pathlib import Path\n"
        "child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        f"Path({str(note)!r}).write_text(str(child.pid)); child.wait()"
    )
    assert started(code, timeout=8.0).startswith("no end after")
    state = Path(f"/proc/{note.read_text()}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"  # ended, perhaps not yet buried


def test_an_answer_is_found_among_what_libraries_say() -> None:
    assert answers('hello\n{"a": 1}\nbye\n') == [{"a": 1}]
    with pytest.raises(NoAnswer, match="without an answer"):
        answers("hello\n")


def test_a_probe_is_found_from_any_folder(tmp_path: Path) -> None:
    found = Surroundings(folder=tmp_path).ask("folder", str(tmp_path))
    assert found["lock"] == "works"
    assert found["hdf5"] == ""
    assert list(tmp_path.iterdir()) == []
    assert "-P" in probing("folder")


def test_the_cache_of_forms_is_read_as_a_killed_compiler_leaves_it(tmp_path: Path) -> None:
    from fpsolver.doctor.probes import form

    for name in ("libffcx_a.c", "libffcx_a.c.cached", "libffcx_b.c", "libffcx_c.c", "other.c"):
        (tmp_path / name).write_text("x")
    for name in ("libffcx_a.c", "libffcx_b.c", "other.c"):
        os.utime(tmp_path / name, (0, 0))
    assert form._contents(tmp_path) == {"forms": 1, "bytes": 4, "stale": ["libffcx_b.c"]}  # c is young
    assert form._contents(tmp_path / "none") == {"forms": 0, "bytes": 0, "stale": []}
    assert form._refused(tmp_path / "made" / "later") == ""
