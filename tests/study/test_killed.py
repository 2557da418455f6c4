"""Processes that are killed, moved to other ranks or told to stop: the same command brings the same numbers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from tests.launching import clean_environment, fpsolver_command
from tests.study.test_taken_up import BEGIN, EVOLUTION, NOISE, assert_same

KILLS = int(os.environ.get("FPSOLVER_KILLS", "4"))
"""How many times a run is killed; 50 are worth a few minutes after changes of what is kept."""

CASE = (
    BEGIN
    + NOISE
    + EVOLUTION
    + 'method = "sdirk"\ntolerance = 1e-3\n[run]\nerrors = false\ncheckpoint_states = 4\n'
    + '[[exit]]\nregion = "left"\nstart = [[-1, 0]]\n'
)
LATE = 60.0
"""Seconds within which a run has to be where a test waits for it."""


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, float]:
    """The case, the folder of its uninterrupted run, and how long that took."""
    folder = tmp_path_factory.mktemp("known")
    path = folder / "case.toml"
    path.write_text(CASE)
    begin = time.monotonic()
    finish(path, folder / "out")
    return path, folder / "out", time.monotonic() - begin


def start(path: Path, out: Path, ranks: int = 1, more: Sequence[str] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        fpsolver_command("run", str(path), "-o", str(out), *more, ranks=ranks),
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(path: Path, out: Path) -> str:
    """Run to the end, and what was said."""
    process = start(path, out)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    return said


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def wait_for(path: Path, process: subprocess.Popen[str], lines: int = 0) -> None:
    """Until a file is there, and has so many lines."""
    begin = time.monotonic()
    while not path.exists() or (lines and path.read_bytes().count(b"\n") < lines):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - begin < LATE
        time.sleep(0.01)


def whole_files(out: Path) -> None:
    """All that a reader finds under its final name can be read."""
    import json

    for name in ("results.json", ".fpsolver"):
        if (out / name).exists():
            json.loads((out / name).read_text())
    if (out / "curves.csv").exists():
        lines = (out / "curves.csv").read_text().splitlines(keepends=True)
        assert all(line.endswith("\n") for line in lines)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_run_that_is_killed_at_any_moment_ends_with_the_same_numbers(
    number: int, known: tuple[Path, Path, float], tmp_path: Path
) -> None:
    path, straight, seconds = known
    process = start(path, tmp_path / "out")
    try:
        process.communicate(timeout=random.Random(number).uniform(0.0, seconds))
    except subprocess.TimeoutExpired:
        kill(process)
    whole_files(tmp_path / "out")
    finish(path, tmp_path / "out")
    assert_same(tmp_path / "out", straight)


def test_a_run_goes_on_with_fewer_ranks(known: tuple[Path, Path, float], tmp_path: Path) -> None:
    path, straight, _ = known
    for ranks in (3, 2):
        process = start(path, tmp_path / "out", ranks)
        wait_for(tmp_path / "out" / "checkpoint" / "evolution.before.npz", process)
        kill(process)
    said = finish(path, tmp_path / "out")
    assert "taken up at t = " in said
    assert_same(tmp_path / "out", straight, 1e-9)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_leaves_a_checkpoint(number: int, known: tuple[Path, Path, float], tmp_path: Path) -> None:
    path, straight, _ = known
    process = start(path, tmp_path / "out", more=["--set", "run.checkpoint_states=100000"])
    wait_for(tmp_path / "out" / "curves.csv.part", process, lines=5)
    os.kill(process.pid, number)
    said, _ = process.communicate()
    assert process.returncode == 75, said
    assert f"stopped by {signal.Signals(number).name}" in said
    assert (tmp_path / "out" / "checkpoint" / "evolution.npz").exists()
    said = finish(path, tmp_path / "out")
    assert "taken up at t = " in said
    assert_same(tmp_path / "out", straight)


def test_a_file_stops_a_run_until_it_is_deleted(known: tuple[Path, Path, float], tmp_path: Path) -> None:
    path, straight, _ = known
    process = start(path, tmp_path / "out", 2)
    wait_for(tmp_path / "out" / "curves.csv.part", process, lines=5)
    (tmp_path / "out" / "STOP").touch()
    said, _ = process.communicate()
    assert process.returncode == 75, said
    assert said.count("stopped by the file STOP") == 1
    again = start(path, tmp_path / "out")
    said, _ = again.communicate()
    assert again.returncode == 75
    assert "to be deleted" in said
    (tmp_path / "out" / "STOP").unlink()
    finish(path, tmp_path / "out")
    assert_same(tmp_path / "out", straight, 1e-9)


def test_a_run_stops_before_its_time_ends(known: tuple[Path, Path, float], tmp_path: Path) -> None:
    path, straight, _ = known
    process = start(path, tmp_path / "out", more=["--set", "run.walltime='00:00:01'"])
    said, _ = process.communicate()
    assert process.returncode == 75, said
    assert "stopped by the end of its time" in said
    finish(path, tmp_path / "out")
    assert_same(tmp_path / "out", straight)


SOON = 20.0
"""Seconds after a failure within which all ranks have ended."""


def under_way(path: Path, out: Path, ranks: int) -> subprocess.Popen[str]:
    """A run that has written two checkpoints and goes on writing them."""
    process = start(path, out, ranks, ["--set", "run.checkpoint_states=1"])
    wait_for(out / "checkpoint" / "evolution.before.npz", process)
    return process


def soon(process: subprocess.Popen[str]) -> str:
    """What a run has said that fails."""
    try:
        said, _ = process.communicate(timeout=SOON)
    except subprocess.TimeoutExpired:
        kill(process)
        pytest.fail("the run hangs")
    return said


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_full_disk_ends_a_run_and_harms_nothing(ranks: int, known: tuple[Path, Path, float], tmp_path: Path) -> None:
    path, straight, _ = known
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        process = under_way(path, disk / "out", ranks)
        filler = disk / "filler"
        with filler.open("wb") as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
                file.flush()
        said = soon(process)
        assert process.returncode == 3, said
        assert said.count("No space left on device") == 1
        assert "Traceback" not in said
        whole_files(disk / "out")
        filler.unlink()
        assert "taken up at t = " in finish(path, disk / "out")
        assert_same(disk / "out", straight, 1e-9)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_folder_that_vanishes_ends_a_run(ranks: int, known: tuple[Path, Path, float], tmp_path: Path) -> None:
    path, straight, _ = known
    process = under_way(path, tmp_path / "out", ranks)
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    said = soon(process)
    assert process.returncode == 3, said
    assert said.count(str(tmp_path / "out")) == 1
    assert "Traceback" not in said
    assert "taken up at t = " in finish(path, tmp_path / "elsewhere")
    assert_same(tmp_path / "elsewhere", straight, 1e-9)


def test_a_rank_that_is_killed_ends_all(known: tuple[Path, Path, float], tmp_path: Path) -> None:
    path, straight, _ = known
    process = under_way(path, tmp_path / "out", 3)
    os.kill(ranks_of(process)[1], signal.SIGKILL)
    said = soon(process)
    assert process.returncode != 0, said
    assert "Traceback" not in said
    whole_files(tmp_path / "out")
    assert "taken up at t = " in finish(path, tmp_path / "out")
    assert_same(tmp_path / "out", straight, 1e-9)


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes of a run under a launcher."""
    below = {process.pid}
    found = []
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda folder: int(folder.name)):
        with suppress(OSError):
            parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            if parent in below:
                below.add(int(folder.name))
                if b"fpsolver" in folder.joinpath("cmdline").read_bytes().split(b"\0")[2:3]:
                    found.append(int(folder.name))
    return found


def test_a_job_whose_end_is_not_known_is_told_of(known: tuple[Path, Path, float], tmp_path: Path) -> None:
    """Catches a run that is cut off in the middle because nobody could say when."""
    process = subprocess.run(
        fpsolver_command("run", str(known[0]), "-o", str(tmp_path / "out")),
        env=clean_environment() | {"PBS_JOBID": "12.server", "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "names no end of job 12.server" in process.stderr, process.stderr
    assert "run.walltime" in process.stderr
