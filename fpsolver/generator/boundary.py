"""Where a process can leave a region: the nodes at which exit times vanish.

A facet of the exit set is left through wherever noise pushes across it, n . D n > 0. Where the noise is along the
facet only, as for a particle with friction that has a position and a velocity, it is left where the drift points out,
-a . n >= 0; where it points in, the process comes in through the facet but cannot go out, and nothing may be imposed.
"""

from __future__ import annotations

from collections.abc import Callable

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import fem, la

from fpsolver.domain.cells import Cells
from fpsolver.domain.grading import Grading
from fpsolver.domain.region_mesh import RegionMesh
from fpsolver.domain.singular import ALONG, STILL
from fpsolver.generator.weight import Weight
from fpsolver.model.coefficients import Model

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

NATS = {1: (0.5, 1.0), 2: (1.0, 2.0), 3: (2.0, 10.0)}
"""Degree, 3 for all from 3 -> the most nats across cells at the exit set, and across other cells."""


def exit_nodes(space: fem.FunctionSpace, region: RegionMesh, model: Model) -> Bools:
    """Which of this rank's own degrees of freedom lie where the process can leave; collective.

    Decided node by node, with the normal of the facet there; a node of several facets is one if any of them says so.

    Args:
        space: Scalar Lagrange space on the region's mesh.
        region: The mesh.
        model: Drift and diffusion.
    """
    return nodes_of(space, region.exit_facets(), lambda points, normals: leaves(model, points, normals))


def nodes_of(space: fem.FunctionSpace, facets: tuple[Ints, Ints], chosen: Callable[[Array, Array], Bools]) -> Bools:
    """Which of this rank's own degrees of freedom lie on facets where something holds; collective.

    Args:
        space: Scalar Lagrange space.
        facets: Cells (k,) of this rank, and numbers of the facets within them (k,).
        chosen: Points (k, nodes, d) and outward unit normals there to whether it holds, (k, nodes).
    """
    domain = space.mesh
    d = domain.topology.dim
    element = space.element.basix_element
    cells = Cells.of(domain)
    cell, facet = facets
    marks = fem.Function(space)
    for number, nodes in enumerate(element.entity_closure_dofs[d - 1]):
        here = cell[facet == number]
        if not here.size:
            continue
        reference = np.asarray(element.points, dtype=float)[nodes]
        outward = np.asarray(basix.cell.facet_outward_normals(domain.basix_cell())[number], dtype=float)
        normals = cells.normals(here, reference, outward)
        points = cells.points(reference)[here]
        marks.x.array[space.dofmap.list[here][:, nodes][chosen(points, normals)]] = 1.0
    marks.x.scatter_reverse(la.InsertMode.add)
    return np.asarray(marks.x.array[: space.dofmap.index_map.size_local] > 0)


def grading_for(model: Model, weight: Weight, degree: int, passes: float = 0.0) -> Grading:
    """How fine the mesh of a region has to be for elements of a degree; ``passes`` as in `Grading`."""
    at_exit, elsewhere = NATS[min(degree, 3)]
    if model.dimension == 1:  # where cells cost nothing
        at_exit, elsewhere = at_exit / 2, elsewhere / 5
    return Grading(
        lambda points: weight.potential(points)[0],
        lambda points, normals: across(model, points, normals),
        at_exit,
        elsewhere,
        weight.ceiling,
        passes,
    )


def leaves(model: Model, points: Array, normals: Array) -> Bools:
    """Whether the process can leave at points (k, nodes, d) of k facets with outward unit normals there: (k, nodes)."""
    noise, drift, _ = across(model, points.reshape(-1, points.shape[2]), normals.reshape(-1, points.shape[2]))
    noise, drift = noise.reshape(points.shape[:2]), drift.reshape(points.shape[:2])
    largest = np.abs(drift).max(axis=1, keepdims=True)
    return np.asarray((noise > ALONG) | (drift >= -STILL * largest))


def across(model: Model, points: Array, normals: Array) -> tuple[Array, Array, Array]:
    """n . D n as a fraction of the trace of D, the outward drift -a . n, and the trace, at points (n, d): (n,) each."""
    coefficients = model(points)
    trace = np.trace(coefficients.diffusion, axis1=1, axis2=2)
    noise = np.einsum("ni,nij,nj->n", normals, coefficients.diffusion, normals)
    drift = -np.einsum("ni,ni->n", coefficients.advection, normals)
    return noise / np.where(trace > 0, trace, 1.0), drift, trace
