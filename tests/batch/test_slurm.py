"""Jobs in a real Slurm: submitted, told to stop, queued again, and in the end as if nobody had stopped them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from slurm_box import NoSlurm, SlurmBox

PROJECT = Path(__file__).parents[2]
CASE = """title = "some hundred steps"
[domain]
lower = [-2.0]
upper = [2.0]
cells = [60]
[loss]
expression = "(x**2 - 1)**2/4"
[noise]
diffusion = 0.1
[regions]
right = "x > 0"
[evolution]
initial = { gaussian = { mean = [-1.0], std = 0.2 } }
end_time = 1.0
frames = 10
method = "sdirk"
tolerance = 1e-7
[output]
figures = false
"""
OURS = ("evolution", "generator", "mesh", "status", "title")
SOON = timedelta(seconds=30)
FEW_STEPS = 40  # of some hundred


@pytest.fixture(scope="module")
def box() -> Iterator[SlurmBox]:
    try:
        with SlurmBox() as started:
            yield started
    except NoSlurm as reason:
        pytest.skip(f"no Slurm to submit to: {reason}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "long.toml").write_text(CASE)
    return tmp_path


def submitted(box: SlurmBox, folder: Path, *words: str) -> str:
    """Number of a job of two ranks."""
    command = ["submit", "long.toml", "--nodes", "1", "--tasks-per-node", "2", "--time", "10", "--no-errors", *words]
    done = subprocess.run(
        [sys.executable, "-m", "fpsolver", *command],
        cwd=folder,
        env=box.environment | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("job ")
    return done.stdout.split()[1].rstrip(":")


def until(box: SlurmBox, ready: Callable[[], bool], what: str, log: Path) -> None:
    end = time.monotonic() + 300
    while not ready():
        if time.monotonic() > end:
            said = log.read_text() if log.exists() else "nothing was said"
            pytest.fail(f"{what}\n{said}\n{box('scontrol', 'show', 'job')}\n{box('sinfo', '--list-reasons')}")
        time.sleep(0.1)


def ended(box: SlurmBox, number: str, log: Path) -> dict[str, str]:
    """The job once it is over."""
    until(box, lambda: box.job(number)["JobState"] not in ("PENDING", "RUNNING", "COMPLETING"), "not over", log)
    return box.job(number)


def started_again(box: SlurmBox, number: str, times: int) -> bool:
    """Whether a job is in its next turn; it would wait two minutes, and now waits for what is left of the last one."""
    job = box.job(number)
    if job["Reason"] == "BeginTime" and datetime.fromisoformat(job["EligibleTime"]) - datetime.now() > SOON:
        box("scontrol", "update", f"JobId={number}", "StartTime=now+10")
    return int(job["Restarts"]) == times and job["JobState"] in ("RUNNING", "COMPLETED")


def steps(results: Path) -> int:
    """How many steps have been written."""
    tables = [results / name for name in ("curves.csv", "curves.csv.part")]
    return max(len(table.read_text().splitlines()) for table in [*tables, Path("/dev/null")] if table.exists())


def numbers(entry: object, path: str = "") -> dict[str, object]:
    """The leaves of a tree by their paths."""
    if isinstance(entry, dict):
        parts = list(entry.items())
    elif isinstance(entry, list):
        parts = list(enumerate(entry))
    else:
        return {path: entry}
    return {name: leaf for key, part in parts for name, leaf in numbers(part, f"{path}.{key}").items()}


def agree(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-11, abs_tol=1e-300)
    return one == other


@pytest.mark.slow
def test_a_job_that_is_stopped_twice_ends_as_one_that_is_not(box: SlurmBox, folder: Path) -> None:
    """Two ranks under Slurm; USR1 comes as it does before the end of the time; the job queues again by itself."""
    number = submitted(box, folder, "-o", "results/stopped")
    log = folder / "results" / f"stopped-{number}.out"
    for turn in (1, 2):
        begun = f"turn {turn} begins"
        until(box, lambda text=begun: log.exists() and text in log.read_text(), begun, log)  # type: ignore[misc]
        enough = turn * FEW_STEPS
        until(box, lambda enough=enough: steps(folder / "results" / "stopped") > enough, "no steps", log)  # type: ignore[misc]
        box("scancel", "--signal=USR1", "--batch", number)
        until(box, lambda turn=turn: started_again(box, number, turn), "not queued again", log)  # type: ignore[misc]
    job = ended(box, number, log)
    said = log.read_text()
    print(f"\n{said}")
    assert (job["JobState"], job["ExitCode"], job["Restarts"]) == ("COMPLETED", "0:0", "2"), said
    assert "refuses" not in said
    assert said.count("taken up at t = ") == 2
    assert [f"turn {turn} ended with code {code}" in said for turn, code in ((1, 75), (2, 75), (3, 0))] == [True] * 3

    straight = submitted(box, folder, "-o", "results/straight")
    assert ended(box, straight, log)["Restarts"] == "0"
    found, expected = (
        json.loads((folder / "results" / name / "results.json").read_text()) for name in ("stopped", "straight")
    )
    assert (found["status"], found["ranks"]) == ("completed", 2)
    assert found["certificate"]["passed"] is True
    ours, theirs = (numbers({name: tree[name] for name in OURS}) for tree in (found, expected))
    assert len(ours) > 20
    assert ours.keys() == theirs.keys()
    assert {name: (ours[name], theirs[name]) for name in ours if not agree(ours[name], theirs[name])} == {}


@pytest.mark.slow
@pytest.mark.parametrize("way", ["cancelled", "stopped by its user"])
def test_a_job_that_its_user_ends_stays_ended(box: SlurmBox, folder: Path, way: str) -> None:
    number = submitted(box, folder)
    results, log = folder / "results" / "long", folder / "results" / f"long-{number}.out"
    until(box, lambda: results.exists() and steps(results) > FEW_STEPS, "no steps", log)
    if way == "cancelled":
        box("scancel", number)
    else:
        (results / "STOP").touch()
    job = ended(box, number, log)
    said = log.read_text()
    print(f"\n{said}")
    assert job["Restarts"] == "0", said
    assert job["JobState"] == {"cancelled": "CANCELLED"}.get(way, "FAILED")
    if way != "cancelled":
        assert job["ExitCode"] == "75:0"
        assert "turn 1 ended with code 75" in said
