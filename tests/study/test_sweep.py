"""Sweeps: what is run, what is kept, what is refused, how they stop and go on, and what the table says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sweeps import CASE, rows, starts, swept

from fpsolver import load, solve
from fpsolver.cli import main
from fpsolver.errors import BadUsage, ExitCode
from fpsolver.runtime import Console, RunFolder
from fpsolver.study.sweep.figure import figure_of
from fpsolver.study.sweep.record import Entry, read_record
from fpsolver.study.sweep.table import Table
from tests.launching import without_launcher

PROGRAM = Path(__file__).with_name("sweeps.py")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(CASE)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "family"


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(case: Path, root: Path) -> Iterator[Start]:
    """Starts a sweep with fakes as a program of its own; none of them outlives the test."""
    begun: list[subprocess.Popen[str]] = []

    def start(*over: str, jobs: int = 4) -> subprocess.Popen[str]:
        words = [sys.executable, str(PROGRAM), str(case), str(root), str(jobs), *over]
        begun.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        return begun[-1]

    yield start
    for program in begun:
        program.kill()
        program.communicate()
    for lock in root.glob("members/*/.fpsolver.lock"):
        end_owner(lock)


def end_owner(lock: Path) -> None:
    """Kill the fake that holds a lock, and wait until it is gone."""
    pid = int(json.loads(lock.read_text())["pid"])
    os.kill(pid, signal.SIGKILL)
    until(lambda: not lives(pid))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(happened: Callable[[], object]) -> None:
    """Wait for it; a minute is a failure."""
    for _ in range(6000):
        if happened():
            return
        time.sleep(0.01)
    raise AssertionError("nothing happened")


def running(root: Path, name: str) -> bool:
    return (root / "members" / name / "run.log").exists()


def statuses(root: Path) -> dict[str, str]:
    return {row["member"]: row["status"] for row in rows(root)}


def test_the_table_has_a_row_per_member_with_numbers_and_errors(case: Path, root: Path) -> None:
    assert swept(case, root, "parameters.x=3,404,-1", jobs=3) is ExitCode.CERTIFICATE_FAILED
    first, second, third = rows(root)
    assert list(first)[:7] == ["parameters.x", "status", "exit_code", "seconds", "ranks", "member", "message"]
    assert first | {"message": ""} == {
        "parameters.x": "3",
        "status": "done",
        "exit_code": "0",
        "seconds": first["seconds"],
        "ranks": "1",
        "member": "x=3",
        "message": "",
        "exit.0.escape_rate": "9.0",
        "exit.0.escape_rate_error": "0.03",
        "stationary.spectral_gap": "inf",
        "stationary.spectral_gap_error": "",
    }
    assert (second["status"], second["exit_code"], second["exit.0.escape_rate"]) == ("uncertain", "4", "163216.0")
    assert (third["status"], third["exit_code"], third["exit.0.escape_rate"]) == ("failed", "3", "")
    assert third["message"] == "the root of -1 was not found"
    assert (root / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_failures_are_kept_and_only_retried_on_request(
    case: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept(case, root, "parameters.x=-1,2") is ExitCode.SOLVER_FAILED
    assert "x=-1: exit code 3 after" in capsys.readouterr().out
    assert swept(case, root, "parameters.x=-1,2") is ExitCode.SOLVER_FAILED
    assert "nothing is left to do for 2 members; --retry" in capsys.readouterr().out
    assert (starts(root, "x=-1"), starts(root, "x=2")) == (1, 1)
    assert swept(case, root, "parameters.x=-1,2", retry=True) is ExitCode.SOLVER_FAILED
    assert (starts(root, "x=-1"), starts(root, "x=2")) == (2, 1)
    assert rows(root)[0]["message"] == "the root of -1 was not found"


def test_a_family_grows_in_its_folder_and_forgets_nobody(case: Path, root: Path) -> None:
    assert swept(case, root, "parameters.x=2,5") is ExitCode.DONE
    assert swept(case, root, "parameters.x=1,2,3", jobs=2) is ExitCode.DONE
    assert [row["parameters.x"] for row in rows(root)] == ["1", "2", "3", "5"]
    assert {name: starts(root, name) for name in statuses(root)} == dict.fromkeys(statuses(root), 1)


def test_after_kill_9_members_that_are_done_are_not_run_again(case: Path, root: Path, start: Start) -> None:
    program = start("parameters.x=1,2,99", jobs=1)
    until(lambda: running(root, "x=99"))
    program.kill()
    program.wait()
    with pytest.raises(BadUsage, match=r"x=99: process .* is writing here"):  # the fake has outlived the sweep
        swept(case, root, "parameters.x=1,2,99")
    end_owner(root / "members" / "x=99" / ".fpsolver.lock")
    (root / "members" / "go").touch()
    assert swept(case, root, "parameters.x=1,2,99") is ExitCode.DONE
    assert {name: starts(root, name) for name in ("x=1", "x=2", "x=99")} == {"x=1": 1, "x=2": 1, "x=99": 2}


def test_a_member_that_ended_without_its_sweep_is_taken_as_it_is(case: Path, root: Path, start: Start) -> None:
    program = start("parameters.x=99")
    until(lambda: running(root, "x=99"))
    program.kill()
    program.wait()
    (root / "members" / "go").touch()
    until(lambda: not (root / "members" / "x=99" / ".fpsolver.lock").exists())
    assert swept(case, root, "parameters.x=99") is ExitCode.DONE
    assert starts(root, "x=99") == 1
    assert rows(root)[0]["exit.0.escape_rate"] == "9801.0"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_are_passed_on_and_the_same_command_continues(
    case: Path, root: Path, start: Start, number: signal.Signals
) -> None:
    program = start("parameters.x=1,99,2", jobs=1)
    until(lambda: running(root, "x=99"))
    program.send_signal(number)
    said = program.communicate(timeout=60)[0]
    assert program.returncode == ExitCode.STOPPED, said
    assert f"stopped by {number.name}; the same command goes on" in said
    assert statuses(root) == {"x=1": "done", "x=99": "stopped", "x=2": "waiting"}
    (root / "members" / "go").touch()
    assert swept(case, root, "parameters.x=1,99,2") is ExitCode.DONE
    assert {name: starts(root, name) for name in statuses(root)} == {"x=1": 1, "x=99": 2, "x=2": 1}


def test_a_second_ctrl_c_ends_members_that_do_not_listen(root: Path, start: Start) -> None:
    program = start("parameters.x=98")
    until(lambda: running(root, "x=98"))
    program.send_signal(signal.SIGINT)
    time.sleep(1.0)  # what comes sooner counts as the same press
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    assert "ended by a second Ctrl-C" in program.communicate(timeout=60)[0]
    assert program.returncode == 130
    lock = root / "members" / "x=98" / ".fpsolver.lock"
    until(lambda: not lives(int(json.loads(lock.read_text())["pid"])))


def test_another_case_is_refused_also_for_members_that_are_not_named(case: Path, root: Path) -> None:
    assert swept(case, root, "parameters.x=1") is ExitCode.DONE
    before = (root / "sweep.csv").read_text()
    case.write_text(CASE.replace("diffusion = 0.1", "diffusion = 0.2"))
    for over in ("parameters.x=1", "parameters.x=2"):
        with pytest.raises(BadUsage, match=r"the case has been changed since it was run with x=1; .*--fresh"):
            swept(case, root, over)
    with pytest.raises(BadUsage, match=r"sweep over parameters.x, and this is a sweep over parameters.y"):
        swept(case, root, "parameters.y=1")
    assert (root / "sweep.csv").read_text() == before
    assert starts(root, "x=1") == 1
    assert swept(case, root, "parameters.x=2", fresh=True) is ExitCode.DONE
    assert [row["member"] for row in rows(root)] == ["x=2"]
    assert not (root / "members" / "x=1").exists()


def test_fresh_removes_only_what_we_wrote(case: Path, root: Path) -> None:
    assert swept(case, root, "parameters.x=1") is ExitCode.DONE
    notes = [root / "notes.txt", root / "members" / "x=1" / "notes.txt", root / "members" / "mine" / "notes.txt"]
    notes[2].parent.mkdir()
    for note in notes:
        note.write_text("mine")
    with pytest.raises(BadUsage, match="holds files that fpsolver did not write"):  # where x=1 was, there is now a note
        swept(case, root, "parameters.x=1", fresh=True)
    assert [note.read_text() for note in notes] == ["mine"] * 3
    assert not (root / "members" / "x=1" / "results.json").exists()


def test_folders_of_others_and_of_runs_are_left_alone(case: Path, root: Path) -> None:
    root.mkdir()
    (root / "letter.txt").write_text("dear")
    with pytest.raises(BadUsage, match="holds files that fpsolver did not write"):
        swept(case, root, "parameters.x=1", fresh=True)
    assert [path.name for path in root.iterdir()] == ["letter.txt"]
    with RunFolder.open(root / "run") as folder:
        folder.finish("a case")
    with pytest.raises(BadUsage, match="holds the results of a run"):
        swept(case, root / "run", "parameters.x=1")


def test_two_sweeps_are_kept_apart(case: Path, root: Path) -> None:
    with RunFolder.open(root), pytest.raises(BadUsage, match="is writing here"):
        swept(case, root, "parameters.x=1")


def test_mistakes_end_with_2_and_touch_nothing(case: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(root.parent.rglob("*"))
    for words, said in (
        (["--over", "noise.diffusion=1,-1"], "diffusion=-1: noise.diffusion"),
        (["--over", "parameters.x=1", "-n", "0"], "-n 0: write a number from 1 on"),
        (["--over", "parameters.x=1", "--jobs", "0"], "--jobs 0: write a number from 1 on"),
        ([], "--over is missing"),
    ):
        assert main(["sweep", str(case), "-o", str(root), *words]) == 2
        assert said in capsys.readouterr().err
    assert sorted(root.parent.rglob("*")) == before


def test_under_a_launcher_it_says_how_ranks_are_asked_for(
    case: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fpsolver.study.sweep.command.size", lambda: 2)
    assert main(["sweep", str(case), "--over", "parameters.x=1"]) == 2
    assert "without mpiexec" in capsys.readouterr().err


def test_quantities_are_chosen_by_name_with_a_hint_where_none_fits(
    case: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert swept(case, root, "parameters.x=1,2") is ExitCode.DONE
    with pytest.raises(
        BadUsage, match=r"no member has a quantity exit.0.escape_time; did you mean exit.0.escape_rate\?"
    ):
        swept(case, root, "parameters.x=1,2", plot=["exit.0.escape_time"])
    assert main(["plot", str(root), "--what", "exit.0.rate"]) == 2
    assert "exit.0.escape_rate" in capsys.readouterr().err
    (root / "sweep.png").unlink()
    assert main(["plot", str(root), "--what", "exit.*.escape_rate", "--format", "svg", "png"]) == 0
    assert (root / "sweep.png").exists()
    assert (root / "sweep.svg").exists()


def test_show_prints_the_table_again(case: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    swept(case, root, "parameters.x=-3,7")
    capsys.readouterr()
    assert main(["show", str(root)]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^ *-3 +– +failed \(3\)", text, re.MULTILINE)
    assert re.search(r"^ *7 +49 ± 0.07 +done", text, re.MULTILINE)


def test_of_a_large_family_some_rows_are_shown_failures_first(
    case: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = large(case, root, capsys)
    text = capsys.readouterr().out
    assert len(re.findall(r"(done|failed \(3\)|waiting)", text)) == 20
    assert "failed (3)" in text
    assert f"20 of 60 members; all are in {table.root / 'sweep.csv'}" in text


def large(case: Path, root: Path, capsys: pytest.CaptureFixture[str]) -> Table:
    """Sixty members, of which two were run: one of them failed. Its table has been told."""
    swept(case, root, "parameters.x=1,-2")
    capsys.readouterr()
    record = read_record(root / "sweep.json")
    assert record is not None
    one, two = record.entries.values()
    others = {f"x={x}": Entry((str(x),), "") for x in range(10, 68)}
    record.entries = {"x=1": one} | others | {"x=-2": two}
    table = Table(root, record)
    table.tell(Console())
    return table


def test_lines_of_the_figure_are_combinations_with_error_bars_on_fitting_scales(case: Path, root: Path) -> None:
    swept(case, root, "parameters.x=1,10,300", "parameters.y=1,2", jobs=4)
    figure = drawn(root)
    axes = figure.axes[0]
    assert axes.get_title() == "exit.0.escape_rate"
    assert (axes.get_xlabel(), axes.get_xscale(), axes.get_yscale()) == ("x", "log", "log")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["y = 1", "y = 2"]
    points = axes.containers[0].lines[0].get_xydata()
    assert points.tolist() == [[1.0, 1.0], [10.0, 100.0], [300.0, 90000.0]]
    low, high = axes.containers[0].lines[2][0].get_segments()[1][:, 1]
    assert (low, high) == pytest.approx((100.0 - 0.1, 100.0 + 0.1))


def test_lists_side_by_side_are_one_line(case: Path, root: Path) -> None:
    swept(case, root, "parameters.x=1,2", "parameters.y=3,4", together=True)
    figure = drawn(root)
    assert len(figure.axes[0].containers) == 1
    assert not figure.legends
    assert "with x change y" in figure.get_supxlabel()


def test_values_that_are_no_numbers_stand_side_by_side(case: Path, root: Path) -> None:
    swept(case, root, "parameters.x=3", "domain.cells=[8],[16]", jobs=2)
    axes = drawn(root).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["[8]", "[16]"]


def drawn(root: Path) -> Any:
    record = read_record(root / "sweep.json")
    assert record is not None
    return figure_of(Table(root, record))


def test_the_numbers_are_those_of_single_runs(case: Path, root: Path) -> None:
    words = ["--over", "noise.diffusion=0.1,0.3", "--no-errors", "--set", "parameters.y=2", "-o", str(root)]
    command = [sys.executable, "-m", "fpsolver", "sweep", str(case), *words]
    done = subprocess.run(command, env=without_launcher(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    alone = solve(load(case, ["noise.diffusion=0.3", "run.errors=false"])).answers["evolution"].results
    first, second = rows(root)
    assert second["noise.diffusion"] == "0.3"
    assert float(second["evolution.regions.right"]) == alone["regions"]["right"].value
    assert float(second["evolution.covariance.0.0"]) == alone["covariance"][0][0].value
    assert first["evolution.regions.right"] != second["evolution.regions.right"]


def test_a_job_array_has_a_task_for_each_member_that_is_not_done(
    case: Path, root: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The script is run as Slurm would, with a launcher that writes down what it was told."""
    family = ["sweep", str(case), "-o", str(root), "--over", "title=\"it's\",'$HOME'", "-n", "2"]
    assert main([*family, "--time", "10"]) == 2
    assert main([*family, "--array"]) == 2
    assert not root.exists()
    assert main([*family, "--array", "--time", "10"]) == 0
    text = capsys.readouterr().out
    assert "#SBATCH --array=0-1\n" in text
    assert set(statuses(root).values()) == {"waiting"}
    stub = tmp_path / "stub"
    stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/told\n')
    stub.chmod(0o755)
    launcher = re.search(r"^command=\(\n  (\S+) -n 2$", text, re.MULTILINE)
    assert launcher is not None
    script = tmp_path / "array.sbatch"
    script.write_text(text.replace(launcher[1], str(stub)))
    for task, title in (("0", '--set=title="it\'s"'), ("1", "--set=title='$HOME'")):
        environment = without_launcher() | {"SLURM_ARRAY_TASK_ID": task}
        subprocess.run(["bash", str(script)], env=environment, check=True, capture_output=True)
        told = (tmp_path / "told").read_text().splitlines()
        assert told[:5] == ["-n", "2", sys.executable, "-m", "fpsolver"]
        assert told[5:8] == ["run", str(case), "-o"]
        assert Path(told[8]).name in statuses(root)
        assert told[9:] == [title]


def test_the_sweep_itself_starts_neither_mpi_nor_fenics() -> None:
    code = (
        "import sys, fpsolver.study.sweep.command, fpsolver.study.sweep.sweeping, fpsolver.study.sweep.figure\n"
        "heavy = {'mpi4py', 'petsc4py', 'dolfinx', 'basix', 'ufl'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
