"""Slurm or PBS: is it there, and what has it given to the job that we are in?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fpsolver.doctor.finding import Finding, ok, warning
from fpsolver.doctor.surroundings import NoAnswer, Surroundings


def scheduler(about: Surroundings) -> Iterator[Finding]:
    """What is installed, then the job."""
    for name, command in (("Slurm", "sbatch"), ("PBS", "qsub")):
        found = about.which(command)
        if found is not None:
            yield _version(about, name, found)
            break
    else:
        yield ok("scheduler", "none here: runs start at once, on this computer")
    if "SLURM_JOB_ID" in about.environment:
        yield _slurm_job(about)
    elif "PBS_JOBID" in about.environment:
        yield _pbs_job(about)


def _version(about: Surroundings, name: str, command: str) -> Finding:
    try:
        return ok("scheduler", f"{name}, {command}: {about.first_line([command, '--version'])}")
    except NoAnswer as error:
        text = f"{name}, {command}, does not answer: {error}"
        return warning("scheduler", text, "runs need none here; ask who runs this computer, if you want to submit")


def _slurm_job(about: Surroundings) -> Finding:
    of = about.environment.get
    job = of("SLURM_JOB_ID", "")
    nodes, tasks = of("SLURM_JOB_NUM_NODES", "?"), of("SLURM_NTASKS")
    squeue = about.which("squeue")
    try:
        left = about.first_line([squeue, "--noheader", "--jobs", job, "--format", "%L"]) if squeue else "unknown"
    except NoAnswer:
        left = "unknown"
    text = f"Slurm job {job}: {_count(nodes, 'node')}"
    if tasks is None:
        text += f", no number of tasks, time left: {left}"
        return warning("job", text, "ask for them with --ntasks=N, or say how many ranks by mpiexec -n N")
    return ok("job", f"{text}, {_count(tasks, 'task')}, time left: {left}")


def _pbs_job(about: Surroundings) -> Finding:
    of = about.environment.get
    try:
        hosts = Path(of("PBS_NODEFILE", "")).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        hosts = []
    nodes, tasks = (str(len(set(hosts))), str(len(hosts))) if hosts else ("?", "?")
    qstat = about.which("qstat")
    said = _entries(about, [qstat, "-f", of("PBS_JOBID", "")]) if qstat else {}
    allowed, used = said.get("Resource_List.walltime"), said.get("resources_used.walltime", "00:00:00")
    time = f"{used} of {allowed} used" if allowed else "time left: unknown"
    return ok("job", f"PBS job {of('PBS_JOBID')}: {_count(nodes, 'node')}, {_count(tasks, 'task')}, {time}")


def _entries(about: Surroundings, command: list[str]) -> dict[str, str]:
    """What follows each name in lines ``name = value``."""
    try:
        outcome = about.start(command, 10.0)
    except NoAnswer:
        return {}
    lines = (line.partition(" = ") for line in outcome.output.splitlines())
    return {name.strip(): value.strip() for name, equals, value in lines if equals}


def _count(number: str, noun: str) -> str:
    return f"{number} {noun}" if number == "1" else f"{number} {noun}s"
