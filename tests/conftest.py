"""What tests on several ranks share: a meeting after each of them, and a folder that all ranks see."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def ranks_meet_after_parallel_tests(request: pytest.FixtureRequest) -> Iterator[None]:
    """PETSc objects are destroyed collectively, so no rank may be left collecting garbage alone."""
    yield
    if request.node.get_closest_marker("parallel") is not None:
        from mpi4py import MPI

        gc.collect()
        MPI.COMM_WORLD.barrier()


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """One temporary folder, the same on all ranks; empty at first and removed in the end."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    made = tempfile.TemporaryDirectory() if comm.rank == 0 else None
    yield Path(comm.bcast(None if made is None else made.name))
    comm.barrier()
    if made is not None:
        made.cleanup()
