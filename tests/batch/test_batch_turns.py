"""When a job queues again and when it does not, seen by running its script."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cluster import DEAF, ENDED_BY_SLURM, PATIENT, Cluster

from fpsolver.batch.schedulers import SCHEDULERS
from fpsolver.batch.script import script

BOTH = pytest.mark.parametrize("scheduler", ["slurm", "pbs"])
OF_SLURM = {"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "0"}


@BOTH
def test_a_job_that_stops_early_queues_again_until_it_is_done(cluster: Cluster, scheduler: str) -> None:
    (cluster.notes / "codes").write_text("75\n75\n0\n")
    codes = cluster.queue(scheduler)
    assert (len(codes), codes[-1]) == (3, 0)
    assert len(cluster.note("turns")) == 3


def test_slurm_is_asked_for_the_same_job_and_pbs_for_the_same_script(cluster: Cluster) -> None:
    (cluster.notes / "codes").write_text("75\n0\n75\n75\n0\n")
    cluster.queue("slurm")
    assert cluster.note("scontrol") == ["requeue 7"]
    cluster.queue("pbs")
    path = cluster.folder / "results.pbs"
    assert cluster.note("qsub") == [f"-v FPSOLVER_TURN=2 {path}", f"-v FPSOLVER_TURN=3 {path}"]
    logs = [(cluster.folder / f"job-{number}.out").read_text() for number in (7, 8, 9)]
    assert "turn 1 ended with code 75" in logs[0]
    assert "turn 3 ended with code 0" in logs[2]


@BOTH
@pytest.mark.parametrize("code", [0, 2, 3, 4, 1, 137])
def test_other_codes_end_the_job(cluster: Cluster, scheduler: str, code: int) -> None:
    (cluster.notes / "codes").write_text(f"{code}\n")
    assert cluster.queue(scheduler) == [code]


@BOTH
@pytest.mark.parametrize("most", [0, 2])
def test_a_job_queues_again_so_often_and_no_more(cluster: Cluster, scheduler: str, most: int) -> None:
    (cluster.notes / "codes").write_text("75\n" * 9)
    codes = cluster.queue(scheduler, restarts=most)
    assert (len(codes), codes[-1]) == (most + 1, 75)


@BOTH
def test_a_user_who_asked_for_a_stop_gets_one(cluster: Cluster, scheduler: str) -> None:
    cluster.tool("mpiexec", "#!/bin/bash\nmkdir results\ntouch results/STOP\nexit 75\n")
    assert cluster.queue(scheduler) == [75]


@BOTH
def test_a_stop_between_two_turns_is_heeded(cluster: Cluster, scheduler: str) -> None:
    (cluster.folder / "results").mkdir()
    (cluster.folder / "results" / "STOP").touch()
    assert cluster.queue(scheduler) == [75]
    assert cluster.note("turns") == []


def test_a_script_that_slurm_ends_gently_does_not_speak_of_a_refusal(cluster: Cluster) -> None:
    cluster.noting("scontrol", "exit 0")
    cluster.tool("sleep", "#!/bin/bash\nkill -TERM $PPID $$\n")  # all processes of the job get it
    (cluster.notes / "codes").write_text("75\n")
    code, said = cluster.turn(script(cluster.plain_job, SCHEDULERS["slurm"]), **OF_SLURM)
    assert code == 75
    assert said.splitlines()[-1] == "fpsolver submit: queues again"


@BOTH
def test_where_the_queue_refuses_the_log_says_how_to_go_on(cluster: Cluster, scheduler: str) -> None:
    for name in ("scontrol", "qsub"):
        cluster.noting(name, "exit 1")
    (cluster.notes / "codes").write_text("75\n")
    code, said = cluster.turn(script(cluster.plain_job, SCHEDULERS[scheduler]), **OF_SLURM, PBS_JOBID="7.server")
    assert code == 75
    assert "submit the case again to continue" in said + "".join(p.read_text() for p in cluster.folder.glob("*.out"))


def told(cluster: Cluster, text: str, *signals: signal.Signals) -> tuple[int, str]:
    """Run a script, send it signals as soon as its launcher runs; its exit code and what it said."""
    process = cluster.start(text, **OF_SLURM)
    try:
        until(cluster.notes / "ready", process)
        for number in signals:
            process.send_signal(number)
        said, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    return process.returncode, said


def until(path: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_signal_before_the_end_reaches_the_run_and_the_job_queues_again(cluster: Cluster) -> None:
    cluster.tool("mpiexec", PATIENT)
    code, said = told(cluster, script(cluster.plain_job, SCHEDULERS["slurm"]), signal.SIGUSR1)
    assert cluster.note("heard") == ["USR1"]
    assert code == ENDED_BY_SLURM
    assert "turn 1 ended with code 75" in said
    assert cluster.note("scontrol") == ["requeue 7"]


def test_a_cancelled_job_does_not_come_back(cluster: Cluster) -> None:
    """Slurm would take it back: requeue works on jobs that scancel is just ending."""
    cluster.tool("mpiexec", PATIENT)
    code, said = told(cluster, script(cluster.plain_job, SCHEDULERS["slurm"]), signal.SIGTERM)
    assert cluster.note("heard") == ["TERM"]
    assert code == 75
    assert "ended by TERM" in said
    assert cluster.note("scontrol") == []


def test_a_signal_that_comes_before_the_run_listens_is_a_stop_too(cluster: Cluster) -> None:
    cluster.tool("mpiexec", DEAF)
    code, _ = told(cluster, script(cluster.plain_job, SCHEDULERS["slurm"]), signal.SIGUSR1)
    assert code == ENDED_BY_SLURM
    assert cluster.note("scontrol") == ["requeue 7"]


def test_under_pbs_a_clock_asks_for_the_stop(cluster: Cluster) -> None:
    cluster.tool("mpiexec", PATIENT)
    text = script(replace(cluster.plain_job, seconds=2), SCHEDULERS["pbs"])
    code, _ = cluster.turn(text, PBS_JOBID="7.server")
    assert cluster.note("heard") == ["USR1"]
    assert code == 75
    assert len(cluster.note("qsub")) == 1
