"""A block of walkers, and the step of Euler and Maruyama that moves it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fpsolver.simulation.crossing import Crossing
from fpsolver.simulation.dynamics import Dynamics
from fpsolver.simulation.tensor import Entry, Tensor, is_constant, is_zero, root, shifted
from fpsolver.simulation.walls import Walls

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

INSIDE = -1.0
"""The exit time of a walker that has not left."""


class Walkers:
    """A block of walkers, some of which have left; those that have are dropped from time to time.

    Args:
        positions: (d, n), taken over.
        crossing: The edge of the region where their clock runs; None: they have none.

    Attributes:
        positions: (d, m) of the m walkers that are still followed.
        alive: Which of them are inside and have not been absorbed, (m,).
        times: When each of all n walkers left, INSIDE for those that have not, (n,).
    """

    def __init__(self, positions: Array, crossing: Crossing | None) -> None:
        self.positions = positions
        self.alive = np.ones(positions.shape[1], dtype=bool)
        self.times = np.full(positions.shape[1], INSIDE)
        self._index = np.arange(positions.shape[1])
        self._crossing = crossing
        self._standing = None if crossing is None else crossing.standing(positions)

    def keep(self, rows: Bools) -> None:
        """Follow some of the walkers only."""
        self.positions = np.ascontiguousarray(self.positions[:, rows])
        self.alive, self._index = self.alive[rows], self._index[rows]
        self._standing = None if self._crossing is None else self._crossing.standing(self.positions)

    def absorbed(self, places: NDArray[np.intp], time: float) -> None:
        """Some walkers have been absorbed at a time."""
        if len(places):
            self._leave(places, np.full(len(places), time))

    def look(self, time: float, step: float, diffusion: Tensor, random: np.random.Generator) -> None:
        """See which walkers have left in a step that began at a time."""
        if self._crossing is None or self._standing is None:
            return
        before, after = self._standing, self._crossing.standing(self.positions)
        self._standing = after
        places, shares = self._crossing.left(before, after, diffusion, step, random)
        if len(places):
            self._leave(places, time + step * shares)

    def _leave(self, places: NDArray[np.intp], times: Array) -> None:
        new = self.alive[places]
        self.times[self._index[places[new]]] = times[new]
        self.alive[places] = False


class Diffusion:
    """Euler and Maruyama's step x + b h + √(2D) ΔW.

    Args:
        dynamics: b and D.
        walls: Of the domain.
        regularization: ε of the case, which a factor of the noise leaves as it is.
    """

    def __init__(self, dynamics: Dynamics, walls: Walls, regularization: float = 0.0) -> None:
        self._dynamics, self._walls, self._regularization = dynamics, walls, regularization
        self._known: tuple[Tensor, Tensor] | None = None

    def step(
        self,
        walkers: Walkers,
        time: float,
        step: float,
        increments: Array,
        random: np.random.Generator,
        factors: tuple[float, float] | None = None,
    ) -> None:
        """Move walkers on.

        Args:
            walkers: The walkers.
            time: When the step begins.
            step: h.
            increments: ΔW, (d, m), of variance h.
            random: For what happens between the ends of the step.
            factors: Of noise and drift, as in `fpsolver.model.scaled`; None: both 1.
        """
        positions = walkers.positions
        with np.errstate(all="ignore"):
            found = self._dynamics(positions)
            diffusion, scale = found.diffusion, step
            if factors is not None:
                noise, scale = factors[0], factors[1] * step
                diffusion = shifted(diffusion, noise, (factors[1] - noise) * self._regularization)
            before = positions.copy() if self._walls.absorbs else None
            moves = [_combined(row, increments) for row in self._root(diffusion)]
            drifts = [None if is_zero(entry) else scale * entry for entry in found.drift]
            for row, move, drift in zip(positions, moves, drifts, strict=True):
                if drift is not None:
                    row += drift
                if move is not None:
                    row += move
            gone = self._walls.contain(positions, before, diffusion, step, random)
            walkers.look(time, step, diffusion, random)
        walkers.absorbed(gone, time + 0.5 * step)

    def _root(self, diffusion: Tensor) -> Tensor:
        if self._known is not None and self._known[0] is diffusion:
            return self._known[1]
        found = root(diffusion)
        if is_constant(diffusion):
            self._known = diffusion, found
        return found


def _combined(row: tuple[Entry, ...], increments: Array) -> Array | None:
    """A row of √(2D) times ΔW; None where there is no noise."""
    total: Array | None = None
    for entry, increment in zip(row, increments, strict=True):
        if not is_zero(entry):
            term = entry * increment
            total = term if total is None else np.add(total, term, out=total)
    return total
