"""Processes that are killed, moved to other ranks or told to stop: the same command brings the same numbers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Sequence
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
