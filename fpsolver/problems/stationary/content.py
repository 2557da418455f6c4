"""How much of a density is at the edge of what a mesh shows, cell by cell.

Of the ratio h of degree k, the part that polynomials of degree k - 1 miss, weighted by w, is the content of a cell,

    integral over the cell of w |h - P h|,

whose sum is near the L1 error e' of the density of degree k - 1; that of degree k is about e'^((k + 1)/k).
"""

from __future__ import annotations

import basix
import numpy as np
import numpy.typing as npt

from fpsolver.problems.stationary.settled import State

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ERROR = 3e-3
"""Error in L1 that a mesh may leave, of a density of mass 1."""

GAIN = 1.5
"""Cells that come with one that is bisected, those around it included."""


def allowed_content(degree: int) -> float:
    """Content that a mesh may leave."""
    return float(ERROR ** (degree / (degree + 1)))


def contents_of(state: State) -> Array:
    """The content of the owned cells; 0 for a formula, and what a projection moves for elements of degree 1."""
    generator, degree = state.generator, state.generator.degree
    owned = generator.quadrature.cells.owned
    if state.exact:
        return np.zeros(owned)
    if degree == 1 or generator.monotone:
        return np.full(owned, state.projection.moved / generator.comm.allreduce(owned))
    cell = generator.space.element.basix_element.cell_type
    lower = basix.create_element(basix.ElementFamily.P, cell, degree - 1, basix.LagrangeVariant.gll_warped)
    quadrature = generator.quadrature
    basis = lower.tabulate(0, quadrature.reference)[0, :, :, 0]
    weighted = basis * quadrature.rule_weights[:, None]
    projector = basis @ np.linalg.solve(basis.T @ weighted, weighted.T)
    values = quadrature.values(generator.function(state.vector))
    missed = np.abs(values - values @ projector.T)
    return np.asarray((missed * quadrature.measure * generator.weight_at_points).sum(axis=1))


def bisections(state: State, contents: Array, allowed: float, room: int) -> Ints:
    """How often cells have to be bisected, so that each has no more than its share of content. Collective.

    The content of a cell falls with its size like h^(k + d). Where there is no room for all of them, those of most
    content come first.

    Args:
        state: The density.
        contents: Its content in the owned cells.
        allowed: That of all cells together.
        room: So many cells may be added.
    """
    generator = state.generator
    d, degree = generator.model.dimension, generator.degree
    share = allowed / generator.comm.allreduce(len(contents))
    while True:
        excess = np.log2(np.maximum(contents / share, 1.0))
        times = np.minimum(np.ceil(d * excess / (degree + d)), 2 * d)
        more = generator.comm.allreduce(float((GAIN * (2.0**times - 1.0)).sum()))
        if more <= room:
            return np.asarray(times, dtype=np.int64)
        share *= 2.0
