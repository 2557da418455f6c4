"""What an exit time must satisfy: the same backward and forward, and positive wherever mass is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.projection import project
from fpsolver.linalg import SolveCount
from fpsolver.problems.killed import Killed
from fpsolver.problems.starts import Start
from fpsolver.problems.times import Times

Array = npt.NDArray[np.float64]

DUALITY = 1e-8
NEGATIVE = 1e-6
WARN_NEGATIVE = 1e-3


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


def negative_part(generator: Generator, times: Times) -> tuple[float, tuple[float, ...], float]:
    """The lowest exit time at the quadrature points, where that is, and the negative part against the mean. Collective.

    The negative part is weighted by the quasi-stationary density.
    """
    quadrature = generator.quadrature
    values = quadrature.values(generator.function(times.moments[0]))
    shift = project(generator, times.quasi_stationary).shift
    ratio = quadrature.values(generator.function(times.quasi_stationary))
    density = np.maximum(ratio - shift, 0.0) * generator.weight_at_points * quadrature.measure
    sums = np.array([(density * np.maximum(-values, 0.0)).sum(), (density * values).sum()])
    generator.comm.Allreduce(MPI.IN_PLACE, sums)
    points = quadrature.points[: quadrature.cells.owned]
    lowest, place = np.inf, (np.inf,) * points.shape[2]
    if values.size:
        worst = np.unravel_index(values.argmin(), values.shape)
        lowest, place = float(values[worst]), tuple(float(x) for x in points[worst])
    lowest, place = generator.comm.allreduce((lowest, place), MPI.MIN)
    return lowest, place, float(sums[0] / abs(sums[1]))
