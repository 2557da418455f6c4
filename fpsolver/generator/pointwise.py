"""A finite element function point by point: L u inside of the cells, and how its slope jumps between them.

For u continuous and smooth in each cell, and every v,

    integral of (D grad u . grad v + ((div D - b) . grad u) v)
        = sum over cells of the integral of (-L u) v  +  sum over facets of the integral of (n . D grad u) v,

on facets summed over the sides with the outward normal n of each, one at a wall and two inside. Comparing u with the
exact solution takes the sign of all this at every point. For meshes that are whole on one rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import mesh

from fpsolver.domain.cells import Cells
from fpsolver.model import Model

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
type Element = basix.finite_element.FiniteElement


class CellSamples:
    """Points of a lattice in every cell, with the coefficients of L there.

    Args:
        domain: On one rank.
        model: Drift and diffusion.
        steps: Of the lattice along an edge.

    Attributes:
        points: (cells, q, d).
        drift: b = extra - grad f, (cells, q, d).
        diffusion: D, (cells, q, d, d).
    """

    def __init__(self, domain: mesh.Mesh, model: Model, steps: int) -> None:
        cells = Cells.of(domain)
        self.reference = np.asarray(
            basix.create_lattice(domain.basix_cell(), steps, basix.LatticeType.equispaced, True), dtype=float
        )
        self.points = cells.points(self.reference)
        self._inverse = cells.inverse_jacobians(self.reference)
        self._bend = None
        if cells.element.degree > 1:
            self._bend = np.einsum("klqa,cai->cqkli", _hessians(cells.element, self.reference), cells.nodes)
        d = cells.dimension
        there = model(self.points.reshape(-1, d))
        self.drift = (there.extra - there.gradient).reshape(self.points.shape)
        self.diffusion = there.diffusion.reshape(*self.points.shape, d)

    def jet(self, element: Element, coefficients: Array) -> tuple[Array, Array, Array]:
        """Values (cells, q), gradients (cells, q, d) and L u (cells, q) of a function.

        Args:
            element: Scalar Lagrange element.
            coefficients: Of each cell, (cells, basis functions).
        """
        table = element.tabulate(1, self.reference)[..., 0]
        slopes = np.einsum("cqki,ca,kqa->cqi", self._inverse, coefficients, table[1:], optimize=True)
        bends = np.einsum("ca,klqa->cqkl", coefficients, _hessians(element, self.reference), optimize=True)
        if self._bend is not None:  # the second derivatives of the map of a curved cell
            bends = bends - np.einsum("cqkli,cqi->cqkl", self._bend, slopes)
        spread = np.einsum("cqki,cqij,cqlj->cqkl", self._inverse, self.diffusion, self._inverse, optimize=True)
        image = np.einsum("cqkl,cqkl->cq", spread, bends) + np.einsum("cqi,cqi->cq", self.drift, slopes)
        return coefficients @ table[0].T, np.asarray(slopes), np.asarray(image)


@dataclass(frozen=True)
class _Side:
    """Facets as seen from cells in which they lie alike.

    Attributes:
        facets: Their numbers, (n,).
        cells: The cells, (n,).
        local: Number of the facet in these cells.
        reference: Points of the samples in the reference cell, (q, d).
        pull: n . D times the inverse Jacobian there: the conormal derivative of a function with reference gradient g
            is pull . g, (n, q, d).
    """

    facets: Ints
    cells: Ints
    local: int
    reference: Array
    pull: Array


class FacetSamples:
    """Points of all facets, the same seen from either side.

    Args:
        domain: On one rank.
        model: For D.
        steps: Of the lattice along an edge.

    Attributes:
        of_cells: Numbers of the facets of each cell, (cells, d + 1).
        sides: Of each facet, 1 at the boundary and 2 inside, (facets,).
        points: (facets, q, d).
        size: Mean diameter of the cells at each facet, (facets,).
        normals: The outward normal of one of the sides, (facets, q, d).
        conormal: n . D of the same side, (facets, q, d).
    """

    def __init__(self, domain: mesh.Mesh, model: Model, steps: int) -> None:
        d = domain.topology.dim
        cells, kind = Cells.of(domain), domain.basix_cell()
        shares = barycentric(d - 1, steps)
        self.of_cells, sides = facet_sides(domain, shares)
        count = int(self.of_cells.max()) + 1
        self.sides = np.bincount(self.of_cells.ravel(), minlength=count)
        self.size = np.bincount(self.of_cells.ravel(), np.repeat(cells.diameters, d + 1), minlength=count) / self.sides
        self.points = np.zeros((count, len(shares), d))
        self.normals, self.conormal = np.zeros_like(self.points), np.zeros_like(self.points)
        self._sides: list[_Side] = []
        outward = basix.cell.facet_outward_normals(kind)
        for chosen, local, reference in sides:
            self._see(cells, model, chosen, local, reference, np.asarray(outward[local], dtype=float))

    def _see(self, cells: Cells, model: Model, chosen: Ints, local: int, reference: Array, outward: Array) -> None:
        facets = self.of_cells[chosen, local]
        some = Cells(cells.nodes[chosen], cells.element, len(chosen))
        points = some.points(reference)
        normals = some.normals(np.arange(len(chosen)), reference, outward)
        diffusion = model(points.reshape(-1, points.shape[2])).diffusion.reshape(*points.shape, points.shape[2])
        conormal = np.einsum("cqi,cqij->cqj", normals, diffusion)
        pull = np.einsum("cqj,cqkj->cqk", conormal, some.inverse_jacobians(reference))
        self.points[facets] = points
        self.normals[facets], self.conormal[facets] = normals, conormal
        self._sides.append(_Side(facets, chosen, local, reference, pull))

    def kinks(self, element: Element, coefficients: Array, growth: Array | None = None) -> Array:
        """The sum over the sides of n . D grad u, or of n . D grad(s u) over s for a smooth s > 0, (facets, q).

        Args:
            element: Scalar Lagrange element.
            coefficients: Of each cell, (cells, basis functions).
            growth: n . D grad log s where there is one side, 0 inside, (facets, q); None: s is constant.
        """
        total = np.zeros(self.points.shape[:2])
        for side in self._sides:
            table = element.tabulate(1, side.reference)[..., 0]
            local = coefficients[side.cells]
            found = np.einsum("cqk,kqa,ca->cq", side.pull, table[1:], local, optimize=True)
            if growth is not None:
                found = found + growth[side.facets] * (local @ table[0].T)
            np.add.at(total, side.facets, found)  # both cells at a facet may see it alike
        return total

    def values(self, element: Element, coefficients: Array) -> Array:
        """A continuous function at the samples, (facets, q)."""
        found = np.zeros(self.points.shape[:2])
        for side in self._sides:
            found[side.facets] = coefficients[side.cells] @ element.tabulate(0, side.reference)[0, :, :, 0].T
        return found

    def basis_kinks(self, element: Element, growth: Array) -> list[tuple[Ints, Ints, Array]]:
        """What each basis function adds to the kinks; arguments as for `kinks`.

        Returns:
            Per group of facets their numbers (n,), the cells (n,) and the kinks (n, q, basis functions).
        """
        found = []
        for side in self._sides:
            table = element.tabulate(1, side.reference)[..., 0]
            kinks = np.einsum("cqk,kqa->cqa", side.pull, table[1:], optimize=True)
            found.append((side.facets, side.cells, kinks + growth[side.facets][:, :, None] * table[0]))
        return found


def barycentric(d: int, steps: int) -> Array:
    """Barycentric coordinates of a lattice on a simplex of dimension d, ends included: (points, d + 1)."""
    if d == 0:
        return np.ones((1, 1))
    grid = np.stack(np.meshgrid(*[np.arange(steps + 1)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    grid = grid[grid.sum(axis=1) <= steps]
    return np.asarray(np.column_stack([steps - grid.sum(axis=1), grid]) / steps)


def facet_sides(domain: mesh.Mesh, shares: Array) -> tuple[Ints, list[tuple[Ints, int, Array]]]:
    """The facets of a mesh on one rank as its cells see them.

    Args:
        domain: The mesh.
        shares: Barycentric coordinates of points of a facet, by its vertices in the order of their global numbers, so
            that they are the same points from either side, (q, d).

    Returns:
        Numbers of the facets of each cell (cells, d + 1), and groups: cells (n,), the local number of a facet, and the
        points in the reference cell (q, d).
    """
    topology, d, kind = domain.topology, domain.topology.dim, domain.basix_cell()
    topology.create_connectivity(d, d - 1)
    facets = topology.connectivity(d, d - 1).array.reshape(-1, d + 1).astype(np.int64)
    vertices = topology.connectivity(d, 0).array.reshape(-1, d + 1)
    corners, groups = np.array(basix.geometry(kind)), []
    for local, nodes in enumerate(np.array(basix.topology(kind)[d - 1]).reshape(d + 1, d)):
        order = np.argsort(vertices[:, nodes], axis=1)
        for turn in permutations(range(d)):
            chosen = np.flatnonzero((order == np.array(turn)).all(axis=1))
            if chosen.size:
                groups.append((chosen, local, np.asarray(shares @ corners[nodes][list(turn)])))
    return facets, groups


def _hessians(element: Element, reference: Array) -> Array:
    """Second derivatives of the basis functions in the reference cell, (d, d, q, basis functions)."""
    d = reference.shape[1]
    table = element.tabulate(2, reference)[..., 0]
    place = [[basix.index(*np.bincount([i, j], minlength=d)) for j in range(d)] for i in range(d)]
    return np.asarray(table[np.array(place)])
