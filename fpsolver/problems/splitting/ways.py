"""Which minimum is reached first, and after a minimum, which one next and when: numbers that need no stationary state.

K q_i = 0,   q_i = 1 at A_i, 0 at the other A_j,        sum of all q_i = 1
K u = M 1,   u = 0 at all A_j                           mean time until a neighbourhood is reached
K tau_i = M 1, tau_i = 0 at all A_j but A_i             mean time from minimum i to another one
k_ij = p_ij / tau_i,  p_ij: probability that it is j    rates of a chain on the minima
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.domain.evaluate import evaluate
from fpsolver.domain.locate import point_rules
from fpsolver.generator.generator import Generator
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.committor.reactive import lifted
from fpsolver.problems.splitting.basins import Landscape
from fpsolver.problems.splitting.sets import Outside, outside_of

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FirstReached:
    """Which minimum is reached first.

    Attributes:
        basins: Of the case.
        generator: Outside of all neighbourhoods; None with a single minimum.
        vectors: q_i, one for each basin.
        lost: Probability to end nowhere, None where it is 0.
        time: Mean time until a neighbourhood is reached, None where that is infinite for some starts.
        cells: Of the mesh.
    """

    basins: Landscape
    generator: Generator | None
    vectors: Sequence[PETSc.Vec]
    lost: PETSc.Vec | None
    time: PETSc.Vec | None
    cells: int

    def __call__(self, points: Array) -> Array:
        """q_i at this rank's points (n, d), 1 and 0 in the neighbourhoods: (m, n). Collective."""
        if self.generator is None:
            return np.ones((1, len(points)))
        values = evaluate([self.generator.function(vector) for vector in self.vectors], points)
        there = np.arange(self.basins.count)[:, None] == self.basins.inside(points)
        return np.where(np.isnan(values), there.astype(float), values)

    def delay(self, points: Array) -> Array:
        """The mean time until a neighbourhood is reached, at this rank's points (n, d): (1, n). Collective."""
        if self.generator is None or self.time is None:
            return np.zeros((1, len(points)))
        return np.nan_to_num(evaluate([self.generator.function(self.time)], points), nan=0.0)

    @property
    def sum_defect(self) -> float:
        """Largest difference of the sum of all probabilities from 1."""
        if not self.vectors:
            return 0.0
        total = self.vectors[0].copy()
        for vector in [*self.vectors[1:], *([] if self.lost is None else [self.lost])]:
            total.axpy(1.0, vector)
        total.shift(-1.0)
        return float(total.norm(PETSc.NormType.INFINITY))


def first_reached(setting: Setting, basins: Landscape, count: SolveCount) -> FirstReached:
    """The committors of all minima, from one factorisation. Collective.

    Raises:
        SolverFailed: A solve failed.
        BadUsage: The neighbourhoods leave nothing of the domain.
    """
    if basins.count == 1:
        return FirstReached(basins, None, [], None, None, 0)
    outside = outside_of(setting, basins, range(basins.count))
    generator = outside.generator
    setting.announce(
        f"splitting: {generator.unknowns} unknowns of degree {generator.degree} on {outside.problem.cells} cells "
        f"around {basins.count} minima, weight {generator.weight.kind}, wells: {len(outside.problem.pins)}"
    )
    inverse = outside.inverse(count)
    assert inverse is not None  # a centre that attracts is reached
    vectors = []
    for nodes in outside.into:
        vectors.append(lifted(inverse, nodes))
        setting.heartbeat()
    some = generator.comm.allreduce(bool(outside.lost.any()), MPI.LOR)
    lost = lifted(inverse, outside.lost) if some else None
    time = None if _is_held(outside) else inverse.solve(generator.total)
    inverse.destroy()
    return FirstReached(basins, generator, vectors, lost, time, outside.problem.cells)


@dataclass(frozen=True)
class Escape:
    """How a minimum is left for another one.

    Attributes:
        time: Mean time; None where it is infinite.
        why: The reason for that.
        next: Probability that each of the basins comes next, (m,); the sum is less than 1 by what is lost.
    """

    time: float | None
    why: str | None
    next: Array


def escapes(setting: Setting, basins: Landscape, count: SolveCount) -> list[Escape]:
    """How each minimum is left. Collective.

    Raises:
        SolverFailed: A solve failed.
    """
    found = []
    for i in range(basins.count if basins.count > 1 else 0):
        found.append(_escape(setting, basins, i, count))
        setting.heartbeat()
    return found


def _escape(setting: Setting, basins: Landscape, i: int, count: SolveCount) -> Escape:
    outside = outside_of(setting, basins, [j for j in range(basins.count) if j != i])
    generator, never = outside.generator, np.zeros(basins.count)
    if outside.fate.everywhere:
        return Escape(None, outside.fate.reason, never)
    point = basins.basins[i].centre
    rule = point_rules(generator.space.mesh, outside.problem.geometry, [point.tolist()])[0]
    assert rule is not None  # the balls do not meet
    start = generator.quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))
    reason = outside.fate.reason_at(start)
    inverse = outside.inverse(count)
    assert inverse is not None
    following = never.copy()
    for j, nodes in enumerate(outside.into):
        if j != i:
            following[j] = start.dot(lifted(inverse, nodes))
    time = None if reason is not None else float(start.dot(inverse.solve(generator.total)))
    inverse.destroy()
    return Escape(time, reason, following)


def _is_held(outside: Outside) -> bool:
    return bool(outside.generator.comm.allreduce(bool(outside.fate.held.any()), MPI.LOR))
