"""Quadrature over the boundary of a mesh, with the outward normals there."""

from __future__ import annotations

from dataclasses import dataclass

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import mesh

from fpsolver.domain.cells import Cells
from fpsolver.domain.rules import Rule, joined

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FACETS = {1: basix.CellType.point, 2: basix.CellType.interval, 3: basix.CellType.triangle}


@dataclass(frozen=True)
class BoundaryRule:
    """Quadrature points on the facets at the boundary of this rank's own cells.

    Attributes:
        rule: The integral of v over the boundary is the sum of weight * v(point).
        normals: Outward unit normals at the points, (n, d).
    """

    rule: Rule
    normals: Array


def boundary_rule(domain: mesh.Mesh, cells: Cells, degree: int) -> BoundaryRule:
    """Quadrature over the whole boundary.

    Args:
        domain: Mesh with ghost cells across shared facets.
        cells: Its geometry, straight or curved.
        degree: Of the polynomials that are integrated exactly on straight facets.
    """
    kind, d = domain.basix_cell(), cells.dimension
    owner, local = outer_facets(domain)
    corners = np.array(basix.geometry(kind), dtype=float)
    normals = np.array(basix.cell.facet_outward_normals(kind), dtype=float)
    nodes, weights = (np.zeros((1, 0)), np.ones(1)) if d == 1 else basix.make_quadrature(FACETS[d], degree)
    rules, outward = [], []
    for number, vertices in enumerate(basix.topology(kind)[d - 1]):
        here = owner[local == number]
        start, edges = corners[vertices[0]], corners[vertices[1:]] - corners[vertices[0]]
        reference = start + nodes @ edges
        scale = float(np.sqrt(np.linalg.det(edges @ edges.T))) if d > 1 else 1.0
        cell = np.repeat(here, len(weights))
        flat = np.tile(reference, (len(here), 1))
        # Nanson: an area of the reference cell with normal N becomes |det J| |J^-T N| times as large
        slopes = cells.element.tabulate(1, reference)[1:, :, :, 0]
        jacobians = np.einsum("dqa,nai->nqid", slopes, cells.nodes[here])
        turned = np.einsum("nqdi,d->nqi", np.linalg.inv(jacobians), normals[number])
        length = np.linalg.norm(turned, axis=2)
        area = np.abs(np.linalg.det(jacobians)) * length * scale * np.asarray(weights)
        rules.append(Rule(cell, flat, cells.points_in(cell, flat), area.ravel()))
        outward.append((turned / length[:, :, None]).reshape(-1, d))
    return BoundaryRule(joined(rules), np.concatenate(outward))


def outer_facets(domain: mesh.Mesh) -> tuple[Ints, Ints]:
    """The facets at the boundary of this rank's own cells: cells (k,), and numbers within the cell (k,)."""
    d = domain.topology.dim
    domain.topology.create_connectivity(d, d - 1)
    domain.topology.create_connectivity(d - 1, d)
    owned = domain.topology.index_map(d).size_local
    facets = domain.topology.connectivity(d, d - 1).array.reshape(-1, d + 1)[:owned]
    alone = np.diff(domain.topology.connectivity(d - 1, d).offsets)[facets] == 1
    cells, local = np.nonzero(alone)
    return cells.astype(np.int64), local.astype(np.int64)
