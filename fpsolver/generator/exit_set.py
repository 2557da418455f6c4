"""The exit set as a surface of its own: points, lengths or areas, and densities on it.

Nodal functionals of the exit set, such as the probabilities r_i that a process leaves with the basis function of node
i, become a density of probability per length (in space per area; on a line the probability of each point),

    integral of rho psi_v = sum over i of r_i psi_v(x_i)      for all psi_v, of which rho is a combination,

so that rho has the right integral against all of them. They are the basis functions themselves where noise carries
paths through the exit set. Where drift alone does, a solution that vanishes on it has a jump there which no element
resolves, and a density of high degree swings about: then they are the hat functions of the vertices.
The exit set is small: all ranks hold the whole of it, in an order that does not depend on their number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import fem
from petsc4py import PETSc
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from fpsolver.domain.cells import Cells
from fpsolver.domain.facets import Facets, tabulated
from fpsolver.domain.region_mesh import RegionMesh
from fpsolver.domain.simplex import halves, reference_simplex
from fpsolver.domain.singular import ALONG
from fpsolver.generator.boundary import across
from fpsolver.model.coefficients import Model

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

HALVINGS = {1: 0, 2: 40, 3: 6}
"""How often a facet is halved where a partition of the exit set cuts through it, by the dimension of the cells."""

SHRUNK = 1.0 - 1e-6
"""Whether a cut passes through a facet is seen at its quadrature points, and at its corners but for this."""


@dataclass(frozen=True)
class ExitSet:
    """Facets through which a process can leave, those of all ranks.

    Attributes:
        facets: Where they are.
        element: Element of the functions.
        wall: It is a wall of the domain, not an edge of the region, (f,).
        nodes: Its degrees of freedom, numbered over all ranks, (f, nodes).
        active: Degrees of freedom where the process can leave, ascending.
        is_rough: Densities are combinations of hat functions.
    """

    facets: Facets
    element: basix.finite_element.FiniteElement
    wall: Bools
    nodes: Ints
    active: Ints
    is_rough: bool

    @property
    def dimension(self) -> int:
        """Of the space around."""
        return self.facets.dimension

    @cached_property
    def rule(self) -> tuple[Array, Array]:
        """Points of every facet, (f, q, d - 1), and weights times measures, (f, q)."""
        points, weights = _rule(self.dimension, self.degree)
        at = np.broadcast_to(points, (len(self.facets), *points.shape))
        return at, weights * self.facets.measures(at)

    @property
    def degree(self) -> int:
        """Of densities."""
        return 1 if self.is_rough else int(self.element.degree)

    @cached_property
    def coordinates(self) -> Array:
        """Of the active nodes, (active, d)."""
        at = self._at_nodes
        return self.facets.points(at).reshape(-1, self.dimension)[self._first_of_each]

    def functions(self, at: Array) -> Array:
        """The functions that densities are combinations of at points of each facet (f, q, d - 1): (f, q, m)."""
        if self.is_rough:
            return np.concatenate([1.0 - at.sum(axis=2, keepdims=True), at], axis=2)
        closures = self.element.entity_closure_dofs[self.dimension - 1]
        found = np.zeros((*at.shape[:2], self.nodes.shape[1]))
        for number, here, inside, _ in self.facets.by_number(at):
            found[here] = tabulated(self.element, 0, inside)[0][:, :, closures[number]]
        return found * np.isin(self.nodes, self.active)[:, None, :]

    def densities(self, probabilities: Array) -> Array:
        """Coefficients of rho, (f, m, k), from r at the active nodes, (active, k)."""
        at, weights = self.rule
        functions, (place, count) = self.functions(at), self._numbering
        local = np.einsum("fq,fqa,fqb->fab", weights, functions, functions)
        rows = np.broadcast_to(place[:, :, None], local.shape)
        columns = np.broadcast_to(place[:, None, :], local.shape)
        matrix = coo_array((local.ravel(), (rows.ravel(), columns.ravel())), shape=(count, count)).tocsc()
        return np.asarray(splu(matrix).solve(self._gathered(probabilities))[place])

    def values(self, at: Array, density: Array) -> Array:
        """A density from its coefficients (f, m, k) at points of each facet, (f, q, k)."""
        return np.asarray(np.einsum("fqm,fmk->fqk", self.functions(at), density))

    def _gathered(self, probabilities: Array) -> Array:
        """sum over i of r_i psi_v(x_i), (functions, k)."""
        if not self.is_rough:
            return probabilities
        place, count = self._numbering
        facet = self._first_of_each // self.nodes.shape[1]
        hats = self.functions(self._at_nodes).reshape(self.nodes.size, -1)[self._first_of_each]
        total = np.zeros((count, probabilities.shape[1]))
        np.add.at(total, place[facet], hats[:, :, None] * probabilities[:, None, :])
        return total

    @property
    def _numbering(self) -> tuple[Ints, int]:
        """The functions of each facet, numbered over all of them, (f, m), and how many there are."""
        if not self.is_rough:  # functions that vanish have any number
            return np.searchsorted(self.active, self.nodes).clip(max=len(self.active) - 1), len(self.active)
        known, place = np.unique(self.facets.vertices, return_inverse=True)
        return place.reshape(self.facets.vertices.shape), len(known)

    @property
    def _at_nodes(self) -> Array:
        """Where the nodes are on each facet, (f, nodes, d - 1)."""
        d = self.dimension
        found = np.zeros((*self.nodes.shape, d - 1))
        closures, nodes = self.element.entity_closure_dofs[d - 1], np.asarray(self.element.points, dtype=float)
        for number, here, _, (first, along) in self.facets.by_number(found):
            found[here] = (nodes[closures[number]] - first) @ np.linalg.pinv(along)
        return found

    @property
    def _first_of_each(self) -> Ints:
        """For each active node a place in the flattened list of nodes."""
        _, one = np.unique(self.nodes, return_index=True)
        return np.asarray(one[np.isin(self.nodes.ravel()[one], self.active)])

    def taken(self, chosen: Ints) -> ExitSet:
        """Some of the facets, possibly several times."""
        return replace(self, facets=self.facets.taken(chosen), wall=self.wall[chosen], nodes=self.nodes[chosen])

    def parted(self, parts: Callable[[Array, Array, Bools], Ints], count: int, density: Array) -> Array:
        """Integrals of densities (f, m, k) over the parts of the exit set, (count, k).

        Facets with points in several parts are halved along the cut.

        Args:
            parts: Points (n, d), outward normals (n, d) and whether they are on walls (n,) to numbers of parts, (n,).
            count: How many parts there are.
            density: Their coefficients.
        """
        d = self.dimension
        total = np.zeros((count, density.shape[2]))
        reference, weights = _rule(d, self.degree)
        inner = SHRUNK * np.vstack([np.zeros((1, d - 1)), np.eye(d - 1)]) + (1.0 - SHRUNK) / d
        looked = np.concatenate([reference, inner])
        pieces = np.broadcast_to(reference_simplex(d - 1), (len(self.facets), d, d - 1))
        facet = np.arange(len(self.facets))
        for depth in range(HALVINGS[d] + 1):
            here = self.taken(facet)
            at = pieces[:, :1] + np.einsum("qk,mkj->mqj", looked, pieces[:, 1:] - pieces[:, :1])
            points, normals = here.facets.points(at).reshape(-1, d), here.facets.normals(at).reshape(-1, d)
            part = parts(points, normals, np.repeat(here.wall, len(looked))).reshape(at.shape[:2])
            alike = (part == part[:, :1]).all(axis=1)
            at, part = at[:, : len(reference)], part[:, : len(reference)]
            scaled = weights * here.facets.measures(at) * _sizes(pieces)[:, None]
            done = alike | (depth == HALVINGS[d])
            values = here.values(at, density[facet])[done]
            masses = (scaled[done, :, None] * values).reshape(-1, total.shape[1])
            for column, mass in zip(total.T, masses.T, strict=True):
                column += np.bincount(part[done].ravel(), mass, minlength=count)
            facet, pieces = np.repeat(facet[~done], 2 ** (d - 1)), pieces[~done]
            if not len(facet):
                break
            pieces = halves(pieces)
        return total


def exit_set(space: fem.FunctionSpace, region: RegionMesh, model: Model, can_leave: Bools) -> ExitSet:
    """The exit set of a region, without facets that only let paths in. Collective.

    Args:
        space: Scalar Lagrange space on the mesh of the region.
        region: The mesh.
        model: Drift and diffusion.
        can_leave: Owned degrees of freedom where the process can leave, (owned,).
    """
    domain, comm = space.mesh, space.mesh.comm
    d = domain.topology.dim
    cells, element, index_map = Cells.of(domain), space.element.basix_element, space.dofmap.index_map
    cell, number = region.exit_facets()
    edges = np.stack(region.without_walls().exit_facets(), axis=1)
    wall = ~np.isin(cell * (d + 1) + number, edges[:, 0] * (d + 1) + edges[:, 1])
    marks = fem.Function(space)
    marks.x.array[: len(can_leave)] = can_leave
    marks.x.scatter_forward()
    dofs = space.dofmap.list[cell]
    local = np.take_along_axis(dofs, np.array(element.entity_closure_dofs[d - 1])[number], axis=1)
    at_vertices = np.array([vertex[0] for vertex in element.entity_dofs[0]])
    topology = np.array(basix.topology(domain.basix_cell())[d - 1]).reshape(d + 1, d)
    ends = np.take_along_axis(dofs, at_vertices[topology[number]], axis=1)
    open_nodes = marks.x.array[local] > 0.0

    def numbered(values: npt.NDArray[np.int32]) -> Ints:
        flat = index_map.local_to_global(values.ravel().astype(np.int32))
        return np.asarray(flat, dtype=np.int64).reshape(values.shape)

    mine = (cells.nodes[cell], number, wall, numbered(local), numbered(ends))
    some = open_nodes.any(axis=1)
    corners, numbers, walls, nodes, vertices, is_open = (
        np.concatenate(comm.allgather(part[some])) for part in (*mine, open_nodes)
    )
    active = np.sort(np.concatenate(comm.allgather(index_map.local_range[0] + np.flatnonzero(can_leave))))
    facets = Facets(cells.element, corners, numbers, vertices)
    order = facets.order()
    found = ExitSet(facets, element, walls, nodes, active, is_rough=False).taken(order[_used(nodes, is_open)[order]])
    at, _ = found.rule
    noise, _, _ = across(model, found.facets.points(at).reshape(-1, d), found.facets.normals(at).reshape(-1, d))
    return replace(found, is_rough=bool((noise <= ALONG).any()))


def _used(nodes: Ints, is_open: Bools) -> Bools:
    """The facets that are left all over, where integrals of all of their functions are known; and others only for nodes
    that belong to none of these."""
    whole = is_open.all(axis=1)
    alone = is_open & ~np.isin(nodes, nodes[whole])
    return np.asarray(whole | alone.any(axis=1))


def values_at(exits: ExitSet, vectors: list[PETSc.Vec]) -> Array:
    """Entries of vectors at the active nodes, (active, k), on all ranks. Collective."""
    comm = vectors[0].getComm().tompi4py()
    low, high = vectors[0].getOwnershipRange()
    own = exits.active[(exits.active >= low) & (exits.active < high)] - low
    mine = np.stack([vector.array_r[own] for vector in vectors], axis=1)
    return np.concatenate(comm.allgather(mine))


def _rule(dimension: int, degree: int) -> tuple[Array, Array]:
    """Quadrature of the reference facet of cells of a dimension: points (q, dimension - 1), weights (q,).

    Squares of functions of a degree are exact, also on facets that are a little curved.
    """
    if dimension == 1:
        return np.zeros((1, 0)), np.ones(1)
    kind = {2: basix.CellType.interval, 3: basix.CellType.triangle}[dimension]
    points, weights = basix.make_quadrature(kind, 2 * degree + 2)
    return np.asarray(points, dtype=float), np.asarray(weights, dtype=float)


def _sizes(pieces: Array) -> Array:
    """Volumes of simplices (m, d, d - 1) over that of the reference simplex, (m,)."""
    edges = pieces[:, 1:] - pieces[:, :1]
    return np.abs(np.linalg.det(edges)) if edges.shape[1] else np.ones(len(pieces))
