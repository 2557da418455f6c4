"""Ranks: who am I, who speaks, and how all ranks come to one decision.

Before `start_mpi` the launcher's environment says who we are, so that a mistake in a case is
reported once, by one rank, without MPI. Afterwards the communicator says it.

`agree` and `on_root` are collective. What one rank finds is reduced over all ranks, then all raise
the same error; ``Abort`` is left for the unforeseen.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from fpsolver.errors import BadUsage, ExitCode, FpsolverError, SolverFailed
from fpsolver.runtime import launchers
from fpsolver.runtime.stack import load_wheel, refuse_old_dolfinx

if TYPE_CHECKING:
    from mpi4py.MPI import Intracomm

# An error that all ranks meet is told by rank 0, whose Abort then ends the others in their pause.
_PAUSE_BEFORE_ABORT = 1.0

# What is said right before Abort may be lost: the launcher ends its processes and reads no more from them.
_PAUSE_AFTER_LAST_WORDS = 0.3

# Ranks that have agreed to end need only unwind, which takes milliseconds.
_PATIENCE = 5.0

_world: Intracomm | None = None  # set once, by start_mpi


def rank() -> int:
    """Number of this process among its siblings, 0 if it is alone."""
    return _world.rank if _world is not None else _launched(os.environ)[0]


def size() -> int:
    """Number of processes of this run."""
    return _world.size if _world is not None else _launched(os.environ)[1]


def is_root() -> bool:
    """True on the one rank that prints and writes."""
    return rank() == 0


def start_mpi(petsc_options: Sequence[str] = ()) -> Intracomm:
    """Start MPI and PETSc; the world communicator. A second call returns the same one.

    Args:
        petsc_options: What the user wrote after ``--`` on the command line.

    Raises:
        BadUsage: A launcher of another MPI has started N copies that do not know of each other; or the DOLFINx of a
            cluster or of conda is too old.
    """
    global _world
    if _world is not None:
        return _world
    refuse_old_dolfinx()
    # Read by the BLAS inside PETSc and MUMPS when they are loaded; ranks are our threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import mpi4py

    # The start of MPI aborts under some foreign launchers, so we look before.
    mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
    load_wheel()
    from mpi4py import MPI

    if not MPI.Is_initialized():  # by a program that uses us
        _refuse_strangers(None)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "suspicious MPI", RuntimeWarning)  # mpi4py's; ours comes next
            MPI.Init_thread()
    _refuse_strangers(MPI.COMM_WORLD.size)
    import petsc4py

    # Ours decide what Ctrl-C and TERM do; PETSc's handlers would abort without writing anything.
    petsc4py.init(["fpsolver", "-no_signal_handler", *petsc_options])
    from petsc4py import PETSc  # noqa: F401

    _world = MPI.COMM_WORLD
    sys.excepthook = _abort_all
    return _world


def agree(comm: Intracomm, error: Exception | None) -> None:
    """Raise on all ranks if any rank has an error; collective.

    The error of the lowest rank that has one is raised everywhere, with its type. One that is not an
    `FpsolverError` is unforeseen; where it came from is added to it as a note.
    """
    if error is not None and not isinstance(error, FpsolverError):
        error.add_note(_where(comm.rank, comm.size))
    everywhere = comm.allgather(None if error is None else _pack(error))
    first = next((number for number, other in enumerate(everywhere) if other is not None), None)
    if first is None:
        return
    if error is not None and comm.rank == first:
        raise error
    raise _unpack(everywhere[first])


def on_root[Result](comm: Intracomm, function: Callable[[], Result]) -> Result:
    """Call ``function`` on rank 0 alone and return its result, or raise its exception, on all; collective.

    The result is pickled between the ranks: give a path, a number or a flag, not an open file.
    """
    result: Result | None = None
    error: Exception | None = None
    if comm.rank == 0:
        try:
            result = function()
        except Exception as raised:
            error = raised
    packed = comm.bcast(None if error is None else _pack(error), root=0)
    if error is not None:
        raise error
    if packed is not None:
        raise _unpack(packed)
    return comm.bcast(result, root=0)  # type: ignore[no-any-return]


def tell(error: FpsolverError) -> int:
    """Print an error that all ranks have raised together, once; returns the exit code.

    A rank that finds itself alone with its error prints it and ends all: the others would wait for it for ever.
    """
    alone = _world is not None and _world.size > 1 and not _meet(_world)
    if alone or is_root():
        print(error, file=sys.stderr, flush=True)
    if alone:
        _end_all(int(error.exit_code))
    return int(error.exit_code)


def _meet(comm: Intracomm) -> bool:
    """True once all ranks are here, False if some do not come soon."""
    arrival = comm.Ibarrier()
    deadline = time.monotonic() + _PATIENCE
    while not arrival.Test():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _launched(environment: Mapping[str, str]) -> tuple[int, int]:
    """(rank, number of ranks) as the launcher's environment has it; (0, 1) without a launcher."""
    started = launchers.launch(environment)
    return (0, 1) if started is None else (started.rank, started.size)


