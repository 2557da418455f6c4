"""The edge of a region beside the exit set of its mesh, which follows it by arcs that meet in slight corners.

A function that vanishes on such arcs has a singular slope at every corner. One that is allowed the values

    u(x) = distance(x) du/dn,    distance from the edge, positive outside,

on the arcs vanishes on the edge itself up to the square of the distance, and is smooth there (Bramble, Dupont and
Thomee 1972). The slope is that of the solution before.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.domain.region_mesh import RegionMesh
from fpsolver.generator.boundary import exit_nodes
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.pointwise import FacetSamples
from fpsolver.generator.quadrature import owned_vector
from fpsolver.problems.landscape.passes import Door

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REPEATED = 2
"""So many times the slope is taken from the solution before."""


class CurvedEdge:
    """The edge of a region near the exit set of a mesh that is whole on one rank.

    Args:
        generator: On the mesh of the region.
        bent: That mesh, with those facets of the exit set alone that lie on the edge.
        door: The edge of the region.
    """

    def __init__(self, generator: Generator, bent: RegionMesh, door: Door) -> None:
        self._generator, self._door = generator, door
        cells = np.unique(bent.exit_facets()[0])
        fixed = exit_nodes(generator.space, bent, generator.model)
        self._dofs = np.asarray(generator.space.dofmap.list[cells])
        self._on_edge = fixed[self._dofs]
        element = generator.space.element.basix_element
        reference = np.asarray(element.points, dtype=float)
        geometry = generator.quadrature.cells
        self._slopes = element.tabulate(1, reference)[1:, :, :, 0]
        self._inverse = geometry.inverse_jacobians(reference)[cells]
        points = geometry.points(reference)[cells]
        shape = points.shape
        self._distance, self._normal = (part.reshape(shape[:2] + part.shape[1:]) for part in offset(door, points))

    def solve(self, inverse: Pinned, load: PETSc.Vec) -> tuple[float, PETSc.Vec]:
        """As `Pinned.solve_apart`, but zero on the edge of the region instead of the exit set of the mesh."""
        constant, apart = inverse.solve_apart(load)
        for _ in range(REPEATED):
            data = self._values(apart)
            rest = load.duplicate()
            self._generator.stiffness.mult(data, rest)
            rest.aypx(-1.0, load)
            constant, apart = inverse.solve_apart(rest)
            apart.axpy(1.0, data)
        return constant, apart

    def _values(self, vector: PETSc.Vec) -> PETSc.Vec:
        """distance du/dn at the nodes of the exit set, the mean over the cells at each; 0 elsewhere."""
        slopes = np.einsum("cqki,kqa,ca->cqi", self._inverse, self._slopes, vector.array_r[self._dofs], optimize=True)
        found = self._distance * np.einsum("cqi,cqi->cq", slopes, self._normal)
        total, count = owned_vector(self._generator.space), np.zeros(vector.getLocalSize())
        np.add.at(total.array, self._dofs[self._on_edge], found[self._on_edge])
        np.add.at(count, self._dofs[self._on_edge], 1.0)
        total.array[:] /= np.maximum(count, 1.0)
        return total


def offset(door: Door, points: Array) -> tuple[Array, Array]:
    """Distance from the edge of a region, positive outside, and its outward normal, at points near it (..., d)."""
    flat = points.reshape(-1, points.shape[-1])
    slope = door.slope(flat)
    steepness = np.maximum(np.linalg.norm(slope, axis=1), 1e-300)
    return door.level(flat) / steepness, slope / steepness[:, None]


def missed(door: Door, facets: FacetSamples, leaving: Bools, values: Array, slopes: Array) -> Array:
    """Twice the largest value on the edge of the region, by the first two terms of Taylor's series from the exit set.

    Args:
        door: The edge.
        facets: Samples of the facets.
        leaving: Those of the exit set that lie on the edge.
        values: Of u at all samples, (facets, q).
        slopes: n . D grad u there, (facets, q).

    Returns:
        Per facet, 0 for those that do not belong to the exit set, (facets,).
    """
    points, normals = facets.points[leaving], facets.normals[leaving]
    distance, normal = offset(door, points)
    across = np.einsum("fqi,fqi->fq", facets.conormal[leaving], normals)
    steps = distance.reshape(across.shape) / np.einsum("fqi,fqi->fq", normals, normal.reshape(points.shape))
    found = np.zeros(len(leaving))
    found[leaving] = 2.0 * np.abs(values[leaving] - steps * slopes[leaving] / across).max(axis=1, initial=0.0)
    return found
