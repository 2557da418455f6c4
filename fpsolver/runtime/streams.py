"""Standard output and error as they may be: without Greek letters, closed by the reader, or on a full disk."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from fpsolver.errors import ExitCode

BROKEN_PIPE = 141
"""What a shell says of a command whose reader has gone, as ``head`` does when it has enough."""


class OutputRefused(Exception):
    """Standard output takes no more."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.exit_code = BROKEN_PIPE if isinstance(error, BrokenPipeError) else int(ExitCode.SOLVER_FAILED)


def speak_plainly() -> None:
    """Show a substitute for what a terminal cannot, instead of ending with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace" if stream is sys.stdout else "backslashreplace")


def say(text: str) -> None:
    """A line (or a few) on standard output.

    Raises:
        OutputRefused: It is closed, or the disk is full.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        raise OutputRefused(error) from None


def silenced(refused: OutputRefused) -> int:
    """Send further output nowhere, explain a full disk, and return the exit code."""
    to_nowhere(sys.stdout)
    if refused.exit_code != BROKEN_PIPE:
        print(f"standard output cannot be written ({refused})", file=sys.stderr, flush=True)
    return refused.exit_code


def to_nowhere(stream: TextIO) -> None:
    """Python flushes once more when it ends; that must not fail again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
