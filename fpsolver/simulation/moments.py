"""What is measured of walkers at one time: sums of blocks, and means with intervals of all of them.

A block is measured about its own mean, so nothing large is subtracted, and blocks are added in their order, so that the
sums are the same to the last bit however blocks were shared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case import Region
from fpsolver.case.expressions import Program

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

Z99 = 2.5758293035489004
"""Two-sided normal quantile of 99 %."""


class Measure:
    """Walkers at one time -> one row of numbers.

    Args:
        coordinates: Names of the d coordinates.
        regions: Whose masses are counted.
        loss: f at points (n, d).
    """

    def __init__(
        self, coordinates: tuple[str, ...], regions: Mapping[str, Region], loss: Callable[[Array], Array]
    ) -> None:
        self._coordinates, self._names, self._loss = coordinates, tuple(regions), loss
        self._levels = Program([region.level for region in regions.values()])

    @property
    def regions(self) -> tuple[str, ...]:
        """The names of the regions."""
        return self._names

    def __call__(self, positions: Array, alive: Bools) -> Array:
        """The row of a block, see `Moments.of`."""
        positions = positions if alive.all() else positions[:, alive]
        count, size = positions.shape[1], len(positions)
        if count == 0:
            return np.zeros(3 + size + 2 * size * size + len(self._names))
        mean = positions.mean(axis=1)
        centred = positions - mean[:, None]
        squares = centred**2
        levels = self._levels(dict(zip(self._coordinates, positions, strict=True))) if self._names else []
        loss = self._loss(positions.T)
        return np.concatenate(
            [
                [count, loss.mean(), ((loss - loss.mean()) ** 2).sum()],
                mean,
                (centred @ centred.T).ravel(),
                (squares @ squares.T).ravel(),
                [float((level < 0.0).sum()) for level in levels],
            ]
        )


@dataclass(frozen=True)
class Estimate:
    """A value and the half width of its interval of 99 %."""

    value: float
    half: float


@dataclass(frozen=True)
class Moments:
    """What all walkers say at one time.

    Attributes:
        mass: Share of the walkers that is left.
        mean: Of each coordinate, over those that are left.
        covariance: d rows.
        loss: Its mean over those.
        regions: Shares of all walkers, by name.
    """

    mass: Estimate
    mean: list[Estimate]
    covariance: list[list[Estimate]]
    loss: Estimate
    regions: dict[str, Estimate]

    @classmethod
    def of(cls, rows: Array, walkers: int, names: tuple[str, ...], size: int) -> Moments | None:
        """From rows of blocks, (blocks, columns); None where nobody is left.

        Intervals of covariances are those of means of products about the mean; that of a block stands for that of all
        where the products' fourth moments are summed, which changes an interval by O(1/walkers of a block).
        """
        counts = rows[:, 0]
        total = float(counts.sum())
        if total == 0.0:
            return None
        blocks = counts > 0
        rows, counts = rows[blocks], counts[blocks]
        means = rows[:, 3 : 3 + size]
        mean = counts @ means / total
        apart = means - mean
        second = rows[:, 3 + size : 3 + size + size * size].sum(axis=0).reshape(size, size)
        covariance = (second + np.einsum("b,bi,bj->ij", counts, apart, apart)) / total
        fourth = rows[:, 3 + size + size * size : 3 + size + 2 * size * size].sum(axis=0).reshape(size, size) / total
        spread = np.sqrt(np.maximum(fourth - covariance**2, 0.0) / total)
        loss = float(counts @ rows[:, 1] / total)
        scatter = float(rows[:, 2].sum() + counts @ (rows[:, 1] - loss) ** 2) / total
        inside = rows[:, 3 + size + 2 * size * size :].sum(axis=0)
        return cls(
            share(total, walkers),
            [Estimate(float(mean[i]), Z99 * math.sqrt(max(covariance[i, i], 0.0) / total)) for i in range(size)],
            [[Estimate(float(covariance[i, j]), Z99 * float(spread[i, j])) for j in range(size)] for i in range(size)],
            Estimate(loss, Z99 * math.sqrt(scatter / total)),
            {name: share(float(number), walkers) for name, number in zip(names, inside, strict=True)},
        )


def share(count: float, walkers: int) -> Estimate:
    """A probability from a count: the share itself, and the farther end of Wilson's interval."""
    value, square = count / walkers, Z99**2
    centre = (count + square / 2.0) / (walkers + square)
    width = Z99 * math.sqrt(count * (walkers - count) / walkers + square / 4.0) / (walkers + square)
    return Estimate(value, abs(value - centre) + width)
