"""What Slurm and PBS do differently: directives, launching, queueing again, and the commands that a user needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpsolver.batch.job import Job
from fpsolver.batch.times import hours, margin
from fpsolver.errors import BadUsage


@dataclass(frozen=True)
class Scheduler:
    """One kind of queue.

    Attributes:
        command: Submits a script and prints the number of the job.
        options: Of that command.
        suffix: Of scripts.
        longest_name: Of a job, in letters.
        directives: Comments at the head of the script that the scheduler reads.
        log: Where the job writes, for the shell that runs it.
        turn: Number of this turn, from 1, for the shell.
        launch: Words before ``python``.
        again: Shell commands, joined by ``&&``, that make the job queue again.
        ways: What to do with a job, and the command for it, with ``{job}`` for its number.
    """

    command: str
    options: tuple[str, ...]
    suffix: str
    longest_name: int
    directives: Callable[[Job], list[str]]
    log: str
    turn: str
    launch: Callable[[Job], list[str]]
    again: str
    ways: dict[str, str]


def _slurm_directives(job: Job) -> list[str]:
    asked = {
        "job-name": job.name,
        "nodes": str(job.nodes),
        "ntasks-per-node": str(job.tasks),
        "time": hours(job.seconds),
        "partition": job.partition,
        "account": job.account,
        "qos": job.qos,
        "mem": job.memory,
        # Relative to where sbatch is called, so that no folder has to pass through Slurm's own quoting.
        "output": f"{job.name}-%j.out",
        "open-mode": "append",
        "signal": f"B:USR1@{margin(job.seconds)}",
    }
    return [*(f"#SBATCH --{name}={value}" for name, value in asked.items() if value), "#SBATCH --requeue"]


def _pbs_directives(job: Job) -> list[str]:
    if job.qos is not None:
        raise BadUsage("--qos: PBS knows none; leave it out, or name a queue with --partition")
    memory = f":mem={job.memory.lower()}b" if job.memory else ""
    lines = [
        f"-N {job.name}",
        f"-l select={job.nodes}:ncpus={job.tasks}:mpiprocs={job.tasks}{memory}",
        f"-l walltime={hours(job.seconds)}",
        f"-q {job.partition}" if job.partition else "",
        f"-A {job.account}" if job.account else "",
        "-j oe",
        "-r y",
    ]
    return [f"#PBS {line}" for line in lines if line]


def _slurm_launch(job: Job) -> list[str]:
    # --mpi=none would start as many runs as there are ranks, each of one rank
    return ["srun", "--mpi=pmi2"] if job.launcher == "srun" else [job.launcher, "-n", str(job.ranks)]


def _pbs_launch(job: Job) -> list[str]:
    if job.launcher == "srun":
        raise BadUsage("--launcher srun: PBS has none; write --launcher mpiexec")
    # PBS gives no notice before it ends a job, so a clock does.
    clock = ["timeout", "--foreground", "--preserve-status", "--signal=USR1", str(job.seconds - margin(job.seconds))]
    return [*clock, job.launcher, "-n", str(job.ranks)]


SCHEDULERS = {
    "slurm": Scheduler(
        command="sbatch",
        options=("--parsable",),
        suffix=".sbatch",
        longest_name=64,
        directives=_slurm_directives,
        log="",
        turn="$((${SLURM_RESTART_COUNT:-0} + 1))",
        launch=_slurm_launch,
        # Slurm ends a script that has asked for this; one that ends by itself could be taken for a job that is over.
        again='scontrol requeue "$SLURM_JOB_ID" && { sleep 60; :; } 2>/dev/null',
        ways={
            "queue": "squeue -j {job}",
            "pause": "scancel --signal=USR1 --batch {job}",
            "end": "scancel {job}",
        },
    ),
    "pbs": Scheduler(
        command="qsub",
        options=(),
        suffix=".pbs",
        longest_name=15,
        directives=_pbs_directives,
        log="${PBS_JOBID%%.*}",
        turn="${FPSOLVER_TURN:-1}",
        launch=_pbs_launch,
        again='cd -- "${script%/*}" && qsub -v FPSOLVER_TURN=$((turn + 1)) "$script"',
        ways={
            "queue": "qstat {job}",
            "pause": "qsig -s USR1 {job}",
            "end": "qdel {job}",
        },
    ),
}
