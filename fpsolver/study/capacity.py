"""Whether the computers of a run can hold it: asked before the mesh is made, while a no is still a sentence."""

from __future__ import annotations

from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.case import Case, memory
from fpsolver.case.advice.size import in_bytes
from fpsolver.errors import BadUsage
from fpsolver.runtime import on_root
from fpsolver.runtime.machine import free_memory

SURE = 1.5
"""A run that needs so many times the memory that is there would be killed half-way; estimates may be off by less."""


def refuse_too_large(case: Case, comm: MPI.Intracomm) -> None:
    """Refuse a run that would need far more memory than all of its computers have. Collective.

    Factors do not count where PETSc options name another solver.

    Raises:
        BadUsage: On all ranks.
    """
    other = any(name.endswith(("pc_type", "ksp_type", "solver_type")) for name in PETSc.Options().getAll())
    needed, available = memory(case, factors=not other), available_memory(comm)
    if available is None or needed <= SURE * available:
        return
    fewer = case.domain.finer(0.5)[0]
    raise BadUsage(
        f"{case.path}: domain: the run needs about {in_bytes(needed)} of memory, and {in_bytes(available)} are free "
        f"here; write fewer or larger cells ({fewer}), a lower discretization.degree, or use more computers"
    )


def available_memory(comm: MPI.Intracomm) -> float | None:
    """Bytes that are free on all computers of the ranks together; None where that cannot be found out. Collective."""
    here = comm.Split_type(MPI.COMM_TYPE_SHARED)
    free = on_root(here, free_memory)
    first = here.rank == 0
    here.Free()
    total = float(comm.allreduce(free if first and free is not None else 0.0))
    known = bool(comm.allreduce(free is not None, MPI.LAND))
    return total if known else None
