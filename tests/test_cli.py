"""The command line as a user meets it: real processes, exit codes, whole messages, files left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.launching import clean_environment as environment
from tests.launching import fpsolver_command as command

PROJECT = Path(__file__).parents[1]

CASE = """title = "a small case"
[domain]
shape = "box"
lower = [-2.0]
upper = [2.0]
cells = [24]
[loss]
expression = "(x**2 - 1)**2/4"
[noise]
diffusion = 0.1
[regions]
right = "x > 0"
[evolution]
initial = { gaussian = { mean = [-1.0], std = 0.2 } }
end_time = 1.0
frames = 3
[output]
figures = false
"""
FILES = {"case.toml", "results.json", "curves.csv", "density.vtkhdf", "fields.vtkhdf", "run.log"}


def fpsolver(folder: Path, *words: str, ranks: int = 1) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words, ranks=ranks), cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )


@dataclass(frozen=True)
class Outcome:
    returncode: int
    stdout: str
    stderr: str


Here = Callable[..., Outcome]


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs a command in this process, which saves starting MPI and DOLFINx each time."""
    monkeypatch.chdir(folder)

    def run(*words: str) -> Outcome:
        from fpsolver.cli import main

        try:
            code = main(words)
        except SystemExit as stopped:  # from argparse
            code = int(stopped.code or 0)
        text = capsys.readouterr()
        return Outcome(code, text.out, text.err)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "small.toml").write_text(CASE)
    return tmp_path


def visible(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def test_a_run_leaves_its_files_and_the_same_command_again_returns_at_once(folder: Path, here: Here) -> None:
    first = here("run", "small.toml")
    assert first.returncode == 0, first.stderr
    out = folder / "results" / "small"
    assert visible(out) >= FILES
    results = json.loads((out / "results.json").read_text())
    assert results["schema"] == 1
    assert results["status"] == "completed"
    assert results["certificate"]["passed"] is True
    assert results["ranks"] == 1
    assert results["generator"]["degree"] == 4
    rows = (out / "curves.csv").read_text().splitlines()
    assert len(rows) == 1 + 1 + 3  # a header, the start, three output times
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name in FILES}

    again = here("run", "small.toml")
    assert again.returncode == 0
    assert "results/small: finished already and the case is unchanged; --fresh computes it again" in again.stdout
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name in FILES} == before

    changed = here("run", "small.toml", "--set", "noise.diffusion=0.2")
    assert changed.returncode == 2
    assert "discard them with --fresh" in changed.stderr
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir() if path.name in FILES} == before

    fresh = here("run", "small.toml", "--set", "noise.diffusion=0.2", "--fresh")
    assert fresh.returncode == 0
    new = json.loads((out / "results.json").read_text())
    assert new["evolution"]["regions"]["right"] != results["evolution"]["regions"]["right"]


def test_errors_are_estimated_unless_told_not_to(folder: Path, here: Here) -> None:
    assert here("run", "small.toml", "-o", "with").returncode == 0
    told = json.loads((folder / "with" / "results.json").read_text())
    assert 0.0 < told["evolution"]["regions"]["right"]["error"] < 1e-5
    assert told["timing"]["errors"] > 0.0
    assert here("run", "small.toml", "-o", "without", "--no-errors").returncode == 0
    left_out = json.loads((folder / "without" / "results.json").read_text())
    right = left_out["evolution"]["regions"]["right"]
    assert right["error"] is None
    assert "run.errors" in right["why"]
    assert "errors" not in left_out["timing"]


def test_converge_leaves_tables_in_a_folder_of_its_own(folder: Path, here: Here) -> None:
    done = here("converge", "small.toml", "--set", "discretization.degree=2", "--levels", "2")
    assert done.returncode == 0, done.stderr
    out = folder / "results" / "small_converge"
    assert visible(out) == {"case.toml", "convergence.json", "convergence.csv", "run.log"}
    assert "convergence by h" in done.stdout
    assert "evolution.regions.right" in done.stdout
    assert here("converge", "small.toml", "--levels", "1").returncode == 2


def test_a_run_can_be_repeated_from_the_case_that_it_left(folder: Path, here: Here) -> None:
    assert here("run", "small.toml", "--set", "noise.diffusion=0.15", "-o", "first").returncode == 0
    assert here("run", "first/case.toml", "-o", "second").returncode == 0
    first, second = (json.loads((folder / name / "results.json").read_text()) for name in ("first", "second"))
    assert first["evolution"] == second["evolution"]


