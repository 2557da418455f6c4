"""What decays fast in a killed process, projected to a Krylov space.

With A = M^-1 K off the exit set, and without its slow modes, the space grows from v = A^-1 u(0),

    u(t) = A e^(-tA) v ~ V H e^(-tH) V^T M v,      H = V^T K V,  V^T M V = 1,

first with A^-1, whose factors are there already, then with (1 + gamma A)^-1. -A is dissipative in the energy norm, as
far as the weight is stationary, and so is -H: no mode grows, whatever K. A v, unlike u(0), needs no projection of a
function that jumps at the exit set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc
from scipy.linalg import expm

from fpsolver.generator.generator import Generator
from fpsolver.generator.inverse import inverse
from fpsolver.generator.quadrature import owned_vector
from fpsolver.generator.slow import Slow
from fpsolver.linalg import SolveCount

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Complex = npt.NDArray[np.complex128]

WITH_INVERSE = 8
"""Vectors by A^-1, which costs no factorisation: enough for what is later than a third of the time scale."""

MOST_VECTORS = 60
"""With each gamma; diffusion needs half as many, transport all of them."""

SHIFT = 10.0
"""The first gamma is the time scale over this, and so is the next one over the one before."""

SHORTEST = 0.3
"""The space of a gamma is good from so many times gamma on."""

MOST_SHIFTS = 5

EARLY = 0.01
"""Where more than this has happened before times that are resolved, a smaller gamma is taken."""

TOLERANCE = 1e-7
"""Change of all functionals by three more vectors at which a space is large enough."""

CHECK_EVERY = 4

LATEST = 30.0
"""Functionals are watched until so many times the time scale."""

NOTHING = 1e-10
"""Where a functional sees less than this of the fast part, that is left out: then the slow modes alone tell it."""

LARGEST_CONDITION = 1e7
"""Of the eigenvectors of H; beyond, exponentials are multiplied instead."""

LARGEST_GROWTH = 300.0

BITS = 44
"""Of a time, where that is done."""

SAME = 1e-13
"""What is left of a vector, relative to it, where the space contains it already."""


@dataclass(frozen=True)
class Fast:
    """s . A e^(-tA) v on the Krylov space.

    Attributes:
        projected: H, (k, k), possibly of size 0.
        first: V^T M v, (k,).
        observed: s . V, (functionals, k).
    """

    projected: Array
    first: Array
    observed: Array

    def values(self, times: Array, derivatives: int = 0) -> Array:
        """The values, or (-d/dt)^derivatives of them, (times, functionals)."""
        if not len(self.first):
            return np.zeros((len(times), len(self.observed)))
        vector = np.linalg.matrix_power(self.projected, 1 + derivatives) @ self.first
        rates, vectors, condition = self.modes
        if condition < LARGEST_CONDITION:
            weights = (self.observed @ vectors) * np.linalg.solve(vectors, vector.astype(complex))
            exponents = -np.outer(times, rates)  # a space that is too small may have modes that grow
            growth = np.minimum(exponents.real, LARGEST_GROWTH) + 1j * exponents.imag
            return np.asarray((np.exp(growth) @ weights.T).real)
        return np.asarray(self._multiplied(times, vector) @ self.observed.T)

    @property
    def fastest(self) -> float:
        """The largest eigenvalue of H, 0 without any."""
        return float(np.abs(self.modes[0]).max(initial=0.0)) if len(self.first) else 0.0

    @property
    def slowest(self) -> tuple[complex, Array]:
        """The eigenvalue of H with the least real part, and how much of each functional decays with it."""
        rates, vectors, _ = self.modes
        last = int(np.argmin(rates.real))
        share = np.linalg.solve(vectors, (self.projected @ self.first).astype(complex))[last]
        return complex(rates[last]), np.asarray((self.observed @ vectors[:, last] * share).real)

    @cached_property
    def modes(self) -> tuple[Complex, Complex, float]:
        """Eigenvalues and eigenvectors of H, and the condition of these."""
        values, vectors = np.linalg.eig(self.projected)
        return values.astype(complex), vectors.astype(complex), float(np.linalg.cond(vectors))

    def _multiplied(self, times: Array, vector: Array) -> Array:
        """e^(-tH) vector, (times, k), by the binary digits of t: eigenvectors that are nearly parallel lose digits."""
        unit = float(times.max(initial=0.0)) * 0.5**BITS
        found = np.tile(vector, (len(times), 1))
        if unit == 0.0:
            return found
        digits = np.round(times / unit).astype(np.int64)
        for bit in range(BITS + 1):
            here = (digits >> bit) & 1 == 1
            if here.any():
                found[here] = found[here] @ expm(-unit * 2.0**bit * self.projected).T
        return found


class FastSpace:
    """An M-orthonormal basis of the Krylov space of a function, and K on it."""

    def __init__(
        self,
        slow: Slow,
        fixed: Bools,
        functionals: Sequence[PETSc.Vec],
        initial: PETSc.Vec,
        count: SolveCount,
        heartbeat: Callable[[], None],
    ) -> None:
        self._slow, self._generator = slow, slow.inverse.generator
        self._fixed, self._functionals = fixed, functionals
        self._count, self._heartbeat = count, heartbeat
        self._initial = initial
        self._begin = np.array([float(s.dot(initial)) for s in functionals])
        self._vectors: list[PETSc.Vec] = []
        self._observed: list[list[float]] = []
        self._matrix = np.zeros((0, 0))
        self._norm = 0.0
        self.change = self.scale = self.resolved = 0.0

    def fast(self) -> Fast:
        """What the space says."""
        size = len(self._vectors)
        first = np.zeros(size)
        first[:1] = self._norm
        return Fast(self._matrix, first, np.array(self._observed).reshape(size, len(self._functionals)).T)

    def grow(self) -> None:
        """Vectors until the functionals do not change any more, from so early on that little has happened before."""
        if np.abs(self._begin).max() <= NOTHING:
            return
        first = self._solved(self._slow.solve, self._initial)
        second = self._solved(self._slow.solve, first)
        self.scale = max(self._ratio(first, self._initial), self._ratio(second, first))
        self._norm = self._append(first)
        if self.scale == 0.0 or self._norm == 0.0 or self._append(second) == 0.0:
            return
        end = LATEST * self.scale
        self._extend(self._slow.solve, WITH_INVERSE, np.geomspace(self.scale / 3.0, end, 20))
        gamma = self.scale / SHIFT
        for _ in range(MOST_SHIFTS):
            shifted = _Shifted(self._generator, self._fixed, gamma, self._count)
            watched = np.geomspace(SHORTEST * gamma, end, 40)
            self._extend(shifted.solve, MOST_VECTORS, watched)
            shifted.destroy()
            self.resolved = SHORTEST * gamma
            if np.abs(self.fast().values(watched[:1])[0] - self._begin).max() < EARLY:
                return
            gamma /= SHIFT

    def _ratio(self, after: PETSc.Vec, before: PETSc.Vec) -> float:
        """The longest time that functionals see: the integral of what decays over what there is to decay."""
        pairs = [(abs(float(s.dot(after))), abs(float(s.dot(before)))) for s in self._functionals]
        least = NOTHING * max(there for _, there in pairs)
        return max((integral / there for integral, there in pairs if there > least), default=0.0)

    def _extend(self, solve: Callable[[PETSc.Vec], PETSc.Vec], most: int, watched: Array) -> None:
        before = self.fast().values(watched)
        for number in range(1, most + 1):
            vector = self._solved(solve, self._vectors[-1])
            is_new = self._append(vector) > 0.0
            if number % CHECK_EVERY == 0 or not is_new:
                after = self.fast().values(watched)
                self.change = float(np.abs(after - before).max())
                if self.change <= TOLERANCE or not is_new:
                    return
                before = after

    def _solved(self, solve: Callable[[PETSc.Vec], PETSc.Vec], vector: PETSc.Vec) -> PETSc.Vec:
        load = vector.duplicate()
        self._generator.mass.mult(vector, load)
        found = self._slow.deflated(solve(load))
        found.array[self._fixed] = 0.0
        self._heartbeat()
        return found

    def _append(self, vector: PETSc.Vec) -> float:
        """Orthogonalise twice, normalise, keep and project K. The norm, 0 if the space contains the vector already."""
        image = vector.duplicate()
        norms = []
        for _ in range(3):
            self._generator.mass.mult(vector, image)
            norms.append(float(np.sqrt(max(vector.dot(image), 0.0))))
            if self._vectors and len(norms) < 3:
                vector.maxpy(list(-np.asarray(image.mDot(self._vectors))), self._vectors)
        norm = norms[-1]
        if norm <= SAME * norms[0]:
            return 0.0
        vector.scale(1.0 / norm)
        self._vectors.append(vector)
        self._observed.append([float(s.dot(vector)) for s in self._functionals])
        size = len(self._vectors)
        larger = np.zeros((size, size))
        larger[:-1, :-1] = self._matrix
        stiffness = self._generator.stiffness
        stiffness.mult(vector, image)
        larger[:, -1] = image.mDot(self._vectors)
        if self._generator.reversible:
            larger[-1] = larger[:, -1]
        else:
            stiffness.multTranspose(vector, image)
            larger[-1] = image.mDot(self._vectors)
        self._matrix = larger
        return norm


class _Shifted:
    """(M + gamma K)^-1 where nothing is fixed."""

    def __init__(self, generator: Generator, fixed: Bools, gamma: float, count: SolveCount) -> None:
        self._space = generator.space
        self._free = np.flatnonzero(~fixed)
        start = generator.space.dofmap.index_map.local_range[0]
        nodes = PETSc.IS().createGeneral((self._free + start).astype(PETSc.IntType), comm=generator.comm)
        whole = generator.shifted(gamma)
        matrix = whole.createSubMatrix(nodes, nodes)
        whole.destroy()
        self._factors = inverse(generator, matrix, "survival", count, symmetric=generator.reversible, rows=self._free)
        self._small = matrix.createVecRight()

    def solve(self, load: PETSc.Vec) -> PETSc.Vec:
        """u with (M + gamma K) u = load, and 0 where it is fixed."""
        self._small.array[:] = load.array_r[self._free]
        solution = self._factors.solve(self._small)
        vector = owned_vector(self._space)
        vector.array[self._free] = solution.array_r
        return vector

    def destroy(self) -> None:
        """Release the factors."""
        self._factors.destroy()
