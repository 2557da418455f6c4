"""Files that one rank writes for all, or all write at once: all fail together, and the message names the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fpsolver.errors import FpsolverError
from fpsolver.runtime import agree, ranks

if TYPE_CHECKING:
    from mpi4py import MPI


class OutputFailed(FpsolverError):
    """A file of the results folder could not be written."""


def on_root[T](comm: MPI.Intracomm, work: Callable[[], T], path: Path) -> T:
    """Run ``work`` on rank 0 and share its result. Collective.

    Args:
        comm: The ranks that wait for the outcome.
        work: Called on rank 0 only; its result should be small, as it is sent to all.
        path: The file being written, named in the message when the operating system refuses.

    Raises:
        OutputFailed: On all ranks, when ``work`` raised an OSError (disk full, no permission).
        Exception: On all ranks, whatever else ``work`` raised.
    """

    def named() -> T:
        with _naming(path):
            return work()

    return ranks.on_root(comm, named)


def together[T](comm: MPI.Intracomm, work: Callable[[], T], path: Path) -> T:
    """Run ``work`` on every rank; if any fails, all raise the error of the lowest failing rank. Collective.

    Returns:
        This rank's own result.

    Raises:
        OutputFailed: As `on_root`.
        Exception: As `on_root`.
    """
    failure: Exception | None = None
    results: list[T] = []
    try:
        with _naming(path):
            results.append(work())
    except Exception as error:
        failure = error
    agree(comm, failure)
    return results[0]


def gather_pieces[T](comm: MPI.Intracomm, piece: T) -> list[T]:
    """The pieces of all ranks in rank order on rank 0, an empty list elsewhere. The one place where fields meet."""
    return comm.gather(piece) or []


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "make room or choose another folder with -o, then give the same command again"
        raise OutputFailed(f"{path}: could not be written, {reason}; {remedy}") from None
