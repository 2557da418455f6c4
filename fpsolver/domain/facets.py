"""Facets of a mesh as a surface of its own: points, normals, lengths or areas, and the curves that they form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import basix
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, depth_first_order

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

ALIKE = 1e-9
"""Middles of facets nearer to each other than this fraction of the surface are ordered by the next coordinate."""


@dataclass(frozen=True)
class Facets:
    """Facets of cells, which may be curved.

    Attributes:
        geometry: Element of the maps to the cells.
        corners: Geometry nodes of the cell behind each facet, (f, nodes of the cell, d).
        number: Which facet of that cell it is, (f,).
        vertices: Its vertices by numbers that facets share, (f, d).
    """

    geometry: basix.finite_element.FiniteElement
    corners: Array
    number: Ints
    vertices: Ints

    def __len__(self) -> int:
        return len(self.number)

    @property
    def dimension(self) -> int:
        """Of the space around."""
        return int(self.corners.shape[2])

    def taken(self, chosen: Ints) -> Facets:
        """Some of the facets, possibly several times."""
        return Facets(self.geometry, self.corners[chosen], self.number[chosen], self.vertices[chosen])

    @cached_property
    def middles(self) -> Array:
        """(f, d)."""
        d = self.dimension
        return self.points(np.full((len(self), 1, d - 1), 1.0 / d))[:, 0]

    def order(self) -> Ints:
        """By the middles, first coordinate first: the same however facets came together."""
        size = float(np.ptp(self.middles, axis=0).max(initial=0.0)) or 1.0
        return np.lexsort(np.round(self.middles / (ALIKE * size)).T[::-1])

    def points(self, at: Array) -> Array:
        """Points (f, q, d) of reference points of each facet, (f, q, d - 1)."""
        found = np.zeros((*at.shape[:2], self.dimension))
        for _, here, inside, _ in self.by_number(at):
            shape = tabulated(self.geometry, 0, inside)[0]
            found[here] = np.einsum("fqa,fad->fqd", shape, self.corners[here])
        return found

    def measures(self, at: Array) -> Array:
        """Length or area over that of the reference facet, (f, q)."""
        found = np.ones(at.shape[:2])
        for _, here, inside, (_, along) in self.by_number(at):
            if len(along):
                tangents = np.einsum("fqid,ki->fqkd", self._jacobians(here, inside), along)
                found[here] = np.sqrt(np.linalg.det(np.einsum("fqkd,fqld->fqkl", tangents, tangents)))
        return found

    def normals(self, at: Array) -> Array:
        """Outward unit normals, (f, q, d)."""
        outward = np.asarray(basix.cell.facet_outward_normals(self.geometry.cell_type), dtype=float)
        found = np.zeros((*at.shape[:2], self.dimension))
        for number, here, inside, _ in self.by_number(at):
            found[here] = np.einsum("fqdi,i->fqd", np.linalg.inv(self._jacobians(here, inside)), outward[number])
        return np.asarray(found / np.linalg.norm(found, axis=2)[:, :, None])

    def chained(self) -> tuple[Ints, Ints, Bools]:
        """In the plane: facets in the order of the curves that they form.

        Returns:
            Numbers of facets, and for each the number of its curve and whether it is run through backward, (f,) each.
        """
        count = len(self)
        ends, place = np.unique(self.vertices, return_inverse=True)
        place = place.reshape(count, 2)
        incidence = coo_array((np.ones(2 * count), (np.repeat(np.arange(count), 2), place.ravel())), (count, len(ends)))
        shared = (incidence @ incidence.T).tocsr()
        shared.setdiag(0)
        shared.eliminate_zeros()
        parts, label = connected_components(shared, directed=False)
        order = []
        for part in range(parts):
            members = np.flatnonzero(label == part)
            alone = members[np.diff(shared.indptr)[members] < 2]
            begin = int(alone[0]) if len(alone) else int(members[0])
            order.append(depth_first_order(shared, begin, directed=False, return_predecessors=False))
        sequence = np.concatenate(order).astype(np.int64) if order else np.zeros(0, dtype=np.int64)
        place, curve = place[sequence], label[sequence]
        backward = np.zeros(count, dtype=bool)
        if count > 1:
            ahead = (place[:-1, :, None] == place[1:, None, :]).any(axis=2)  # which end the next facet shares
            last = np.append(curve[1:] != curve[:-1], True)
            behind = np.vstack([[[False, False]], (place[1:, :, None] == place[:-1, None, :]).any(axis=2)])
            ahead = np.vstack([ahead, [[False, False]]])
            backward = np.where(last, behind[:, 1] & ~behind[:, 0], ahead[:, 0] & ~ahead[:, 1])
        return sequence, curve.astype(np.int64), backward

    def by_number(self, at: Array) -> Iterator[tuple[int, Ints, Array, tuple[Array, Array]]]:
        """For each facet of the reference cell: its number, facets that it is, their points in the cell (n, q, d), its
        first corner (d,) and the directions along it, (d - 1, d)."""
        d = self.dimension
        vertices = np.asarray(basix.geometry(self.geometry.cell_type), dtype=float)
        for number, corners in enumerate(basix.topology(self.geometry.cell_type)[d - 1]):
            here = np.flatnonzero(self.number == number)
            if len(here):
                first, along = vertices[corners[0]], vertices[corners[1:]] - vertices[corners[0]]
                yield number, here, first + at[here] @ along, (first, along)

    def _jacobians(self, here: Ints, inside: Array) -> Array:
        """dx_d / dX_i of the cells behind facets at points in them, (n, q, i, d)."""
        slopes = tabulated(self.geometry, 1, inside)[1:]
        return np.asarray(np.einsum("ifqa,fad->fqid", slopes, self.corners[here]))


def tabulated(element: basix.finite_element.FiniteElement, derivatives: int, inside: Array) -> Array:
    """Values and derivatives at points (n, q, d), (1 + ..., n, q, nodes)."""
    n, q, d = inside.shape
    return np.asarray(element.tabulate(derivatives, inside.reshape(n * q, d))[..., 0]).reshape(-1, n, q, element.dim)
