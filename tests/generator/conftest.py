"""MPI and PETSc are started before any module of the generator is imported; ranks meet after each test."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from fpsolver.runtime import start_mpi

COMM = start_mpi()


@pytest.fixture(autouse=True)
def ranks_meet() -> Iterator[None]:
    """PETSc objects are destroyed collectively, so no rank may be left collecting garbage alone."""
    yield
    gc.collect()
    COMM.barrier()
