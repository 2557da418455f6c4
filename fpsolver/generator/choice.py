"""Which weight a problem gets: from a known potential, by integration in one dimension, or fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.generator.fitting import fitted_potential
from fpsolver.generator.integrated import integrated_potential
from fpsolver.generator.weight import CEILING, Weight, bend, grounded, no_potential
from fpsolver.model.coefficients import Model

Array = npt.NDArray[np.float64]

CEILINGS = (CEILING, 50.0, 40.0, 32.0, 25.0, 20.0, 16.0, 13.0, 10.0)
"""Ceilings tried for an evolution, highest first; where the data reach beyond the last one, no weight is used."""

HIGHEST = {"given": 25.0, "refined": 25.0, "fitted": 16.0}
"""Ceilings for an evolution with transport, which is not dissipative in the far tails of a weight that is bent or not
quite stationary: a higher one costs several times more Krylov vectors."""

CONTRAST = 6.0
"""Largest log of 1 + chi^2 between initial data and weight, in nats."""


def reference_weight(
    model: Model, lower: Sequence[float], upper: Sequence[float], comm: MPI.Comm, periods: Sequence[float] = ()
) -> Weight:
    """The best weight known for a model on a box around its domain. Collective.

    Args:
        model: Drift and diffusion.
        lower: Lower corner of the bounding box.
        upper: Upper corner.
        comm: Rank 0 fits where fitting is needed, so that all ranks hold the same function.
        periods: For each coordinate its period or infinity; empty: none is periodic.
    """
    if model.potential is not None:
        gibbs = model.gradient_drift and model.constant_scalar_diffusion is not None
        return Weight(model.potential, kind="potential" if gibbs else "given")
    if model.constant_scalar_diffusion == 0.0:
        return Weight(no_potential)
    if model.dimension == 1:
        around = bool(np.isfinite(periods).any())
        return Weight(integrated_potential(model, lower[0], upper[0], periodic=around), kind="integrated")
    return Weight(fitted_potential(model, lower, upper, comm, periods), kind="fitted")


class Comparison:
    """How far densities reach beyond weights of several ceilings.

    Densities are resolved in the norm of L2(1/w). Its square for a density rho, times the integral of w, is
    1 + chi^2(rho, w); where rho reaches far beyond w that is astronomic, and accuracy goes where no mass is.

    Args:
        weight: The reference weight of the model.
        domain: Quadrature points (n, d) of this rank's cells and their weights (n,).
        comm: All ranks.
        highest: No ceiling above this one; None: as suits the kind of the weight.
    """

    def __init__(
        self, weight: Weight, domain: tuple[Array, Array], comm: MPI.Comm, highest: float | None = None
    ) -> None:
        points, volumes = domain
        self._comm = comm
        self._weight = grounded(weight, points, comm)
        exponent = self._weight.potential(points)[0] - self._weight.floor
        highest = min(HIGHEST.get(weight.kind, CEILING), CEILING if highest is None else highest)
        self._masses = {
            ceiling: float(comm.allreduce(volumes @ np.exp(-bend(exponent, ceiling)[0])))
            for ceiling in CEILINGS
            if ceiling <= highest and weight.kind != "none"
        }

    def best(self, points: Array, volumes: Array, density: Array) -> Weight:
        """The weight of the highest ceiling that a density allows; w = 1 if none does. Collective.

        Args:
            points: Where the density is sampled on this rank, (m, d).
            volumes: Quadrature weights, (m,).
            density: rho there, (m,).
        """
        exponent = self._weight.potential(points)[0] - self._weight.floor
        for ceiling, mass in self._masses.items():
            square = self._comm.allreduce(float(volumes @ (density**2 * np.exp(bend(exponent, ceiling)[0]))))
            if np.log(mass) + np.log(square) <= CONTRAST:
                return replace(self._weight, ceiling=ceiling)
        return Weight(no_potential)


def contrast(weight: Weight, points: Array, volumes: Array, density: Array, comm: MPI.Comm) -> float:
    """log of 1 + chi^2 between a density and a weight, in nats: 0 where they are proportional. Collective.

    Args:
        weight: w; its floor does not matter.
        points: Quadrature points of this rank, (m, d).
        volumes: Their weights, (m,).
        density: rho there, (m,).
    """
    exponent = weight(points)[0]
    masses = volumes @ np.exp(-exponent), volumes @ (density**2 * np.exp(exponent)), volumes @ density
    mass, square, total = (comm.allreduce(float(value)) for value in masses)
    return float(np.log(mass) + np.log(square) - 2.0 * np.log(abs(total)))
