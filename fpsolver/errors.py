"""Errors that a user can meet, each with the exit code of the program. A leaf: imports nothing of the project."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns to the shell."""

    DONE = 0
    BAD_CASE = 2
    SOLVER_FAILED = 3
    CERTIFICATE_FAILED = 4
    STOPPED = 75


class FpsolverError(Exception):
    """An error with a message for the user; all ranks raise it together, rank 0 prints it once."""

    exit_code: ExitCode = ExitCode.SOLVER_FAILED


class BadUsage(FpsolverError):
    """The command line or the results folder does not allow what was asked; nothing was touched."""

    exit_code = ExitCode.BAD_CASE


class SolverFailed(FpsolverError):
    """A solver did not reach its tolerance; the message names the reason and a remedy."""

    exit_code = ExitCode.SOLVER_FAILED


class Stopped(FpsolverError):
    """The run was asked to stop (Ctrl-C, SIGTERM, wall time) and did so in order."""

    exit_code = ExitCode.STOPPED
