"""What a run needs around the mathematics: ranks, signals, log and console, results folder, timing.

A leaf: imports nothing of the project but ``errors``, and no MPI before `start_mpi` is called.
"""

from __future__ import annotations

from fpsolver.runtime import atomic
from fpsolver.runtime.deadline import Deadline, job_of, time_left
from fpsolver.runtime.folder import RunFolder
from fpsolver.runtime.log import Console, Progress, RunLog
from fpsolver.runtime.ranks import agree, is_root, on_root, rank, size, start_mpi, tell
from fpsolver.runtime.signals import StopFlag
from fpsolver.runtime.streams import OutputRefused, say, silenced, speak_plainly
from fpsolver.runtime.timing import Timing

__all__ = [
    "Console",
    "Deadline",
    "OutputRefused",
    "Progress",
    "RunFolder",
    "RunLog",
    "StopFlag",
    "Timing",
    "agree",
    "atomic",
    "is_root",
    "job_of",
    "on_root",
    "rank",
    "say",
    "silenced",
    "size",
    "speak_plainly",
    "start_mpi",
    "tell",
    "time_left",
]
