"""``fpsolver submit``: check the case as `run` does, write the script of a job, hand it to the scheduler."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from fpsolver.batch.job import Job
from fpsolver.batch.schedulers import SCHEDULERS, Scheduler
from fpsolver.batch.script import MARK, script, script_path
from fpsolver.batch.times import hours, seconds_of
from fpsolver.batch.words import job_name, memory, plain
from fpsolver.errors import BadUsage, ExitCode
from fpsolver.runtime import atomic, is_root, say
from fpsolver.runtime.folder import check_owner
from fpsolver.runtime.naming import results_folders
from fpsolver.runtime.signals import STOP_FILE


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb understands."""
    add = parser.add_argument
    add("case", metavar="CASE", help="case file (TOML)")
    add("--nodes", type=int, required=True, metavar="N", help="how many nodes")
    add("--tasks-per-node", type=int, required=True, metavar="M", help="ranks on each node")
    add("--time", required=True, metavar="T", help="of one turn: HH:MM:SS, D-HH:MM:SS or minutes")
    add("--partition", metavar="P", help="partition or queue (default: the cluster's)")
    add("--account", metavar="A", help="account to charge")
    add("--qos", metavar="Q", help="quality of service (Slurm)")
    add("--memory", metavar="SIZE", help="memory of each node, such as 16G (default: the cluster's)")
    add("--name", metavar="NAME", help="name of the job (default: that of the results folder)")
    add("-o", "--output", metavar="DIR", help="results folder (default results/<name of the case>)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change an entry, such as parameters.d=0.05")
    add("--no-errors", action="store_true", help="leave the estimates of errors out (run.errors)")
    add("--scheduler", choices=tuple(SCHEDULERS), default="slurm", help="what the cluster has (default slurm)")
    add(
        "--launcher",
        choices=("auto", "srun", "mpiexec"),
        default="auto",
        help="what starts the ranks: srun, the mpiexec on the PATH of the job, or (default) the mpiexec beside python",
    )
    add("--module", action="append", default=[], metavar="NAME", help="module to load in the job; may be repeated")
    add("--venv", metavar="PATH", help="virtual environment of the job (default: the python that runs this)")
    add("--max-restarts", type=int, default=20, metavar="K", help="how often the job may queue again (default 20)")
    add("--dry-run", action="store_true", help="print the script and write nothing")
    parser.epilog = "What follows -- goes to PETSc, as with run"


def run(args: argparse.Namespace) -> ExitCode:
    """Submit a case, or print its script.

    Raises:
        BadCase: With all mistakes of the case.
        BadUsage: The job cannot be as it was asked for, or the scheduler refuses it.
    """
    from fpsolver.case import load_all

    load_all([args.case], args.set + ["run.errors=false"] * args.no_errors)
    scheduler = SCHEDULERS[args.scheduler]
    job = _job(args, scheduler)
    text = script(job, scheduler)
    try:
        check_owner(job.results)
        stopped = (job.results / STOP_FILE).exists()
    except OSError as error:
        raise BadUsage(f"{job.results}: cannot be read ({error.strerror or error}); choose another -o DIR") from None
    if stopped and not args.dry_run:
        raise BadUsage(f"{job.results / STOP_FILE} would stop the run at once; delete it and submit again")
    if not is_root():
        return ExitCode.DONE
    if args.dry_run:
        say(text.rstrip("\n"))
        return ExitCode.DONE
    say(_told(job, scheduler, _submitted(job, scheduler, text)))
    return ExitCode.DONE


