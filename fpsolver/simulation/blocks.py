"""One block of walkers from beginning to end, in pieces of work: generators that yield now and then.

The diffusion is followed twice with the same increments of W, in steps of h and of 2h. What the two differ by is the
error of the step, with little noise of its own: for weak order 1, E[φ] at 2h less E[φ] at h is E[φ] at h less E[φ].
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case import Case
from fpsolver.errors import SolverFailed
from fpsolver.simulation.crossing import Crossing
from fpsolver.simulation.dynamics import Dynamics
from fpsolver.simulation.minibatch import Minibatches
from fpsolver.simulation.moments import Measure
from fpsolver.simulation.paths import Diffusion, Walkers
from fpsolver.simulation.plan import Ensemble, Leg
from fpsolver.simulation.streams import BATCHES, COARSE, FINE, NORMALS, STARTS, stream
from fpsolver.simulation.walls import Walls

Array = NDArray[np.float64]

LARGEST = 8192
"""Walkers of a block: a coordinate of theirs is 64 kB, so that a step stays in the cache."""

LEAST = 4096
"""Fewer walkers than this take as long as so many, because of what numpy needs per operation."""

BLOCKS = 4
"""A small number of walkers is cut into so many blocks, for ranks to share."""

PAIRS = 8
"""Pairs of steps, or twice as many iterations, between two yields."""

GONE = 0.1
"""Walkers are dropped when so large a share of them has left."""


@dataclass(frozen=True)
class Block:
    """What became of a block, as plain lists.

    Attributes:
        rows: Of `Measure` at the times of the ensemble, by path: ``h`` and ``2h``, or ``sgd``.
        times: Exit times by path.
    """

    rows: dict[str, list[list[float]]]
    times: dict[str, list[float]]


@dataclass(frozen=True)
class Scene:
    """What all blocks of a simulation share.

    Attributes:
        case: The case.
        dynamics: Its equation.
        measure: What is measured.
        seed: Of the random numbers.
        bridge: Whether exits between the ends of a step are looked for.
    """

    case: Case
    dynamics: Dynamics
    measure: Measure
    seed: int
    bridge: bool = True

    def edge(self, ensemble: Ensemble, *, bridge: bool) -> Crossing | None:
        """The edge of what an ensemble leaves."""
        return (
            None if ensemble.region is None else Crossing(ensemble.region.level, self.case.coordinates, bridge=bridge)
        )


Work = Generator[None, None, Block]


def sizes(walkers: int) -> list[int]:
    """How many walkers each block has; depends on their number alone."""
    size = min(LARGEST, max(LEAST, -(-walkers // BLOCKS)))
    return [min(size, walkers - start) for start in range(0, walkers, size)]


def diffused(scene: Scene, ensemble: Ensemble, legs: Sequence[Leg], block: int, count: int) -> Work:
    """The diffusion of a block of walkers.

    Raises:
        SolverFailed: A walker went to where the case is no number.
    """
    case, number = scene.case, ensemble.number
    normals, fine_random, coarse_random = (stream(scene.seed, number, block, use) for use in (NORMALS, FINE, COARSE))
    equation = Diffusion(scene.dynamics, Walls(case), case.noise.regularization)
    edge = scene.edge(ensemble, bridge=scene.bridge)
    start = ensemble.sampler(stream(scene.seed, number, block, STARTS), count)
    fine, coarse = Walkers(start.copy(), edge), Walkers(start, edge)
    buffer = np.empty(2 * start.size)
    rows: dict[str, list[list[float]]] = {"h": [], "2h": []}
    for leg in legs:
        h = leg.step
        for pair in range(leg.pairs):
            if pair % PAIRS == 0:
                yield
                if not _trimmed(fine, coarse):
                    break
            shape = (2, *fine.positions.shape)
            increments = buffer[: math.prod(shape)].reshape(shape)
            normals.standard_normal(out=increments)
            increments *= math.sqrt(h)
            time = leg.start + 2 * pair * h
            for part in (0, 1):
                factors = _factors(leg, 2 * pair + part)
                equation.step(fine, time + part * h, h, increments[part], fine_random, factors)
            both = np.add(increments[0], increments[1], out=increments[0])
            equation.step(coarse, time, 2.0 * h, both, coarse_random, _factors(leg, 2 * pair, 2 * pair + 1))
        if leg.measured:
            for name, walkers in (("h", fine), ("2h", coarse)):
                rows[name].append(_measured(walkers, scene, ensemble, leg.end))
    return Block(rows, {"h": fine.times.tolist(), "2h": coarse.times.tolist()})


def iterated(scene: Scene, ensemble: Ensemble, block: int, count: int) -> Work:
    """SGD of a block of walkers, measured at the iterations next to the times of the ensemble.

    Raises:
        SolverFailed: A walker went to where the case is no number.
    """
    case, number = scene.case, ensemble.number
    random = stream(scene.seed, number, block, BATCHES)
    sgd = Minibatches(case, Walls(case))
    start = ensemble.sampler(stream(scene.seed, number, block, STARTS), count)
    walkers = Walkers(start, scene.edge(ensemble, bridge=False))
    rows: list[list[float]] = []
    measured = [] if ensemble.region is not None else [round(time / sgd.step_time) for time in ensemble.times]
    last = measured[-1] if measured else math.ceil(ensemble.end / sgd.step_time)
    for iteration in range(last + 1):
        time = iteration * sgd.step_time
        if iteration in measured:  # twice, where two times are next to one iteration
            rows += [_measured(walkers, scene, ensemble, time)] * measured.count(iteration)
        if iteration == last:
            break
        if iteration % (2 * PAIRS) == 0:
            yield
            if not _trimmed(walkers, walkers):
                break
        sgd.step(walkers, time, random)
    return Block({"sgd": rows}, {"sgd": walkers.times.tolist()})


def _factors(leg: Leg, *steps: int) -> tuple[float, float] | None:
    """Of noise and drift in steps, the mean of both where they are two."""
    if leg.factors is None:
        return None
    noise, drift = leg.factors[:, list(steps)].mean(axis=1)
    return float(noise), float(drift)


def _trimmed(one: Walkers, other: Walkers) -> bool:
    """Drop walkers that have left on both paths; False where nobody is left."""
    inside = one.alive | other.alive
    if not inside.any():
        return False
    if inside.mean() < 1.0 - GONE:
        one.keep(inside)
        if other is not one:
            other.keep(inside)
    return True


def _measured(walkers: Walkers, scene: Scene, ensemble: Ensemble, time: float) -> list[float]:
    found = scene.measure(walkers.positions, walkers.alive)
    if not np.isfinite(found).all():
        raise SolverFailed(
            f"simulation, {ensemble.label}: a walker is nowhere at t = {time:.4g}; write a smaller simulation.step, "
            "or a domain in which loss and noise are finite"
        )
    return [float(value) for value in found]
