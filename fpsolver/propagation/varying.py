"""SDIRK4 where noise and drift change with time: M dh/dt = -K(t)^T h,  K(t) = noise(t) K_noise + drift(t) K_drift.

Each of the five stages has coefficients of its own time, hence a matrix of its own. They differ little from stage to
stage, and even from step to step, so the factors of a nearby matrix are used for all of them, and what is missing is
made up by iterative refinement, until it is far below the tolerance of the step. Every correction is P^-T applied to a
residual without mass, with P = M + a combination of the two parts, which have constants in their kernels: so no
correction has mass, and mass is conserved to round-off however early the refinement ends.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.affine import AffineGenerator
from fpsolver.generator.inverse import inverse
from fpsolver.linalg import Solver
from fpsolver.propagation.base import Settings, State, l1_scale
from fpsolver.propagation.sdirk import EMBEDDED, GAMMA, STAGES, stepped

Array = npt.NDArray[np.float64]

Factors = Callable[[Array], tuple[Array, Array]]
"""Times (n,) -> the factors of noise and drift, (n,) each."""

Shift = tuple[float, float]
"""What K_noise and K_drift are multiplied with in M + ... ."""

NODES = np.append(STAGES.sum(axis=1), 0.5)
"""When in a step the stages are, as fractions of it; and its middle."""

NEAR = 0.15
"""Factors are used for matrices whose shifts differ by no more than this, in logarithms."""

SLOW = 0.5
"""A refinement whose corrections fall more slowly than this is given up for factors of the matrix itself."""

REFINED = 1e-4
"""Corrections end below this fraction of the tolerance, L1 norm of the density."""

ROUND_OFF = 1e-13
"""Corrections this small are no more than that."""

MOST_CORRECTIONS = 12
KEPT = 6


def sdirk_varying(
    generator: AffineGenerator,
    factors: Factors,
    start: PETSc.Vec,
    times: Sequence[float],
    settings: Settings,
    now: float = 0.0,
) -> Iterator[State]:
    """Carry a density through the output times, yielding every accepted step.

    Args:
        generator: Both parts of K.
        factors: Smooth from ``now`` to the last of the times.
        start: h at the time ``now``.
        times: Ascending.
        settings: Tolerance, and where work is counted.
        now: The time of the start.

    Raises:
        SolverFailed: A factorisation failed, or the step shrank to round-off of the time.
    """
    return stepped(lambda: VaryingStepper(generator, factors, settings), start, times, settings, now)


class VaryingStepper:
    """One step of any size from any time, with the factors of recent matrices."""

    def __init__(self, generator: AffineGenerator, factors: Factors, settings: Settings) -> None:
        self._generator = generator
        self._factors = factors
        self._settings = settings
        self._scale = l1_scale(generator.whole)
        self._kept: OrderedDict[Shift, Solver] = OrderedDict()

    @property
    def factors(self) -> Sequence[tuple[float, ...]]:
        """The shifts of the kept factors, the last used one at the end."""
        return list(self._kept)

    def prepare(self, factors: Sequence[tuple[float, ...]]) -> None:
        """Have the factors of these shifts at hand."""
        for noise, drift in factors:
            self._factorized((noise, drift))

    def step(self, vector: PETSc.Vec, size: float, now: float = 0.0) -> tuple[PETSc.Vec, float]:
        """The state after a step from the time ``now``, and the estimated error of its density in L1."""
        factors = [
            (float(noise), float(drift)) for noise, drift in zip(*self._factors(now + NODES * size), strict=True)
        ]
        shifts = [(GAMMA * size * a, GAMMA * size * b) for a, b in factors]
        self._near(shifts[-1], NEAR)
        slopes: list[PETSc.Vec] = []
        for stage in range(5):
            inner = vector.copy()
            if stage:
                inner.maxpy(list(size * STAGES[stage, :stage]), slopes)
            rate = self._generator.transported(inner, *factors[stage])
            rate.scale(-1.0)
            slopes.append(self._solve(shifts[stage], rate, slopes[-1] if slopes else None, size))
        inner.axpy(size * GAMMA, slopes[4])
        error = vector.duplicate()
        error.set(0.0)
        error.maxpy(list(size * EMBEDDED), slopes)
        smooth = self._applied(
            self._near(shifts[-1], np.inf), self._image(error)
        )  # as in sdirk: stiff parts would spoil it
        return inner, self._norm(smooth)

    def _solve(self, shift: Shift, rhs: PETSc.Vec, guess: PETSc.Vec | None, size: float) -> PETSc.Vec:
        """x with (M + shift K)^T x = rhs, where x times the size of the step is accurate to a part of the tolerance."""
        near = self._near(shift, np.inf)
        if near == shift:
            return self._applied(near, rhs)
        solution = rhs.duplicate() if guess is None else guess.copy()
        if guess is None:
            solution.set(0.0)
        before, enough = np.inf, max(REFINED * self._settings.tolerance, ROUND_OFF)
        for _ in range(MOST_CORRECTIONS):
            residual = self._image(solution)
            residual.axpy(1.0, self._generator.transported(solution, *shift))
            residual.aypx(-1.0, rhs)
            correction = self._applied(near, residual)
            solution.axpy(1.0, correction)
            change = size * self._norm(correction)
            fall = change / before if np.isfinite(before) else 1.0
            if change * min(fall, 1.0) <= enough:
                return solution
            if change > SLOW * before:
                break
            before = change
        return self._applied(self._factorized(shift), rhs)

    def _applied(self, shift: Shift, rhs: PETSc.Vec) -> PETSc.Vec:
        solution = self._kept[shift].solve(rhs, transposed=True)
        self._settings.heartbeat()
        return solution

    def _near(self, shift: Shift, reach: float) -> Shift:
        """The shift of the nearest factors that are kept; new ones where none is within reach."""
        distance, nearest = min(((_distance(shift, other), other) for other in self._kept), default=(np.inf, shift))
        if nearest not in self._kept or distance > reach:
            return self._factorized(shift)
        self._kept.move_to_end(nearest)
        return nearest

    def _factorized(self, shift: Shift) -> Shift:
        while len(self._kept) >= KEPT:
            self._kept.popitem(last=False)[1].destroy()
        matrix = self._generator.shifted(*shift)
        self._kept[shift] = inverse(self._generator.whole, matrix, "evolution", self._settings.count, symmetric=False)
        return shift

    def _image(self, vector: PETSc.Vec) -> PETSc.Vec:
        image = vector.duplicate()
        self._generator.whole.mass.mult(vector, image)
        return image

    def _norm(self, vector: PETSc.Vec) -> float:
        """The M-norm, as a bound of the L1 norm of the density."""
        return float(np.sqrt(max(vector.dot(self._image(vector)), 0.0))) * self._scale


def _distance(one: Shift, other: Shift) -> float:
    """How far two shifts are apart, in logarithms."""
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return max((abs(np.log(a / b)) if a > 0.0 and b > 0.0 else np.inf for a, b in pairs), default=0.0)
