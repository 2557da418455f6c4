"""The statistics of transitions: reactive flux, current and time shares from the two committors.

With pi the stationary density and J its current, q the probability to reach the target next and q' that to have left
the source last (1 - q with detailed balance), q' being the committor of the process run backward in time,

    J_R = q q' J + pi (q' D grad q - q D grad q'),     flux = integral of pi grad q . D grad q
                                                            = integral of J_R . grad theta

for every theta that is 0 at the source and 1 at the target: a mean over cuts between them. The first formula needs
noise across all of the boundary; where a set is entered by the drift alone the second one stands. As each interval of
values of q contributes to either formula in proportion to its length, what is next to 0 and 1 can be left out: there,
in the wells, pi is so much larger than on the passes that round-off of q would count more than the flux.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from dolfinx import fem
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.generator.forms import Forms
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.quadrature import owned_vector
from fpsolver.linalg import SolveCount
from fpsolver.problems.committor.between import Between, Ends
from fpsolver.problems.stationary.current import at_element_nodes, flux_of, node_means
from fpsolver.problems.stationary.settled import State

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DEEPEST = 60.0
"""The stationary density is followed so many nats below the weight, relative to where it is largest."""

EDGE = 1e-12
"""Values of a committor so close to 0 and 1 are left out of the flux."""


@dataclass(frozen=True)
class Committors:
    """Committors of one direction of time, as coefficient vectors.

    Attributes:
        target: Probability to end in the target, 0 at the source.
        source: Probability to end in the source. Their sum is 1 but for what is lost at absorbing walls.
    """

    target: PETSc.Vec
    source: PETSc.Vec


def committors(generator: Generator, ends: Ends, pins: Array, count: SolveCount) -> Committors:
    """K q = 0 but where the process ends. Collective.

    Raises:
        SolverFailed: A solve failed.
    """
    inverse = Pinned(generator, ends.all, pins, "committor", count)
    found = [lifted(inverse, nodes) for nodes in (ends.target, ends.source)]
    inverse.destroy()
    return Committors(*found)


def lifted(inverse: Pinned, ones: Bools) -> PETSc.Vec:
    """u with K u = 0 where nothing is fixed, 1 at some of the fixed nodes and 0 at the others."""
    lift = owned_vector(inverse.generator.space)
    lift.array[ones] = 1.0
    load = lift.duplicate()
    inverse.generator.stiffness.mult(lift, load)
    load.scale(-1.0)
    solution = inverse.solve(load)
    solution.axpy(1.0, lift)
    return solution


@dataclass(frozen=True)
class Settled:
    """The stationary density between source and target, seen from the mesh there.

    Attributes:
        generator: On that mesh.
        logarithm: Of the density over the weight, at the nodes.
        exact: The density as the formula has it at the quadrature points, None where it is w exp(logarithm).
        balanced: Detailed balance holds.
    """

    generator: Generator
    logarithm: PETSc.Vec
    exact: Array | None
    balanced: bool

    @cached_property
    def density(self) -> Array:
        """At the quadrature points of the owned cells, (owned cells, q)."""
        if self.exact is not None:
            return self.exact
        return np.asarray(self.generator.weight_at_points * np.exp(self._exponent))

    @cached_property
    def _exponent(self) -> Array:
        return self.generator.quadrature.values(self.generator.function(self.logarithm))

    @cached_property
    def transport(self) -> Array:
        """-J / pi at the quadrature points of the owned cells: what is left of the drift with pi as weight."""
        quadrature, generator = self.generator.quadrature, self.generator
        points = quadrature.points[: quadrature.cells.owned]
        if self.balanced:
            return np.zeros_like(points)
        d = points.shape[2]
        _, slope = generator.weight(points.reshape(-1, d))
        slope = slope - quadrature.gradients(generator.function(self.logarithm)).reshape(-1, d)
        coefficients = generator.coefficients
        absorbed = np.einsum("nij,nj->ni", coefficients.diffusion, slope)
        return np.asarray((coefficients.advection - absorbed).reshape(points.shape))

    def backward(self) -> Generator:
        """The generator of the process run backward in time, with pi as weight. Collective."""
        space, quadrature = self.generator.space, self.generator.quadrature
        shape = self.transport.shape
        diffusion = self.generator.coefficients.diffusion.reshape(*shape, shape[2])
        parts = [self.density[:, :, None], diffusion.reshape(*shape[:2], -1), -self.transport]
        full = _with_ghosts(space, np.concatenate(parts, axis=2))
        forms = Forms(space, quadrature)
        forms.fill(full[:, :, 0], full[:, :, 1 : -shape[2]].reshape(-1, *shape[1:], shape[2]), full[:, :, -shape[2] :])
        stiffness = fem_petsc.assemble_matrix(forms.generator(reversible=False))
        stiffness.assemble()
        return replace(self.generator, stiffness=stiffness, reversible=False, nodal=None)


def settled_between(state: State, generator: Generator) -> Settled:
    """The stationary density on the mesh between two regions. Collective."""
    space, quadrature = generator.space, generator.quadrature
    points = quadrature.points[: quadrature.cells.owned]
    logarithm = owned_vector(space)
    exact = None
    if state.exact:
        level = float(np.log(state.vector.max()[1]))
        exponent = state.generator.weight(points.reshape(-1, points.shape[2]))[0] - level
        exact = np.exp(-exponent).reshape(points.shape[:2])
    nodes = space.tabulate_dof_coordinates()[: logarithm.getLocalSize(), : points.shape[2]]
    values = generator.weight(nodes)[0] - state.exponent(nodes)
    known = np.isfinite(values)
    highest = generator.comm.allreduce(float(values[known].max(initial=-np.inf)), MPI.MAX)
    logarithm.array[:] = np.maximum(np.where(known, values, -np.inf), highest - DEEPEST)
    return Settled(generator, logarithm, exact, state.balanced)


@dataclass(frozen=True)
class Transitions:
    """Two committors and the stationary density.

    Attributes:
        problem: What lies between.
        settled: The stationary density there.
        forward: Committors: where the process will end.
        backward: Of the process run backward in time: where it came from.
    """

    problem: Between
    settled: Settled
    forward: Committors
    backward: Committors

    def integral(self, *vectors: PETSc.Vec) -> float:
        """Stationary mean, over what lies between, of the product of functions. Collective."""
        values = self.settled.density * self.settled.generator.quadrature.measure
        for vector in vectors:
            values = values * self.values(vector)
        return self._sum(values)

    def difference(self, values: Array, other: Callable[[Array], Array]) -> float:
        """Stationary mean, over what lies between, of values at the quadrature points less a function. Collective."""
        quadrature = self.settled.generator.quadrature
        points = quadrature.points[: quadrature.cells.owned]
        less = other(points.reshape(-1, points.shape[2])).reshape(values.shape)
        return self._sum(self.settled.density * quadrature.measure * (values - less))

    def range_where_mass_is(self, share: float) -> tuple[float, float]:
        """Least and largest committor where the density is above a share of its maximum. Collective."""
        generator, density = self.settled.generator, self.settled.density
        comm = generator.comm
        values = generator.quadrature.values(generator.function(self.forward.target))
        highest = comm.allreduce(float(density.max(initial=0.0)), MPI.MAX)
        values = values[density > share * highest]
        lowest = comm.allreduce(float(values.min(initial=1.0)), MPI.MIN)
        return lowest, comm.allreduce(float(values.max(initial=0.0)), MPI.MAX)

    @cached_property
    def energy(self) -> float:
        """Integral of pi grad q . D grad q. Collective."""
        slope = self._slopes(self.forward.target)
        density = self.settled.density * self.settled.generator.quadrature.measure
        return self._sum(density * np.einsum("cqi,cqi->cq", slope, self._spread(slope)))

    @cached_property
    def through_cuts(self) -> float:
        """Integral of J_R . grad theta, theta rising where q does, and twice as fast at q = 1/2. Collective."""
        settled = self.settled
        ahead, behind = self.forward.target, self.backward.source
        q, p = self.values(ahead), self.values(behind)
        slopes = self._slopes(ahead), self._slopes(behind)
        flux = p[:, :, None] * self._spread(slopes[0]) - q[:, :, None] * self._spread(slopes[1])
        flux = settled.density[:, :, None] * (flux - (p * q)[:, :, None] * settled.transport)
        share = self.values(self._share)
        along = 6.0 * (share * (1.0 - share))[:, :, None] * self._slopes(self._share)
        return self._sum(np.einsum("cqi,cqi->cq", flux, along) * settled.generator.quadrature.measure)

    @property
    def flux(self) -> float:
        """Transitions from source to target per time. Collective."""
        return self.through_cuts if self.problem.open else self.energy

    @cached_property
    def _share(self) -> PETSc.Vec:
        """0 at all of the source's boundary and 1 at all of the target's: q itself where it is that.

        Where a set is crossed in one direction only, q jumps there, and the committor of noise alone, the same in all
        directions, takes its place.
        """
        if not self.problem.open:
            return self.forward.target
        generator, shape = self.settled.generator, self.settled.transport.shape
        forward, backward = self.problem.forward, self.problem.backward
        ends = Ends(forward.source | backward.source, forward.target | backward.target, forward.lost | backward.lost)
        identity = np.broadcast_to(np.eye(shape[2]).ravel(), (*shape[:2], shape[2] ** 2))
        full = _with_ghosts(generator.space, np.concatenate([self.settled.density[:, :, None], identity], axis=2))
        forms = Forms(generator.space, generator.quadrature)
        cells = len(full)
        forms.fill(full[:, :, 0], full[:, :, 1:].reshape(cells, *shape[1:], shape[2]), np.zeros((cells, *shape[1:])))
        stiffness = fem_petsc.assemble_matrix(forms.generator(reversible=True))
        stiffness.assemble()
        plain = replace(generator, stiffness=stiffness, reversible=True, nodal=None)
        return committors(plain, ends, self.problem.pins, SolveCount()).target

    def current(self) -> list[PETSc.Vec]:
        """The components of J_R at the nodes. Collective."""
        settled, generator = self.settled, self.settled.generator
        vectors = [self.forward.target, self.backward.source, settled.logarithm]
        points, (q, p, logarithm), (ahead, behind, slope) = at_element_nodes(generator, vectors)
        ratio = np.exp(logarithm)
        density = (generator.weight.density(points) * ratio)[:, None]
        diffusion = generator.model(points).diffusion
        current = np.einsum("n,nij,nj->ni", p, diffusion, ahead) - np.einsum("n,nij,nj->ni", q, diffusion, behind)
        current *= density
        if not settled.balanced:
            current += (p * q)[:, None] * flux_of(generator, points, ratio, ratio[:, None] * slope)
        return node_means(generator, current)

    def values(self, vector: PETSc.Vec) -> Array:
        """A committor at the quadrature points of the owned cells, between 0 and 1, (owned cells, q)."""
        generator = self.settled.generator
        return np.asarray(np.clip(generator.quadrature.values(generator.function(vector)), 0.0, 1.0))

    def _slopes(self, vector: PETSc.Vec) -> Array:
        """Gradient of a committor at the quadrature points, 0 where the committor is at its edges or beyond."""
        generator = self.settled.generator
        quadrature, function = generator.quadrature, generator.function(vector)
        values = quadrature.values(function)
        within = (values > EDGE) & (values < 1.0 - EDGE)
        return np.asarray(np.where(within[:, :, None], quadrature.gradients(function), 0.0))

    def _spread(self, slope: Array) -> Array:
        """D times a gradient (owned cells, q, d)."""
        diffusion = self.settled.generator.coefficients.diffusion.reshape(*slope.shape, slope.shape[2])
        return np.asarray(np.einsum("cqij,cqj->cqi", diffusion, slope))

    def _sum(self, values: Array) -> float:
        return float(self.settled.generator.comm.allreduce(float(values.sum())))


def _with_ghosts(space: fem.FunctionSpace, values: Array) -> Array:
    """Values (owned cells, q, k) at points of cells, with those of this rank's ghost cells. Collective."""
    size = values.shape[1] * values.shape[2]
    function = fem.Function(fem.functionspace(space.mesh, ("DG", 0, (size,))))
    dofs = function.function_space.dofmap.list[:, 0]
    rows = function.x.array.reshape(-1, size)
    rows[dofs[: len(values)]] = values.reshape(len(values), size)
    function.x.scatter_forward()
    return np.asarray(rows[dofs]).reshape(len(dofs), *values.shape[1:])
