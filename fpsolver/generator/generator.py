"""The generator (K, M): mesh + model + weight -> the pair of matrices on which every problem stands.

    L u = D : grad grad u - (grad f - extra) . grad u          (backward; -L ~ M^-1 K)
    d rho/dt = -div J,  J = -(D grad rho + a rho),  a = grad f - extra + div D

For any positive weight w = exp(-Psi) and c = a - D grad Psi,

    K(u, v) = integral of w (D grad u . grad v + (c . grad u) v)  + facet term,     M(u, v) = integral of w u v

is an exact weak form of -L, u the trial and v the test function. Densities are rho = w h.

| problem  | equation                                        |
|----------|-------------------------------------------------|
| backward | M du/dt = -K u                                  |
| forward  | M dh/dt = -K^T h,  M h(0) = initial functional  |

Constants are in the kernel of K, so mass is conserved; the forward problem is the transpose of the backward one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh
from dolfinx.fem import petsc as fem_petsc
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.domain.rules import Rule
from fpsolver.generator.forms import Forms
from fpsolver.generator.quadrature import Quadrature, owned_vector, rule_degree
from fpsolver.generator.sound import definite, sound
from fpsolver.generator.weight import Weight, grounded
from fpsolver.model.coefficients import Coefficients, Model

Array = npt.NDArray[np.float64]

REVERSIBLE = 1e-11
"""c below this fraction of a (and of D grad Psi) is round-off: the weight absorbs the whole drift."""


@dataclass(frozen=True)
class Generator:
    """The pair (K, M) on a Lagrange space, with the weight that densities are measured against.

    Attributes:
        space: Lagrange space of h and u.
        stiffness: K; ``K u`` acts on observables, ``K^T h`` on densities.
        mass: M; diagonal for the monotone companion.
        weight: w as a function of the point.
        quadrature: Points of the forms on this rank.
        model: Drift and diffusion.
        reversible: K is symmetric: detailed balance holds and w is the stationary density.
        nodal: w at the nodes for the monotone companion, whose density interpolates w h between them; None for the
            weighted form, whose density is w h at every point.
        raised: Least eigenvalue of D, relative to the size of D, that was taken as zero: round-off. 0: there was none.
    """

    space: fem.FunctionSpace
    stiffness: PETSc.Mat
    mass: PETSc.Mat
    weight: Weight
    quadrature: Quadrature
    model: Model
    reversible: bool
    nodal: PETSc.Vec | None = None
    raised: float = 0.0

    @property
    def comm(self) -> MPI.Comm:
        """Communicator of the mesh."""
        return self.space.mesh.comm

    @property
    def degree(self) -> int:
        """Polynomial degree."""
        return int(self.space.element.basix_element.degree)

    @property
    def unknowns(self) -> int:
        """Degrees of freedom, over all ranks."""
        return int(self.space.dofmap.index_map.size_global)

    @property
    def monotone(self) -> bool:
        """K has no positive off-diagonal entries, so the chain that it generates is Markov."""
        return self.nodal is not None

    @cached_property
    def weight_at_points(self) -> Array:
        """w at the quadrature points of the owned cells, (owned cells, q)."""
        points = self.quadrature.points[: self.quadrature.cells.owned]
        return self.weight.density(points.reshape(-1, points.shape[2])).reshape(points.shape[:2])

    @cached_property
    def coefficients(self) -> Coefficients:
        """Drift and diffusion at the quadrature points of the owned cells, cell by cell."""
        points = self.quadrature.points[: self.quadrature.cells.owned]
        return definite(self.model(points.reshape(-1, points.shape[2])))[0]

    @cached_property
    def one(self) -> PETSc.Vec:
        """The constant function 1."""
        one = owned_vector(self.space)
        one.set(1.0)
        return one

    @cached_property
    def total(self) -> PETSc.Vec:
        """M 1: its product with h is the mass of the density w h."""
        total = owned_vector(self.space)
        self.mass.mult(self.one, total)
        return total

    def function(self, vector: PETSc.Vec) -> fem.Function:
        """A vector of the space as a function, ghosts included."""
        function = fem.Function(self.space)
        function.x.array[: vector.getLocalSize()] = vector.array_r
        function.x.scatter_forward()
        return function

    def density(self, vector: PETSc.Vec) -> Array:
        """The density, not projected, at the quadrature points of the owned cells: (owned cells, q)."""
        if self.nodal is None:
            return self.quadrature.values(self.function(vector)) * self.weight_at_points
        nodal = vector.duplicate()
        nodal.pointwiseMult(vector, self.nodal)
        return self.quadrature.values(self.function(nodal))

    def samples(self, vector: PETSc.Vec) -> tuple[Array, Array, Array]:
        """h, its mass weights and w where the density is sampled: the sum of h times the weights is the mass.

        The weighted form is sampled at the quadrature points of the owned cells, the monotone one at the owned nodes.
        """
        if self.nodal is None:
            values = self.quadrature.values(self.function(vector))
            return values, self.quadrature.measure * self.weight_at_points, self.weight_at_points
        return vector.array_r.copy(), self.mass.getDiagonal().array_r, self.nodal.array_r

    def observable(self, values: Array) -> PETSc.Vec:
        """The vector b with b . h = integral of values * density, from values at the points (owned cells, q)."""
        if self.nodal is None:
            return self.quadrature.functional(values * self.weight_at_points)
        return self._nodal(self.quadrature.functional(values))

    def observable_of_rule(self, rule: Rule) -> PETSc.Vec:
        """The vector b with b . h = mass of the density in what the rule covers."""
        if self.nodal is None:
            return self.quadrature.functional_of_rule(rule, self.weight.density(rule.points))
        return self._nodal(self.quadrature.functional_of_rule(rule, np.ones(len(rule.weights))))

    def _nodal(self, functional: PETSc.Vec) -> PETSc.Vec:
        functional.pointwiseMult(functional, self.nodal)
        return functional

    def shifted(self, shift: float) -> PETSc.Mat:
        """A new matrix M + shift K."""
        matrix = self.stiffness.copy()
        matrix.scale(shift)
        matrix.axpy(1.0, self.mass, structure=PETSc.Mat.Structure.SUBSET_NONZERO_PATTERN)
        return matrix

    def kernel_defect(self) -> float:
        """max over rows of |K 1| / (|K| 1): zero to round-off, so that mass is conserved."""
        image = owned_vector(self.space)
        self.stiffness.mult(self.one, image)
        start, _, values = self.stiffness.getValuesCSR()
        rows = np.add.reduceat(np.abs(values), start[:-1]) if len(values) else np.zeros(0)
        local = np.abs(image.array_r) / np.where(rows > 0, rows, 1.0)
        return float(self.comm.allreduce(local.max(initial=0.0), MPI.MAX))


def weighted_generator(domain: mesh.Mesh, model: Model, degree: int, weight: Weight) -> Generator:
    """The weighted Galerkin form on Lagrange elements of any degree.

    Args:
        domain: Mesh with ghost cells across shared facets.
        model: Drift and diffusion.
        degree: Polynomial degree, from 1.
        weight: Its floor is moved to the minimum over the quadrature points.

    Raises:
        Unsound: A coefficient is not finite, or D has a negative eigenvalue, at a quadrature point.
    """
    space = fem.functionspace(domain, ("Lagrange", degree))
    quadrature = Quadrature(space, rule_degree(domain.topology.dim, degree))
    forms = Forms(space, quadrature)
    weight, reversible, raised = _filled(forms, quadrature, model, weight)
    stiffness = fem_petsc.assemble_matrix(forms.generator(reversible=reversible))
    stiffness.assemble()
    mass = fem_petsc.assemble_matrix(forms.mass())
    mass.assemble()
    return Generator(space, stiffness, mass, weight, quadrature, model, reversible, raised=raised)


def _filled(forms: Forms, quadrature: Quadrature, model: Model, weight: Weight) -> tuple[Weight, bool, float]:
    """Gives the forms their coefficients; the grounded weight, whether K is symmetric, and what D was raised by.

    What it needs at the points is gone when matrices are assembled, which is when most memory is used.
    """
    comm, shape = quadrature.space.mesh.comm, quadrature.points.shape
    points = quadrature.points.reshape(-1, shape[2])
    coefficients, raised = sound(model(points), points, comm)
    weight = grounded(weight, points, comm)
    exponent, slope = weight(points)
    transport, reversible = _remaining_drift(coefficients, slope, comm)
    forms.fill(
        np.exp(-exponent).reshape(shape[:2]),
        coefficients.diffusion.reshape(*shape[:2], shape[2], shape[2]),
        transport.reshape(shape),
    )
    return weight, reversible, raised


def _remaining_drift(coefficients: Coefficients, slope: Array, comm: MPI.Comm) -> tuple[Array, bool]:
    """c = a - D grad Psi at the points, and whether it is zero to round-off everywhere."""
    advection = coefficients.advection
    absorbed = np.einsum("nij,nj->ni", coefficients.diffusion, slope)
    reversible = is_absorbed(advection, absorbed, comm)
    return (np.zeros_like(advection) if reversible else advection - absorbed), reversible


def is_absorbed(advection: Array, absorbed: Array, comm: MPI.Comm) -> bool:
    """Whether D grad Psi (n, d) is the whole of a (n, d) to round-off, at the points of all ranks."""
    size = np.abs(advection).max(axis=1) + np.abs(absorbed).max(axis=1)
    largest = comm.allreduce(size.max(initial=0.0), MPI.MAX)
    left = np.abs(advection - absorbed).max(axis=1) > REVERSIBLE * np.maximum(size, 1e-3 * largest)
    return not comm.allreduce(bool(left.any()), MPI.LOR)
