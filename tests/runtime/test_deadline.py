"""How long a run may take, and when it has to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import pytest

from fpsolver.runtime import Deadline, time_left


def silent(words: Sequence[str]) -> str:
    raise AssertionError(f"nobody should be asked: {words}")


def test_the_case_says_how_long() -> None:
    assert time_left(90.0, {"SLURM_JOB_ID": "7"}, silent) == 90.0


def test_without_a_scheduler_nothing_limits_a_run() -> None:
    assert time_left(None, {}, silent) == math.inf


def test_a_job_of_slurm_knows_when_it_ends() -> None:
    left = time_left(None, {"SLURM_JOB_ID": "7", "SLURM_JOB_END_TIME": str(int(time.time()) + 600)}, silent)
    assert left == pytest.approx(600.0, abs=2.0)


@pytest.mark.parametrize(
    ("said", "left"),
    [("1-02:03:04\n", 93784.0), ("02:03:04\n", 7384.0), ("3:04\n", 184.0), ("UNLIMITED\n", math.inf), ("", math.inf)],
)
def test_or_slurm_is_asked(said: str, left: float) -> None:
    def ask(words: Sequence[str]) -> str:
        assert words[0] == "squeue"
        assert "--jobs=7" in words
        return said

    assert time_left(None, {"SLURM_JOB_ID": "7"}, ask) == left


def test_pbs_tells_the_limit_and_what_is_used() -> None:
    said = "Job Id: 9\n    resources_used.walltime = 00:10:00\n    Resource_List.walltime = 01:00:00\n"
    assert time_left(None, {"PBS_JOBID": "9"}, lambda words: said) == 3000.0
    assert time_left(None, {"PBS_JOBID": "9"}, lambda words: "") == math.inf


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def moments(seconds: float, every: float) -> float:
    """When a run stops that looks every so often."""
    clock = Clock()
    deadline = Deadline(seconds, clock)
    while not deadline.is_near():
        clock.now += every
        assert clock.now < 10.0 * seconds
    return clock.now


@pytest.mark.parametrize("every", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("seconds", [60.0, 600.0, 86400.0])
def test_a_run_stops_early_enough_for_a_last_step_and_for_files(seconds: float, every: float) -> None:
    end = moments(seconds, every)
    assert end <= seconds
    assert end + every <= seconds or every > 0.25 * seconds  # one more step would have fitted, too
    assert end >= 0.7 * seconds - 3.0 * every  # and not much earlier than that


def test_nothing_is_near_without_a_limit() -> None:
    clock = Clock()
    deadline = Deadline(math.inf, clock)
    clock.now = 1e9
    assert not deadline.is_near()
