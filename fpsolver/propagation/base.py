"""What the time stepping methods share: the state they yield and the settings they obey."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.linalg import SolveCount


@dataclass(frozen=True)
class State:
    """The density w h at a time.

    Attributes:
        time: Time.
        vector: Coefficients of h; the receiver may keep it, nobody changes it later.
        step: Number of accepted steps so far (krylov: basis vectors).
        is_output: True at an output time, which is hit exactly.
        is_fixed: A propagator that begins here goes on as this one does, to the last bit.
    """

    time: float
    vector: PETSc.Vec
    step: int
    is_output: bool
    is_fixed: bool


@dataclass(frozen=True)
class Standing:
    """Where a stepping method stands at a fixed state, beyond the state itself.

    Attributes:
        within: Where the span between two outputs began that the state is in, and which part of it is done.
        factors: What tells the matrices apart whose factors are at hand, the last used one at the end.
    """

    within: tuple[float, float] | None = None
    factors: Sequence[tuple[float, ...]] = ()


@dataclass
class Settings:
    """How to step, and where the work is counted.

    Attributes:
        tolerance: Error in time, L1 norm of the density.
        heartbeat: Called after every solve, on all ranks; may raise to stop the run.
        count: Solves and factorisations.
        rejected: Steps that were refused and repeated.
        time_error: Largest estimated error of a step or segment beyond the tolerance, L1 norm; 0 where it was met.
        last_step: The step that sdirk would have taken next; None before its first.
        standing: Where the method stands.
        resumed: Where it stood in an earlier part of the run; for the first propagator, which takes it.
    """

    tolerance: float
    heartbeat: Callable[[], None] = lambda: None
    count: SolveCount = field(default_factory=SolveCount)
    rejected: int = 0
    time_error: float = 0.0
    last_step: float | None = None
    standing: Standing = Standing()
    resumed: Standing | None = None

    def taken(self) -> Standing:
        """Where a propagator that begins now stands."""
        self.standing, self.resumed = self.resumed or Standing(), None
        return self.standing


class Propagator(Protocol):
    """Yields a state at each of the ascending output times, and in between where the method takes steps."""

    def __call__(
        self,
        generator: Generator,
        start: PETSc.Vec,
        times: Sequence[float],
        settings: Settings,
        now: float = 0.0,
    ) -> Iterator[State]:
        """Carry the density w h from the time ``now`` through ``times``.

        The density is taken to vary on the scale of ``now``: at time 0 it may be rough.
        """
        ...


def l1_scale(generator: Generator) -> float:
    """sqrt(integral of w): turns the M-norm of h into a bound of the L1 norm of w h (Cauchy and Schwarz)."""
    return float(np.sqrt(generator.total.dot(generator.one)))
