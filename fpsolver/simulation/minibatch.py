"""SGD itself: every iteration draws rows of the data anew for every walker.

    x ← x - η ĝ + η extra + √(2ηε) ξ,        ĝ = mean of ∇ℓ_i(x) over the batch           (time η per iteration)

    v ← μ v - √η ĝ + √η extra + √(2√η ε) ξ,    x ← x + √η v                                  (heavy ball; √η)

Without replacement a batch is a subset of the rows, all of them equally likely, drawn anew for every iteration: there
are no epochs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fpsolver.case import Case
from fpsolver.case.expressions import Program
from fpsolver.errors import BadUsage
from fpsolver.model.analytic import ExtraDrift
from fpsolver.model.formulas import gradient
from fpsolver.simulation.dynamics import OVERHEAD, PER_ENTRY
from fpsolver.simulation.paths import Walkers
from fpsolver.simulation.walls import Walls

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


class Minibatches:
    """Iterations of SGD.

    Args:
        case: With loss.per_sample, [data], noise.learning_rate and a whole batch_size.
        walls: Of the domain.

    Raises:
        BadUsage: The case has none of that.
    """

    def __init__(self, case: Case, walls: Walls) -> None:
        noise, loss, data, momentum = case.noise, case.loss, case.data, case.momentum
        if loss is None or data is None or noise.learning_rate is None or noise.batch_size is None:
            raise BadUsage('simulation.kind: "sgd" needs loss.per_sample, learning_rate and batch_size; write "sde"')
        self._names = case.coordinates if momentum is None else momentum.positions
        self._walls = walls
        slopes = gradient(loss.expression, self._names)
        self._program = Program(slopes)
        self._columns = {
            name: column
            for name, column in data.columns.items()
            if name in frozenset[str]().union(*(s.names for s in slopes))
        }
        self._rows, self._batch = data.samples, int(noise.batch_size)
        self._replacement = noise.population is None
        self._extra = ExtraDrift(case.drift, self._names)
        step = case.step_time
        assert step is not None
        self.step_time = step
        self._kept = None if momentum is None else 1.0 - momentum.friction * step
        self._added = math.sqrt(2.0 * step * noise.regularization)
        entries = sum(slope.size for slope in slopes) + 3 * len(self._columns)
        self.cost = OVERHEAD * len(self._names) + PER_ENTRY * entries * self._batch

    def step(self, walkers: Walkers, time: float, random: np.random.Generator) -> None:
        """One iteration, which begins at a time.

        Args:
            walkers: Positions (d, m); with momentum x, then v in units of √η.
            time: When it begins.
            random: For batches and added noise.
        """
        positions, count = walkers.positions, len(self._names)
        places = positions[:count]
        push = -self._slope(places, random)
        if not self._extra.is_zero:
            push += self._extra(places.T).T
        push *= self.step_time
        if self._added > 0.0:
            push += self._added * random.standard_normal(push.shape)
        if self._kept is not None:
            speed = positions[count:]
            speed *= self._kept
            speed += push
            push = self.step_time * speed
        places += push
        self._walls.folded(positions)
        walkers.look(time, self.step_time, ((0.0,) * len(positions),) * len(positions), random)

    def _slope(self, places: Array, random: np.random.Generator) -> Array:
        """The mean gradient over a batch for every walker, (d, m)."""
        rows = drawn(random, self._rows, self._batch, places.shape[1], replacement=self._replacement)
        where = {name: column[rows] for name, column in self._columns.items()}
        where |= dict(zip(self._names, places[:, None, :], strict=True))
        return np.stack([slope.mean(axis=0) for slope in self._program(where)])


def drawn(random: np.random.Generator, population: int, size: int, count: int, *, replacement: bool) -> Rows:
    """Batches of rows, (size, count), one per column; without replacement by Floyd's algorithm.

    Args:
        random: Random numbers.
        population: Number of rows.
        size: Rows per batch.
        count: Number of batches.
        replacement: Whether a row may come twice in a batch.
    """
    if replacement or size == 1:
        return random.integers(population, size=(size, count))
    if size > population // 2:  # what is left out is drawn: the places of the smallest of random keys
        keys = random.random((population, count))
        return np.argpartition(keys, size - 1, axis=0)[:size]
    rows = np.empty((size, count), dtype=np.int64)
    for k, last in enumerate(range(population - size, population)):
        row = random.integers(last + 1, size=count)
        taken = (rows[:k] == row).any(axis=0)
        rows[k] = np.where(taken, last, row)
    return rows
