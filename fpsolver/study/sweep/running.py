"""Runs members side by side, each in a process of its own, and passes requests to stop on to them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import IO, Protocol

from fpsolver.errors import ExitCode
from fpsolver.runtime import StopFlag

_BEAT = 0.05  # seconds between two looks at the processes
_PASSED_ON = signal.SIGTERM  # launchers pass it on to their ranks, as they do not with Ctrl-C
_ONE_PRESS = 0.5  # seconds in which one press may come twice, from the terminal and from a launcher
_TAIL = 8192  # bytes of standard error that a message is taken from
_LAST_LINES = 3


@dataclass(frozen=True)
class Ending:
    """How the process of a member ended.

    Attributes:
        exit_code: 128 + n after signal n.
        seconds: That it took.
        message: Its last words on standard error.
    """

    exit_code: int
    seconds: float
    message: str


class Watcher(Protocol):
    """Is told what happens."""

    def began(self, name: str) -> None:
        """A member has been started."""

    def ended(self, name: str, ending: Ending) -> None:
        """Its process has ended."""

    def beat(self, running: Sequence[str]) -> None:
        """Called often; these are running."""


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    since: float


def run_members(
    names: Sequence[str], command: Callable[[str], Sequence[str]], jobs: int, stop: StopFlag, watcher: Watcher
) -> None:
    """Run members until all have ended, or until the sweep is asked to stop and those that run have stopped in order.

    A member that stops of its own accord (its time is up) stands for all: no more are started.

    Args:
        names: Of the members, in the order in which they are started.
        command: The command of a member.
        jobs: How many run at a time.
        stop: Raised by signals; a second Ctrl-C ends all processes at once.
        watcher: Told of all.
    """
    waiting = list(names)
    running: dict[str, _Running] = {}
    told = False
    with _ending_all(running):
        while waiting or running:
            if stop.raised:
                waiting.clear()
                if not told:
                    told = True
                    _end_at_once_on_second(running)
                    for member in running.values():
                        member.process.send_signal(_PASSED_ON)
            while waiting and len(running) < jobs and not stop.raised:
                name = waiting.pop(0)
                running[name] = _started(command(name))
                watcher.began(name)
            for name, member in list(running.items()):
                if member.process.poll() is not None:
                    del running[name]
                    ending = _ending(member, told)
                    if ending.exit_code == ExitCode.STOPPED:
                        waiting.clear()
                    watcher.ended(name, ending)
            watcher.beat(list(running))
            if running:
                time.sleep(_BEAT)


def _started(words: Sequence[str]) -> _Running:
    """A group of its own, so that Ctrl-C in the terminal reaches the sweep alone, which passes it on in order."""
    said = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the member has ended
    environment = {name: value for name, value in os.environ.items() if name != "FPSOLVER_COLUMNS"}
    process = subprocess.Popen(
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # run.log has it
        stderr=said,
        env=environment | {"OMP_NUM_THREADS": "1"},
        process_group=0,
    )
    return _Running(process, said, time.monotonic())


def _ending(member: _Running, told: bool) -> Ending:
    code = member.process.returncode
    code = code if code >= 0 else 128 - code
    if told and code not in tuple(ExitCode):  # it had not yet begun to listen
        code = int(ExitCode.STOPPED)
    with member.said as said:
        said.seek(max(0, said.seek(0, os.SEEK_END) - _TAIL))
        lines = said.read().decode(errors="replace").splitlines()
    spoken = [line.strip() for line in lines if line.strip() and not line.startswith("warning: ")]
    message = " ".join(spoken[-_LAST_LINES:])
    if code > 128 and not message:
        with contextlib.suppress(ValueError):
            message = f"killed by {signal.Signals(code - 128).name}"
            message += "; was there enough memory?" if code == 128 + signal.SIGKILL else ""
    return Ending(code, time.monotonic() - member.since, message)


@contextlib.contextmanager
def _ending_all(running: dict[str, _Running]) -> Iterator[None]:
    """Leave no process behind where the sweep ends with an error, or with the terminal that it was started in."""
    former = signal.getsignal(signal.SIGHUP)
    if former is not signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, lambda number, frame: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    except BaseException:
        _kill(running)
        raise
    finally:
        signal.signal(signal.SIGHUP, former)


def _end_at_once_on_second(running: dict[str, _Running]) -> None:
    """From now on Ctrl-C ends the processes of the members and this one; `StopFlag` knows of this one only."""
    begun = time.monotonic()

    def end(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - begun < _ONE_PRESS:
            return
        _kill(running)
        with contextlib.suppress(OSError):
            os.write(2, b"\nended by a second Ctrl-C; the same command goes on with what is not done\n")
        os._exit(128 + signal.SIGINT)

    signal.signal(signal.SIGINT, end)


def _kill(running: dict[str, _Running]) -> None:
    for member in running.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(member.process.pid, signal.SIGKILL)
