"""What is stationary for D + eps I is nearly so for D: an identity that holds for every eps.

For smooth phi that vanish at the walls together with their gradients, and L the generator of the case itself,

    integral of L phi d rho^eps = -eps integral of Lap phi d rho^eps

is eps sup|Lap phi| at most, and every limit of rho^eps as eps -> 0 is stationary for L. Here phi is s_i s_j, s_i or 1
times the bump prod (1 - s_k^2)^4, with s from -1 to 1 across the domain, or across a box inside it where it is no box.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.case import Box, Domain
from fpsolver.problems.noisy.levels import Level

Array = npt.NDArray[np.float64]

POWER = 4
"""Of the bump: phi has three continuous derivatives across the walls."""

LATTICE = 9
"""Points per direction that say whether a box lies inside a domain."""

SHRINK, SMALLEST = 0.9, 0.01
"""It is made smaller by this factor until it does, down to this fraction of the domain."""


@dataclass(frozen=True)
class Balance:
    """How well the identity holds for one eps.

    Attributes:
        size: Largest |integral of L phi d rho| / sup|Lap phi| over all phi; eps at most.
        defect: Largest |integral of (L + eps Lap) phi d rho|, relative to what is cancelled in it, the integral of
            |D : grad grad phi| + eps |Lap phi| + |b . grad phi|.
        functions: How many phi there are.
    """

    size: float
    defect: float
    functions: int


def balance(level: Level, domain: Domain, centre: Array) -> Balance:
    """The identity for a level. Collective.

    Args:
        level: The density.
        domain: Where it lives.
        centre: Of the box inside a domain that is no box, (d,): there should be mass around it.
    """
    generator = level.state.generator
    eps, comm = level.regularization, generator.comm
    there = generator.coefficients
    drift = there.extra - there.gradient
    d = drift.shape[1]
    noise = there.diffusion - eps * np.eye(d)
    masses = level.masses
    middle, half = _box_inside(domain, centre)
    factors = [_factors((level.points - middle) / half, power) for power in range(3)]
    sums, highest = [], []
    for powers in _monomials(d):
        slope, bend = _derivatives(factors, powers, half)
        spread = np.einsum("nij,nij->n", noise, bend)
        carried = np.einsum("ni,ni->n", drift, slope)
        laplacian = np.trace(bend, axis1=1, axis2=2)
        both = np.abs(spread) + np.abs(carried) + eps * np.abs(laplacian)
        sums.append([masses @ (spread + carried), eps * (masses @ laplacian), np.abs(masses) @ both])
        highest.append(np.abs(laplacian).max(initial=0.0))
    own, added, terms = comm.allreduce(np.array(sums)).T
    largest = np.array(highest)
    comm.Allreduce(MPI.IN_PLACE, largest, MPI.MAX)
    with np.errstate(divide="ignore", invalid="ignore"):
        defects = np.where(terms > 0.0, np.abs(own + added) / terms, 0.0)
    return Balance(float((np.abs(own) / largest).max()), float(defects.max()), len(own))


def _box_inside(domain: Domain, centre: Array) -> tuple[Array, Array]:
    """Middle and half of the sides of a box inside a domain, (d,) each."""
    lower, upper = np.asarray(domain.lower, dtype=float), np.asarray(domain.upper, dtype=float)
    half = (upper - lower) / 2.0
    if isinstance(domain, Box):
        return (upper + lower) / 2.0, half
    steps = np.linspace(-1.0, 1.0, LATTICE)
    lattice = np.stack(np.meshgrid(*[steps] * len(half), indexing="ij"), axis=-1).reshape(-1, len(half))
    while not domain.inside(centre + half * lattice).all() and half.max() > SMALLEST * (upper - lower).max():
        half = SHRINK * half
    return centre, half


def _monomials(d: int) -> list[tuple[int, ...]]:
    """Powers of the coordinates of all monomials of degree two at most."""
    return [powers for powers in itertools.product(range(3), repeat=d) if sum(powers) <= 2]


def _factors(s: Array, power: int) -> tuple[Array, Array, Array]:
    """s^p (1 - s^2)^4 and its first two derivatives at s (n, d), each (n, d)."""
    u = np.maximum(1.0 - s**2, 0.0)
    bump = u**POWER
    first = -2.0 * POWER * s * u ** (POWER - 1)
    second = -2.0 * POWER * u ** (POWER - 1) + 4.0 * POWER * (POWER - 1) * s**2 * u ** (POWER - 2)
    monomial, once, twice = s**power, power * s ** max(power - 1, 0), power * (power - 1) * s ** max(power - 2, 0)
    return (
        monomial * bump,
        once * bump + monomial * first,
        twice * bump + 2.0 * once * first + monomial * second,
    )


def _derivatives(
    factors: list[tuple[Array, Array, Array]], powers: tuple[int, ...], half: Array
) -> tuple[Array, Array]:
    """grad phi (n, d) and its second derivatives (n, d, d) of a product of functions of single coordinates."""
    d = len(powers)
    count = len(factors[0][0])
    slope, bend = np.ones((count, d)), np.ones((count, d, d))
    for axis, power in enumerate(powers):
        value, first, second = (part[:, axis] for part in factors[power])
        for i in range(d):
            slope[:, i] *= first / half[i] if i == axis else value
            for j in range(d):
                order = (i == axis) + (j == axis)
                bend[:, i, j] *= (value, first / half[axis], second / half[axis] ** 2)[order]
    return slope, bend
