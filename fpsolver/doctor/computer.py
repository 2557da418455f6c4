"""Cores, threads and memory of this computer, as far as a run may have them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from fpsolver.doctor.finding import Finding, ok, warning
from fpsolver.doctor.surroundings import Surroundings
from fpsolver.runtime import machine

LITTLE_MEMORY = 2e9
"""Bytes; a 2-D run of default size takes about 0.5 GB, most of it for libraries."""


def cores(about: Surroundings) -> Iterator[Finding]:
    """How many, and who else is at work on them."""
    usable, here, quota = machine.cores(about.root), os.cpu_count() or 1, machine.quota(about.root)
    limits = []
    if machine.affinity() < here:
        limits.append(f"affinity leaves {machine.affinity()} of {here}")
    if quota is not None and quota < machine.affinity():
        limits.append(f"a control group grants the time of {quota:.3g}")
    text = f"a run can use {_count(usable, 'core')}" + (f" ({', '.join(limits)})" if limits else "")
    load = _load(about)
    if load is not None and load >= here:
        yield warning("cores", f"{text}; load {load:.1f} on {here}: others keep them busy", "wait, or use fewer ranks")
    else:
        yield ok("cores", text if load is None else f"{text}; load {load:.1f}")


def threads(about: Surroundings) -> Finding:
    """Threads of each rank."""
    given = about.environment.get("OMP_NUM_THREADS")
    usable = machine.cores(about.root)
    if not given:
        return ok("threads", "OMP_NUM_THREADS is not set, so a run takes 1: ranks are its threads")
    first = given.split(",")[0].strip()
    if not first.isdecimal() or first == "0":
        return warning("threads", f"OMP_NUM_THREADS={given} is not a number of threads", "export OMP_NUM_THREADS=1")
    if int(first) > usable:
        text = f"OMP_NUM_THREADS={given}: so many in every rank, and {_count(usable, 'core')} for all"
        return warning("threads", text, "export OMP_NUM_THREADS=1, and use ranks instead")
    if int(first) > 1:
        most = _count(usable // int(first), "rank")
        return ok("threads", f"OMP_NUM_THREADS={given}: at most {most} without crowding; 1 is right for most runs")
    return ok("threads", "OMP_NUM_THREADS=1: ranks are the threads of a run")


def memory(about: Surroundings) -> Finding:
    """What is free, within the limits of control groups."""
    free = machine.free_memory(about.root)
    if free is None:
        return ok("memory", "cannot be found out on this system")
    text = f"{free / 1e9:.1f} GB free"
    if free < LITTLE_MEMORY:
        return warning("memory", text, "fpsolver validate CASE says how much a case needs; end other programs, or ask "
                       "the scheduler for more")  # fmt: skip
    return ok("memory", text)


def _load(about: Surroundings) -> float | None:
    """Processes that wanted a core, over the last minute."""
    try:
        return float((about.root / "proc/loadavg").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
