"""The slow modes of a process that is killed: few, known to all digits, and split off what happens fast.

Where wells are left slowly, the functions on which K acts slowly are nearly constant in each of them. With one pin p
per such well, g_q the probabilities to reach pin q before the others and the exit set, and y_p their forward
companions (see `fpsolver.generator.pinned`),

    K z_q = sum_r M z_r Lambda_rq,     z_q = g_q + e_q,     e_q = 0 at the pins,
    Y^T M Z Lambda = S                 as Y^T K Z = S whatever e is,

and e follows by iteration, K e = M Z Lambda off the pins, with a factor as small as a rate over the rates of what is
fast. S, the rates of a small chain, is known entry by entry without cancellation, so e^(-t Lambda) is too, by squaring
chances to move and to leave that add up to 1 instead of subtracting them. No barrier is too high for this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.chain import Chain
from fpsolver.generator.pinned import Pinned

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SLOW = 0.01
"""A well is slow where its rate times the time to settle within the wells is below this: what e shrinks by."""

MOST_STEPS = 12
SETTLED = 1e-14
"""Relative change of the rates at which the iteration ends."""

FIRST = 1e-5
"""Squaring begins where the fastest slow mode has decayed by so much."""

LIKELY = 0.5
"""Chances to leave above this: from here on what stays is multiplied, no longer what is left of 1."""


@dataclass(frozen=True)
class Slow:
    """The slow modes, as many as there are slow wells; possibly none. All methods but `transition` are collective.

    Attributes:
        inverse: The pinned K.
        kept: Numbers of the pins of slow wells.
        right: z_q.
        left: The same of K^T.
        chain: The chain on the kept pins, whose matrix is S.
        masses: Y^T M Z, (s, s).
        settling: How long it takes to reach a kept pin or the exit set, from where the process is most of the time.
    """

    inverse: Pinned
    kept: Sequence[int]
    right: list[PETSc.Vec]
    left: list[PETSc.Vec]
    chain: Chain
    masses: Array
    settling: float

    @property
    def size(self) -> int:
        """Number of slow modes."""
        return len(self.kept)

    @cached_property
    def rates(self) -> Array:
        """Lambda, (s, s): values at the pins decay like e^(-t Lambda)."""
        return _solved(self.masses, self.chain.matrix())

    @cached_property
    def leaving(self) -> Array:
        """Lambda 1, (s,): tiny, and not taken from the rows of Lambda, where it is a difference."""
        return _solved(self.masses, self.chain.leaving)

    @cached_property
    def times(self) -> Array:
        """Lambda^-1, (s, s), whose entries are all known to their last digits."""
        return np.array([self.chain.solve(column) for column in self.masses.T]).T.reshape(self.size, self.size)

    def deflated(self, vector: PETSc.Vec) -> PETSc.Vec:
        """The vector without its slow part, in place."""
        if self.size:
            vector.maxpy(list(-self.coordinates(vector)), self.right)
        return vector

    def coordinates(self, vector: PETSc.Vec) -> Array:
        """Of the slow part of a vector in the basis z, (s,)."""
        if not self.size:
            return np.zeros(0)
        image = vector.duplicate()
        self.inverse.generator.mass.mult(vector, image)
        return _solved(self._overlap, np.asarray(image.mDot(self.left)))

    def solve(self, load: PETSc.Vec) -> PETSc.Vec:
        """u without a slow part, and K u = load where nothing is fixed, for a load without one."""
        if not self.size:
            return self.inverse.solve(load)
        found = _held(self.inverse, self.kept, load, np.zeros(self.size))
        # z = g + e, so what is missing is a combination of the g, whose slow parts are known
        image = found.duplicate()
        self.inverse.generator.mass.mult(found, image)
        factors = _solved(self._reach, np.asarray(image.mDot(self.left)))
        found.maxpy(list(-factors), self._companions)
        return found

    def beside(self, whole: PETSc.Vec, values: Array, fixed: Bools) -> PETSc.Vec:
        """u - sum of values * z for the u with K u = 0 that is given at the pins, and by ``whole`` where it is fixed.

        It is a sum of what is small in the wells, where u itself and the z are close to each other.
        """
        if not self.size:
            return whole.copy()
        found = whole.duplicate()
        found.array[:] = np.where(fixed, whole.array_r, 0.0)
        load = found.duplicate()
        self.inverse.generator.stiffness.mult(found, load)
        load.scale(-1.0)
        found.axpy(1.0, _held(self.inverse, self.kept, load, np.zeros(self.size)))
        for value, mode, companion in zip(values, self.right, self._companions, strict=True):
            found.maxpy([-value, value], [mode, companion])
        return found

    @cached_property
    def _companions(self) -> list[PETSc.Vec]:
        return _companions(self.inverse, self.kept, transposed=False)

    @cached_property
    def _overlap(self) -> Array:
        return _products(self.inverse, self.left, self.right)

    @cached_property
    def _reach(self) -> Array:
        return _products(self.inverse, self.left, self._companions)

    def transition(self, times: Array) -> Array:
        """e^(-t Lambda), (times, s, s)."""
        rates, leaving = self.rates, self.leaving
        if self.size <= 1:
            return np.exp(-times[:, None, None] * rates)
        fastest = float(np.abs(rates).max())
        doublings = np.ceil(np.log2(np.maximum(times * fastest / FIRST, 1.0))).astype(np.int64)
        begin = (times * 0.5**doublings)[:, None, None]
        step = -begin * rates
        stay = np.eye(self.size) + step @ (np.eye(self.size) + step @ (np.eye(self.size) + step / 3.0) / 2.0)
        first = begin * leaving[:, None]
        leave = (first + step @ (first + step @ first / 3.0) / 2.0)[:, :, 0]
        for left in range(int(doublings.max(initial=0)), 0, -1):
            now = doublings >= left
            stay[now], leave[now] = _twice(stay[now], leave[now])
        return np.asarray(stay)


def slow_modes(inverse: Pinned) -> Slow:
    """The slow modes of the pinned K. Collective."""
    kept = list(range(inverse.pins))
    while kept:
        forward = _companions(inverse, kept, transposed=True)
        backward = forward if inverse.backward is inverse.forward else _companions(inverse, kept, transposed=False)
        chain = inverse.chain.watched(kept)
        times = _held(inverse, kept, inverse.generator.total, np.zeros(len(kept)))
        ones = [inverse.generator.one, times]
        mass, spent = _products(inverse, forward, ones).T
        speed = np.diag(chain.matrix()) / np.maximum(mass, 1e-300)
        settling = float((spent / mass).max())
        if 0.0 < speed.max() * settling < SLOW and speed.min() > 0.0:
            return _converged(inverse, kept, chain, forward, backward, settling)
        kept.pop(int(speed.argmax()))
    return Slow(inverse, (), [], [], Chain(np.zeros((0, 0)), np.zeros(0)), np.zeros((0, 0)), 0.0)


def _converged(
    inverse: Pinned,
    kept: list[int],
    chain: Chain,
    forward: list[PETSc.Vec],
    backward: list[PETSc.Vec],
    settling: float,
) -> Slow:
    """The iteration for e, forward and backward."""
    is_symmetric = backward is forward
    matrix = chain.matrix()
    right, left = [v.copy() for v in backward], [v.copy() for v in forward]
    masses, before = _products(inverse, forward, right), np.zeros((0, 0))
    for _ in range(MOST_STEPS):
        rates = _solved(masses, matrix)
        if before.size and np.abs(rates - before).max() <= SETTLED * np.abs(rates).max():
            break
        before = rates
        right = _step(inverse, kept, backward, right, rates, transposed=False)
        masses = _products(inverse, forward, right)
        if not is_symmetric:
            other = _solved(_products(inverse, left, backward).T, matrix.T)
            left = _step(inverse, kept, forward, left, other, transposed=True)
    return Slow(inverse, tuple(kept), right, right if is_symmetric else left, chain, masses, settling)


def _step(
    inverse: Pinned,
    kept: Sequence[int],
    companions: list[PETSc.Vec],
    modes: list[PETSc.Vec],
    rates: Array,
    *,
    transposed: bool,
) -> list[PETSc.Vec]:
    """g + e with K e = M Z Lambda off the pins."""
    found = []
    for companion, column in zip(companions, rates.T, strict=True):
        mean, load = companion.duplicate(), companion.duplicate()
        mean.set(0.0)
        mean.maxpy(list(column), modes)
        inverse.generator.mass.mult(mean, load)
        found.append(_held(inverse, kept, load, np.zeros(len(kept)), transposed=transposed))
        found[-1].axpy(1.0, companion)
    return found


def _held(
    inverse: Pinned, kept: Sequence[int], load: PETSc.Vec | None, values: Array, *, transposed: bool = False
) -> PETSc.Vec:
    """u with K u = load (none: 0) but at the kept pins, where u has the given values; other pins are no exception."""
    order = [*kept, *(i for i in range(inverse.pins) if i not in kept)]
    tests, trials = (inverse.backward, inverse.forward) if transposed else (inverse.forward, inverse.backward)
    chain = inverse.chain.ordered(order)
    if load is None:
        found, carried = trials[0].duplicate(), np.zeros(inverse.pins)
        found.set(0.0)
    else:
        solve = inverse.solve_transposed if transposed else inverse.solve
        found, carried = solve(load, np.zeros(inverse.pins)), np.asarray(load.mDot(tests))
    at_pins = (chain.solve_transposed if transposed else chain.solve)(carried[order], values)
    found.maxpy(list(at_pins), [trials[i] for i in order])
    return found


def _companions(inverse: Pinned, kept: Sequence[int], *, transposed: bool) -> list[PETSc.Vec]:
    """g (y, transposed) of the kept pins alone."""
    return [_held(inverse, kept, None, row, transposed=transposed) for row in np.eye(len(kept))]


def _products(inverse: Pinned, left: Sequence[PETSc.Vec], right: Sequence[PETSc.Vec]) -> Array:
    """Left^T M right, (left, right)."""
    columns = []
    for vector in right:
        image = vector.duplicate()
        inverse.generator.mass.mult(vector, image)
        columns.append(np.asarray(image.mDot(list(left))))
    return np.array(columns).T


def _solved(matrix: Array, rhs: Array) -> Array:
    """matrix^-1 rhs for a matrix whose rows differ by orders of magnitude, as the masses of wells do."""
    if not matrix.size:
        return np.zeros(rhs.shape)
    scale = 1.0 / np.diag(matrix)
    return np.asarray(np.linalg.solve(scale[:, None] * matrix, (scale * rhs.T).T))


def _twice(stay: Array, leave: Array) -> tuple[Array, Array]:
    """Chances to be at the pins (n, s, s) and to have left (n, s) after twice the time."""
    double, gone = stay @ stay, leave + (stay @ leave[:, :, None])[:, :, 0]
    size = stay.shape[1]
    diagonal = np.arange(size)
    elsewhere = double.sum(axis=2) - double[:, diagonal, diagonal]
    rest = 1.0 - gone - elsewhere
    double[:, diagonal, diagonal] = np.where(gone + elsewhere < LIKELY, rest, double[:, diagonal, diagonal])
    return double, gone
