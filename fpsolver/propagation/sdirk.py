"""SDIRK4 (Hairer and Wanner): five stages, order four, L-stable, with an embedded error estimate.

Step sizes are the time between two outputs over powers of two, so that factorisations of M + gamma dt K^T are kept
and used again.
The independent check of the Krylov method; `fpsolver.propagation.varying` is the same for coefficients that depend on
time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.generator.generator import Generator
from fpsolver.generator.inverse import inverse
from fpsolver.linalg import Solver
from fpsolver.propagation.base import Settings, Standing, State, l1_scale

GAMMA = 0.25
STAGES = np.array(
    [
        [1 / 4, 0, 0, 0, 0],
        [1 / 2, 1 / 4, 0, 0, 0],
        [17 / 50, -1 / 25, 1 / 4, 0, 0],
        [371 / 1360, -137 / 2720, 15 / 544, 1 / 4, 0],
        [25 / 24, -49 / 48, 125 / 16, -85 / 12, 1 / 4],
    ]
)
EMBEDDED = STAGES[4] - np.array([59 / 48, -17 / 96, 225 / 32, -85 / 12, 0])
"""Difference of the fourth and the third order weights."""

KEPT = 8
"""Factorisations kept; a run rarely uses more step sizes near each other."""

FIRST_STEP = 2.0**-14
"""First step as a fraction of the first output time: the error estimate soon finds the right one."""

SMALLEST_SHARE = 0.1
"""A step may use the share of the tolerance that it has of the time so far, and at least this one."""

GROW_BELOW = 0.03
"""Double the step where the estimate is this fraction of what is allowed: doubling raises it about 16 times."""


def sdirk(
    generator: Generator, start: PETSc.Vec, times: Sequence[float], settings: Settings, now: float = 0.0
) -> Iterator[State]:
    """Carry a density through the output times, yielding every accepted step.

    Raises:
        SolverFailed: A factorisation failed, or the step shrank to round-off of the time.
    """
    return stepped(lambda: _Stepper(generator, settings), start, times, settings, now)


class Stepper(Protocol):
    """One step of any size."""

    def step(self, vector: PETSc.Vec, size: float, now: float = 0.0) -> tuple[PETSc.Vec, float]:
        """The state after a step from the time ``now``, and the estimated error of its density in L1."""
        ...

    @property
    def factors(self) -> Sequence[tuple[float, ...]]:
        """What tells the matrices apart whose factors are at hand, the last used one at the end."""
        ...

    def prepare(self, factors: Sequence[tuple[float, ...]]) -> None:
        """Have these factors at hand."""
        ...


def stepped(
    make: Callable[[], Stepper], start: PETSc.Vec, times: Sequence[float], settings: Settings, now: float
) -> Iterator[State]:
    """Steps through the output times, as long as the tolerance allows.

    Raises:
        SolverFailed: The step shrank to round-off of the time.
    """
    standing, stepper = settings.taken(), make()
    known = settings.count.factorizations
    stepper.prepare(standing.factors)
    settings.count.factorizations = known  # they were counted in the part of the run that made them first
    vector, accepted = start, 0
    begin, done = standing.within or (now, 0.0)  # done is a dyadic fraction of the span, exact in binary
    step = (times[0] - now) * FIRST_STEP if settings.last_step is None else settings.last_step
    for target in times:
        span = target - begin
        while done < 1.0:
            part = min(2.0 ** np.floor(np.log2(step / span * (1 + 1e-9))), 1.0)
            while part > 1.0 - done:
                part /= 2
            proposed, error = stepper.step(vector, part * span, now)
            allowed = settings.tolerance * max(part * span / target, SMALLEST_SHARE)
            if error > allowed:
                settings.rejected += 1
                step = part * span / 2
                if part * span <= 1e-14 * target:
                    raise SolverFailed(f"evolution: the time step shrank to {step:.1e} at time {now:g}")
                continue
            done += part
            now = target if done == 1.0 else target - (1.0 - done) * span
            vector, accepted = proposed, accepted + 1
            step = max(step, part * span) * (2.0 if error < GROW_BELOW * allowed else 1.0)
            settings.last_step = step
            settings.standing = Standing((begin, done) if done < 1.0 else None, stepper.factors)
            yield State(now, vector, accepted, is_output=done == 1.0, is_fixed=True)
        begin, done = target, 0.0


class _Stepper:
    """One step of any size, with the factorisations of recent sizes."""

    def __init__(self, generator: Generator, settings: Settings) -> None:
        self._generator = generator
        self._settings = settings
        self._scale = l1_scale(generator)
        self._factors: OrderedDict[float, tuple[float, Solver]] = OrderedDict()

    @property
    def factors(self) -> Sequence[tuple[float, ...]]:
        """The step sizes, the last used one at the end."""
        return [(size,) for size, _ in self._factors.values()]

    def prepare(self, factors: Sequence[tuple[float, ...]]) -> None:
        """Have the factors of these step sizes at hand."""
        for (size,) in factors:
            self._factorization(size)

    def step(self, vector: PETSc.Vec, size: float, now: float = 0.0) -> tuple[PETSc.Vec, float]:
        """The state after one step, and the estimated error of its density in L1; ``now`` is of no interest here."""
        factors = self._factorization(size)
        slopes: list[PETSc.Vec] = []
        for stage in range(5):
            inner = vector.copy()
            if stage:
                inner.maxpy(list(size * STAGES[stage, :stage]), slopes)
            slopes.append(self._solve(factors, self._drift(inner)))
        inner.axpy(size * GAMMA, slopes[4])
        error = vector.duplicate()
        error.set(0.0)
        error.maxpy(list(size * EMBEDDED), slopes)
        smooth = self._solve(factors, self._image(error))  # stiff components would spoil the estimate
        norm = float(np.sqrt(max(smooth.dot(self._image(smooth)), 0.0)))
        return inner, norm * self._scale

    def _drift(self, vector: PETSc.Vec) -> PETSc.Vec:
        image = vector.duplicate()
        self._generator.stiffness.multTranspose(vector, image)
        image.scale(-1.0)
        return image

    def _image(self, vector: PETSc.Vec) -> PETSc.Vec:
        image = vector.duplicate()
        self._generator.mass.mult(vector, image)
        return image

    def _solve(self, factors: Solver, rhs: PETSc.Vec) -> PETSc.Vec:
        solution = factors.solve(rhs, transposed=not self._generator.reversible)
        self._settings.heartbeat()
        return solution

    def _factorization(self, size: float) -> Solver:
        key = float(np.format_float_scientific(size, precision=11))
        if key in self._factors:
            self._factors.move_to_end(key)
            return self._factors[key][1]
        if len(self._factors) >= KEPT:
            self._factors.popitem(last=False)[1][1].destroy()
        factors = inverse(
            self._generator,
            self._generator.shifted(GAMMA * size),
            "evolution",
            self._settings.count,
            symmetric=self._generator.reversible,
        )
        self._factors[key] = size, factors
        return factors
