"""A weight so close to the stationary density that relative entropies know its logarithm far down the tails.

Any weight is consistent, and the fitted one, which has to come from a regular D, is rough: where D is singular it may
be off by several nats, and a narrow density is then resolved to per cents only. But a solution relative to a weight
corrects it. So

    solve K^T h = 0 with the weight e^-Psi   ->   Psi' = smooth part of Psi - log h   ->   solve again with e^-Psi'

where the smooth part is a spline whose third derivatives have a price (`smooth_fit`), so that Gaussian densities are
met after two rounds even where the mesh does not resolve them. The price falls from round to round, as the solutions
become better, and the rounds end when h is constant enough, or hardly more constant than before. A weight is judged by

    spread = (integral of pi (log h - mean)^2)^(1/2),

the distance in nats between it and the density that is solved with it, where the mass is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.case import Case
from fpsolver.domain.evaluate import evaluate
from fpsolver.errors import SolverFailed
from fpsolver.generator.fitting import spline_potential
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.smooth_fit import sample_points, smooth_fit, spline_of
from fpsolver.generator.weight import Weight
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.landscape.wells import fitting_weight, landscape
from fpsolver.problems.stationary.whole import whole
from fpsolver.runtime import on_root

Array = npt.NDArray[np.float64]

REFINED = "refined"

ROUGHNESS = 3e-9
"""Price of third derivatives at a spread of one nat. It is proportional to the square of the spread, as are the squares
of the errors of a solution, which the spline has to smooth."""

CLOSE = 1e-3
"""Nats. With this spread the weight no longer decides how accurate the solution is."""

MOST_ROUNDS = 4

GAIN = 2.0
"""A round that makes the spread smaller by less than this factor is the last one."""


@dataclass(frozen=True)
class CloseWeight:
    """A weight close to the stationary density.

    Attributes:
        weight: The reference weight of the setting, or a refined one.
        coefficients: Of the spline of a refined one.
    """

    weight: Weight
    coefficients: Array | None


@dataclass(frozen=True)
class Close:
    """The stationary density solved with a close weight, on the mesh of the case.

    Attributes:
        generator: With the weight.
        vector: h of unit mass.
        spread: How far h is from a constant, in nats.
    """

    generator: Generator
    vector: PETSc.Vec
    spread: float


def close_weight(setting: Setting) -> CloseWeight:
    """The weight of `closely_solved`. Collective."""
    closely_solved(setting)
    found = setting.of_model.get("close weight")
    assert isinstance(found, CloseWeight)
    return found


def refined_weight(case: Case, coefficients: Array) -> Weight:
    """The refined weight of a case with given coefficients."""
    lower, upper = case.domain.lower, case.domain.upper
    return Weight(spline_potential(spline_of(coefficients, lower, upper), lower, upper), kind=REFINED)


def coefficients_of(setting: Setting, weight: Weight) -> Array | None:
    """The coefficients of the weight where it is the refined one of the setting."""
    found = setting.of_model.get("close weight")
    return found.coefficients if weight.kind == REFINED and isinstance(found, CloseWeight) else None


def closely_solved(setting: Setting) -> Close:
    """The stationary density of a process that has exactly one, with the closest weight that is found. Collective.

    The weight is found once for all companions of a run.

    Raises:
        SolverFailed: A solve failed.
    """
    return setting.of_degree.once("closely solved", lambda: _closely_solved(setting))


def _closely_solved(setting: Setting) -> Close:
    known = setting.of_model.get("close weight")
    if isinstance(known, CloseWeight):
        return _solved(setting, known.weight)
    reference = setting.reference
    found, best, rounds = CloseWeight(reference, None), _solved(setting, reference), 0
    if reference.kind == "fitted" and not best.generator.monotone:
        before = np.inf
        while best.spread > CLOSE and GAIN * best.spread < before and rounds < MOST_ROUNDS:
            coefficients = _refined(setting, best, ROUGHNESS * min(best.spread, 1.0) ** 2)
            candidate = refined_weight(setting.case, coefficients)
            try:
                solved = _solved(setting, candidate)
            except SolverFailed:  # on all ranks
                break
            before = best.spread
            rounds += 1
            if solved.spread < best.spread:
                found, best = CloseWeight(candidate, coefficients), solved
    setting.of_model.once("close weight", lambda: found)
    return best


def _solved(setting: Setting, weight: Weight) -> Close:
    """The stationary density on the mesh of the case."""
    everything = whole(setting)
    if weight is setting.reference and everything.generator.space.mesh is setting.domain:
        return Close(everything.generator, everything.solved, _spread(everything.generator, everything.solved))
    found = landscape(setting, reference=weight)
    generator = setting.generator(fitting_weight(weight, found))
    nobody = np.zeros(generator.space.dofmap.index_map.size_local, dtype=bool)
    inverse = Pinned(generator, nobody, found.points, "stationary", SolveCount())
    setting.heartbeat()
    vector = inverse.stationary()
    inverse.destroy()
    vector.scale(1.0 / generator.total.dot(vector))
    return Close(generator, vector, _spread(generator, vector))


def _spread(generator: Generator, vector: PETSc.Vec) -> float:
    """Standard deviation of log h over the density; where h is not positive it counts as one nat."""
    values, masses, _ = generator.samples(vector)
    positive = values > 0.0
    mass = np.abs(masses * values)
    logarithm = np.log(np.where(positive, values, 1.0))
    total, whole = generator.comm.allreduce(np.array([mass.sum(), (mass * logarithm).sum()]))
    away = np.where(positive, (logarithm - whole / total) ** 2, 1.0)
    return float(np.sqrt(generator.comm.allreduce(float((mass * away).sum())) / total))


def _refined(setting: Setting, solved: Close, roughness: float) -> Array:
    """Coefficients of the smooth part of -log of the solved density. Collective; rank 0 fits."""
    comm, box = setting.domain.comm, setting.case.domain
    dimension = len(box.lower)
    points, volumes = sample_points(box.lower, box.upper)
    here = points if comm.rank == 0 else points[:0]
    ratio = evaluate([solved.generator.function(solved.vector)], here)[0]

    def fit() -> Array:
        known = ratio > 0.0  # also not where there is no mesh
        exponent = solved.generator.weight(points)[0] - np.log(np.where(known, ratio, 1.0))
        masses = np.where(known, volumes * np.exp(-exponent), 0.0)
        return smooth_fit(exponent, masses / masses.sum(), dimension, roughness)

    return on_root(comm, fit)
