"""DOLFINx in tests: started as the program starts it, before any test imports it."""

from __future__ import annotations

from fpsolver.runtime.ranks import start_mpi

start_mpi()
