"""How a killed process decays, as seen by a few functionals: s . u(t) with M du/dt = -K u off the exit set.

    u(t) = Z e^(-t Lambda) c + what is fast

The slow modes are split off and known to all digits (see `fpsolver.generator.slow`); for the rest see
`fpsolver.propagation.fast`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.slow import Slow
from fpsolver.linalg import SolveCount
from fpsolver.propagation.fast import Fast, FastSpace

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Decay:
    """s . u(t) for a few functionals s, and its derivative.

    Attributes:
        slow: The slow modes.
        amplitudes: s . z, (functionals, slow modes).
        start: c, (slow modes,).
        fast: The rest.
        change: How much the last vectors changed the values: what the projection may cost.
        scale: Time in which the fast part decays, 0 where it plays no part.
        resolved: From this time on it is right up to that change, 0 likewise.
    """

    slow: Slow
    amplitudes: Array
    start: Array
    fast: Fast
    change: float
    scale: float
    resolved: float

    def values(self, times: Array) -> Array:
        """s . u(t), (times, functionals)."""
        slow = self.slow.transition(times) @ self.start @ self.amplitudes.T
        return np.asarray(slow + self.fast.values(times))

    def slopes(self, times: Array) -> Array:
        """-d/dt of the values, (times, functionals)."""
        slow = self.slow.transition(times) @ (self.slow.rates @ self.start) @ self.amplitudes.T
        return np.asarray(slow + self.fast.values(times, 1))

    @cached_property
    def slowest(self) -> tuple[complex, Array]:
        """The least rate, and how much of each functional decays with it, (functionals,)."""
        if not self.slow.size:
            return self.fast.slowest if len(self.fast.first) else (0j, np.zeros(len(self.amplitudes)))
        values, vectors = np.linalg.eig(self.slow.times)
        last = int(np.argmax(np.abs(values)))
        share = np.linalg.solve(vectors.astype(complex), self.start.astype(complex))[last]
        return complex(1.0 / values[last]), np.asarray((self.amplitudes @ vectors[:, last] * share).real)


def decay(
    slow: Slow,
    fixed: Bools,
    initial: PETSc.Vec,
    functionals: Sequence[PETSc.Vec],
    count: SolveCount,
    heartbeat: Callable[[], None],
) -> Decay:
    """The decay of a function that K takes to 0 where nothing is fixed, such as 1. Collective.

    Args:
        slow: The slow modes.
        fixed: Owned nodes where u(t) = 0 for t > 0, (owned,).
        initial: u(0), with its values at the fixed nodes too.
        functionals: s, at least one.
        count: Where work is counted.
        heartbeat: Called after every solve.

    Raises:
        SolverFailed: A factorisation failed.
    """
    start = slow.inverse.at_pins(initial)[list(slow.kept)]
    rest = slow.beside(initial, start, fixed)
    start = start + slow.coordinates(rest)
    amplitudes = np.array([np.asarray(s.mDot(slow.right)) if slow.size else np.zeros(0) for s in functionals])
    space = FastSpace(slow, fixed, functionals, slow.deflated(rest), count, heartbeat)
    space.grow()
    return Decay(slow, amplitudes, start, space.fast(), space.change, space.scale, space.resolved)
