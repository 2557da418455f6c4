"""The slow part of the spectrum: eigenvalues of smallest real part, metastable sets and their exchange rates.

K is inverted on what is left when known modes are taken out: with V their right vectors and H their left ones, the
constant function and the stationary state among them,

    v -> b = M v - M V (H^T M V)^-1 H^T M v -> u with K u = b and H^T M u = 0          eigenvalues 1/lambda

The conditions H^T M u = 0 take the place of the equations at as many pins, so no slow time ever multiplies round-off:
modes that are slower than the rest by any factor are found one after the other, each with relative accuracy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.generator.eigen import largest
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned

Array = npt.NDArray[np.float64]

SPARE, SPARE_WITH_TRANSPORT = 2, 16
"""More eigenvalues than asked for are computed: those of smallest magnitude need not be those of smallest real part."""

VISIBLE = 1e-15
"""Mean square of an eigenfunction over the stationary density, relative to its largest: below round-off it lives in a
corner that no mass visits and that the mesh does not resolve, and no density would ever show it."""

MUCH_SLOWER = 1e4
"""A mode slower than everything between two jumps by this factor is found by itself and taken out."""

SLOW = 0.1
"""Wells are metastable sets if the chain on the pins has the eigenvalues of K up to this relative difference."""


@dataclass(frozen=True)
class Mode:
    """An eigenvalue of -L and its eigenfunction, whose imaginary part is None where the eigenvalue is real."""

    value: complex
    real: PETSc.Vec
    imaginary: PETSc.Vec | None


@dataclass(frozen=True)
class Metastable:
    """Sets between which the process jumps rarely, one for each pin.

    Attributes:
        masses: Stationary mass of each set, by the probability to hit its pin first, (m,).
        rates: From each set to each other one, (m, m), zero on the diagonal.
    """

    masses: Array
    rates: Array


def spectrum(inverse: Pinned, density: PETSc.Vec, count: int, heartbeat: Callable[[], None]) -> list[Mode]:
    """The eigenvalues of smallest real part, the zero not among them, ascending. Collective.

    Args:
        inverse: K with pins, the deepest first, and nothing fixed.
        density: h with K^T h = 0 and h . M 1 = 1.
        count: How many.
        heartbeat: Called after every solve; may raise to stop the run.

    Raises:
        SolverFailed: SLEPc did not converge.
    """
    generator = inverse.generator
    count = min(count, generator.unknowns - 1)
    if count < 1:
        return []
    slow: list[Mode] = []
    right, left = [generator.one], [density]
    slowest = MUCH_SLOWER * inverse.hitting_time()
    while len(right) < inverse.pins:
        backward = _without(inverse, right, left, heartbeat, transposed=False)
        pair = largest(backward, backward(_start(generator)), 1, "spectrum")[0]
        if abs(pair.value) < slowest:
            break
        slow.append(Mode(1.0 / pair.value, pair.real, pair.imaginary))
        forward = _without(inverse, left, right, heartbeat, transposed=True)
        other = largest(forward, forward(_start(generator)), 1, "spectrum")[0]
        right += [part for part in (pair.real, pair.imaginary) if part is not None]
        left += [part for part in (other.real, other.imaginary) if part is not None]
    spare = SPARE if generator.reversible else SPARE_WITH_TRANSPORT
    rest = min(max(count - len(slow), 0) + spare, generator.unknowns - len(right))
    apply = _without(inverse, right, left, heartbeat, transposed=False)
    pairs = largest(apply, apply(_start(generator)), rest, "spectrum")
    fast = [Mode(1.0 / pair.value, pair.real, pair.imaginary) for pair in pairs]
    modes = slow + [mode for mode in fast if _visible(generator, density, mode)]
    if generator.reversible:
        modes = [Mode(complex(mode.value.real), mode.real, None) for mode in modes]
    modes.sort(key=lambda mode: (mode.value.real, abs(mode.value.imag), -mode.value.imag))
    for mode in modes[:count]:
        _normalise(inverse, mode)
    return modes[:count]


def _without(
    inverse: Pinned, right: list[PETSc.Vec], left: list[PETSc.Vec], heartbeat: Callable[[], None], *, transposed: bool
) -> Callable[[PETSc.Vec], PETSc.Vec]:
    """The inverse of K, or of K^T, on what is left without known modes: those of its own side and of the other."""
    generator, held = inverse.generator, len(right)
    solve = inverse.solve_transposed if transposed else inverse.solve
    nothing = generator.total.duplicate()
    nothing.set(0.0)
    lifts = [solve(nothing, row) for row in np.eye(held)]
    loads = [_times_mass(generator, vector) for vector in right]
    weights = [_times_mass(generator, vector) for vector in left]
    share = np.linalg.inv(np.array([load.mDot(left) for load in loads]).T)
    lift = np.linalg.inv(np.array([vector.mDot(weights) for vector in lifts]).T)

    def apply(vector: PETSc.Vec) -> PETSc.Vec:
        load = _times_mass(generator, vector)
        load.maxpy(list(-share @ np.asarray(load.mDot(left))), loads)
        image = solve(load, np.zeros(held))
        image.maxpy(list(-lift @ np.asarray(image.mDot(weights))), lifts)
        heartbeat()
        return image

    return apply


def metastable(inverse: Pinned, density: PETSc.Vec, modes: list[Mode]) -> Metastable | None:
    """The exchange between the wells, None where the chain on the pins is not what is slow in the process."""
    chain = inverse.chain
    if not 1 < chain.size <= len(modes) + 1:
        return None
    weighted = _times_mass(inverse.generator, density)
    masses = np.asarray(weighted.mDot(inverse.backward))
    if not (masses > 0.0).all():
        return None
    rates = chain.rates * (inverse.at_pins(density) / masses)[:, None]
    slow = np.sort(np.linalg.eigvals(np.diag(rates.sum(axis=1)) - rates).real)[1:]
    exact = np.array([mode.value.real for mode in modes[: chain.size - 1]])
    if chain.size == 2:  # the one eigenvalue is the sum of both rates, whatever their ratio
        slow = np.array([rates[0, 1] + rates[1, 0]])
    if (np.abs(slow / exact - 1.0) > SLOW).any():
        return None
    return Metastable(masses, rates)


def _visible(generator: Generator, density: PETSc.Vec, mode: Mode) -> bool:
    """Whether the stationary density sees an eigenfunction. Collective."""
    quadrature = generator.quadrature
    square = quadrature.values(generator.function(mode.real)) ** 2
    if mode.imaginary is not None:
        square += quadrature.values(generator.function(mode.imaginary)) ** 2
    mass = np.abs(generator.density(density)) * quadrature.measure
    seen = generator.comm.allreduce(float((mass * square).sum()))
    highest = generator.comm.allreduce(float(square.max(initial=0.0)), MPI.MAX)
    return bool(seen > VISIBLE * highest)


def _times_mass(generator: Generator, vector: PETSc.Vec) -> PETSc.Vec:
    product = vector.duplicate()
    generator.mass.mult(vector, product)
    return product


def _start(generator: Generator) -> PETSc.Vec:
    """A smooth function without symmetry, the same on any number of ranks."""
    points = generator.space.tabulate_dof_coordinates()
    vector = generator.one.duplicate()
    owned = points[: vector.getLocalSize()]
    vector.array[:] = np.sin(owned @ np.array([1.0, 1.7, 2.3]) + 0.5)
    return vector


def _normalise(inverse: Pinned, mode: Mode) -> None:
    """Largest magnitude 1; negative at the deepest pin, unless it vanishes there."""
    size = max(mode.real.norm(PETSc.NormType.INFINITY), 0.0)
    if mode.imaginary is not None:
        size = max(size, mode.imaginary.norm(PETSc.NormType.INFINITY))
    at_pins = inverse.at_pins(mode.real)
    seen = at_pins[np.abs(at_pins) > 1e-6 * size]
    sign = -1.0 if len(seen) and seen[0] > 0 else 1.0
    for part in (mode.real, mode.imaginary):
        if part is not None and size > 0.0:
            part.scale(sign / size)
