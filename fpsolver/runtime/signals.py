"""What asks a run to stop in order: Ctrl-C, TERM and USR1, a file STOP in its folder, the end of its time.

A flag now, an agreed decision at the next step.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from fpsolver.errors import Stopped
from fpsolver.runtime.deadline import Deadline
from fpsolver.runtime.ranks import is_root, size

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

STOP_FILE = "STOP"
_BY_FILE, _BY_TIME = 1001, 1002  # beside the numbers of signals
_LOOK_EVERY = 1.0  # seconds

# One press may come twice, from the terminal and from the launcher that passes it on.
_ONE_PRESS = 0.5  # seconds


class StopFlag:
    """A flag that signals raise while the ``with`` block runs; the former handlers come back after it.

    It may be entered before `start_mpi`, whose PETSc leaves handlers alone. A second Ctrl-C ends the process
    at once, with code 130; files under their final names are whole even then.
    """

    def __init__(self) -> None:
        self._number = 0
        self._interrupted: float | None = None  # when Ctrl-C was pressed first
        self._former: dict[signal.Signals, object] = {}
        self._may_interrupt = False
        self._file: Path | None = None
        self._deadline: Deadline | None = None
        self._looked = 0.0

    def __enter__(self) -> Self:
        for each in _ASKING:
            self._former[each] = signal.getsignal(each)
            self._install(each)
        if size() == 1:  # a launcher ends all ranks itself when Ctrl-C is pressed twice
            _let_the_second_kill(signal.SIGINT)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each, handler in self._former.items():
            # None stands for a handler that was not installed from Python and cannot be put back.
            signal.signal(each, signal.SIG_DFL if handler is None else handler)  # type: ignore[arg-type]
        self._former.clear()

    def watch(self, folder: Path, deadline: Deadline) -> None:
        """From now on a file STOP in the folder asks to stop, too, and so does the deadline. For rank 0."""
        self._file, self._deadline, self._looked = folder / STOP_FILE, deadline, 0.0

    @property
    def raised(self) -> bool:
        """True if this rank has been asked to stop; other ranks may not know yet."""
        return self._number != 0

    @property
    def reason(self) -> str | None:
        """What asked, such as ``SIGTERM``; after `agreed` the same on all ranks."""
        if self._number == _BY_FILE:
            return f"the file {STOP_FILE}, to be deleted before the run goes on"
        if self._number == _BY_TIME:
            return "the end of its time"
        return signal.Signals(self._number).name if self._number else None

    def agreed(self, comm: Intracomm) -> bool:
        """True on all ranks if any rank has been asked to stop; collective (one integer is reduced)."""
        from mpi4py import MPI

        self._look()
        number = comm.allreduce(self._number, op=MPI.MAX)
        if number:  # else leave it alone: a signal may have come since
            self._number = number
        return bool(number)

    def end_if_asked(self, comm: Intracomm, when: str) -> None:
        """Raise `Stopped` on all ranks if any has been asked to stop; ``when`` goes into the message. Collective."""
        if self.agreed(comm):
            raise Stopped(f"stopped by {self.reason} {when}; the same command starts it again")

    def unless_asked[Result](self, work: Callable[[], Result]) -> Result | None:
        """The result of ``work``, or None as soon as this rank is asked to stop.

        For work without collective calls: it may end on one rank and not on another. It is interrupted as by a
        Ctrl-C that nobody handles, so libraries behave as they do then.
        """
        try:
            self._may_interrupt = True
            return None if self.raised else work()
        except KeyboardInterrupt:
            return None
        finally:
            self._may_interrupt = False

    def _look(self) -> None:
        if self.raised or self._file is None or self._deadline is None:
            return
        if self._deadline.is_near():
            self._number = _BY_TIME
        elif time.monotonic() - self._looked >= _LOOK_EVERY:
            self._looked = time.monotonic()
            if self._file.exists():
                self._number = _BY_FILE

    def _install(self, each: signal.Signals) -> None:
        signal.signal(each, self._raise_flag)
        signal.siginterrupt(each, False)  # libraries that are reading, such as MPI at its start, read on

    def _raise_flag(self, number: int, frame: FrameType | None) -> None:
        first = not self.raised
        if number == signal.SIGINT:
            now = time.monotonic()
            if self._interrupted is not None and now - self._interrupted > _ONE_PRESS:
                if is_root():
                    with suppress(OSError):
                        os.write(2, b"\nended by a second Ctrl-C; the same command starts the run again\n")
                os._exit(128 + signal.SIGINT)
            self._interrupted = now if self._interrupted is None else self._interrupted
            self._install(signal.SIGINT)  # from now on we see the second one
        self._number = number
        if first and self._may_interrupt:
            raise KeyboardInterrupt


def _let_the_second_kill(number: signal.Signals) -> None:
    """Let the kernel obey a second signal as long as Python has not seen the first.

    Python sees signals between its own instructions, and a factorization may take minutes. So the handler
    that Python has installed is installed anew, for one signal only (SA_RESETHAND is what System V did).
    """
    import ctypes

    with suppress(OSError, AttributeError):  # a C library without System V: the second waits as the first does
        library = ctypes.CDLL(None)
        library.signal.restype = ctypes.c_void_p
        library.signal.argtypes = library.sysv_signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
        library.sysv_signal(number, library.signal(number, None))
