"""How long a process stays: the whole distribution of the exit time from each start.

    S(t) = P(tau > t) = p + s . u(t),     M du/dt = -K u,     u = 0 on the exit set,     u(0) = 1 - p,

p being the probability never to leave, 0 but where there are traps. See `fpsolver.propagation.decay` for u(t).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc
from scipy.optimize import brentq, minimize_scalar

from fpsolver.certificate import Check
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.slow import slow_modes
from fpsolver.linalg import SolveCount
from fpsolver.propagation.decay import Decay, decay
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the quantiles."""

FINE = 1500
"""Times at which the curve is looked at, evenly spaced in their logarithm."""

LATEST = 40.0
"""The last of them, in units of the slowest decay: e^-40 is no chance."""

EARLIEST = 1e-4
"""The first, in units of the shortest mean time, where nothing happens fast."""

BEFORE = 1e-4
"""The integral of the curve begins at this fraction of the first time, or of what happens fastest."""

LOST = 0.05
"""A curve that is not known better than this is not given."""

ROWS = 40
"""Of the table, for what is fast and for what is slow, each ..."""

BETWEEN = 0.5
"""... and so many per decade in between."""

MEANS = 10.0
"""The table ends after so many mean times, the longest of all starts."""

INTEGRAL = 1e-6
"""The integral of S is the mean time. It is summed over FINE times, which is exact to about 1e-8; a curve that is not
that of the solved equation, a slow mode split off with a wrong factor, is off by much more."""

UNRESOLVED = 1e-4
"""Curves begin where they do not rise any more by this. One that changes by more with its last vectors, or rises later,
is told."""

INTACT = 0.9
"""That is while more than this is left."""


@dataclass(frozen=True)
class Survival:
    """The distributions of the exit time from several starts.

    Attributes:
        decay: s . u(t).
        staying: p at the starts, (starts,).
        means: The integral of S - p from the linear system, the mean time where p = 0, (starts,).
    """

    decay: Decay
    staying: Array
    means: Array

    def __call__(self, times: Array) -> Array:
        """S, (times, starts)."""
        return np.asarray(self.staying + self.decay.values(times))

    @cached_property
    def fine(self) -> tuple[Array, Array]:
        """Times over which all happens, and S there."""
        times = np.geomspace(self._first, self._last, FINE)
        values = self(times)
        # next to the exit set a curve rings at first, as the mesh does not resolve the jump that it starts from
        early = (values > INTACT).all(axis=1)
        rings = (values[:-1] > 1.0 + UNRESOLVED) | (np.diff(values, axis=0) > UNRESOLVED)
        begin = int(np.flatnonzero(rings.any(axis=1) & early[:-1]).max(initial=-1)) + 1
        return times[begin:], values[begin:]

    @property
    def _first(self) -> float:
        return self.decay.resolved or EARLIEST * float(self.typical.min())

    @property
    def _last(self) -> float:
        slowest = self.decay.slowest[0].real
        return max(LATEST / slowest if slowest > 0.0 else 0.0, MEANS * float(self.typical.max()), 10.0 * self._first)

    @cached_property
    def typical(self) -> Array:
        """The means as far as they are positive: in corners that no mesh resolves they may be not."""
        positive = self.means[self.means > 0.0]
        return positive if len(positive) else np.array([self.decay.scale or 1.0])

    @property
    def integral_defect(self) -> float:
        """Largest relative difference between the integral of S - p and the mean."""
        begin = BEFORE * min(self._first, 1.0 / max(self.decay.fast.fastest, 1e-300))
        times = np.geomspace(begin, self._last, 2 * FINE)
        rest = self(times) - self.staying
        total = np.trapezoid(rest * times[:, None], np.log(times), axis=0) + times[0] * rest[0]
        return float((np.abs(total - self.means) / np.maximum(self.means, self._first)).max())

    @property
    def is_lost(self) -> bool:
        """The curves are too rough to be given."""
        return not self.decay.change <= LOST

    @property
    def rise(self) -> float:
        """By how much a curve rises at most, where it should fall."""
        return float(np.diff(self.fine[1], axis=0).max(initial=0.0))

    def quantile(self, number: int, level: float) -> tuple[float, float] | None:
        """When so much of the paths from a start have left, and how well that is known; None if so much never do."""
        wanted = 1.0 - level
        if self.staying[number] >= wanted:
            return None
        times, values = self.fine
        below = np.flatnonzero(values[:, number] < wanted)
        last = int(below[0]) if len(below) else len(times) - 1

        def missing(time: float) -> float:
            return float(self(np.array([time]))[0, number]) - wanted

        begin, end = (times[last - 1] if last else 0.0), times[last]
        if not len(below) or (last and missing(begin) <= 0.0):
            found = float(end)
        else:
            found = float(brentq(missing, begin, end, xtol=1e-300, rtol=1e-13)) if last or missing(0.0) > 0.0 else 0.0
        speed = abs(float(self.decay.slopes(np.array([found]))[0, number]))
        return found, max(self.decay.change / max(speed, 1e-300), 0.0 if found >= times[0] else float(times[0]))

    def distance(self, number: int) -> float:
        """Kolmogorov's distance of the exit time from an exponential one of the same mean."""
        mean = float(self.means[number])
        times, values = self.fine

        def apart(logarithm: float) -> float:
            time = math.exp(logarithm)
            return -abs(float(self(np.array([time]))[0, number]) - math.exp(-time / mean))

        differences = np.abs(values[:, number] - np.exp(-times / mean))
        place = int(differences.argmax())
        around = np.log(times[[max(place - 1, 0), min(place + 1, len(times) - 1)]])
        better = minimize_scalar(apart, bounds=(float(around[0]), float(around[1])), method="bounded")
        return max(float(differences[place]), -float(better.fun))

    def table(self, wanted: Sequence[float]) -> tuple[list[str], Array]:
        """Columns and rows of ``survival_<region>.csv``, at given times or at those that show most; 0 is the first."""
        times = np.array(wanted) if wanted else self._telling()
        count = range(1, len(self.means) + 1)
        columns = ["time", *(f"survival_{i}" for i in count), *(f"density_{i}" for i in count)]
        times = times[times > 0.0]
        rows = np.column_stack([times, self(times), self.decay.slopes(times)])
        begin = np.concatenate([[0.0], np.ones(len(self.means)), np.full(len(self.means), np.nan)])
        return columns, np.vstack([begin, rows])

    def _telling(self) -> Array:
        """Times while the process settles, and around the mean times."""
        fine = self.fine[0]
        end = MEANS * max(float(self.typical.max()), self.decay.scale)
        slow = (1e-3 * float(self.typical.min()), end)
        settled = min(30.0 * self.decay.scale, end)
        parts = [np.geomspace(*slow, ROWS)]
        if fine[0] < settled:
            parts.append(np.geomspace(fine[0], settled, ROWS))
            gap = np.log10(slow[0] / settled)
            if gap > 0.0:
                parts.append(np.geomspace(settled, slow[0], 2 + int(BETWEEN * gap))[1:-1])
        times = np.unique(np.concatenate(parts))
        return np.asarray(times[times >= fine[0]])