def _job(args: argparse.Namespace, scheduler: Scheduler) -> Job:
    (folder,) = results_folders([Path(args.case)], args.output)
    results = Path(os.path.abspath(folder))  # links stay as the user wrote them
    if not results.name:
        raise BadUsage(f"-o {args.output}: the script lies beside the results, so give them a folder of their own")
    python = _python(args.venv)
    switches = [f"--set={change}" for change in args.set] + ["--no-errors"] * args.no_errors
    words = [os.path.abspath(args.case), "-o", str(results), *switches]
    return Job(
        name=job_name(args.name or results.name, scheduler.longest_name),
        nodes=_at_least(1, "--nodes", args.nodes),
        tasks=_at_least(1, "--tasks-per-node", args.tasks_per_node),
        seconds=seconds_of(args.time),
        partition=_named("--partition", args.partition),
        account=_named("--account", args.account),
        qos=_named("--qos", args.qos),
        memory=None if args.memory is None else memory(args.memory),
        modules=tuple(_module(name) for name in args.module),
        python=python,
        launcher=_launcher(args.launcher, python),
        restarts=_at_least(0, "--max-restarts", args.max_restarts),
        results=results,
        here=Path.cwd(),
        words=(*words, *(["--", *args.petsc] if args.petsc else [])),
    )


def _at_least(least: int, option: str, number: int) -> int:
    if number < least:
        raise BadUsage(f"{option} {number}: write a number from {least} on")
    return number


def _named(option: str, word: str | None) -> str | None:
    return None if word is None else plain(option, word)


def _module(name: str) -> str:
    if not name or name.startswith("-"):
        raise BadUsage(f"--module {name!r}: write the name of a module, such as dolfinx/0.11")
    return name


def _python(environment: str | None) -> Path:
    if environment is None:
        return Path(sys.executable)
    python = Path(os.path.abspath(environment)) / "bin" / "python"
    if not python.exists():
        raise BadUsage(f"--venv {environment}: there is no {python}; name the folder that holds bin/python")
    return python


def _launcher(choice: str, python: Path) -> str:
    """An MPI has its launcher; where the one of python's own is at hand, no other will do."""
    own = python.with_name("mpiexec")
    return str(own) if choice == "auto" and own.exists() else choice.replace("auto", "mpiexec")


def _submitted(job: Job, scheduler: Scheduler, text: str) -> str:
    """Write and submit the script; the number of the job."""
    command = shutil.which(scheduler.command)
    if command is None:
        raise BadUsage(
            f"{scheduler.command} is not on the PATH, so nothing was written or submitted; do this where the queue is, "
            "or look at the script with --dry-run"
        )
    path = script_path(job, scheduler)
    try:
        if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace").splitlines()[:2]:
            raise BadUsage(f"{path} was not written by fpsolver submit; move it away, or choose another -o DIR")
        job.folder.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, text)
    except OSError as error:
        raise BadUsage(f"{path}: cannot be written ({error.strerror or error}); choose another -o DIR") from None
    done = subprocess.run(
        [command, *scheduler.options, str(path)], cwd=job.folder, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BadUsage(f"{scheduler.command} refused {path}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip().partition(";")[0]  # sbatch adds the name of a cluster


def _told(job: Job, scheduler: Scheduler, number: str) -> str:
    """What was done, and what the user can do now."""
    log = job.folder / f"{job.name}-{number.partition('.')[0]}.out"
    ways = {name: command.format(job=number) for name, command in scheduler.ways.items()}
    nodes = "1 node" if job.nodes == 1 else f"{job.nodes} nodes"
    rows = [
        ("watch", f"tail -F {_shown(log)}", ways["queue"]),
        ("stop", f"touch {_shown(job.results / STOP_FILE)}", "saves and ends; delete it and submit again to continue"),
        ("pause", ways["pause"], "saves, ends this turn and queues again"),
        ("end", ways["end"], "as it is; submit again to continue"),
    ]
    width = max(len(command) for _, command, _ in rows)
    table = [f"  {name:<6} {command:<{width}}  # {note}" for name, command, note in rows]
    head = f"job {number}: {job.name} on {nodes} with {job.tasks} ranks each, {hours(job.seconds)} a turn"
    return "\n".join([head, f"  script {_shown(script_path(job, scheduler))}", *table])


def _shown(path: Path) -> str:
    """A path as the shell reads it, short where it can be."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
