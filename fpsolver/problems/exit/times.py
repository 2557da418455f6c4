"""Solutions of an exit problem, shared by what reports and what checks them.

K u_1 = M 1,   K u_k = k M u_{k-1},   u = 0 on the exit set        moments E[tau^k]
K v = (integral of 2 w grad u_1 . D grad u_1 against v)             variance, a sum of positive terms
K q = lambda M q,   K^T h = lambda M h                              escape rate and quasi-stationary density w h
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from petsc4py import PETSc

from fpsolver.generator.eigen import largest
from fpsolver.generator.pinned import Pinned

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


def solved_times(inverse: Pinned, count: int, heartbeat: Callable[[], None]) -> Times:
    """The times of an exit, with so many moments, at least two. Collective.

    Raises:
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    generator = inverse.generator
    load, moments = generator.total, []
    for order in range(1, count + 1):
        moments.append(inverse.solve(load))
        heartbeat()
        load = generator.total.duplicate()
        generator.mass.mult(moments[-1], load)
        load.scale(order + 1.0)
    rate, density = _quasi_stationary(inverse, moments[0], heartbeat)
    return Times(moments, _spread(inverse, moments[0]), rate, density)


def _spread(inverse: Pinned, first: PETSc.Vec) -> PETSc.Vec | None:
    """v with -L v = 2 grad u . D grad u: the variance without the difference E[tau^2] - u^2 of two close numbers."""
    generator = inverse.generator
    if generator.monotone:  # its gradients are those of another form
        return None
    quadrature = generator.quadrature
    slope = quadrature.gradients(generator.function(first))
    diffusion = generator.coefficients.diffusion.reshape(*slope.shape, slope.shape[2])
    rate = np.einsum("cqi,cqij,cqj->cq", slope, diffusion, slope)
    return inverse.solve(generator.observable(2.0 * np.asarray(rate)))


def _quasi_stationary(inverse: Pinned, first: PETSc.Vec, heartbeat: Callable[[], None]) -> tuple[float, PETSc.Vec]:
    """The smallest eigenvalue of K u = lambda M u and its left eigenvector, of unit mass."""
    generator = inverse.generator
    scale = first.norm(PETSc.NormType.INFINITY)  # 1e100 squared is no number

    def apply(vector: PETSc.Vec) -> PETSc.Vec:
        load = vector.duplicate()
        generator.mass.mult(vector, load)
        load.scale(1.0 / scale)
        heartbeat()
        return inverse.solve_transposed(load)

    slowest = largest(apply, apply(generator.one), 1, "escape")[0]
    density = slowest.real
    density.scale(1.0 / generator.total.dot(density))
    return 1.0 / (slowest.value.real * scale), density
