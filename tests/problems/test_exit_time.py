"""Exit times against quadrature along a line, with observed orders, for all kinds of noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.model.coefficients import Coefficients
from tests import exact
from tests.equations import COMM, Array
from tests.problems.answers import Solved, solved
from tests.problems.texts import WELLS, leave, line, plane, regions

parallel = pytest.mark.parallel


def along_x(d: float, starts: npt_like, end: float = 0.0, moments: int = 2) -> tuple[Array, Array]:
    """R1 and R2: moments and variances of the time from x to {x >= end} over the barrier, by quadrature."""
    return exact.exit_times_on_a_line(lambda x: x**3 - x, lambda x: np.full_like(x, d), (-2.0, end), starts, moments)
