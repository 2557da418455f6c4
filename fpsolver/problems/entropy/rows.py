"""Relative entropies and their balance for one state of an evolution: what a row of the curves says of them.

H and the dissipation I are integrals of functions of log h = log rho - log pi. dH/dt is found independently of I, from
the generator itself: M dh/dt = -K^T h gives d rho/dt = w dh/dt, and dH/dt = integral of phi'(h) d rho/dt. In the
monotone scheme, whose densities are masses at nodes, the dissipation is that of its Markov chain, a sum over jumps.

A density is not known everywhere: far from where mass is, a solution is what round-off and the mesh leave of it, and a
power of rho/pi makes much of little. Where what the last degree of the elements adds is more than a fraction of the
density it is not known, and counts as no larger than pi; and an entropy of which the doubtful part is not negligible is
not a number. What it is at most is known even then, as long as nearly all mass is where densities are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.projection import Projection
from fpsolver.linalg import Solver
from fpsolver.problems.entropy.dissipation import Entropy
from fpsolver.problems.stationary.density import KNOWN, Sampled, SettledDensity

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RIM = 0.03
"""A density is well known where what its last degree adds is below this fraction of it; beyond begins the doubt."""

TOLERABLE = 5e-2
"""An entropy is a number if so much of it, or less, is in doubt."""

LEAST = -1000.0
"""Of log h: its exponential is 0."""

SMALLEST = 1e-200
"""Values of a density relative to its weight that are smaller are 0: their inverses overflow."""


@dataclass(frozen=True)
class Measured:
    """One kind of entropy of one state.

    Attributes:
        value: H; not a number where too much of it is in doubt.
        fisher: I, the same.
        slope: dH/dt from the generator, the same; also where it was not asked for.
        in_doubt: Share of H that is in doubt.
        doubt: Largest share of the three that is.
        total: H with all that is in doubt.
        uncertainty: How much of that is in doubt; infinite where too much mass is not resolved to say anything.
    """

    value: float
    fisher: float
    slope: float
    in_doubt: float
    doubt: float
    total: float
    uncertainty: float


@dataclass(frozen=True)
class _Ratio:
    """h = rho/pi where densities are sampled.

    Attributes:
        logarithm: log h, (n,); `LEAST` where rho vanishes.
        known: Where rho is known, (n,).
        doubt: Relative error of h, from 0 to 1, (n,); 0 where it is well known.
        target_known: Where pi is known, (n,).
        square: grad log h . D grad log h, (n,); none for a chain.
        masses: rho times quadrature weights, (n,).
        target_masses: The same of pi.
    """

    logarithm: Array
    known: Bools
    doubt: Array
    target_known: Bools
    square: Array
    masses: Array
    target_masses: Array

    def trusted(self, kind: Entropy) -> Array:
        """log h as a kind of entropy may use it: powers make much of what is not known, the logarithm does not."""
        if kind.exponent == 1.0:
            return self.logarithm
        return np.where(self.known, self.logarithm, np.minimum(self.logarithm, 0.0))


class Gauge(Protocol):
    """Measures states that are coefficients with respect to one generator. All calls are collective."""

    def measure(
        self, vector: PETSc.Vec, projection: Projection, kinds: Sequence[Entropy]
    ) -> tuple[list[Measured], float]:
        """The entropies of a state, and the integral of |rho - pi|."""
        ...

    def destroy(self) -> None:
        """Release what PETSc holds."""
        ...


class FieldGauge:
    """For the weighted form, at quadrature points.

    Args:
        generator: The generator.
        target: The stationary density.
        most: Share of an entropy that may be in doubt.
        tolerance: Of the time integration, L1 norm of the density.
        mass: Factors of M, for dH/dt; released with the gauge. None where that is not asked for.
    """

    def __init__(
        self, generator: Generator, target: SettledDensity, most: float, tolerance: float, mass: Solver | None
    ) -> None:
        self._generator = generator
        self._target = target
        self._sampled = Sampled.of(generator)
        measure = generator.quadrature.measure
        self._measure = measure.ravel()
        self._target_masses = self._measure * np.exp(target.logarithm)
        # the error of the time integration is below the tolerance in the norm sqrt(integral of w) |.|_M, so that h is
        # off by no more than this even if all of it is in one cell
        volumes = np.repeat(measure.sum(axis=1), measure.shape[1])
        scale = tolerance / np.sqrt(generator.total.dot(generator.one))
        self._noise = scale * np.exp(self._sampled.exponent / 2.0) / np.sqrt(volumes)
        self._diffusion = generator.coefficients.diffusion
        self._most = most
        self._mass = mass

    def measure(
        self, vector: PETSc.Vec, projection: Projection, kinds: Sequence[Entropy]
    ) -> tuple[list[Measured], float]:
        """See `Gauge`."""
        ratio, target = self._ratio(vector, projection), self._target
        change = self._change(vector)
        rows = []
        with np.errstate(over="ignore", invalid="ignore"):
            for kind in kinds:
                logarithm = ratio.trusted(kind)
                used = (logarithm == ratio.logarithm) & (logarithm > LEAST)
                value = kind.density(logarithm, target.logarithm)
                fisher = np.where(used, kind.dissipation(logarithm, target.logarithm, ratio.square), 0.0)
                slope = change * np.where(used, kind.slope(logarithm), 0.0)
                rows.append([self._measure * part for part in (value, fisher, slope)])
        return _measured(ratio, projection.moved, kinds, rows, self._most, self._generator.comm)

    def destroy(self) -> None:
        """See `Gauge`."""
        if self._mass is not None:
            self._mass.destroy()

    def _ratio(self, vector: PETSc.Vec, projection: Projection) -> _Ratio:
        target, sampled = self._target, self._sampled
        values, gradients, doubt = sampled.values(vector)
        positive = values - projection.shift
        there = positive > SMALLEST
        safe = np.where(there, positive, 1.0)
        logarithm = np.where(there, np.log(safe) - sampled.exponent - target.logarithm, LEAST)
        doubt = np.maximum(doubt, self._noise / safe)
        known = there & (doubt <= KNOWN)
        doubt = np.where(known & target.known, doubt, 1.0)
        slope = gradients / safe[:, None] - sampled.slope - target.gradient
        square = np.einsum("ni,ni->n", slope, np.matmul(self._diffusion, slope[:, :, None])[:, :, 0])
        masses = self._measure * np.where(there, positive * np.exp(-sampled.exponent), 0.0)
        doubt = np.where(doubt > RIM, doubt, 0.0)
        return _Ratio(logarithm, known, doubt, target.known, square, masses, self._target_masses)

    def _change(self, vector: PETSc.Vec) -> Array:
        """d rho/dt at the points."""
        if self._mass is None:
            return np.full(len(self._measure), np.nan)
        image = vector.duplicate()
        self._generator.stiffness.multTranspose(vector, image)
        return -np.exp(-self._sampled.exponent) * self._sampled.only_values(self._mass.solve(image))


class ChainGauge:
    """For the monotone scheme: the chain on the nodes, whose entropies fall whatever the mesh.

    With pi_j g_ji jumps per time from j to i in the stationary state,

        dH/dt = -I,   I = sum over i, j of pi_j g_ji (phi(h_j) - phi(h_i) - phi'(h_i) (h_j - h_i)) >= 0.

    Args:
        generator: The monotone generator.
        target: The stationary density of its chain.
        most: Share of an entropy that may be in doubt.
    """

    def __init__(self, generator: Generator, target: SettledDensity, most: float) -> None:
        assert generator.nodal is not None
        self._generator = generator
        self._target = target
        self._most = most
        self._log_weight = np.log(generator.nodal.array_r)
        self._measure = generator.mass.getDiagonal().array_r / generator.nodal.array_r
        start, columns, values = generator.stiffness.getValuesCSR()
        first = generator.space.dofmap.index_map.local_range[0]
        row = np.repeat(np.arange(len(start) - 1), np.diff(start))
        jumps = (columns != row + first) & (values < 0.0)
        self._from = row[jumps]
        self._to = generator.space.dofmap.index_map.global_to_local(columns[jumps].astype(np.int64))
        self._flow = -values[jumps] * np.exp(target.logarithm - self._log_weight)[self._from]

    def measure(
        self, vector: PETSc.Vec, projection: Projection, kinds: Sequence[Entropy]
    ) -> tuple[list[Measured], float]:
        """See `Gauge`."""
        del vector
        target, generator = self._target, self._generator
        there = projection.values > 0.0
        logarithm = np.log(np.where(there, projection.values, 1.0)) + self._log_weight - target.logarithm
        known = target.known & there
        masses = self._measure * projection.values * np.exp(self._log_weight)
        doubt = np.where(known, 0.0, 1.0)
        logarithm = np.where(known, logarithm, LEAST)
        targets = self._measure * np.exp(target.logarithm)
        ratio = _Ratio(logarithm, known, doubt, target.known, np.zeros(0), masses, targets)
        share = generator.one.duplicate()
        share.array[:] = ratio.logarithm
        everywhere = generator.function(share).x.array
        before, after = everywhere[self._from], everywhere[self._to]
        image, density = generator.one.duplicate(), generator.one.duplicate()
        density.array[:] = projection.values
        generator.stiffness.multTranspose(density, image)
        rows = []
        with np.errstate(over="ignore", invalid="ignore"):
            for kind in kinds:
                value = self._measure * kind.density(ratio.logarithm, target.logarithm)
                loss = np.bincount(self._from, self._flow * kind.loss(before, after), minlength=len(known))
                slope = -image.array_r * np.where(known, kind.slope(ratio.logarithm), 0.0)
                rows.append([value, loss, slope])
        return _measured(ratio, projection.moved, kinds, rows, self._most, generator.comm)

    def destroy(self) -> None:
        """See `Gauge`."""


def _measured(
    ratio: _Ratio,
    moved: float,
    kinds: Sequence[Entropy],
    rows: Sequence[Sequence[Array]],
    most: float,
    comm: MPI.Comm,
) -> tuple[list[Measured], float]:
    """Sums over the points of all ranks; not a number where too much is in doubt.

    A relative error of h changes what a point contributes to a power by as much, and log h by that: in nats, times rho.
    Where h < 1 a point contributes less than pi, which is in doubt where pi is not known.

    Args:
        ratio: h at the points.
        moved: Mass that the projection moved.
        kinds: The kinds of entropy.
        rows: For each the contributions of the points to H, I and dH/dt.
        most: Share that may be in doubt.
        comm: All ranks.
    """
    sums = [float(np.abs(ratio.masses - ratio.target_masses).sum()), float(ratio.masses[~ratio.known].sum())]
    for kind, parts in zip(kinds, rows, strict=True):
        is_above = ratio.trusted(kind) > 0.0
        above = ratio.doubt * is_above
        nats = ratio.masses * np.minimum(np.abs(ratio.logarithm), 1.0)
        doubts = [nats if kind.exponent == 1.0 else parts[0], np.abs(parts[1]), np.abs(parts[2])]
        below = float(parts[0][~ratio.target_known & ~is_above].sum())
        sums += [float(part.sum()) for part in parts] + [float(above @ doubt) for doubt in doubts] + [below]
    distance, lost, *rest = comm.allreduce(np.array(sums))
    sums_of_kinds = np.reshape(rest, (len(rows), 7))
    totals, doubtful = sums_of_kinds[:, :3], sums_of_kinds[:, 3:6] + np.outer(sums_of_kinds[:, 6], [1.0, 0.0, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = doubtful / np.abs(totals)
    is_resolved = lost + moved <= most
    clear = np.isfinite(totals) & ~(shares > most) & is_resolved
    uncertainty = doubtful[:, 0] if is_resolved else np.full(len(rows), np.inf)
    table = np.column_stack(
        [np.where(clear, totals, np.nan), shares[:, 0], shares.max(axis=1), totals[:, 0], uncertainty]
    )
    return [Measured(*(float(number) for number in row)) for row in table], float(distance)
