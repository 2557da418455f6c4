"""Direct solves: factorised once, used often, checked, and explained when they fail."""

from __future__ import annotations

from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.linalg.garbage import collect
from fpsolver.linalg.judge import SolveCount, backward_error, reason_name, residual_of
from fpsolver.linalg.options import defaults

MUMPS_REASONS = {
    -5: "not enough memory for the analysis",
    -8: "work space too small",
    -9: "work space too small",
    -10: "the matrix is numerically singular",
    -13: "out of memory",
    -19: "the memory that it may use is too small",
    -40: "a pivot is not positive",
}

MUMPS = {"icntl_58": "1"}
"""Symbolic factorisation by quotient graphs. The default, by counts of columns, is no faster, and runs have crashed in
it now and then (in ``mumps_wrap_ginp94``)."""

REFINE_ABOVE = 1e-12
MOST_REFINEMENTS = 2


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
        self._rhs = self._scale.duplicate()
        self._unchecked = {False, True}
        self._refinements = 0
        with defaults(f"{name}_", {f"mat_mumps_{key}": value for key, value in MUMPS.items()}):
            self._ksp.setFromOptions()
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
        collect(self._matrix.getComm())
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
        collect(self._matrix.getComm())

    def _apply(self, rhs: PETSc.Vec, transposed: bool) -> PETSc.Vec:
        self._rhs.pointwiseMult(self._scale, rhs)
        solution = rhs.duplicate()
        (self._ksp.solveTranspose if transposed else self._ksp.solve)(self._rhs, solution)
        reason = self._ksp.getConvergedReason()
        if reason <= 0:
            raise SolverFailed(
                self._explain(f"{reason_name(reason)} after {self._ksp.getIterationNumber()} iterations")
            )
        solution.pointwiseMult(self._scale, solution)
        return solution

    def _refine(self, solution: PETSc.Vec, rhs: PETSc.Vec, transposed: bool) -> None:
        """One step of iterative refinement, which makes even the smallest components accurate (Skeel)."""
        residual = residual_of(self._matrix, solution, rhs, transposed=transposed)
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
