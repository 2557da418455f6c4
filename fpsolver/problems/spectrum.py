"""The slow part of the spectrum: eigenvalues of smallest real part, metastable sets and their exchange rates.

The inverse of K on what is orthogonal to the stationary state is applied through pins, so a gap keeps its relative
accuracy however small it is: u = 0 at the deepest pin instead of the equation there, and then

    v -> M v - (h . M v) M 1 -> u -> u - (h . M u) 1          eigenvalues 1/lambda
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.eigen import largest
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned

Array = npt.NDArray[np.float64]

SPARE = 4
"""More eigenvalues than asked for are computed: those of smallest magnitude need not be those of smallest real part."""

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
        inverse: K with pins and nothing fixed.
        density: h with K^T h = 0 and h . M 1 = 1.
        count: How many.
        heartbeat: Called after every solve; may raise to stop the run.

    Raises:
        SolverFailed: SLEPc did not converge.
    """
    generator = inverse.generator

    def apply(vector: PETSc.Vec) -> PETSc.Vec:
        load = _times_mass(generator, vector)
        load.axpy(-density.dot(load), generator.total)
        image = inverse.solve(load, grounded=True)
        product = _times_mass(generator, image)
        image.axpy(-density.dot(product), generator.one)
        heartbeat()
        return image

    count = min(count, generator.unknowns - 1)
    if count < 1:
        return []
    pairs = largest(apply, apply(_start(generator)), min(count + SPARE, generator.unknowns - 1), "spectrum")
    modes = [Mode(1.0 / pair.value, pair.real, pair.imaginary) for pair in pairs]
    if generator.reversible:
        modes = [Mode(complex(mode.value.real), mode.real, None) for mode in modes]
    modes.sort(key=lambda mode: (mode.value.real, abs(mode.value.imag), -mode.value.imag))
    for mode in modes[:count]:
        _normalise(inverse, mode)
    return modes[:count]


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
