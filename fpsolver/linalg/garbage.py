"""What petsc4py leaves behind on several ranks."""

from __future__ import annotations

from petsc4py import PETSc


def collect(comm: PETSc.Comm) -> None:
    """Destroy the objects of a communicator that Python has let go of on all ranks. Collective, and cheap.

    Ranks may let go of an object at different times, so petsc4py puts it aside until all of them meet here. Without
    that every vector of a run on two ranks would be kept until its end.
    """
    if comm.getSize() > 1:
        PETSc.garbage_cleanup(comm)
