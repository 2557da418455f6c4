"""The maps from the reference simplex to the cells of a mesh, for all local cells at once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import mesh

Array = npt.NDArray[np.float64]

MOST_STEPS = 12
STILL = 1e-14
"""Newton's method ends where it moves a point by less, in reference coordinates: after the second step in straight
cells of a curved mesh."""


@dataclass(frozen=True)
class Cells:
    """Geometry of the cells that this rank sees; the first ``owned`` ones are its own, ghosts follow.

    Attributes:
        nodes: Geometry nodes of each cell, (cells, nodes per cell, dimension).
        element: Scalar Lagrange element of the geometry on the reference simplex.
        owned: Number of cells that this rank owns.
    """

    nodes: Array
    element: basix.finite_element.FiniteElement
    owned: int

    @classmethod
    def of(cls, domain: mesh.Mesh) -> Cells:
        """The cells of a mesh.

        The scalar sub-element is tabulated: the blocked coordinate element interleaves its components and would
        give wrong points without a word.
        """
        geometry = domain.geometry
        element = domain.ufl_domain().ufl_coordinate_element().sub_elements[0].basix_element
        nodes = geometry.x[geometry.dofmaps[0]][:, :, : geometry.dim]
        return cls(np.ascontiguousarray(nodes), element, domain.topology.index_map(domain.topology.dim).size_local)

    @property
    def dimension(self) -> int:
        """Dimension of the space, which is that of the cells."""
        return int(self.nodes.shape[2])

    def points(self, reference: Array) -> Array:
        """Physical points of reference points (q, d) in every local cell: (cells, q, d)."""
        shape = self.element.tabulate(0, reference)[0, :, :, 0]
        return np.asarray(np.einsum("qa,cad->cqd", shape, self.nodes))

    def points_in(self, cell: npt.NDArray[np.integer], reference: Array) -> Array:
        """Physical points (n, d) of one reference point (n, d) per listed cell (n,)."""
        shape = self.element.tabulate(0, reference)[0, :, :, 0]
        return np.asarray(np.einsum("na,nad->nd", shape, self.nodes[cell]))

    def volumes(self, reference: Array) -> Array:
        """|det| of the cell maps at reference points (q, d): (cells, q)."""
        slopes = self.element.tabulate(1, reference)[1:, :, :, 0]
        return np.asarray(np.abs(np.linalg.det(np.einsum("dqa,cai->cqid", slopes, self.nodes))))

    def inverse_jacobians(self, reference: Array) -> Array:
        """d reference / d physical of the owned cells at reference points (q, d): (owned cells, q, d, d)."""
        slopes = self.element.tabulate(1, reference)[1:, :, :, 0]
        jacobians = np.einsum("dqa,cai->cqid", slopes, self.nodes[: self.owned])
        return np.asarray(np.linalg.inv(jacobians))

    def volumes_in(self, cell: npt.NDArray[np.integer], reference: Array) -> Array:
        """|det| of the cell map at one reference point (n, d) per listed cell (n,): (n,)."""
        slopes = self.element.tabulate(1, reference)[1:, :, :, 0]
        return np.asarray(np.abs(np.linalg.det(np.einsum("dna,nai->nid", slopes, self.nodes[cell]))))

    def pull_back(self, cell: npt.NDArray[np.integer], points: Array, near: float = np.inf) -> Array:
        """Reference coordinates of points (n, d) in the listed cells (n,): Newton, one step where cells are straight.

        For a point outside its cell the answer lies outside the reference simplex; one that the first step finds
        farther outside than ``near``, in barycentric coordinates, is not looked for more closely.
        """
        reference = np.full_like(points, 1.0 / (self.dimension + 1))
        moving = np.arange(len(points))
        for _ in range(1 if self.element.degree == 1 else MOST_STEPS):
            nodes = self.nodes[cell[moving]]
            table = self.element.tabulate(1, reference[moving])[..., 0]
            mapped = np.einsum("na,nad->nd", table[0], nodes)
            jacobian = np.einsum("dna,nai->nid", table[1:], nodes)
            step = np.linalg.solve(jacobian, (points[moving] - mapped)[:, :, None])[:, :, 0]
            reference[moving] += step
            found = reference[moving]
            outside = np.maximum(-found.min(axis=1), found.sum(axis=1) - 1.0)
            moving = moving[(np.abs(step).max(axis=1) > STILL) & (outside <= near)]
            if not len(moving):
                break
        return reference

    def normals(self, cell: npt.NDArray[np.integer], reference: Array, outward: Array) -> Array:
        """Outward unit normals of one facet of the listed cells (n,) at reference points (q, d) of it: (n, q, d).

        Args:
            cell: Local cells.
            reference: Points on the same facet of the reference simplex in all of them.
            outward: Its normal in the reference simplex, (d,).
        """
        slopes = self.element.tabulate(1, reference)[1:, :, :, 0]
        jacobians = np.einsum("dqa,nai->nqid", slopes, self.nodes[cell])
        normals = np.einsum("nqdi,d->nqi", np.linalg.inv(jacobians), outward)
        return np.asarray(normals / np.linalg.norm(normals, axis=2)[:, :, None])

    @cached_property
    def diameters(self) -> Array:
        """Longest edge between the vertices of each local cell, (cells,)."""
        corners = self.nodes[:, : self.dimension + 1]
        edges = corners[:, :, None] - corners[:, None]
        return np.asarray(np.sqrt((edges**2).sum(-1)).max(axis=(1, 2)))
