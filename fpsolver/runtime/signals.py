"""Ctrl-C, TERM and USR1 ask the run to stop in order: a flag now, an agreed decision at the next step.

PETSc replaces handlers that were there before it, so a `StopFlag` is entered after `start_mpi`.
"""

from __future__ import annotations

import os
import signal
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

# One press may come twice, from the terminal and from the launcher that passes it on.
_ONE_PRESS = 0.5  # seconds


class StopFlag:
    """A flag that signals raise while the ``with`` block runs; the former handlers come back after it.

    A second Ctrl-C ends the process at once, with code 130 and nothing written.
    """

    def __init__(self) -> None:
        self._number = 0
        self._interrupted: float | None = None  # when Ctrl-C was pressed first
        self._former: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        for each in _ASKING:
            self._former[each] = signal.signal(each, self._raise_flag)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, handler in self._former.items():
            # None stands for a handler that was not installed from Python and cannot be put back.
            signal.signal(each, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]
        self._former.clear()

    @property
    def raised(self) -> bool:
        """True if this rank has been asked to stop; other ranks may not know yet."""
        return self._number != 0

    @property
    def reason(self) -> str | None:
        """Name of the signal, such as ``SIGTERM``; after `agreed` the same on all ranks."""
        return signal.Signals(self._number).name if self._number else None

    def agreed(self, comm: Intracomm) -> bool:
        """True on all ranks if any rank has been asked to stop; collective (one integer is reduced)."""
        from mpi4py import MPI

        number = comm.allreduce(self._number, op=MPI.MAX)
        if number:  # else leave it alone: a signal may have come since
            self._number = number
        return bool(number)

    def _raise_flag(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            now = time.monotonic()
            if self._interrupted is not None and now - self._interrupted > _ONE_PRESS:
                os._exit(128 + signal.SIGINT)
            self._interrupted = now if self._interrupted is None else self._interrupted
        self._number = number
