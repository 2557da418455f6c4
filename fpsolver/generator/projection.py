"""Positive densities of the same mass: h+ = max(h - lambda, 0) at the quadrature points.

The form does not guarantee signs. The projection is idle where the density is resolved and touches output only: the
linear evolution, and the masses, means and covariances taken from it, stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from dolfinx import fem, la
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.quadrature import owned_vector

Array = npt.NDArray[np.float64]

MOST_STEPS = 100


@dataclass(frozen=True)
class Projection:
    """What the projection found.

    Attributes:
        shift: lambda; the projected density at any point is w max(h - lambda, 0).
        moved: Mass that was moved, relative to the whole.
        minimum: Smallest value of the projected density at the sampled points.
        values: h+ at the sampled points of this rank (see `Generator.samples`).
    """

    shift: float
    moved: float
    minimum: float
    values: Array


def project(generator: Generator, vector: PETSc.Vec) -> Projection:
    """Project the density w h onto the positive ones of the same mass, which must be positive. Collective.

    Newton's method for the one scalar equation mass(lambda) = mass; the mass is convex and decreasing in lambda, so
    the iterates rise to the solution.
    """
    comm = generator.comm
    values, masses, weight = generator.samples(vector)
    if comm.allreduce(values.min(initial=np.inf), MPI.MIN) >= 0.0:
        return Projection(0.0, 0.0, _lowest(comm, values * weight), values)
    mass = _sums(comm, (masses * values).sum())[0]
    shift = 0.0
    for _ in range(MOST_STEPS):
        above = values > shift
        excess, slope = _sums(comm, (masses * np.where(above, values - shift, 0.0)).sum(), masses[above].sum())
        if not slope > 0.0:  # round-off is all there is
            break
        step = (excess - mass) / slope
        shift += step
        if step <= 0.0 or excess - mass <= 1e-15 * mass:
            break
    projected = np.maximum(values - shift, 0.0)
    moved = _sums(comm, (masses * np.abs(projected - values)).sum())[0] / (2 * abs(mass))
    return Projection(shift, float(moved), _lowest(comm, projected * weight), projected)


def negative_mass(generator: Generator, vector: PETSc.Vec) -> float:
    """The negative part of the masses at the vertices of the mesh, relative to the whole mass. Collective.

    A vertex weighs the density against its hat function. A hypoelliptic density may have fronts thinner than any mesh,
    where a Galerkin solution oscillates between the nodes while its averages over the mesh are accurate: averages are
    what a mesh can know, so they are what has to be positive.
    """
    if generator.nodal is not None:
        masses = generator.mass.getDiagonal().array_r * vector.array_r
    else:
        masses = _against_hats(generator, generator.density(vector) * generator.quadrature.measure).array_r
    negative, total = _sums(generator.comm, np.maximum(-masses, 0.0).sum(), masses.sum())
    return float(negative / abs(total))


def averages(generator: Generator, vector: PETSc.Vec) -> fem.Function:
    """The density averaged against the hat function of each vertex: continuous, piecewise linear, of the same mass."""
    measure = generator.quadrature.measure
    masses = _against_hats(generator, generator.density(vector) * measure)
    masses.pointwiseDivide(masses, _against_hats(generator, measure))
    function = fem.Function(_hats(generator))
    function.x.array[: masses.getLocalSize()] = masses.array_r
    function.x.scatter_forward()
    return function


def _hats(generator: Generator) -> fem.FunctionSpace:
    return fem.functionspace(generator.space.mesh, ("Lagrange", 1))


def _against_hats(generator: Generator, masses: Array) -> PETSc.Vec:
    """Sums of masses (owned cells, q) times the hat function of each vertex."""
    quadrature, space = generator.quadrature, _hats(generator)
    hats = np.column_stack([1.0 - quadrature.reference.sum(axis=1), quadrature.reference])
    dofs = space.dofmap.list[: quadrature.cells.owned, : hats.shape[1]]
    total = fem.Function(space)
    total.x.array[:] = np.bincount(dofs.ravel(), (masses @ hats).ravel(), minlength=len(total.x.array))
    total.x.scatter_reverse(la.InsertMode.add)
    return owned_vector(space, total.x.array)


def _lowest(comm: MPI.Comm, density: Array) -> float:
    return float(comm.allreduce(density.min(initial=np.inf), MPI.MIN))


def _sums(comm: MPI.Comm, *local: float) -> Array:
    """Sums over all ranks, in one message."""
    total = np.array(local)
    comm.Allreduce(MPI.IN_PLACE, total)
    return total
