"""Triangulations made on rank 0, given to all ranks as meshes.

What belongs to such a mesh goes to all ranks and is looked up by the original numbers of cells and vertices. So all
ranks, ghost cells included, agree to the last digit, whatever their number.
"""

from __future__ import annotations

from typing import Any

import basix
import basix.ufl
import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh
from mpi4py import MPI

from fpsolver.domain.curved import CurvedEdges
from fpsolver.domain.triangulation import Triangulation

NAMES = {1: "interval", 2: "triangle", 3: "tetrahedron"}


def distributed(
    comm: MPI.Intracomm, made: Triangulation | None, dimension: int, vertices: int, bent: CurvedEdges
) -> tuple[mesh.Mesh[np.float64], npt.NDArray[np.int64]]:
    """The mesh of a triangulation, cells shared among the ranks, ghost cells sharing facets; collective.

    Args:
        comm: Communicator.
        made: The triangulation on rank 0, None on the others.
        dimension: Dimension of the space.
        vertices: Number of vertices.
        bent: Curved edges; with them the geometry has degree 2.

    Returns:
        The mesh, and the vertices of this rank's cells by their numbers in the triangulation, (cells, d + 1).
    """
    cells = np.empty((0, dimension + 1), dtype=np.int64) if made is None else made.cells
    points = np.empty((0, dimension)) if made is None else made.points
    element: Any = basix.ufl.element("Lagrange", NAMES[dimension], 1, shape=(dimension,))
    partitioner = mesh.create_cell_partitioner(mesh.GhostMode.shared_facet, 2)
    straight = mesh.create_mesh(comm, cells, element, points, partitioner)
    numbers = np.asarray(straight.geometry.input_global_indices[straight.geometry.dofmaps[0]], dtype=np.int64)
    return (_bent(straight, numbers, vertices, bent) if len(bent.edges) else straight), numbers


def _bent(
    straight: mesh.Mesh[np.float64], numbers: npt.NDArray[np.int64], vertices: int, edges: CurvedEdges
) -> mesh.Mesh[np.float64]:
    """The mesh with a geometry of degree 2, the middles of curved edges in their places."""
    kind = straight.topology.cell_type
    bent = fem.interpolate_geometry(straight, fem.coordinate_element(kind, 2))
    nodes = bent.geometry.dofmaps[0]
    dimension = straight.topology.dim
    # the last digit of interpolated coordinates depends on the order of a cell's vertices, which differs over the ranks
    corners = straight.geometry.x[straight.geometry.dofmaps[0]]
    bent.geometry.x[nodes[:, : dimension + 1]] = corners
    keys = edges.edges[:, 0] * vertices + edges.edges[:, 1]
    for i, local in enumerate(basix.topology(straight.basix_cell())[1]):
        middle = nodes[:, dimension + 1 + i]
        bent.geometry.x[middle] = (corners[:, local[0]] + corners[:, local[1]]) / 2
        ends = np.sort(numbers[:, local], axis=1)
        key = ends[:, 0] * vertices + ends[:, 1]
        place = np.searchsorted(keys, key).clip(max=len(keys) - 1)
        hit = keys[place] == key
        bent.geometry.x[middle[hit], :dimension] = edges.middles[place[hit]]
    return bent
