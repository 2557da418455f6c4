"""MPI and PETSc are started as the program starts them, before any test imports DOLFINx."""

from __future__ import annotations

from fpsolver.runtime import start_mpi

start_mpi()
