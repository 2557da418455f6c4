"""The exponent of Kramers' law: Phi with grad Phi = grad f / D, for a D that is a number at each point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsolver.generator.wells import lattice_of
from fpsolver.model import Model
from fpsolver.model.coefficients import Coefficients

Array = npt.NDArray[np.float64]

SCALAR = 1e-12
"""D is a multiple of the identity where the rest is below this fraction of its trace."""

GRADIENT = 1e-9
"""grad f / D is a gradient where grad D and grad f are parallel up to this."""

PANELS = {1: 64, 2: 4, 3: 2}
"""Panels of a path of integration, of eight Gauss points each, by dimension."""


class NoExponent(Exception):
    """There is no such Phi; the message says why."""


@dataclass(frozen=True)
class Exponent:
    """Phi in nats: -log of the stationary density where D is constant, else the integral of grad f / D along lines
    from an anchor.

    Attributes:
        model: Loss and noise.
        anchor: A point of the box where Phi is zero, (d,).
        constant: D where it is one number everywhere.
    """

    model: Model
    anchor: Array
    constant: float | None

    def __call__(self, points: Array) -> Array:
        """Phi at points (n, d)."""
        if self.constant is not None:
            known = self.model.potential
            return np.asarray(self.model.loss(points) / self.constant) if known is None else known(points)[0]
        nodes, weights = np.polynomial.legendre.leggauss(8)
        panels = PANELS[points.shape[1]]
        share = ((np.arange(panels)[:, None] + (nodes + 1.0) / 2.0) / panels).ravel()
        total = np.zeros(len(points))
        for part, weight in zip(share, np.tile(weights / 2.0 / panels, panels), strict=True):
            there = self.model(self.anchor + part * (points - self.anchor))
            slope = there.gradient / there.diffusion[:, 0, :1]
            total += weight * np.einsum("ni,ni->n", slope, points - self.anchor)
        return total

    def noise(self, points: Array) -> Array:
        """D at points (n, d), a number each."""
        return np.asarray(self.model(points).diffusion[:, 0, 0])


def exponent_of(model: Model, lower: Sequence[float], upper: Sequence[float]) -> Exponent:
    """The exponent of a model in a box.

    Raises:
        NoExponent: Kramers' law in this form does not hold for the model.
    """
    if not model.gradient_drift:
        raise NoExponent("the drift is not minus a gradient")
    middle = (np.asarray(lower, dtype=float) + np.asarray(upper, dtype=float)) / 2.0
    if model.constant_scalar_diffusion is not None:
        if model.constant_scalar_diffusion <= 0.0:
            raise NoExponent("there is no noise")
        return Exponent(model, middle, model.constant_scalar_diffusion)
    there = model(lattice_of(lower, upper).reshape(-1, len(lower)))
    noise = there.diffusion[:, 0, 0]
    rest = there.diffusion - noise[:, None, None] * np.eye(len(lower))
    if np.abs(rest).max() > SCALAR * np.abs(there.diffusion).max():
        raise NoExponent("D is not a multiple of the identity")
    if noise.min() <= SCALAR * noise.max():
        raise NoExponent("D vanishes in places")
    if _turns(there):
        raise NoExponent("D depends on the point in such a way that grad f / D is no gradient")
    return Exponent(model, middle, None)


def _turns(there: Coefficients) -> bool:
    """Whether grad f / D has a curl; of a scalar D the divergence is its gradient."""
    product = np.einsum("ni,nj->nij", there.divergence, there.gradient)
    curl = np.abs(product - product.transpose(0, 2, 1)).max()
    return bool(curl > GRADIENT * np.abs(product).max())
