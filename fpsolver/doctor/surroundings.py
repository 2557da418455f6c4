"""What checks look at: variables, programs, other processes. All can be replaced, so that faults can be tested."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

from fpsolver.runtime import launchers

_SOURCE = str(Path(__file__).parents[2])
_OF_LAUNCHERS = ("PMI_", "PMIX_", "OMPI_COMM_", "OMPI_UNIVERSE", "OMPI_APP", "HYDI_", "HYDRA_", "MPI_LOCAL", "MV2_COMM")

_AT_ONCE = 10.0  # seconds


class NoAnswer(Exception):
    """A program did not do what it was started for; the message says how it ended."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        code: Its exit code, minus the signal that killed it; None where it was stopped after ``seconds``.
        output: Standard output.
        errors: Standard error.
        seconds: How long it took.
    """

    code: int | None
    output: str
    errors: str
    seconds: float

    @property
    def failure(self) -> str:
        """Why it failed, in one line; empty where it did not."""
        if self.code == 0:
            return ""
        if self.code is None:
            return f"no end after {self.seconds:.0f} s"
        if self.code < 0:
            return f"killed by {signal.Signals(-self.code).name}"
        said = [line.strip() for line in self.errors.splitlines() if line.strip(" -=*")] or ["no message"]
        return f"exit code {self.code}: {said[-1 if 'Traceback' in self.errors else 0]}"  # the cause of either


class Runner(Protocol):
    """Starts a program, waits for it, but not for ever."""

    def __call__(self, command: Sequence[str], *, environment: Mapping[str, str], timeout: float) -> Outcome: ...


def run(command: Sequence[str], *, environment: Mapping[str, str], timeout: float) -> Outcome:
    """The true `Runner`: what hangs is ended with all that it has started.

    Raises:
        NoAnswer: There is no such program, or it cannot be started.
    """
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise NoAnswer(f"{command[0]} cannot be started ({error.strerror or error})") from None
    code: int | None = None
    try:
        output, errors = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        _end(process)
        output, errors = process.communicate()
    except BaseException:  # such as Ctrl-C, which a session of its own does not hear
        _end(process)
        raise
    return Outcome(code, output, errors, time.monotonic() - began)


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Surroundings:
    """Facts that a check may ask for.

    Attributes:
        environment: Variables.
        folder: Where a run would write its results.
        which: Finds a program on the PATH.
        run: Starts programs.
        root: Of the file system, for /proc and /sys.
        version: Of an installed package; raises PackageNotFoundError.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    folder: Path = field(default_factory=Path.cwd)
    which: Callable[[str], str | None] = shutil.which
    run: Runner = run
    root: Path = Path("/")
    version: Callable[[str], str] = metadata.version

    def start(self, command: Sequence[str], timeout: float) -> Outcome:
        """Run a program as if no launcher had started us; raises NoAnswer where there is no such program."""
        environment = dict(self.environment)
        if launchers.launch(environment) is not None:
            environment = {name: value for name, value in environment.items() if not name.startswith(_OF_LAUNCHERS)}
        return self.run(command, environment=environment, timeout=timeout)

    def first_line(self, command: Sequence[str]) -> str:
        """What a program that answers at once says first, such as its version.

        Raises:
            NoAnswer: It failed, is not there, or says nothing.
        """
        outcome = self.start(command, _AT_ONCE)
        lines = (line.strip() for line in (outcome.output + "\n" + outcome.errors).splitlines())
        first = next((line for line in lines if line), "")
        if outcome.failure or not first:
            raise NoAnswer(outcome.failure or "it says nothing")
        return first

    def ask(self, probe: str, *words: str, timeout: float = 60.0) -> dict[str, Any]:
        """The answer of a probe, which runs in a process of its own: it may crash or hang.

        Args:
            probe: Name of a module in `fpsolver.doctor.probes`.
            words: Its arguments.
            timeout: In seconds.

        Raises:
            NoAnswer: It failed, crashed or hung.
        """
        outcome = self.start(probing(probe, *words), timeout)
        if outcome.failure:
            raise NoAnswer(outcome.failure)
        return answers(outcome.output)[-1]


def probing(probe: str, *words: str) -> list[str]:
    """The command that runs a probe; without the current folder, whose files could hide those of Python."""
    start = f"import sys; sys.path.append({_SOURCE!r}); from fpsolver.doctor.probes import {probe}; {probe}.main()"
    return [sys.executable, "-P", "-c", start, *words]


def answers(output: str) -> list[dict[str, Any]]:
    """The answers of probes, a line each; libraries may have said something between them.

    Raises:
        NoAnswer: There is none.
    """
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{") and line.endswith("}")]
    if not found:
        raise NoAnswer("it ended without an answer")
    return found
