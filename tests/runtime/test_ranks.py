"""Who speaks, and how ranks decide together."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from programs import Programs

from fpsolver.errors import ExitCode, FpsolverError, SolverFailed
from fpsolver.runtime import agree, on_root, ranks, start_mpi

PRELUDE = """
from fpsolver.errors import BadUsage, SolverFailed
from fpsolver.runtime import agree, is_root, on_root, rank, size, start_mpi
"""


class Particular(FpsolverError):
    """Its constructor takes other arguments than the message it ends up with."""

    def __init__(self, places: list[int]) -> None:
        super().__init__(f"{len(places)} places")
        self.places = places


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, (0, 1)),
        ({"PMI_RANK": "2", "PMI_SIZE": "3"}, (2, 3)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, (1, 2)),
        ({"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}, (3, 4)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, (0, 1)),  # a batch script, not a step
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2", "PMI_RANK": "5", "PMI_SIZE": "8"}, (5, 8)),
        ({"PMI_RANK": "nonsense", "PMI_SIZE": "3"}, (0, 1)),
        ({"PMI_RANK": "3", "PMI_SIZE": "3"}, (0, 1)),
    ],
)
def test_rank_before_mpi_comes_from_the_launcher(environment: dict[str, str], expected: tuple[int, int]) -> None:
    assert ranks._launched(environment) == expected


def test_import_starts_neither_mpi_nor_petsc_nor_rich(launch: Programs) -> None:
    done = launch(
        "import sys, fpsolver.runtime\nprint(sorted({'mpi4py', 'petsc4py', 'dolfinx', 'rich'} & set(sys.modules)))"
    )
    assert (done.returncode, done.stdout) == (0, "[]\n")


@pytest.mark.parallel
def test_no_error_anywhere_is_no_error() -> None:
    agree(start_mpi(), None)


@pytest.mark.parallel
def test_an_error_of_the_last_rank_is_raised_on_all_with_type_and_attributes() -> None:
    comm = start_mpi()
    error = Particular([3, 5]) if comm.rank == comm.size - 1 else None
    with pytest.raises(Particular, match=r"^2 places$") as caught:
        agree(comm, error)
    assert caught.value.places == [3, 5]


@pytest.mark.parallel
def test_of_several_errors_the_lowest_rank_is_heard() -> None:
    comm = start_mpi()
    with pytest.raises(SolverFailed, match=r"^from 0$"):
        agree(comm, SolverFailed(f"from {comm.rank}"))


@pytest.mark.parallel
def test_a_foreign_error_keeps_its_type_and_its_rank() -> None:
    comm = start_mpi()
    last = comm.size - 1
    with pytest.raises(ValueError, match="first") as caught:
        agree(comm, ValueError("first") if comm.rank == last else None)
    assert caught.value.__notes__ == [f" on rank {last} of {comm.size}" if last else ""]


@pytest.mark.parallel
def test_on_root_runs_once_and_shares_the_result() -> None:
    comm = start_mpi()
    calls = 0

    def choose() -> Path:
        nonlocal calls
        calls += 1
        return Path("results")

    assert on_root(comm, choose) == Path("results")
    assert comm.allreduce(calls) == 1


@pytest.mark.parallel
def test_on_root_raises_the_same_on_all() -> None:
    def fail() -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file", "case.toml")

    with pytest.raises(FileNotFoundError, match=r"case\.toml") as caught:
        on_root(start_mpi(), fail)
    assert caught.value.errno == errno.ENOENT


@pytest.mark.parallel
def test_an_error_that_cannot_be_sent_is_told_by_its_text() -> None:
    comm = start_mpi()
    error = ValueError("with a function")
    error.function = lambda: None  # type: ignore[attr-defined]

    def fail() -> None:
        raise error

    with pytest.raises(ValueError if comm.rank == 0 else SolverFailed, match="with a function"):
        on_root(comm, fail)


def test_rank_and_size_after_start(launch: Programs) -> None:
    code = PRELUDE + "before = rank(), size(), is_root()\nc = start_mpi()\nassert c is start_mpi()\n"
    code += "assert before == (c.rank, c.size, c.rank == 0) == (rank(), size(), is_root()); print('same')"
    done = launch(code, ranks=3)
    assert (done.returncode, done.stdout.count("same")) == (0, 3)


@pytest.mark.parametrize("failing", [0, 1])
def test_an_unforeseen_error_on_one_rank_ends_all_with_one_message(launch: Programs, failing: int) -> None:
    """Catches a run that hangs in its next collective because another rank has died."""
    code = (
        PRELUDE + f"c = start_mpi()\nif c.rank == {failing}:\n    raise KeyError('lost')\nc.barrier()\nprint('never')"
    )
    done = launch(code, ranks=2)
    assert done.returncode == ExitCode.SOLVER_FAILED
    assert len(done.stderr.splitlines()) == 2  # MPI adds nothing
    assert f"on rank {failing} of 2: KeyError: 'lost' (program.py:" in done.stderr
    assert "Traceback" not in done.stderr
    assert "never" not in done.stdout


def test_an_unforeseen_error_that_was_shared_names_the_rank_it_came_from(launch: Programs) -> None:
    code = PRELUDE + "c = start_mpi()\nagree(c, KeyError('lost') if c.rank == 1 else None)"
    done = launch(code, ranks=3)
    assert done.returncode == ExitCode.SOLVER_FAILED
    assert done.stderr.count("did not foresee") == 1
    assert "on rank 1 of 3: KeyError: 'lost'" in done.stderr


TELL = """
import sys, time
from fpsolver.errors import SolverFailed
from fpsolver.runtime import start_mpi, tell
comm = start_mpi()
if comm.rank in {ranks}:
    sys.exit(tell(SolverFailed("no convergence")))
