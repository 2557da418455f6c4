"""Whether a path left {g < 0} within a step, of which only the two ends are known.

Between its ends a path is close to a Brownian bridge, and {g = 0} close to a plane. With the signed distance g/|∇g| and
the noise n·2Dn normal to the plane, it has crossed with the probability

    exp(-2 g₀ g₁ / (∇g·2D∇g h))        for g₀, g₁ < 0,

so that exit times converge like h, and not like √h as where only the ends are looked at (Gobet, 2000). Where noise does
not act across the edge, ∇g·D∇g = 0, paths are smooth in that direction, and the ends are all that counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.expressions import Expression, Program
from fpsolver.simulation.tensor import Entry, Tensor, form, is_zero

Array = NDArray[np.float64]
Places = NDArray[np.intp]

NEVER = 36.0
"""A crossing with a probability below e^-36 is none."""

MIDDLE = 0.5
"""When a bridge crosses, as a share of the step."""


@dataclass(frozen=True)
class Standing:
    """Where n walkers are in relation to the edge: g, (n,), and the entries of ∇g."""

    level: Array
    slope: list[Entry]


class Crossing:
    """The edge of a region {g < 0}.

    Args:
        level: g.
        coordinates: Names of the coordinates.
        bridge: Whether crossings between the ends of a step are looked for.
    """

    def __init__(self, level: Expression, coordinates: tuple[str, ...], *, bridge: bool = True) -> None:
        slopes = [level.derivative(name) for name in coordinates]
        self._coordinates = coordinates
        self._numbers = [slope.value for slope in slopes]
        self._program = Program([level, *(slope for slope in slopes if slope.value is None)])
        self._bridge = bridge

    def standing(self, positions: Array) -> Standing:
        """At positions (d, n)."""
        level, *varying = self._program.bare(dict(zip(self._coordinates, positions, strict=True)))
        found = iter([slope * np.ones_like(level) for slope in varying])  # none is a coordinate itself
        return Standing(level.copy(), [next(found) if value is None else value for value in self._numbers])

    def left(
        self, before: Standing, after: Standing, diffusion: Tensor, step: float, random: np.random.Generator
    ) -> tuple[Places, Array]:
        """Which walkers left within a step, and after which share of it.

        Args:
            before, after: At the ends of the step; all walkers were inside before.
            diffusion: D at its beginning.
            step: h.
            random: Asked for as many numbers as there are walkers near the edge.
        """
        noise = form(diffusion, before.slope) if self._bridge else 0.0
        gap = before.level * after.level  # not positive for those outside
        places = np.flatnonzero(gap <= NEVER * step * noise)
        if not len(places):
            return places, np.zeros(0)
        first, last, gap = before.level[places], after.level[places], gap[places]
        outside = last >= 0.0
        shares = np.where(outside, first / np.where(outside, first - last, 1.0), MIDDLE)  # where the chord crosses
        if is_zero(noise):
            return places[outside], shares[outside]
        width = step * np.maximum(noise if isinstance(noise, float) else noise[places], 1e-300)
        left = outside | (random.random(len(places)) < np.exp(-np.maximum(gap, 0.0) / width))
        return places[left], shares[left]
