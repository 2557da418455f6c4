"""Rational Krylov propagation: exact in time up to the tolerance, some thirty to eighty solves per decade of time.

With B = (M + gamma K^T)^-1 M the generator is M^-1 K^T = (B^-1 - I) / gamma, and

    h(t) = h0 + f_t(B) (I - B) h0,     f_t(x) = (exp(-t (1/x - 1)/gamma) - 1) / (1 - x).

The increment has no mass: B keeps the mass because constants are in the kernel of K. The basis of the Krylov space of
(I - B) h0 is kept M-orthogonal to the constant 1, so mass is conserved to round-off whatever the tolerance, and no
stationary state needs to be known (there may be several). Where K is symmetric this is shift-invert Lanczos with the
constant deflated, otherwise Arnoldi.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc
from scipy.linalg import eigh, expm

from fpsolver.errors import SolverFailed
from fpsolver.generator.generator import Generator
from fpsolver.generator.inverse import inverse
from fpsolver.propagation.base import Settings, State, l1_scale

Array = npt.NDArray[np.float64]

SHIFT = {True: 20.0, False: 80.0}
"""gamma is the length of a segment over this; transport (K not symmetric) wants a smaller one than diffusion."""

HORIZON = {True: 10.0, False: 4.0}
"""A segment reaches so many times as far as its first output, or as the time that has passed already."""

MOST_SEGMENTS = 150
"""So many bases between two output times mean that the mesh does not resolve the density."""

LARGEST_BASIS = 90
CHECK_EVERY = 3

STAGNATION = 1e-8
"""A full basis whose last changes were below this (L1 of the density) is accepted, and its error reported."""

SMALLEST_EIGENVALUE = 1e-15
"""Of the projected B, whose eigenvalues are 1/(1 + gamma s) for rates s."""

LARGEST_GROWTH = 300.0
"""Bound for the exponent of a growing mode, which only a basis that has not converged has."""

LARGEST_CONDITION = 1e7
"""Of the eigenvectors of the projected matrix; beyond, its exponential is taken by scaling and squaring."""


def krylov(
    generator: Generator, start: PETSc.Vec, times: Sequence[float], settings: Settings, now: float = 0.0
) -> Iterator[State]:
    """Carry a density through the output times, with a few factorisations per decade of time.

    Raises:
        SolverFailed: A factorisation failed, or a segment shrank to round-off of the time.
    """
    settings.taken()
    outputs, vector, step = set(times), start, 0
    targets, segments = list(times), 0
    while targets:
        segments += 1
        if segments > MOST_SEGMENTS:
            raise _no_progress(now)
        # after a time t the density varies on scales of about t, so one basis serves several times that
        horizon = HORIZON[generator.reversible] * max(now, targets[0] - now) * (1 + 1e-12)
        segment = [time - now for time in targets if time <= horizon]
        basis = _Basis(generator, vector, segment[-1], settings)
        reached = basis.grow(segment)
        while not reached:
            settings.rejected += 1
            basis.destroy()
            segment = _nearer(segment, now, times[0])
            basis = _Basis(generator, vector, segment[-1], settings)
            reached = basis.grow(segment)
        for elapsed in reached:
            state = basis.state(elapsed)
            time = next((target for target in targets if target - now == elapsed), now + elapsed)
            step += time in outputs
            segments *= time not in outputs
            yield State(time, state, step, is_output=time in outputs, is_fixed=elapsed == reached[-1])
        now, vector = time, state
        targets = [target for target in targets if target > now]
        basis.destroy()


def _nearer(segment: list[float], now: float, first: float) -> list[float]:
    """A shorter segment, counted from now: the first half of its times, or a quarter of the way to the only one."""
    if len(segment) > 1:
        return segment[: len(segment) // 2]
    if segment[0] <= max(1e-10 * now, 1e-16 * first):
        raise _no_progress(now)
    return [segment[0] / 4]


def _no_progress(now: float) -> SolverFailed:
    return SolverFailed(
        f"evolution: the Krylov basis does not converge after time {now:g}.\n"
        'Try evolution.method = "sdirk", a larger evolution.tolerance, or a finer mesh.'
    )


class _Basis:
    """An M-orthonormal basis of the Krylov space that carries one state, orthogonal to the constant."""

    def __init__(self, generator: Generator, start: PETSc.Vec, length: float, settings: Settings) -> None:
        self._mass = generator.mass
        self._reversible = generator.reversible
        self._start = start
        self._settings = settings
        self._gamma = length / SHIFT[generator.reversible]
        self._factors = inverse(
            generator, generator.shifted(self._gamma), "evolution", settings.count, symmetric=generator.reversible
        )

        scale = l1_scale(generator)
        self._l1_scale = scale
        self._tolerance = settings.tolerance / scale  # in the M-norm of h
        # the constant is the first vector, so that all others have no mass; it takes no part in the projected matrix
        self._vectors = [generator.one.copy()]
        self._images = [generator.total.copy()]
        for vector in (self._vectors[0], self._images[0]):
            vector.scale(1.0 / scale)
        self._projected = np.zeros((LARGEST_BASIS + 1, LARGEST_BASIS))
        first = start.copy()
        image = self._product(start)
        first.axpy(-1.0, self._smoothed(image))
        self._norm = self._append(first)[1]
        self._size = 0

    def grow(self, elapsed: Sequence[float]) -> list[float]:
        """Extend the basis until the states after the elapsed times are within tolerance.

        Returns:
            Those of them that are, counted from the first; if a full basis does not reach even that one, an earlier
            time that it does reach, or nothing.
        """
        if self._norm <= self._tolerance * 1e-3:  # stationary already
            return list(elapsed)
        watched = sorted({elapsed[0], elapsed[len(elapsed) // 2], elapsed[-1]})
        before = [np.zeros(0) for _ in watched]
        while self._size < LARGEST_BASIS:
            exact = not self._extend()
            if self._size % CHECK_EVERY == 0 or exact:
                after = [self._coefficients(time) for time in watched]
                if exact or max(map(_distance, before, after)) <= self._tolerance:
                    return list(elapsed)
                before = after
        good = list(itertools.takewhile(self._is_reached, elapsed))
        earlier = (elapsed[0] / 2**halving for halving in range(1, 12))
        return good or list(itertools.islice(filter(self._is_reached, earlier), 1))

    def _is_reached(self, elapsed: float) -> bool:
        """True where the last vectors of a full basis changed the state by no more than is tolerable."""
        full = self._coefficients(elapsed)
        self._size -= CHECK_EVERY
        shorter = self._coefficients(elapsed)
        self._size += CHECK_EVERY
        change = _distance(shorter, full) * self._l1_scale
        if change > max(self._settings.tolerance, STAGNATION):
            return False
        self._settings.time_error = max(self._settings.time_error, change)
        return True

    def state(self, elapsed: float) -> PETSc.Vec:
        """h after the elapsed time."""
        vector = self._start.copy()
        if self._size:
            vector.maxpy(list(self._coefficients(elapsed)), self._vectors[1 : self._size + 1])
        return vector

    def destroy(self) -> None:
        """Release factors and vectors; collective."""
        self._factors.destroy()
        for vector in (*self._vectors, *self._images):
            vector.destroy()

    def _extend(self) -> bool:
        """One more vector; False if the space is exhausted, so that the solution is exact."""
        column = self._size
        coefficients, norm = self._append(self._smoothed(self._images[column + 1]))
        self._projected[: column + 1, column] = coefficients[1:]
        self._size += 1
        if not np.isfinite(norm):
            raise SolverFailed("evolution: the Krylov basis is not finite; the mesh does not resolve the weight")
        if norm <= 1e-14 * max(1.0, float(np.abs(coefficients).max())):
            return False
        self._projected[column + 1, column] = norm
        return True

    def _append(self, vector: PETSc.Vec) -> tuple[Array, float]:
        """Orthogonalise twice against the basis, normalise and keep; coefficients and norm."""
        coefficients = np.zeros(len(self._vectors))
        for _ in range(2):
            overlap = np.asarray(vector.mDot(self._images))
            coefficients += overlap
            vector.maxpy(list(-overlap), self._vectors)
        image = self._product(vector)
        norm = float(np.sqrt(max(vector.dot(image), 0.0)))
        for item in (vector, image):
            item.scale(1.0 / norm if norm > 0.0 else 0.0)
        self._vectors.append(vector)
        self._images.append(image)
        return coefficients, norm

    def _smoothed(self, image: PETSc.Vec) -> PETSc.Vec:
        """(M + gamma K^T)^-1 applied to M times a vector."""
        solution = self._factors.solve(image, transposed=not self._reversible)
        self._settings.heartbeat()
        return solution

    def _product(self, vector: PETSc.Vec) -> PETSc.Vec:
        image = vector.duplicate()
        self._mass.mult(vector, image)
        return image

    def _coefficients(self, elapsed: float) -> Array:
        """f_t(H) e_1 times the norm of the first vector, without cancellation where H has eigenvalues near 1.

        With s = (1/x - 1)/gamma:  f_t(x) = -(t / (gamma x)) phi_1(-t s),  phi_1(z) = (e^z - 1)/z.
        """
        size = self._size
        projected = self._projected[:size, :size]
        if self._reversible:
            values, vectors = eigh((projected + projected.T) / 2)
            values = np.clip(values, SMALLEST_EIGENVALUE, 1.0)
            z = elapsed * (1.0 / values - 1.0) / self._gamma
            phi = np.where(z > 0.0, -np.expm1(-z) / np.where(z > 0.0, z, 1.0), 1.0)
            result = vectors @ (-(elapsed / (self._gamma * values)) * phi * vectors[0])
        else:
            result = self._function(projected, elapsed)
        return np.asarray(self._norm * result)

    def _function(self, projected: Array, elapsed: float) -> Array:
        """f_t(H) e_1 for an H that is not symmetric: by its eigenvectors unless they are too ill-conditioned."""
        size = len(projected)
        values, vectors = np.linalg.eig(projected)
        if np.abs(values).min() < SMALLEST_EIGENVALUE:
            return np.full(size, np.nan)  # no state yet: a larger basis or a shorter segment will have one
        if np.linalg.cond(vectors) < LARGEST_CONDITION:
            z = elapsed * (1.0 / values - 1.0) / self._gamma
            small = np.abs(z) < 1e-12
            # a basis that has not converged may have eigenvalues that grow without bound
            z = np.maximum(z.real, -LARGEST_GROWTH) + 1j * z.imag
            phi = np.where(small, 1.0, -np.expm1(-z) / np.where(small, 1.0, z))
            weights = np.linalg.solve(vectors, np.eye(size)[0])
            return np.asarray((vectors @ (-(elapsed / (self._gamma * values)) * phi * weights)).real)
        inverse = np.linalg.inv(projected)
        augmented = np.zeros((size + 1, size + 1))
        augmented[:size, :size] = -(elapsed / self._gamma) * (inverse - np.eye(size))
        augmented[0, size] = 1.0
        return np.asarray(-(elapsed / self._gamma) * (inverse @ expm(augmented)[:size, size]))


def _distance(short: Array, long: Array) -> float:
    """Norm of the difference of two coefficient vectors, the shorter one padded with zeros."""
    difference = long.copy()
    difference[: len(short)] -= short
    distance = float(np.linalg.norm(difference))
    return distance if np.isfinite(distance) else np.inf
