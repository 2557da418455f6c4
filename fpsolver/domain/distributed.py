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
from fpsolver.domain.periodic import with_own_nodes
from fpsolver.domain.triangulation import Triangulation
from fpsolver.wrapping import nearest

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
    periods = comm.bcast(None if made is None else made.periods)
    if len(periods):
        images = comm.bcast(None if made is None else made.images())
        return _closed(straight, numbers, vertices, bent, periods, images), numbers
    return (_bent(straight, numbers, vertices, bent) if len(bent.edges) else straight), numbers


def _closed(
    plain: mesh.Mesh[np.float64],
    numbers: npt.NDArray[np.int64],
    vertices: int,
    edges: CurvedEdges,
    periods: npt.NDArray[np.float64],
    images: npt.NDArray[np.int8],
) -> mesh.Mesh[np.float64]:
    """The mesh with corners, and where edges are curved their middles, for each cell alone.

    Args:
        plain: Its topology, with geometry nodes that cells on both sides of a seam share.
        numbers: Vertices of this rank's cells.
        vertices: Number of vertices.
        edges: Curved edges.
        periods: Of the coordinates, infinite where they are not periodic, (d,).
        images: For all cells by how many periods their corners are beside their vertices, (cells, d + 1, d).
    """
    d = plain.topology.dim
    lengths = np.where(np.isfinite(periods), periods, 0.0)
    corners = plain.geometry.x[plain.geometry.dofmaps[0]][:, :, :d]
    corners = corners + images[plain.topology.original_cell_index] * lengths
    if not len(edges.edges):
        element = basix.ufl.element("Lagrange", NAMES[d], 1, shape=(d,))
        return with_own_nodes(plain.topology, element, corners, periods)
    ends = np.array(basix.topology(plain.basix_cell())[1]).reshape(-1, 2)
    middles = corners[:, ends].mean(axis=2)
    cell, edge, place = _curved_among(numbers[:, ends], vertices, edges)
    bend = edges.middles[place] - middles[cell, edge]
    middles[cell, edge] += nearest(bend, periods)
    element = basix.ufl.element("Lagrange", NAMES[d], 2, shape=(d,))
    return with_own_nodes(plain.topology, element, np.concatenate([corners, middles], axis=1), periods)


def _curved_among(
    pairs: npt.NDArray[np.int64], vertices: int, edges: CurvedEdges
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The curved ones among the edges of cells (cells, edges, 2): cell, edge of the cell, number of the curved edge."""
    keys, wanted = edges.edges[:, 0] * vertices + edges.edges[:, 1], pairs.min(axis=2) * vertices + pairs.max(axis=2)
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    cell, edge = np.nonzero(keys[place] == wanted)
    return cell, edge, place[cell, edge]


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