comm.allreduce(1)
"""


@pytest.mark.parametrize("ranks", ["(0, 1)", "(0,)", "(1,)"])
def test_an_error_is_told_once_even_by_a_rank_that_is_alone_with_it(launch: Programs, ranks: str) -> None:
    """Catches a run that waits for ever in its end, or in a collective call, for a rank that has failed alone."""
    done = launch(TELL.replace("{ranks}", ranks), ranks=2)
    assert done.returncode == ExitCode.SOLVER_FAILED
    assert done.stderr == "no convergence\n"


def test_an_unforeseen_error_on_all_ranks_is_told_once(launch: Programs) -> None:
    done = launch(PRELUDE + "start_mpi()\nraise ValueError('everywhere')", ranks=3)
    assert done.returncode == ExitCode.SOLVER_FAILED
    assert done.stderr.count("everywhere") == 1


def test_an_unforeseen_error_of_a_serial_run(launch: Programs) -> None:
    done = launch(PRELUDE + "start_mpi()\nraise ValueError('alone')")
    assert done.returncode == ExitCode.SOLVER_FAILED
    assert "ValueError: alone (program.py:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_traceback_can_be_had(launch: Programs) -> None:
    done = launch(PRELUDE + "start_mpi()\nraise ValueError('alone')", environment={"FPSOLVER_TRACEBACK": "1"})
    assert done.returncode == ExitCode.SOLVER_FAILED
    assert "Traceback (most recent call last)" in done.stderr


def test_an_error_nobody_caught_keeps_its_exit_code(launch: Programs) -> None:
    done = launch(PRELUDE + "start_mpi()\nraise BadUsage('write it otherwise')")
    assert (done.returncode, done.stderr) == (ExitCode.BAD_CASE, "write it otherwise\n")


@pytest.mark.parametrize(
    "environment",
    [
        {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"},
        {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"},
    ],
)
def test_copies_that_do_not_know_of_each_other_are_refused(launch: Programs, environment: dict[str, str]) -> None:
    """Catches N runs of size 1 that write the same files (another MPI's mpirun, srun without an MPI plug-in)."""
    code = PRELUDE + "try:\n    start_mpi()\nexcept BadUsage as error:\n    print(error if is_root() else 'silent')"
    done = launch(code, environment=environment)
    assert done.returncode == 0
    assert "2 processes were started" in done.stdout
    assert "mpiexec -n 2 fpsolver" in done.stdout


def test_only_one_of_the_copies_speaks(launch: Programs) -> None:
    code = PRELUDE + "try:\n    start_mpi()\nexcept BadUsage as error:\n    print(error if is_root() else 'silent')"
    done = launch(code, environment={"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"})
    assert done.stdout == "silent\n"


def test_petsc_options_arrive(launch: Programs) -> None:
    code = PRELUDE + "start_mpi(['-answer', '42'])\nfrom petsc4py import PETSc\nprint(PETSc.Options().getInt('answer'))"
    assert launch(code).stdout == "42\n"
