"""The quadrature points of the forms, and functionals of the space assembled from values at points.

A functional b is the vector b_i = "integral of v against something" for the basis functions v: the mass of a region,
a moment, an initial density. Every number that a run reports of a density is the product of such a vector with h.
"""

from __future__ import annotations

from functools import cached_property

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import fem, la
from petsc4py import PETSc

from fpsolver.domain.cells import Cells
from fpsolver.domain.rules import Rule

Array = npt.NDArray[np.float64]


def rule_degree(dimension: int, degree: int) -> int:
    """Which polynomials the rule of the forms integrates exactly, on cells of a dimension with elements of a degree.

    2k are those of mass times a constant weight; what is beyond is for the weight. In three dimensions 2k + 2 halves
    the memory of all that is kept at points; the time out of a well moved by 2e-5.
    """
    return 2 * degree + (2 if dimension == 3 else 4)


class Quadrature:
    """Quadrature points of a Lagrange space on all local cells, ghosts included.

    Attributes:
        space: The space.
        cells: Geometry of its mesh.
        degree: Polynomial degree that the rule integrates exactly on a straight cell.
        reference: Points of the reference simplex, (q, d).
        rule_weights: Their weights, (q,).
    """

    def __init__(self, space: fem.FunctionSpace, degree: int) -> None:
        self.space = space
        self.degree = degree
        self.cells = Cells.of(space.mesh)
        self.reference, self.rule_weights = basix.make_quadrature(space.mesh.basix_cell(), degree)
        self._element = space.element.basix_element

    @cached_property
    def points(self) -> Array:
        """(local cells, q, d)."""
        return self.cells.points(self.reference)

    @cached_property
    def measure(self) -> Array:
        """Weights with the volume of the owned cells, (owned cells, q)."""
        owned = self.cells.owned
        return np.asarray(self.cells.volumes(self.reference)[:owned] * self.rule_weights)

    @cached_property
    def basis(self) -> Array:
        """Values of the basis functions at the reference points, (q, nodes per cell)."""
        return np.ascontiguousarray(self._element.tabulate(0, self.reference)[0, :, :, 0])

    @property
    def dofs(self) -> npt.NDArray[np.int32]:
        """Local degrees of freedom of the owned cells, (owned cells, nodes per cell)."""
        return np.asarray(self.space.dofmap.list[: self.cells.owned])

    def values(self, function: fem.Function) -> Array:
        """A function of the space at the quadrature points of the owned cells, (owned cells, q)."""
        return np.asarray(function.x.array[self.dofs] @ self.basis.T)

    def gradients(self, function: fem.Function) -> Array:
        """Its gradient at the quadrature points of the owned cells, (owned cells, q, d)."""
        slopes = self._element.tabulate(1, self.reference)[1:, :, :, 0]
        local = np.einsum("ca,dqa->cqd", function.x.array[self.dofs], slopes)
        return np.asarray(np.einsum("cqdi,cqd->cqi", self.cells.inverse_jacobians(self.reference), local))

    def functional(self, density: Array) -> PETSc.Vec:
        """v -> integral of density * v dx, from values (owned cells, q)."""
        return self._assembled(self.dofs, (density * self.measure) @ self.basis)

    def functional_of_rule(self, rule: Rule, density: Array) -> PETSc.Vec:
        """v -> sum of weight * density * v(point) over the points of a rule, from values (n,)."""
        basis = self._element.tabulate(0, rule.reference)[0, :, :, 0]
        return self._assembled(self.space.dofmap.list[rule.cell], (density * rule.weights)[:, None] * basis)

    def _assembled(self, dofs: npt.NDArray[np.int32], contributions: Array) -> PETSc.Vec:
        index_map = self.space.dofmap.index_map
        total = fem.Function(self.space)
        size = index_map.size_local + index_map.num_ghosts
        total.x.array[:] = np.bincount(dofs.ravel(), contributions.ravel(), minlength=size)
        total.x.scatter_reverse(la.InsertMode.add)
        return owned_vector(self.space, total.x.array)


def owned_vector(space: fem.FunctionSpace, local: Array | None = None) -> PETSc.Vec:
    """A PETSc vector of the owned degrees of freedom, filled from a local array (owned first) or with zeros."""
    index_map = space.dofmap.index_map
    vector = PETSc.Vec().createMPI((index_map.size_local, index_map.size_global), comm=space.mesh.comm)
    if local is None:
        vector.set(0.0)
    else:
        vector.array[:] = local[: index_map.size_local]
    return vector
