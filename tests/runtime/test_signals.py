"""Being asked to stop."""

from __future__ import annotations

import os
import signal
import time

import pytest
from programs import Programs

from fpsolver.errors import Stopped
from fpsolver.runtime import StopFlag, start_mpi

LOOP = """
import sys, time
from fpsolver.runtime import StopFlag, start_mpi
with StopFlag() as stop:  # before MPI, as the command does
    comm = start_mpi()
    sys.stdout.write("ready\\n"); sys.stdout.flush()
    for step in range(400):
        time.sleep(0.05)
        if stop.agreed(comm):
            sys.stdout.write(f"rank {comm.rank} stops for {stop.reason}\\n"); sys.stdout.flush()
            sys.exit(75)
"""
DEAF = """
import time
from fpsolver.runtime import StopFlag, start_mpi
start_mpi()
with StopFlag():
    print("ready", flush=True)
    for step in range(400):
        time.sleep(0.05)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGUSR1"])
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_signal_ends_the_loop_in_order_on_all_ranks(launch: Programs, name: str, ranks: int) -> None:
    """Catches handlers that PETSc has replaced, and a rank that leaves a loop in which the others wait."""
    program = launch.start(LOOP, ranks)
    assert program.stdout is not None
    for _ in range(ranks):
        assert program.stdout.readline().strip() == "ready"
    program.send_signal(getattr(signal, name))
    output, _ = program.communicate(timeout=30)
    assert program.returncode == 75
    for rank in range(ranks):
        assert f"rank {rank} stops for {name}" in output
    assert "Traceback" not in output
    assert "PETSC ERROR" not in output


def test_a_second_interrupt_ends_at_once(launch: Programs) -> None:
    program = launch.start(DEAF)
    assert program.stdout is not None
    assert program.stdout.readline().strip() == "ready"
    program.send_signal(signal.SIGINT)
    time.sleep(0.2)
    program.send_signal(signal.SIGINT)  # one press that came by two ways
    time.sleep(0.5)
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    output, _ = program.communicate(timeout=5)
    assert program.returncode == 130
    assert output == "\nended by a second Ctrl-C; the same command starts the run again\n"


BUSY = """
from fpsolver.runtime import StopFlag
with StopFlag():
    print("ready", flush=True)
    sum(range(10**10))  # a minute in C
"""


def test_a_second_interrupt_ends_a_long_call_into_a_library(launch: Programs) -> None:
    """Python sees no signal there, and a factorization can take minutes."""
    program = launch.start(BUSY)
    assert program.stdout is not None
    assert program.stdout.readline().strip() == "ready"
    time.sleep(0.2)
    program.send_signal(signal.SIGINT)
    time.sleep(0.7)
    assert program.poll() is None
    program.send_signal(signal.SIGINT)
    program.communicate(timeout=5)
    assert program.returncode == -signal.SIGINT


def test_work_of_one_rank_is_left_at_once() -> None:
    reached = []

    def work() -> str:
        reached.append("begin")
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            time.sleep(0.01)
        return "done"

    with StopFlag() as stop:
        assert stop.unless_asked(lambda: "done") == "done"
        assert stop.unless_asked(work) is None
        assert stop.reason == "SIGTERM"
        assert stop.unless_asked(work) is None  # not even begun
        os.kill(os.getpid(), signal.SIGTERM)  # elsewhere nothing is interrupted
        time.sleep(0.01)
    assert reached == ["begin"]


@pytest.mark.parallel
def test_asked_on_one_rank_all_end_with_the_same_words() -> None:
    comm = start_mpi()
    with StopFlag() as stop:
        stop.end_if_asked(comm, "early")
        if comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped, match=r"^stopped by SIGTERM before it began; the same command starts it again$"):
            stop.end_if_asked(comm, "before it began")


@pytest.mark.parallel
def test_one_rank_asked_is_all_ranks_asked() -> None:
    comm = start_mpi()
    with StopFlag() as stop:
        assert not stop.agreed(comm)
        assert stop.reason is None
        if comm.rank == comm.size - 1:
            os.kill(os.getpid(), signal.SIGUSR1)
        assert stop.agreed(comm)
        assert stop.agreed(comm)  # it stays
        assert stop.reason == "SIGUSR1"


def test_former_handlers_come_back() -> None:
    former = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with pytest.raises(KeyError), StopFlag():
        raise KeyError("inside")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == former