def test_a_foreign_folder_is_not_touched(folder: Path, here: Here) -> None:
    mine = folder / "precious"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for words in ([], ["--fresh"]):
        run = here("run", "small.toml", "-o", "precious", *words)
        assert run.returncode == 2
        assert "precious" in run.stderr
        assert "Traceback" not in run.stderr
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    assert (mine / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_bad_case_is_told_once_and_creates_nothing(folder: Path, ranks: int) -> None:
    (folder / "bad.toml").write_text(
        CASE.replace("diffusion = 0.1", "difusion = 0.1").replace("1.0\nframes", "-1.0\nframes")
    )
    run = fpsolver(folder, "run", "bad.toml", ranks=ranks)
    assert run.returncode == 2
    lines = [line for line in run.stderr.splitlines() if "bad.toml:" in line]
    assert len(lines) >= 2
    assert len(set(lines)) == len(lines)
    assert "did you mean diffusion" in run.stderr
    assert run.stderr.count("nothing was computed or written") == 1
    assert visible(folder) == {"small.toml", "bad.toml"}


def test_a_certificate_that_fails_is_exit_code_4(folder: Path, here: Here) -> None:
    """A start much narrower than a cell, looked at before it has spread: more than 1e-2 of the mass is moved."""
    words = ["--set", "evolution.initial={gaussian={mean=[-1.03],std=0.002}}", "--set", "domain.cells=[8]"]
    words += ["--set", "evolution.end_time=1e-5", "--set", "evolution.frames=1"]
    run = here("run", "small.toml", *words, "--set", "noise.diffusion=0.02")
    assert run.returncode == 4, run.stdout + run.stderr
    results = json.loads((folder / "results" / "small" / "results.json").read_text())
    assert results["certificate"]["passed"] is False
    failed = [check["name"] for check in results["certificate"]["checks"] if not check["passed"]]
    assert failed == ["evolution: mass moved by the projection at an output time"]
    assert "CERTIFICATE FAILED" in run.stdout
    again = here("run", "small.toml", *words, "--set", "noise.diffusion=0.02")
    assert again.returncode == 4  # and says so again


@pytest.mark.parametrize("ranks", [1, 2])
def test_what_follows_two_dashes_reaches_petsc_and_a_failed_solver_is_exit_code_3(folder: Path, ranks: int) -> None:
    options = ["--", "-evolution_ksp_type", "gmres", "-evolution_pc_type", "none", "-evolution_ksp_max_it", "1"]
    run = fpsolver(folder, "run", "small.toml", *options, ranks=ranks)
    assert run.returncode == 3
    assert run.stderr.count("evolution: not solved, KSP_") == 1
    assert "after 1 iterations" in run.stderr
    assert "Traceback" not in run.stderr
    assert "results.json" not in visible(folder / "results" / "small")


def test_other_solvers_can_be_chosen(folder: Path) -> None:
    options = ["--", "-evolution_pc_factor_mat_solver_type", "superlu_dist", "-evolution_pc_type", "lu"]
    assert fpsolver(folder, "run", "small.toml", *options).returncode == 0


LONG = ["--set", "domain.cells=[4000]", "--set", "evolution.method=sdirk", "--set", "evolution.tolerance=1e-11"]


@pytest.mark.slow
@pytest.mark.parametrize(("ranks", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_signal_ends_a_run_in_order(folder: Path, ranks: int, number: signal.Signals) -> None:
    process = subprocess.Popen(
        command("run", "small.toml", *LONG, ranks=ranks),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        log = folder / "results" / "small" / "run.log"
        end = time.monotonic() + 60
        while not (log.exists() and "unknowns" in log.read_text()):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.1)
        time.sleep(1.0)
        process.send_signal(number)
        sent = time.monotonic()
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - sent < 15
    assert process.returncode == 75
    assert errors.count(f"stopped by {number.name}") == 1
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert json.loads((folder / "results" / "small" / "results.json").read_text())["status"] == "stopped"


def test_importing_the_command_line_starts_nothing(folder: Path) -> None:
    code = (
        "import sys, fpsolver, fpsolver.cli\n"
        "heavy = ('mpi4py', 'petsc4py', 'slepc4py', 'dolfinx', 'basix', 'ufl', 'matplotlib', 'pyvista', 'scipy')\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & set(heavy)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (run.stdout.strip(), run.stderr) == ("[]", "")


def test_validate_needs_neither_mpi_nor_disk(folder: Path) -> None:
    """Also where MPI and FEniCS cannot even be imported."""
    code = (
        "import sys\n"
        "for name in ('mpi4py', 'petsc4py', 'dolfinx', 'basix', 'ufl'): sys.modules[name] = None\n"
        "from fpsolver.cli import main\n"
        "sys.exit(main(['validate', 'small.toml']))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("small.toml: ok, ")
    assert visible(folder) == {"small.toml"}


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"]])
def test_help_is_there(folder: Path, here: Here, words: list[str]) -> None:
    run = here(*words)
    assert run.returncode == 0
    assert "usage: fpsolver" in run.stdout


@pytest.mark.parametrize("words", [[], ["solve", "small.toml"], ["run"], ["run", "missing.toml"]])
def test_wrong_usage_is_exit_code_2(folder: Path, here: Here, words: list[str]) -> None:
    run = here(*words)
    assert run.returncode == 2
    assert run.stderr
    assert "Traceback" not in run.stderr
    assert visible(folder) == {"small.toml"}


def test_several_cases_go_to_folders_of_their_own(folder: Path, here: Here) -> None:
    (folder / "other.toml").write_text(CASE.replace("0.1", "0.2"))
    run = here("run", "small.toml", "other.toml", "-o", "both")
    assert run.returncode == 0
    assert visible(folder / "both") == {"small", "other"}
