"""Who speaks, and how ranks decide together."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from programs import Programs

from fpsolver.errors import ExitCode, FpsolverError, SolverFailed
from fpsolver.runtime import agree, launchers, on_root, ranks, start_mpi

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
        ({"MV2_COMM_WORLD_RANK": "1", "MV2_COMM_WORLD_SIZE": "2"}, (1, 2)),
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


REFUSED = PRELUDE + "try:\n    start_mpi()\nexcept BadUsage as error:\n    print(error if is_root() else 'silent')"
OPEN_MPI = {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}
SRUN = {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}


@pytest.mark.parametrize(
    ("environment", "found", "instead"),
    [
        (OPEN_MPI, "mpirun of Open MPI started 2 processes (OMPI_COMM_WORLD_SIZE=2)", "mpiexec -n 2 fpsolver"),
        (OPEN_MPI | {"PMIX_RANK": "0"}, "mpirun of Open MPI started 2 processes", "mpiexec -n 2 fpsolver"),
        (SRUN, "srun started 2 processes (SLURM_STEP_NUM_TASKS=2), but without --mpi=", "-n 2 fpsolver"),
        (SRUN | {"PMIX_RANK": "0"}, "srun started 2 processes", "srun --mpi="),
    ],
)
def test_copies_that_do_not_know_of_each_other_are_refused(
    launch: Programs, environment: dict[str, str], found: str, instead: str
) -> None:
    """Catches N runs of size 1 that write the same files (another MPI's mpirun, srun without an MPI plug-in).

    An MPICH that sees PMIX_RANK aborts in its start instead, in many lines of its own.
    """
    done = launch(REFUSED, environment=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(found)
    assert instead in done.stdout
    assert "each would be rank 0 of 1" in done.stdout
    assert "fpsolver doctor" in done.stdout


def test_only_one_of_the_copies_speaks(launch: Programs) -> None:
    done = launch(REFUSED, environment={"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"})
    assert done.stdout == "silent\n"


@pytest.mark.parametrize("environment", [{}, {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"}])
def test_one_process_is_no_stranger(launch: Programs, environment: dict[str, str]) -> None:
    assert launch(REFUSED, environment=environment).stdout == ""


def test_a_launcher_that_serves_this_mpi_goes_before_slurm(launch: Programs) -> None:
    """hydra in a job: Slurm counts its proxies."""
    done = launch(REFUSED, environment={"PMI_RANK": "0", "PMI_SIZE": "1", "PMIX_RANK": "0"} | SRUN)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("environment", "library", "expected"),
    [
        ({"PMIX_RANK": "0"}, "MPICH Version: 5.0.2", True),
        ({"PMIX_RANK": "0", "PMI_RANK": "0"}, "MPICH Version: 5.0.2", False),
        ({"PMIX_RANK": "0"}, "MPICH Version: 5.0.2\nMPICH configure: --with-pmix=/usr", False),
        ({"PMIX_RANK": "0"}, "Open MPI v5.0.6", False),
        ({}, "MPICH Version: 5.0.2", False),
    ],
)
def test_which_starts_would_abort(environment: dict[str, str], library: str, expected: bool) -> None:
    assert launchers.aborts(environment, library) is expected


@pytest.mark.parametrize(
    ("vendor", "environment", "words"),
    [
        ("Open MPI", SRUN, "srun --mpi=pmix -n 2 fpsolver ..."),
        ("MPICH", SRUN, "srun --mpi=pmi2 -n 2 fpsolver ..."),
        ("Open MPI", {"PMI_RANK": "1", "PMI_SIZE": "2"}, "a launcher of the MPICH family started 2 processes"),
        ("MPICH", {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1"}, "another MPI; it cannot start"),
    ],
)
def test_strangers_are_told_what_they_are(vendor: str, environment: dict[str, str], words: str) -> None:
    started = launchers.launch(environment)
    assert started is not None
    assert words in launchers.strangers(started, vendor, "5.0")


def test_petsc_options_arrive(launch: Programs) -> None:
    code = PRELUDE + "start_mpi(['-answer', '42'])\nfrom petsc4py import PETSc\nprint(PETSc.Options().getInt('answer'))"
    assert launch(code).stdout == "42\n"
