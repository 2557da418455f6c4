"""Versions of the solver stack as loaded, and whether MUMPS factorises a small matrix."""

from __future__ import annotations

import json

from fpsolver.runtime.stack import load_wheel

SOLVERS = ("superlu_dist", "pastix", "strumpack", "mkl_pardiso", "cholmod", "umfpack", "hypre", "ml", "cuda", "hip")
SIZE = 50


def main() -> None:
    load_wheel()
    import petsc4py

    petsc4py.init(["fpsolver"])
    import dolfinx
    import numpy as np
    import slepc4py
    from petsc4py import PETSc
    from slepc4py import SLEPc

    answer = {
        "dolfinx": dolfinx.__version__,
        "petsc": _number(PETSc.Sys.getVersion()),
        "slepc": _number(SLEPc.Sys.getVersion()),
        "petsc4py": petsc4py.__version__,
        "slepc4py": slepc4py.__version__,
        "real": not np.issubdtype(PETSc.ScalarType, np.complexfloating),
        "indices": 8 * np.dtype(PETSc.IntType).itemsize,
        "solvers": [name for name in SOLVERS if PETSc.Sys.hasExternalPackage(name)],
        "mumps": PETSc.Sys.hasExternalPackage("mumps"),
    }
    if answer["mumps"]:
        answer["residual"] = _residual()
    print(json.dumps(answer))


def _number(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def _residual() -> float:
    """Of a tridiagonal system that MUMPS has solved."""
    from petsc4py import PETSc

    matrix = PETSc.Mat().createAIJ((SIZE, SIZE), nnz=3, comm=PETSc.COMM_SELF)
    for row in range(SIZE):
        for column, value in ((row - 1, -1.0), (row, 2.5), (row + 1, -1.2)):
            if 0 <= column < SIZE:
                matrix[row, column] = value
    matrix.assemble()
    solver = PETSc.KSP().create(PETSc.COMM_SELF)
    solver.setOperators(matrix)
    solver.setType("preonly")
    solver.getPC().setType("lu")
    solver.getPC().setFactorSolverType("mumps")
    solution, right = matrix.createVecs()
    right.set(1.0)
    solver.solve(right, solution)
    matrix.multAdd(solution, -right, right)
    return float(right.norm())
