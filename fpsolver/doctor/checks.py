"""All checks, in the order in which they speak: what is plain to see first, then what has to be tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from fpsolver.doctor.compiler import compiler, forms
from fpsolver.doctor.computer import cores, memory, threads
from fpsolver.doctor.disk import disk
from fpsolver.doctor.finding import Finding, problem
from fpsolver.doctor.launching import launching, started_by
from fpsolver.doctor.packages import packages
from fpsolver.doctor.pictures import paraview, rendering
from fpsolver.doctor.scheduler import scheduler
from fpsolver.doctor.solver import mpi, stack
from fpsolver.doctor.surroundings import Surroundings

Check = Callable[[Surroundings], Finding | Iterable[Finding]]

CHECKS: dict[str, Check] = {
    "started by": started_by,
    "packages": packages,
    "cores": cores,
    "threads": threads,
    "memory": memory,
    "C compiler": compiler,
    "scheduler": scheduler,
    "ParaView": paraview,
    # from here on in processes of their own, which may crash or hang
    "MPI": mpi,
    "launcher": launching,
    "solver": stack,
    "forms": forms,
    "disk": disk,
    "3-D pictures": rendering,
}


def findings(about: Surroundings) -> Iterator[Finding]:
    """What all checks say; one that fails itself does not take the others with it."""
    for name, check in CHECKS.items():
        try:
            found = check(about)
            yield from [found] if isinstance(found, Finding) else found
        except Exception as error:  # a machine may be ill in ways that no check foresees
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            yield problem(name, f"the check itself failed: {reason}", "a mistake of the doctor; please report it")