def survival(
    inverse: Pinned,
    fixed: Bools,
    staying: PETSc.Vec | None,
    starts: Sequence[PETSc.Vec],
    count: SolveCount,
    heartbeat: Callable[[], None],
) -> Survival:
    """The distributions from starts, given as functionals, at least one. Collective.

    Args:
        inverse: K without the fixed nodes.
        fixed: Owned nodes of the exit set, and those where paths are caught, (owned,).
        staying: p, None where it is 0.
        starts: The functionals.
        count: Where work is counted.
        heartbeat: Called after every solve.
    """
    generator = inverse.generator
    initial = generator.one.copy()
    if staying is not None:
        initial.axpy(-1.0, staying)
    load = initial.duplicate()
    generator.mass.mult(initial, load)
    time = inverse.solve(load)
    means = np.array([float(start.dot(time)) for start in starts])
    never = np.array([0.0 if staying is None else float(start.dot(staying)) for start in starts])
    slow = slow_modes(inverse)
    return Survival(decay(slow, fixed, initial, starts, count, heartbeat), never, means)


def entry_of(
    found: Survival, number: int, deviation: float | None, staying_reason: str | None
) -> dict[str, object] | Quantity:
    """What ``results.json`` says about the distribution from a start.

    Args:
        found: The distributions.
        number: Of the start.
        deviation: Standard deviation of the exit time, None where the mean is infinite.
        staying_reason: Why that is so.
    """
    change = found.decay.change
    if found.is_lost:
        return Quantity(None, why="the mesh does not resolve how paths leave; write more domain.cells")

    def quantile(level: float) -> Quantity:
        at = found.quantile(number, level)
        if at is None:
            return Quantity(None, why=staying_reason, infinite=True)
        return Quantity(at[0], scale="log", floor=at[1])

    quantiles = {f"{level:g}": quantile(level) for level in LEVELS}
    rate, shares = found.decay.slowest
    amplitude = (
        Quantity(float(shares[number]), size=1.0)
        if abs(rate.imag) <= 1e-9 * abs(rate)
        else Quantity(None, why="the slowest modes oscillate")
    )
    entry: dict[str, object] = {"median": quantiles["0.5"], "quantiles": quantiles}
    if deviation is None:
        entry["never"] = Quantity(float(found.staying[number]), size=1.0)
        return entry | {"slow_amplitude": amplitude}
    if found.means[number] <= 0.0:
        entry["exponential"] = Quantity(None, why="the computed mean is negative")
        return entry
    entry["exponential"] = {
        "distance": Quantity(found.distance(number), size=1e-6, floor=change),
        "coefficient_of_variation": Quantity(deviation / found.means[number], scale="log"),
        "slow_amplitude": amplitude,
    }
    return entry


def checks_of(found: Survival, name: str) -> list[Check]:
    """Lines of the certificate."""
    return [Check(f"{name}: integral of the survival curve", found.integral_defect, INTEGRAL)]


def warnings_of(found: Survival, name: str) -> list[str]:
    """What should be told about the curves."""
    worst = max(found.decay.change, found.rise)
    if worst <= UNRESOLVED:
        return []
    return [f"{name}: the survival curve is known to {worst:.1g} only; write more domain.cells"]
