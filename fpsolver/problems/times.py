"""Solutions of an exit problem, shared by what reports and what checks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from petsc4py import PETSc

CLOSE = 0.1
"""A variance below this fraction of the squared mean is taken from its own equation."""


@dataclass(frozen=True)
class Times:
    """Coefficient vectors of the problem's generator.

    Attributes:
        moments: E[tau], E[tau^2], ... as functions of the start, at least two.
        spread: Variance of tau where it is small; in a deep well its round-off is multiplied. None: not computed.
        rate: Escape rate: the smallest eigenvalue.
        quasi_stationary: h of the quasi-stationary density w h, of unit mass.
    """

    moments: Sequence[PETSc.Vec]
    spread: PETSc.Vec | None
    rate: float
    quasi_stationary: PETSc.Vec

    def variance(self, start: PETSc.Vec) -> float:
        """The variance from a start: E[tau^2] - u^2 where that is no difference of close numbers."""
        mean, square = start.dot(self.moments[0]), start.dot(self.moments[1])
        if self.spread is not None and square - mean**2 < CLOSE * mean**2:
            return float(start.dot(self.spread))
        return float(square - mean**2)
