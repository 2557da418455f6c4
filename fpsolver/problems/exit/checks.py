"""What an exit time must satisfy: the same backward and forward, and positive wherever mass is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.projection import project
from fpsolver.linalg import SolveCount
from fpsolver.problems.exit.killed import Killed
from fpsolver.problems.exit.starts import Start
from fpsolver.problems.exit.times import Times

Array = npt.NDArray[np.float64]

DUALITY = 1e-8
NEGATIVE = 1e-6
LOWEST = 1e-3
"""An exit time may be negative by this fraction of the highest, and that only where hardly any mass is ..."""

VISITED = 1e-12
"""... where the quasi-stationary density is below this fraction of its maximum."""


@dataclass(frozen=True)
class Signs:
    """Where and by how much a computed exit time is negative.

    Attributes:
        lowest: Lowest time at the quadrature points.
        place: Where that is.
        lowest_visited: Lowest time where mass is.
        weighted: Negative part weighted by the quasi-stationary density, relative to the mean.
    """

    lowest: float
    place: tuple[float, ...]
    lowest_visited: float
    weighted: float


def duality(problem: Killed, starts: Sequence[Start], times: Times) -> float:
    """Largest relative difference between exit times backward and forward. Collective.

    Backward: the value of u. Forward: the time that a density spends in the region before it leaves, by a
    factorisation of the explicit transpose, since one factorisation used both ways agrees with itself whatever its
    errors. From each start, and from the quasi-stationary density.
    """
    generator = problem.generator
    other = Pinned(generator, problem.fixed, problem.pins, "exit_dual", SolveCount(), transposed=True)
    settled = generator.total.duplicate()
    generator.mass.mult(times.quasi_stationary, settled)
    worst = 0.0
    for functional in [start.functional for start in starts] + [settled]:
        backward = functional.dot(times.moments[0])
        forward = generator.total.dot(other.solve_transposed(functional))
        worst = max(worst, abs(forward / backward - 1.0))
    other.destroy()
    return float(worst)


def signs_of(generator: Generator, times: Times) -> Signs:
    """The signs of the mean exit time at the quadrature points. Collective."""
    quadrature, comm = generator.quadrature, generator.comm
    values = quadrature.values(generator.function(times.moments[0]))
    ratio = quadrature.values(generator.function(times.quasi_stationary))
    density = ratio * generator.weight_at_points
    highest = comm.allreduce(float(density.max(initial=0.0)), MPI.MAX)
    visited = comm.allreduce(float(values[density > VISITED * highest].min(initial=np.inf)), MPI.MIN)
    shift = project(generator, times.quasi_stationary).shift
    mass = np.maximum(ratio - shift, 0.0) * generator.weight_at_points * quadrature.measure
    sums = np.array([(mass * np.maximum(-values, 0.0)).sum(), (mass * values).sum()])
    comm.Allreduce(MPI.IN_PLACE, sums)
    points = quadrature.points[: quadrature.cells.owned]
    lowest, place = np.inf, (np.inf,) * points.shape[2]
    if values.size:
        worst = np.unravel_index(values.argmin(), values.shape)
        lowest, place = float(values[worst]), tuple(float(x) for x in points[worst])
    lowest, place = comm.allreduce((lowest, place), MPI.MIN)
    return Signs(lowest, place, visited, float(sums[0] / abs(sums[1])))