def _refuse_strangers(world_size: int | None) -> None:
    """Refuse N processes that each believe to be alone: all would compute the same and write the same files.

    Args:
        world_size: None before MPI is started, which some MPIs refuse under a launcher of others, in many lines.
    """
    from mpi4py import MPI

    started = launchers.launch(os.environ)
    lonely = started is not None and started.size > 1 and world_size == 1
    if started is not None and (lonely or launchers.aborts(os.environ, MPI.Get_library_version())):
        if started.rank != 0:
            time.sleep(_PAUSE_BEFORE_ABORT)  # the first to end may end all others, and rank 0 has to speak before
        vendor, version = MPI.get_vendor()
        raise BadUsage(launchers.strangers(started, vendor, ".".join(str(part) for part in version)))


def _abort_all(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception that nobody foresaw: say it once, and end all ranks instead of leaving the others to wait."""
    number, count = rank(), size()
    if count > 1 and number != 0:
        time.sleep(_PAUSE_BEFORE_ABORT)
    if os.environ.get("FPSOLVER_TRACEBACK"):
        sys.__excepthook__(kind, error, trace)
    elif isinstance(error, FpsolverError):
        print(error, file=sys.stderr)
    elif isinstance(error, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        where = _noted_where(error) or _where(number, count)
        print(
            f"fpsolver met an error that it did not foresee{where}: {_in_one_line(error)}{_place(trace)}\n"
            f"This is a mistake of the program, not yours; FPSOLVER_TRACEBACK=1 before the command shows more.",
            file=sys.stderr,
        )
    code = int(error.exit_code) if isinstance(error, FpsolverError) else int(ExitCode.SOLVER_FAILED)
    if isinstance(error, KeyboardInterrupt):
        code = 130
    _end_all(code)
    raise SystemExit(code)


def _end_all(code: int) -> None:
    """End all ranks of a run that has several."""
    sys.stdout.flush()
    sys.stderr.flush()
    if _world is not None and _world.size > 1:
        time.sleep(_PAUSE_AFTER_LAST_WORDS)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MPI would add "Abort(3) on node 0 ..."; all has been said
        _world.Abort(code)


def _where(number: int, count: int) -> str:
    return f" on rank {number} of {count}" if count > 1 else ""


def _noted_where(error: BaseException) -> str:
    """The rank that `agree` has noted, which need not be this one."""
    return next((note for note in getattr(error, "__notes__", ()) if note.startswith(" on rank ")), "")


def _in_one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _place(trace: TracebackType | None) -> str:
    """`` (file.py:12 in f)``: the innermost frame."""
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f" ({Path(code.co_filename).name}:{trace.tb_lineno} in {code.co_name})"


type _Packed = tuple[type[Exception], tuple[Any, ...], dict[str, Any]]


def _pack(error: Exception) -> _Packed:
    """Not the exception itself: pickle rebuilds it by its constructor, whose arguments need not be ``args``."""
    import pickle

    packed: _Packed = (type(error), error.__reduce__()[1], vars(error))  # type: ignore[assignment]
    try:
        pickle.loads(pickle.dumps(packed))  # what we have just made ourselves; nothing is read from outside
    except Exception:  # whatever pickle cannot rebuild travels as text
        return SolverFailed, (_in_one_line(error),), {}
    return packed


def _unpack(packed: _Packed) -> Exception:
    kind, arguments, attributes = packed
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error
