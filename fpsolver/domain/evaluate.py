"""Functions of one mesh at points that other ranks, or another mesh, hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from dolfinx import fem, geometry
from mpi4py import MPI

from fpsolver.domain.cells import Cells
from fpsolver.domain.locate import OUTSIDE, boxes, locate

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

CHUNK = 50_000
"""Points that travel at once: no rank ever holds those of all."""

BESIDE = 0.05
"""Two meshes of a curved boundary differ: a point of one may be beside the other by so much, in barycentric terms."""


def evaluate(functions: Sequence[fem.Function], points: Array, reach: float = OUTSIDE) -> Array:
    """Values of functions of one Lagrange space at this rank's points. Collective.

    Args:
        functions: Of the same space, ghosts up to date.
        points: (n, d); each rank may bring as many as it likes.
        reach: Points so far outside of a cell, in barycentric coordinates, are given its polynomial.

    Returns:
        (functions, n), NaN at points outside the mesh.
    """
    space = functions[0].function_space
    comm, cells = space.mesh.comm, Cells.of(space.mesh)
    values = np.full((len(functions), len(points)), np.nan)
    tree = boxes(space.mesh, cells, reach)
    for root, count in enumerate(comm.allgather(len(points))):
        for begin in range(0, count, CHUNK):
            part = slice(begin, min(begin + CHUNK, count))
            asked = comm.bcast(points[part] if comm.rank == root else None, root=root)
            found = _owned_values(functions, cells, asked, reach, tree)
            total = np.zeros_like(found) if comm.rank == root else None
            comm.Reduce(found, total, MPI.SUM, root=root)
            if total is not None:
                held = total[-1] > 0
                values[:, part] = np.where(held, total[:-1] / np.where(held, total[-1], 1.0), np.nan)
    return values


def evaluate_within(functions: Sequence[fem.Function], points: Array, inside: Bools) -> Array:
    """As `evaluate`, and a value too at points beside the mesh that are said to be inside, (n,). Collective.

    The edges of another mesh may lie a little inside a curved boundary, where this one ends.
    """
    values = evaluate(functions, points)
    beside = np.isnan(values[0]) & inside
    values[:, beside] = evaluate(functions, points[beside], BESIDE)
    return values


def _owned_values(
    functions: Sequence[fem.Function], cells: Cells, points: Array, reach: float, tree: geometry.BoundingBoxTree
) -> Array:
    """Sums over this rank's cells of what they say about each point, and in the last row who says anything: 0 or 1."""
    space = functions[0].function_space
    comm = space.mesh.comm
    cell, reference, distance = locate(space.mesh, cells, points, reach, tree)
    best = np.empty_like(distance)
    comm.Allreduce(distance, best, MPI.MIN)
    owner = np.empty(len(points), dtype=np.int64)
    comm.Allreduce(np.where(distance == best, comm.rank, comm.size), owner, MPI.MIN)
    mine = np.flatnonzero((owner == comm.rank) & (best <= reach))
    result = np.zeros((len(functions) + 1, len(points)))
    if len(mine):
        basis = space.element.basix_element.tabulate(0, reference[mine])[0, :, :, 0]
        dofs = space.dofmap.list[cell[mine]]
        for row, function in zip(result, functions, strict=False):
            row[mine] = np.einsum("na,na->n", function.x.array[dofs], basis)
        result[-1, mine] = 1.0
    return result
