"""The reference density w = exp(-Psi) against which everything is solved.

Any positive weight is consistent; a good one takes the exponential out of the unknown. A weight is a smooth function
of the point, known on every rank and independent of the mesh, so that results do not depend on how a mesh is shared
among ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from scipy import special

Array = npt.NDArray[np.float64]
Potential = Callable[[Array], tuple[Array, Array]]
"""Points (n, d) to Psi (n,) and its gradient (n, d)."""

CEILING = 60.0
"""Highest value of Psi above its minimum, in nats, that a weight follows before it is bent to a constant."""

BEND = 8.0
"""Width of the bend, in nats."""


@dataclass(frozen=True)
class Weight:
    """w = exp(-s(Psi - floor)), with s the identity up to the ceiling and then bending smoothly to a constant.

    Without the bend, cells over which Psi varies by more than about ten make the matrices singular, and data that
    reach far beyond the stationary density are divided by numbers close to zero.

    Attributes:
        potential: Psi and its gradient.
        floor: Smallest value of Psi on the domain.
        ceiling: Where the bend begins, in nats above the floor.
        kind: Where Psi comes from: "potential", "given", "integrated", "fitted" or "none".
        ratio: By what the noise of the case was multiplied in the model that Psi belongs to.
    """

    potential: Potential
    floor: float = 0.0
    ceiling: float = CEILING
    kind: str = "none"
    ratio: float = 1.0

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """The bent exponent (n,) and its gradient (n, d) at points (n, d)."""
        value, gradient = self.potential(points)
        bent, slope = bend(value - self.floor, self.ceiling)
        return bent, slope[:, None] * gradient

    def density(self, points: Array) -> Array:
        """w at points (n, d): (n,)."""
        return np.asarray(np.exp(-self(points)[0]))


def bend(z: Array, ceiling: float) -> tuple[Array, Array]:
    """s and s' at z: s' = exp(-t^4) with t = (z - ceiling) / BEND where positive, so s has four derivatives."""
    t = np.clip((z - ceiling) / BEND, 0.0, 10.0)
    top = BEND * special.gamma(0.25) / 4 * special.gammainc(0.25, t**4)
    return np.where(z > ceiling, ceiling + top, z), np.exp(-(t**4))


def no_potential(points: Array) -> tuple[Array, Array]:
    """Psi = 0: the plain Galerkin form."""
    return np.zeros(len(points)), np.zeros_like(points)


def grounded(weight: Weight, points: Array, comm: MPI.Comm) -> Weight:
    """The weight with its floor at the smallest Psi over all ranks' points (n, d)."""
    values, _ = weight.potential(points)
    return replace(weight, floor=float(comm.allreduce(values.min(initial=np.inf), MPI.MIN)))
