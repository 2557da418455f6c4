"""Launchers of ranks: two are really started, and have to find each other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from fpsolver.doctor.finding import Finding, Verdict, ok, problem, warning
from fpsolver.doctor.surroundings import NoAnswer, Surroundings, answers, probing
from fpsolver.runtime import launchers

PATIENCE = 30.0
"""Seconds; two ranks meet in about one."""

PLUGINS = ("pmi2", "pmix", "cray_shasta")

Tried = tuple[bool, str]
"""Whether two ranks met, and what was seen."""


def launching(about: Surroundings) -> Iterator[Finding]:
    """The launcher of a run, others that one could start by mistake, and srun inside a job."""
    ours = launchers.launcher_of_this_python(about.which)
    if ours is None:
        yield problem("launcher", "no mpiexec beside this Python or on the PATH: runs have one rank",
                      "install the mpiexec of the MPI of this Python")  # fmt: skip
    else:
        met, seen = _try(about, [ours, "-n", "2"])
        if met:
            yield ok("launcher", f"{ours}: {seen}")
        else:
            yield problem("launcher", f"{ours}: {seen}", "use the mpiexec of the MPI of this Python")
    for other in _others(about, ours):
        met, seen = _try(about, [other, "-n", "2"])
        if met:
            yield ok(Path(other).name, f"{other} works too: {seen}")
        else:
            yield warning(Path(other).name, f"{other} ({_version(about, other)}): {seen}", f"write {ours} instead")
    yield from _srun(about)


def _others(about: Surroundings, ours: str | None) -> Iterator[str]:
    """What the names of launchers mean on the PATH, where it is not ours; each program once."""
    seen = set() if ours is None else {os.path.realpath(ours)}
    beside = None if ours is None else os.path.realpath(Path(ours).parent)
    for name in ("mpiexec", "mpirun"):
        found = about.which(name)
        if found is not None and os.path.realpath(found) not in seen and os.path.realpath(Path(found).parent) != beside:
            seen.add(os.path.realpath(found))
            yield found


def _version(about: Surroundings, launcher: str) -> str:
    try:
        return about.first_line([launcher, "--version"])
    except NoAnswer:
        return "version unknown"


def _srun(about: Surroundings) -> Iterator[Finding]:
    """Which way of srun serves this MPI; it can only be tried where there are two tasks to start."""
    srun = about.which("srun")
    if srun is None:
        return
    tasks = about.environment.get("SLURM_NTASKS", "")
    if "SLURM_JOB_ID" not in about.environment or not tasks.isdecimal() or int(tasks) < 2:
        yield ok("srun", f"{srun}: not tried; inside a job of two tasks or more the doctor starts two ranks with it")
        return
    plain = [srun, "-n", "2", "--overlap"]
    met, seen = _try(about, plain)
    if met:
        yield ok("srun", f"srun: {seen}")
        return
    for plugin in PLUGINS:
        works, then = _try(about, [*plain, f"--mpi={plugin}"])
        if works:
            yield Finding("srun", Verdict.WARNING, f"srun: {seen}; with --mpi={plugin}: {then}",
                          f"srun --mpi={plugin} ..., or export SLURM_MPI_TYPE={plugin}")  # fmt: skip
            return
    yield warning("srun", f"srun: {seen}, and no plug-in of {', '.join(PLUGINS)} helps", "use mpiexec in jobs too")


def _try(about: Surroundings, launcher: Sequence[str]) -> Tried:
    """Start two ranks with a launcher."""
    try:
        outcome = about.start([*launcher, *probing("ranks")], PATIENCE)
        met = answers(outcome.output) if not outcome.failure else []
    except NoAnswer as error:
        return False, str(error)
    if outcome.failure:
        return False, f"two ranks do not start: {outcome.failure}"
    library = met[0]["library"]
    if [answer["size"] for answer in met] == [2, 2] and all(answer["met"] == 2 for answer in met):
        return True, f"two ranks of {library} find each other"
    if [answer["size"] for answer in met] == [1, 1]:
        return False, f"each copy is rank 0 of 1; it does not serve {library} of this Python"
    return False, f"of two ranks {len(met)} answered, of {sorted({answer['size'] for answer in met})}"


def started_by(about: Surroundings) -> Iterator[Finding]:
    """Where a launcher has started the doctor itself."""
    started = launchers.launch(about.environment)
    if started is not None and started.size > 1:
        text = f"{started.by.name} started {started.size} copies of the doctor ({started.by.size}); one speaks"
        yield warning("this command", text, f"no launcher is needed: {sys.executable} -m fpsolver doctor")
