"""Work that one rank does for all, or all ranks do at once, failing together or not at all.

A rank that raises alone leaves the others waiting for ever in their next collective call. Here the outcome is shared
first; then every rank returns, or every rank raises an error of the same type and message.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fpsolver.errors import FpsolverError

if TYPE_CHECKING:
    from mpi4py import MPI


class OutputFailed(FpsolverError):
    """A file of the results folder could not be written."""


def on_root[T](comm: MPI.Comm, work: Callable[[], T], path: Path) -> T:
    """Run ``work`` on rank 0 and share its result. Collective.

    Args:
        comm: The ranks that wait for the outcome.
        work: Called on rank 0 only; its result should be small, as it is sent to all.
        path: The file being written, named in the message when the operating system refuses.

    Raises:
        OutputFailed: On all ranks, when ``work`` raised an OSError (disk full, no permission).
        Exception: On all ranks, whatever else ``work`` raised.
    """
    outcome: tuple[T | None, Exception | None] = (None, None)
    if comm.rank == 0:
        outcome = _attempt(work, path)
    result, error = comm.bcast(outcome)
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]  # what work returned on rank 0


def together(comm: MPI.Comm, work: Callable[[], object], path: Path) -> None:
    """Run ``work`` on every rank; if any fails, all raise the error of the lowest failing rank. Collective."""
    errors = [error for error in comm.allgather(_attempt(work, path)[1]) if error is not None]
    if errors:
        raise errors[0]


def gather_pieces[T](comm: MPI.Comm, piece: T) -> list[T]:
    """The pieces of all ranks in rank order on rank 0, an empty list elsewhere. The one place where fields meet."""
    return comm.gather(piece) or []


def _attempt[T](work: Callable[[], T], path: Path) -> tuple[T | None, Exception | None]:
    try:
        return work(), None
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "make room or choose another folder with -o, then give the same command again"
        return None, OutputFailed(f"{path}: could not be written, {reason}; {remedy}")
    except Exception as error:
        return None, _portable(error)


def _portable(error: Exception) -> Exception:
    """The error itself if it survives the journey to the other ranks, else one that says the same."""
    try:
        copy.copy(error)  # goes through the same protocol as sending it
    except Exception:
        return FpsolverError(f"{type(error).__name__}: {error}")
    return error
