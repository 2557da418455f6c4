"""Meshes that close upon themselves: vertices on both sides of a seam are one, cells have corners of their own.

The topology knows no seam: degrees of freedom there are shared, facets there have a cell on either side. The geometry
has nodes for each cell alone, so that a cell at the end of a period ends there and not at its beginning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import ufl
from dolfinx import common, cpp, fem, mesh

Array = npt.NDArray[np.float64]

NODES = 7421
"""Tag of the messages in which ranks agree on the nodes; any number that nothing else uses at the same time."""


class PeriodicMesh(mesh.Mesh[np.float64]):  # type: ignore[misc]  # DOLFINx has no types
    """A mesh with periodic coordinates.

    Attributes:
        periods: Length of each of them, infinite for the other coordinates, (d,).
    """

    def __init__(self, made: Any, domain: ufl.Mesh, periods: Array) -> None:
        super().__init__(made, domain)
        self.periods = periods


def periods_of(domain: mesh.Mesh) -> Array:
    """Length of each periodic coordinate of a mesh, infinite for the others, (d,)."""
    if isinstance(domain, PeriodicMesh):
        return domain.periods
    return np.full(domain.geometry.dim, np.inf)


def with_own_nodes(topology: mesh.Topology, element: Any, nodes: Array, periods: Array) -> PeriodicMesh:
    """The mesh with a given topology whose cells have nodes of their own.

    Args:
        topology: Of a mesh whose vertices on both sides of a seam are one.
        element: Of the coordinates, as UFL knows it.
        nodes: Geometry nodes of each local cell, ghosts included, (cells, nodes per cell, d).
        periods: Length of each periodic coordinate, infinite for the others, (d,).
    """
    cells, count, d = nodes.shape
    index_map = topology.index_map(topology.dim)
    each = np.arange(count)
    ghosts = (index_map.ghosts[:, None] * count + each).ravel().astype(np.int64)
    owners = np.repeat(index_map.owners, count).astype(np.int32)
    of_nodes = common.IndexMap(topology.comm, index_map.size_local * count, ghosts, owners, NODES)
    numbers = (topology.original_cell_index[:, None] * count + each).ravel().astype(np.int64)
    geometry = mesh.create_geometry(
        of_nodes,
        np.arange(cells * count, dtype=np.int32).reshape(cells, count),
        fem.coordinate_element(element.sub_elements[0].basix_element),
        np.ascontiguousarray(nodes.reshape(-1, d)),
        numbers,
    )
    made = cpp.mesh.Mesh_float64(topology.comm, topology._cpp_object, geometry._cpp_object)
    return PeriodicMesh(made, ufl.Mesh(element), periods)
