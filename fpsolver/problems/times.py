"""Solutions of an exit problem, shared by what reports and what checks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from petsc4py import PETSc


@dataclass(frozen=True)
class Times:
    """Coefficient vectors of the problem's generator.

    Attributes:
        moments: E[tau], E[tau^2], ... as functions of the start, at least two.
        variance: Of tau.
        rate: Escape rate: the smallest eigenvalue.
        quasi_stationary: h of the quasi-stationary density w h, of unit mass.
    """

    moments: Sequence[PETSc.Vec]
    variance: PETSc.Vec
    rate: float
    quasi_stationary: PETSc.Vec
