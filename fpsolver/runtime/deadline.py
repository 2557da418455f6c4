"""How long a run may take: as its case says, or as the scheduler whose job it is in."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence

SHARE, LEAST = 0.02, 30.0
"""What is left of the time for a last solve and for files: this share, and at least so many seconds ..."""

MOST = 0.25
"""... but never more than this share."""

GAPS = 2.0
"""And so many times the longest time between two moments at which a run can stop."""

_PATIENCE = 20.0  # seconds, with a scheduler that is asked

Ask = Callable[[Sequence[str]], str]


def time_left(walltime: float | None, environment: Mapping[str, str] = os.environ, ask: Ask | None = None) -> float:
    """Seconds that this process may still run, infinite if nothing limits it. For one rank.

    Args:
        walltime: As the case says; None: as the scheduler says.
        environment: In which jobs find their number and end.
        ask: Runs a command of the scheduler and gives what it prints.
    """
    if walltime is not None:
        return walltime
    asked = ask or _asked
    if job := environment.get("SLURM_JOB_ID"):
        end = environment.get("SLURM_JOB_END_TIME", "")
        if end.isdecimal():
            return float(end) - time.time()
        return _seconds(asked(["squeue", "--noheader", f"--jobs={job}", "--format=%L"]))
    if job := environment.get("PBS_JOBID"):
        said = asked(["qstat", "-f", job])
        limit = re.search(r"Resource_List\.walltime\s*=\s*(\S+)", said)
        used = re.search(r"resources_used\.walltime\s*=\s*(\S+)", said)
        return _seconds(limit[1] if limit else "") - (_seconds(used[1]) if used else 0.0)
    return float("inf")


def job_of(environment: Mapping[str, str] = os.environ) -> str | None:
    """The job of a scheduler that this process belongs to; None outside of jobs."""
    return environment.get("SLURM_JOB_ID") or environment.get("PBS_JOBID")


class Deadline:
    """When a run has to end, and the longest time that it once went without asking.

    Args:
        seconds: That are left now; may be infinite.
        clock: Seconds, ascending.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._seconds = clock, seconds
        self._begin = self._last = clock()
        self._gap = 0.0

    def is_near(self) -> bool:
        """Whether the run should stop now; every call counts as a moment at which it can."""
        now = self._clock()
        self._gap, self._last = max(self._gap, now - self._last), now
        spare = min(max(LEAST, SHARE * self._seconds), MOST * self._seconds) + GAPS * self._gap
        return now - self._begin >= self._seconds - spare


def _asked(words: Sequence[str]) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _seconds(text: str) -> float:
    """Of ``D-HH:MM:SS``, ``HH:MM:SS`` or ``MM:SS``; infinite if it is none of them, such as UNLIMITED."""
    found = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", text.strip())
    if found is None:
        return float("inf")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 86400.0 * days + 3600.0 * hours + 60.0 * minutes + seconds
