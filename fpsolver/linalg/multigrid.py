"""Iterative solves for matrices whose factors do not fit into memory: Krylov with multigrid, from degree to degree.

The matrix is scaled symmetrically by its diagonal, since weights span tens of orders of magnitude. Its preconditioner
is one V-cycle of two levels: a smoother on the elements of degree k, and those of degree 1 on the same mesh, whose
matrix is factorised or, where it is large too, given to algebraic multigrid (GAMG), which is to keep the constants in
the scaling of the matrix. Symmetric matrices are solved by conjugate gradients, others by flexible GMRES.
"""

from __future__ import annotations

from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.linalg.direct import MUMPS
from fpsolver.linalg.garbage import collect
from fpsolver.linalg.judge import SolveCount, backward_error, magnitudes_of, reason_name, residual_of
from fpsolver.linalg.options import defaults
from fpsolver.solvers import LARGEST_COARSE

SMALLEST = 1e-11
"""Relative residual in the norm of the scaled matrix; what is left componentwise is refined."""

GOOD, MOST_REFINEMENTS = 1e-11, 6
"""Componentwise backward error above which a solution is refined, and so often at the most."""

CLOSER = 0.1
"""A correction has to reach that with this to spare."""

MOST_ITERATIONS = 100
"""Ten are usual. Where they do not suffice, as in corners where cells span many nats, the smoother gets more fill."""

MOST_FILL = 2
RESTART = 60
SYMMETRIC: dict[str, str] = {
    "ksp_type": "cg",
    "ksp_norm_type": "natural",
    "mg_levels_ksp_type": "chebyshev",
    "mg_levels_ksp_max_it": "2",
    "mg_levels_pc_type": "asm",
    "mg_levels_pc_asm_type": "basic",
    "mg_levels_sub_pc_type": "icc",
    "mg_levels_sub_pc_factor_shift_type": "positive_definite",
}
OTHER: dict[str, str] = {
    "ksp_type": "fgmres",
    "ksp_gmres_restart": str(RESTART),
    "mg_levels_ksp_type": "richardson",
    "mg_levels_ksp_max_it": "2",
    "mg_levels_pc_type": "asm",
    "mg_levels_sub_pc_type": "ilu",
}
BOTH: dict[str, str] = {
    "ksp_rtol": str(SMALLEST),
    "ksp_atol": "0",
    "ksp_max_it": str(MOST_ITERATIONS),
    "pc_type": "mg",
    "mg_coarse_ksp_type": "preonly",
}
FACTORS: dict[str, str] = {
    "mg_coarse_pc_type": "lu",
    "mg_coarse_pc_factor_mat_solver_type": "mumps",
    **{f"mg_coarse_mat_mumps_{key}": value for key, value in MUMPS.items()},
}
AGGREGATES: dict[str, str] = {
    "mg_coarse_pc_type": "gamg",
    "mg_coarse_pc_gamg_threshold": "0.01",
    "mg_coarse_pc_gamg_agg_nsmooths": "1",
}


