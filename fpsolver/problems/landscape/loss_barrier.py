"""How far the loss must rise on the way out of a region: what barriers of times are compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsolver.case import Domain
from fpsolver.generator.wells import lattice_of
from fpsolver.model import Model
from fpsolver.model.critical import CriticalPoint
from fpsolver.problems.landscape.passes import Basins, Door

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CLOSE = 0.05
"""A point whose loss differs from the level of the flood by this fraction of the barrier is the one that it met."""


@dataclass(frozen=True)
class LossBarrier:
    """The loss on the lowest way out from a start.

    Attributes:
        floor: At the lowest point of the basin.
        gate: At the highest point of the way.
    """

    floor: float
    gate: float

    @property
    def height(self) -> float:
        """How far the loss rises."""
        return self.gate - self.floor


def loss_basins(model: Model, domain: Domain, door: Door, absorbing: Callable[[Array], Bools]) -> Basins:
    """The loss on the lattice of the box around a domain, with the exit of a region.

    Args:
        model: For the loss alone; noise does not enter.
        domain: The domain.
        door: The exit.
        absorbing: Whether points (n, d) of the walls belong to it.
    """
    points = lattice_of(domain.lower, domain.upper)
    flat = points.reshape(-1, points.shape[-1])
    exits = (door.level(flat) >= 0.0) | absorbing(flat)
    with np.errstate(all="ignore"):
        loss = np.nan_to_num(model.loss(flat), nan=np.inf, posinf=np.inf, neginf=np.inf)
    loss = np.where(domain.inside(flat) | exits, loss, np.inf)  # nothing is beyond walls that reflect
    return Basins(
        points, loss.reshape(points.shape[:-1]), exits.reshape(points.shape[:-1]), np.isfinite(domain.periods)
    )


def loss_barrier(
    basins: Basins, model: Model, door: Door, critical: Sequence[CriticalPoint], start: Array
) -> LossBarrier | None:
    """The barrier of the loss for a start; None where no way leads out.

    The flood of the lattice finds the way; where a critical point or the lowest point of the exit is close to its
    level, the loss there is taken instead.
    """
    flood = basins.flood(start)
    if flood is None or not flood.below.any():
        return None
    bottoms = [p.value for p in critical if p.index == 0 and flood.below[basins.place(p.point)]]
    floor = min([float(basins.potential[flood.below].min()), *bottoms])
    near = [node for node in door.nodes if basins.touches(flood.below, node)]
    gates = [p.value for p in critical if p.index and basins.touches(flood.below, p.point)]
    gates += [float(model.loss(np.array(near)).min())] if near else []
    best = min(gates, key=lambda value: abs(value - flood.level), default=flood.level)
    met = abs(best - flood.level) <= CLOSE * (flood.level - floor)
    return LossBarrier(floor, best if met else flood.level)
