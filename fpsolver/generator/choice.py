"""Which weight a problem gets: from a known potential, by integration in one dimension, or fitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.generator.fitting import fitted_potential
from fpsolver.generator.integrated import integrated_potential
from fpsolver.generator.weight import CEILING, Weight, bend, no_potential
from fpsolver.model.coefficients import Model

Array = npt.NDArray[np.float64]

CEILINGS = (CEILING, 50.0, 40.0, 32.0, 25.0, 20.0, 16.0, 13.0, 10.0)
"""Ceilings tried for an evolution, highest first; where the data reach beyond the last one, no weight is used."""

HIGHEST = {"given": 25.0, "fitted": 16.0}
"""Ceilings for an evolution with transport, which is not dissipative in the far tails of a weight that is bent or not
quite stationary: a higher one costs several times more Krylov vectors."""

CONTRAST = 10.0
"""Largest log of 1 + chi^2 between initial data and weight, in nats."""


def reference_weight(model: Model, lower: Sequence[float], upper: Sequence[float], comm: MPI.Comm) -> Weight:
    """The best weight known for a model on a box around its domain. Collective.

    Args:
        model: Drift and diffusion.
        lower: Lower corner of the bounding box.
        upper: Upper corner.
        comm: Rank 0 fits where fitting is needed, so that all ranks hold the same function.
    """
    if model.potential is not None:
        gibbs = model.gradient_drift and model.constant_scalar_diffusion is not None
        return Weight(model.potential, kind="potential" if gibbs else "given")
    if model.dimension == 1:
        return Weight(integrated_potential(model, lower[0], upper[0]), kind="integrated")
    return Weight(fitted_potential(model, lower, upper, comm), kind="fitted")


def weight_for(
    weight: Weight,
    domain: tuple[Array, Array],
    data: tuple[Array, Array, Array],
    comm: MPI.Comm,
) -> Weight:
    """The weight with the highest ceiling at which initial data and weight stay comparable; w = 1 if there is none.

    Densities are resolved in the norm of L2(1/w). Its square for the initial data, times the integral of w, is
    1 + chi^2(rho_0, w); where the data reach far beyond w that is astronomic, and accuracy goes where no mass is.

    Args:
        weight: With its floor set.
        domain: Quadrature points (n, d) of this rank's cells and their weights (n,).
        data: Points (m, d), weights (m,) and values (m,) of the initial density.
        comm: All ranks.
    """
    everywhere = weight.potential(domain[0])[0] - weight.floor
    there = weight.potential(data[0])[0] - weight.floor
    for ceiling in (each for each in CEILINGS if each <= HIGHEST.get(weight.kind, CEILING)):
        # sums in a fixed order of ceilings: all ranks take the same one
        whole = float(domain[1] @ np.exp(-bend(everywhere, ceiling)[0]))
        square = float(data[1] @ (data[2] ** 2 * np.exp(bend(there, ceiling)[0])))
        if np.log(comm.allreduce(whole)) + np.log(comm.allreduce(square)) <= CONTRAST:
            return replace(weight, ceiling=ceiling)
    return Weight(no_potential)