class Multigrid:
    """A matrix made ready to be solved with iteratively; has the same calls as `Factorization`.

    Args:
        matrix: Square matrix, not changed.
        coarse: Interpolation from the elements of degree 1 (columns) to the unknowns of the matrix (rows).
        name: What is solved, for messages and as prefix of PETSc options (``-<name>_ksp_type ...``).
        symmetric: Solve by conjugate gradients.
        count: Where work is counted.
    """

    def __init__(self, matrix: PETSc.Mat, coarse: PETSc.Mat, name: str, *, symmetric: bool, count: SolveCount) -> None:
        self.name = name
        self.count = count
        self._matrix = matrix
        self._magnitude = magnitudes_of(matrix)
        self._coarse = coarse
        self._symmetric = symmetric
        self._scale = matrix.getDiagonal()
        self._scale.sqrtabs()
        self._scale.reciprocal()
        self._rhs = self._scale.duplicate()
        self._fill = 1 if symmetric else 0
        self._solvers: dict[bool, PETSc.KSP] = {}
        self._solver(transposed=False)

    def solve(self, rhs: PETSc.Vec, *, transposed: bool = False) -> PETSc.Vec:
        """The solution of A x = b, or of A^T x = b.

        Raises:
            SolverFailed: With PETSc's reason and a remedy.
        """
        collect(self._matrix.getComm())
        solution = self._apply(rhs, transposed)
        self.count.solves += 1
        error = self._error(solution, rhs, transposed)
        for _ in range(MOST_REFINEMENTS):
            if error <= GOOD:
                break
            residual = residual_of(self._matrix, solution, rhs, transposed=transposed)
            correction = self._apply(residual, transposed, enough=min(CLOSER * GOOD / error, CLOSER))
            solution.axpy(1.0, correction)
            for item in (residual, correction):
                item.destroy()
            error = self._error(solution, rhs, transposed)
        self.count.backward_error = max(self.count.backward_error, error)
        return solution

    @property
    def coarse_type(self) -> str:
        """PETSc's name of how the matrix of degree 1 is solved with."""
        return str(self._solver(transposed=False).getPC().getMGCoarseSolve().getPC().getType())

    def destroy(self) -> None:
        """Release the levels; collective."""
        self._forget()
        for item in (self._scale, self._rhs, self._magnitude):
            item.destroy()
        collect(self._matrix.getComm())

    def _error(self, solution: PETSc.Vec, rhs: PETSc.Vec, transposed: bool) -> float:
        return backward_error(self._matrix, solution, rhs, transposed=transposed, magnitude=self._magnitude)

    def _forget(self) -> None:
        for solver in self._solvers.values():
            solver.destroy()
        self._solvers.clear()

    def _solver(self, *, transposed: bool) -> PETSc.KSP:
        """The Krylov method with its levels, made when it is wanted."""
        key = transposed and not self._symmetric
        if key not in self._solvers:
            self._solvers[key] = self._prepared(transposed=key)
        return self._solvers[key]

    def _prepared(self, *, transposed: bool) -> PETSc.KSP:
        matrix = self._matrix.copy()
        if transposed:
            matrix.transpose()
        coarse_matrix = matrix.ptap(self._coarse)
        coarse_scale = coarse_matrix.getDiagonal()
        coarse_scale.sqrtabs()
        near_kernel = coarse_scale.copy()  # constants, in the scaling of the matrix
        coarse_scale.reciprocal()
        coarse_matrix.diagonalScale(coarse_scale, coarse_scale)
        matrix.diagonalScale(self._scale, self._scale)
        interpolation = self._coarse.copy()
        unscale = self._scale.copy()
        unscale.reciprocal()
        interpolation.diagonalScale(unscale, coarse_scale)
        near_kernel.normalize()
        coarse_matrix.setNearNullSpace(PETSc.NullSpace().create(vectors=[near_kernel], comm=matrix.getComm()))
        if self._symmetric:
            for each in (matrix, coarse_matrix):
                each.setOption(PETSc.Mat.Option.SYMMETRIC, True)
                each.setOption(PETSc.Mat.Option.SPD, True)
        solver = PETSc.KSP().create(matrix.getComm())
        solver.setOptionsPrefix(f"{self.name}_")
        solver.setOperators(matrix)
        preconditioner = solver.getPC()
        preconditioner.setType(PETSc.PC.Type.MG)
        preconditioner.setMGLevels(2)
        preconditioner.setMGInterpolation(1, interpolation)
        preconditioner.getMGCoarseSolve().setOperators(coarse_matrix)
        small = coarse_matrix.getSize()[0] <= LARGEST_COARSE
        options = BOTH | (SYMMETRIC if self._symmetric else OTHER) | (FACTORS if small else AGGREGATES)
        options["mg_levels_sub_pc_factor_levels"] = str(self._fill)
        with defaults(f"{self.name}_", options):
            solver.setFromOptions()
            try:
                solver.setUp()
                preconditioner.getMGCoarseSolve().setUp()
            except PETSc.Error as error:
                raise SolverFailed(self._explain(f"PETSc error {error.ierr}")) from error
        self.count.factorizations += 1
        return solver

    def _apply(self, rhs: PETSc.Vec, transposed: bool, *, enough: float = 0.0) -> PETSc.Vec:
        """A new solution, as accurate as the method is set to, or relatively as much as is enough."""
        self._rhs.pointwiseMult(self._scale, rhs)
        solution = rhs.duplicate()
        reason, iterations = self._iterate(solution, transposed, enough)
        while reason <= 0 and self._fill < MOST_FILL:
            self._fill += 1
            self._forget()
            reason, iterations = self._iterate(solution, transposed, enough)
        self.count.iterations = max(self.count.iterations, iterations)
        if reason <= 0:
            raise SolverFailed(self._explain(f"{reason_name(reason)} after {iterations} iterations"))
        solution.pointwiseMult(self._scale, solution)
        return solution

    def _iterate(self, solution: PETSc.Vec, transposed: bool, enough: float) -> tuple[int, int]:
        """Why it ended, and after how many iterations."""
        solver = self._solver(transposed=transposed)
        usual = solver.getTolerances()[0]
        solver.setTolerances(rtol=max(usual, enough))
        solver.solve(self._rhs, solution)
        solver.setTolerances(rtol=usual)
        return int(solver.getConvergedReason()), int(solver.getIterationNumber())

    def _explain(self, what: str) -> str:
        return (
            f"{self.name}: not solved, {what}.\n"
            f"Try a finer mesh, or a direct solver if there is memory for it: -- -{self.name}_pc_type lu"
        )
