"""Eigenvalues through SLEPc, of operators that are given by what they do to a vector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from petsc4py import PETSc
from slepc4py import SLEPc

from fpsolver.errors import SolverFailed

TOLERANCE = 1e-12
MOST_RESTARTS = 300


@dataclass(frozen=True)
class Eigenpair:
    """An eigenvalue and its eigenvector, whose imaginary part is None where the eigenvalue is real."""

    value: complex
    real: PETSc.Vec
    imaginary: PETSc.Vec | None


class _Shell:
    """The context of a matrix that is only applied."""

    def __init__(self, apply: Callable[[PETSc.Vec], PETSc.Vec]) -> None:
        self._apply = apply
        self.failure: Exception | None = None

    def mult(self, matrix: PETSc.Mat, vector: PETSc.Vec, image: PETSc.Vec) -> None:
        """image = operator * vector; zero from the first failure on, so that SLEPc comes to its end by itself.

        An exception does not find its way through SLEPc unharmed.
        """
        if self.failure is None:
            try:
                result = self._apply(vector)
            except Exception as error:  # on all ranks
                self.failure = error
            else:
                result.copy(image)
                result.destroy()
                return
        image.set(0.0)


def largest(
    apply: Callable[[PETSc.Vec], PETSc.Vec], start: PETSc.Vec, count: int, name: str, tolerance: float = TOLERANCE
) -> list[Eigenpair]:
    """The eigenvalues of largest magnitude of a linear operator, at least ``count`` of them. Collective.

    Args:
        apply: From a vector to a new vector.
        start: First vector of the Krylov space; also fixes the layout.
        count: How many; conjugate pairs are kept together.
        name: Prefix of SLEPc's options.
        tolerance: Relative, of the eigenvalues.

    Raises:
        SolverFailed: With SLEPc's reason.
        Exception: Whatever ``apply`` raised.
    """
    size, comm = start.getSizes(), start.getComm()
    operator = _Shell(apply)
    shell: Any = PETSc.Mat().createPython((size, size), operator, comm=comm)
    shell.setUp()
    solver = SLEPc.EPS().create(comm)
    solver.setOptionsPrefix(f"{name}_")
    solver.setOperators(shell)
    solver.setProblemType(SLEPc.EPS.ProblemType.NHEP)
    solver.setWhichEigenpairs(SLEPc.EPS.Which.LARGEST_MAGNITUDE)
    count = min(count, size[1])
    solver.setDimensions(count, min(max(2 * count + 6, 20), size[1]))
    solver.setTolerances(tolerance, MOST_RESTARTS)
    solver.setInitialSpace(start)
    solver.setFromOptions()
    try:
        solver.solve()
    except PETSc.Error:
        if operator.failure is None:
            raise
    if operator.failure is not None:
        raise operator.failure
    found = solver.getConverged()
    if found < count:
        reason = solver.getConvergedReason()
        raise SolverFailed(
            f"{name}: {found} of {count} eigenvalues converged (SLEPc reason {reason}).\n"
            f"Ask for fewer, refine the mesh, or give SLEPc more room: -- -{name}_eps_ncv {6 * count + 20}"
        )
    pairs = [_pair(solver, start, i) for i in range(found)]
    for item in (solver, shell):
        item.destroy()
    return pairs


def _pair(solver: SLEPc.EPS, like: PETSc.Vec, index: int) -> Eigenpair:
    real, imaginary = like.duplicate(), like.duplicate()
    value = complex(solver.getEigenpair(index, real, imaginary))
    return Eigenpair(value, real, imaginary if value.imag != 0.0 else None)
