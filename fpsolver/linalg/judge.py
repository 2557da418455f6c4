"""The judge of all solves: what was done, how good the solutions are, and words for what failed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from petsc4py import PETSc

UNDERFLOW = 1e-290


@dataclass
class SolveCount:
    """How much work was done, and the worst componentwise backward error seen.

    Attributes:
        solves: Right-hand sides solved for.
        factorizations: Matrices factorised, or made ready for an iterative solver.
        iterations: The most that one solve took; 0 where all are direct.
        backward_error: See `backward_error`.
    """

    solves: int = 0
    factorizations: int = 0
    iterations: int = 0
    backward_error: float = 0.0

    @property
    def work(self) -> dict[str, int]:
        """What ``results.json`` says of it."""
        return {"solves": self.solves, "factorizations": self.factorizations, "iterations": self.iterations}


def magnitudes_of(matrix: PETSc.Mat) -> PETSc.Mat:
    """|A|, by entries, as a new matrix. Collective."""
    magnitude = matrix.copy()
    start, columns, values = magnitude.getValuesCSR()
    magnitude.setValuesCSR(start, columns, np.abs(values))
    magnitude.assemble()
    return magnitude


def backward_error(
    matrix: PETSc.Mat,
    solution: PETSc.Vec,
    rhs: PETSc.Vec,
    *,
    transposed: bool = False,
    magnitude: PETSc.Mat | None = None,
) -> float:
    """Componentwise relative backward error max_i |b - A x|_i / (|A| |x| + |b|)_i, over all ranks.

    Args:
        matrix: A.
        solution: x.
        rhs: b.
        transposed: Judge A^T x = b instead.
        magnitude: |A|, by those who judge often; None: it is made here.
    """
    residual, bound, size = rhs.duplicate(), rhs.duplicate(), solution.copy()
    own = magnitude is None
    magnitude = magnitudes_of(matrix) if magnitude is None else magnitude
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
    for item in (residual, bound, size, ratio, *([magnitude] if own else [])):
        item.destroy()
    return float(worst)


def residual_of(matrix: PETSc.Mat, solution: PETSc.Vec, rhs: PETSc.Vec, *, transposed: bool = False) -> PETSc.Vec:
    """b - A x, or b - A^T x, as a new vector."""
    residual = rhs.duplicate()
    (matrix.multTranspose if transposed else matrix.mult)(solution, residual)
    residual.aypx(-1.0, rhs)
    return residual


def reason_name(reason: int) -> str:
    """PETSc's name of why a Krylov method ended, such as ``KSP_DIVERGED_ITS``."""
    names = {value: name for name, value in vars(PETSc.KSP.ConvergedReason).items() if isinstance(value, int)}
    return f"KSP_{names.get(reason, reason)}"
