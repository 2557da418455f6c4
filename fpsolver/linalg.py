"""Linear solves that judge themselves: factorised once, used often, checked, and explained when they fail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from petsc4py import PETSc

from fpsolver.errors import SolverFailed

MUMPS_REASONS = {
    -5: "not enough memory for the analysis",
    -8: "work space too small",
    -9: "work space too small",
    -10: "the matrix is numerically singular",
    -13: "out of memory",
    -19: "the memory that it may use is too small",
    -40: "a pivot is not positive",
}

REFINE_ABOVE = 1e-12
MOST_REFINEMENTS = 2
UNDERFLOW = 1e-290


@dataclass
class SolveCount:
    """How much work was done: solves, factorisations, and the worst componentwise backward error seen."""

    solves: int = 0
    factorizations: int = 0
    backward_error: float = 0.0


class Factorization:
    """A factorised matrix, scaled symmetrically by its diagonal because weights span tens of orders of magnitude.

    Solves with the matrix and with its transpose reuse the factors. The first solve of each kind is checked by its
    componentwise backward error, max |b - A x| / (|A| |x| + |b|), and decides how often solutions are refined.

    Args:
        matrix: Square matrix, not changed.
        name: What is solved, for messages and as prefix of PETSc options (``-<name>_pc_type ...``).
        symmetric: Factorise as LDL^T. Never as Cholesky: weights make far corners semidefinite to round-off.
        count: Where work is counted.
    """

    def __init__(self, matrix: PETSc.Mat, name: str, *, symmetric: bool, count: SolveCount) -> None:
        self.name = name
        self.count = count
        self._matrix = matrix
        self._scale = matrix.getDiagonal()
        self._scale.sqrtabs()
        self._scale.reciprocal()
        self._scaled = matrix.copy()
        self._scaled.diagonalScale(self._scale, self._scale)
        if symmetric:
            self._scaled.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        self._ksp = PETSc.KSP().create(matrix.getComm())
        self._ksp.setOptionsPrefix(f"{name}_")
        self._ksp.setOperators(self._scaled)
        self._ksp.setType(PETSc.KSP.Type.PREONLY)
        preconditioner = self._ksp.getPC()
        preconditioner.setType(PETSc.PC.Type.CHOLESKY if symmetric else PETSc.PC.Type.LU)
        preconditioner.setFactorSolverType("mumps")
        self._ksp.setFromOptions()
        self._rhs = self._scale.duplicate()
        self._unchecked = {False, True}
        self._refinements = 0
        try:
            self._ksp.setUp()
        except PETSc.Error as error:
            raise SolverFailed(self._explain(f"PETSc error {error.ierr}")) from error
        count.factorizations += 1
        if preconditioner.getFailedReason() != 0:
            raise SolverFailed(self._explain("the factorisation failed"))

    def solve(self, rhs: PETSc.Vec, *, transposed: bool = False) -> PETSc.Vec:
        """The solution of A x = b, or of A^T x = b.

        Raises:
            SolverFailed: With PETSc's and MUMPS' reason and a remedy.
        """
        solution = self._apply(rhs, transposed)
        self.count.solves += 1
        if transposed in self._unchecked:
            self._unchecked.discard(transposed)
            error = backward_error(self._matrix, solution, rhs, transposed=transposed)
            refinements = 0
            while error > REFINE_ABOVE and refinements < MOST_REFINEMENTS:
                refinements += 1
                self._refine(solution, rhs, transposed)
                error = backward_error(self._matrix, solution, rhs, transposed=transposed)
            self._refinements = max(self._refinements, refinements)
            self.count.backward_error = max(self.count.backward_error, error)
        else:
            for _ in range(self._refinements):
                self._refine(solution, rhs, transposed)
        return solution

    def destroy(self) -> None:
        """Release the factors; collective."""
        for item in (self._ksp, self._scaled, self._scale, self._rhs):
            item.destroy()

    def _apply(self, rhs: PETSc.Vec, transposed: bool) -> PETSc.Vec:
        self._rhs.pointwiseMult(self._scale, rhs)
        solution = rhs.duplicate()
        (self._ksp.solveTranspose if transposed else self._ksp.solve)(self._rhs, solution)
        reason = self._ksp.getConvergedReason()
        if reason <= 0:
            raise SolverFailed(self._explain(f"{_name_of(reason)} after {self._ksp.getIterationNumber()} iterations"))
        solution.pointwiseMult(self._scale, solution)
        return solution

    def _refine(self, solution: PETSc.Vec, rhs: PETSc.Vec, transposed: bool) -> None:
        """One step of iterative refinement, which makes even the smallest components accurate (Skeel)."""
        residual = rhs.duplicate()
        (self._matrix.multTranspose if transposed else self._matrix.mult)(solution, residual)
        residual.aypx(-1.0, rhs)
        correction = self._apply(residual, transposed)
        solution.axpy(1.0, correction)
        for item in (residual, correction):
            item.destroy()

    def _explain(self, what: str) -> str:
        detail = ""
        try:
            code = self._ksp.getPC().getFactorMatrix().getMumpsInfog(1)
        except PETSc.Error:
            code = 0
        if code < 0:
            detail = f" (MUMPS INFOG(1) = {code}: {MUMPS_REASONS.get(code, 'see the MUMPS manual')})"
        return (
            f"{self.name}: not solved, {what}{detail}.\n"
            f"Try a finer mesh or a lower degree, or another solver through PETSc options, for example: "
            f"-- -{self.name}_pc_factor_mat_solver_type superlu_dist"
        )


def backward_error(matrix: PETSc.Mat, solution: PETSc.Vec, rhs: PETSc.Vec, *, transposed: bool = False) -> float:
    """Componentwise relative backward error max_i |b - A x|_i / (|A| |x| + |b|)_i, over all ranks."""
    residual, bound, size = rhs.duplicate(), rhs.duplicate(), solution.copy()
    magnitude = matrix.copy()
    _take_magnitudes(magnitude)
    size.abs()
    if transposed:
        matrix.multTranspose(solution, residual)
        magnitude.multTranspose(size, bound)
    else:
        matrix.mult(solution, residual)
        magnitude.mult(size, bound)
    residual.axpy(-1.0, rhs)
    above, below = np.abs(residual.array_r), bound.array_r + np.abs(rhs.array_r)
    ratio = residual.duplicate()
    # rows whose terms have underflowed have no digits to be judged by
    nothing = below <= UNDERFLOW  # False for what is not a number
    ratio.array[:] = np.where(nothing, 0.0, above / np.where(nothing, 1.0, below))
    worst = ratio.max()[1] if ratio.getSize() else 0.0
    for item in (residual, bound, size, magnitude, ratio):
        item.destroy()
    return float(worst)


def _take_magnitudes(matrix: PETSc.Mat) -> None:
    """Replace the entries of an assembled matrix by their magnitudes, in place."""
    start, columns, values = matrix.getValuesCSR()
    matrix.setValuesCSR(start, columns, np.abs(values))
    matrix.assemble()


def _name_of(reason: int) -> str:
    names = {value: name for name, value in vars(PETSc.KSP.ConvergedReason).items() if isinstance(value, int)}
    return f"KSP_{names.get(reason, reason)}"
