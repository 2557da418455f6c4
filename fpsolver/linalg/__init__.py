"""Linear solves that judge themselves: direct for most sizes, iterative beyond."""

from fpsolver.linalg.direct import Factorization
from fpsolver.linalg.judge import SolveCount, backward_error
from fpsolver.linalg.multigrid import Multigrid
from fpsolver.linalg.options import preconditioner_asked

__all__ = ["Factorization", "Multigrid", "SolveCount", "Solver", "backward_error", "preconditioner_asked"]

type Solver = Factorization | Multigrid
"""A matrix that is ready to be solved with, and with its transpose."""
