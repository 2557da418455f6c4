"""fpsolver: what stochastic gradient descent does to the distribution of its parameters.

Solves the Fokker-Planck equation with degenerate noise and a non-convex loss in bounded domains. Importing the package
starts nothing: MPI, PETSc and DOLFINx start with `solve`. For the command line see ``fpsolver.cli``.

    >>> import fpsolver
    >>> case = fpsolver.load("cases/double_well.toml", ["evolution.end_time=1.0"])
    >>> solution = fpsolver.solve(case)
    >>> solution.certificate["passed"]
    True
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpsolver.case import Case
    from fpsolver.study.api import Solution

__all__ = ["__version__", "load", "solve"]
__version__ = "0.1.0"


def load(path: str | Path, overrides: Sequence[str] = ()) -> Case:
    """A case from its file; overrides are written as ``KEY=VALUE``.

    Raises:
        BadCase: With every mistake of the file.
    """
    from fpsolver.case import load as load_case

    return load_case(path, overrides)


def solve(case: Case) -> Solution:
    """Solve all that a case asks for on all ranks, without writing files. Collective.

    Raises:
        SolverFailed: A solver failed.
    """
    from fpsolver.runtime import start_mpi

    comm = start_mpi()
    from fpsolver.study.api import solve as solve_case

    return solve_case(case, comm)
