"""MPI, PETSc, SLEPc and DOLFINx, as they load."""

from __future__ import annotations

from collections.abc import Iterator

from fpsolver.doctor.finding import Finding, ok, problem
from fpsolver.doctor.surroundings import NoAnswer, Surroundings
from fpsolver.runtime.stack import is_too_old, needed

INSTALL = "set it up with scripts/bootstrap, or conda env create -f environment.yml, or the module of your cluster"
ROUND_OFF = 1e-10
"""Of the residual of a system with 50 unknowns near 1."""


def mpi(about: Surroundings) -> Finding:
    """One rank starts."""
    try:
        found = about.ask("ranks", timeout=30.0)
    except NoAnswer as error:
        return problem("MPI", f"does not start: {error}", INSTALL)
    return ok("MPI", f"{found['library']} starts")


def stack(about: Surroundings) -> Iterator[Finding]:
    """Versions and solvers."""
    try:
        found = about.ask("stack", timeout=60.0)
    except NoAnswer as error:
        yield problem("solver", f"DOLFINx, PETSc and SLEPc do not load: {error}", INSTALL)
        return
    text = f"DOLFINx {found['dolfinx']}, PETSc {found['petsc']}, SLEPc {found['slepc']}"
    if is_too_old(found["dolfinx"]):
        yield problem("solver", f"{text}; DOLFINx is too old", f"DOLFINx {needed()}: {INSTALL}")
    elif not found["real"]:
        yield problem("solver", f"{text}; PETSc was built for complex numbers", f"a PETSc of real numbers: {INSTALL}")
    else:
        yield ok("solver", f"{text}, real numbers, {found['indices']}-bit indices")
    others = f"also there: {', '.join(found['solvers'])}" if found["solvers"] else "no others"
    if not found["mumps"]:
        yield problem("MUMPS", f"not in this PETSc ({others}), and matrices are factorised with it", INSTALL)
    elif not found["residual"] < ROUND_OFF:
        yield problem("MUMPS", f"factorises wrongly: a small system has the residual {found['residual']:.1e}", INSTALL)
    else:
        yield ok("MUMPS", f"factorises a small matrix ({others})")
