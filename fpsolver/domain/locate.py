"""Points of the domain and the cells that hold them, one owner per point over all ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from dolfinx import geometry, mesh
from mpi4py import MPI

from fpsolver.domain.cells import Cells
from fpsolver.domain.periodic import periods_of
from fpsolver.domain.rules import Rule
from fpsolver.wrapping import nearest

Array = npt.NDArray[np.float64]

OUTSIDE = 1e-8
"""How far, in barycentric coordinates, a point may lie outside the cell that is said to hold it."""

FAR = 1.0
"""A point that is so far outside of a cell whose edges are taken as straight is outside of the curved one, too."""


def point_rules(domain: mesh.Mesh, cells: Cells, points: Sequence[Sequence[float]]) -> list[Rule | None]:
    """For each point a rule of one point and weight 1 on the rank that owns it, an empty rule on the others.

    Returns:
        None in place of a rule, on all ranks, for a point outside the mesh.
    """
    if not len(points):
        return []
    wanted = np.asarray(points, dtype=float).reshape(len(points), cells.dimension)
    images = _images(domain, cells, wanted)
    cell, reference, distance = locate(domain, cells, images.reshape(-1, cells.dimension))
    chosen = distance.reshape(images.shape[:2]).argmin(axis=1) + np.arange(len(wanted)) * images.shape[1]
    wanted, cell = images.reshape(-1, cells.dimension)[chosen], cell[chosen]
    reference, distance = reference[chosen], distance[chosen]
    best = np.empty_like(distance)
    domain.comm.Allreduce(distance, best, MPI.MIN)
    owner = np.empty(len(wanted), dtype=np.int64)
    domain.comm.Allreduce(np.where(distance == best, domain.comm.rank, domain.comm.size), owner, MPI.MIN)
    rules: list[Rule | None] = []
    for i in range(len(wanted)):
        if best[i] > OUTSIDE:
            rules.append(None)
            continue
        here = slice(i, i + 1) if owner[i] == domain.comm.rank else slice(0, 0)
        ones = np.ones(len(range(*here.indices(len(wanted)))))
        rules.append(Rule(cell[here], reference[here], wanted[here], ones))
    return rules


def _images(domain: mesh.Mesh, cells: Cells, points: Array) -> Array:
    """Where the points (n, d) may be in a mesh that closes upon itself, (n, images, d); else they themselves."""
    periods = periods_of(domain)
    if np.isinf(periods).all():
        return points[:, None]
    length = np.where(np.isfinite(periods), periods, 0.0)
    somewhere = np.asarray(domain.comm.bcast(cells.nodes[0, 0] if cells.owned else np.zeros(len(periods))))
    turns = [(-1.0, 0.0, 1.0) if closes else (0.0,) for closes in np.isfinite(periods)]
    around = np.stack(np.meshgrid(*turns, indexing="ij"), axis=-1).reshape(-1, len(periods))
    return np.asarray((somewhere + nearest(points - somewhere, periods))[:, None] + around * length)


def locate(
    domain: mesh.Mesh,
    cells: Cells,
    points: Array,
    reach: float = OUTSIDE,
    tree: geometry.BoundingBoxTree | None = None,
) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """This rank's best owned cell for each point (n, d), its reference coordinates there, and how far outside it is.

    The distance is in barycentric coordinates, 0 inside and infinite for a point farther than ``reach`` from all cells.
    Whoever asks often brings the tree of `boxes`, for the same reach.
    """
    best = np.full(len(points), np.inf)
    chosen = np.zeros(len(points), dtype=np.int64)
    reference = np.zeros_like(points)
    if not cells.owned:
        return chosen, reference, best
    padded = np.zeros((len(points), 3))
    padded[:, : cells.dimension] = points
    found = geometry.compute_collisions_points(boxes(domain, cells, reach) if tree is None else tree, padded)
    counts = np.diff(found.offsets)
    point = np.repeat(np.arange(len(points)), counts)
    candidate = found.array.astype(np.int64)
    local = cells.pull_back(candidate, points[point], FAR + reach)
    outside = np.maximum(-local.min(axis=1), local.sum(axis=1) - 1.0).clip(min=0.0)
    # the last assignment wins: the least distance, and among equals the lowest cell
    order = np.lexsort((-candidate, -outside))
    chosen[point[order]] = candidate[order]
    reference[point[order]] = local[order]
    best[point[order]] = outside[order]
    return chosen, reference, best


def boxes(domain: mesh.Mesh, cells: Cells, reach: float = OUTSIDE) -> geometry.BoundingBoxTree:
    """The tree of boxes around this rank's owned cells, and so far around them."""
    return geometry.bb_tree(
        domain,
        domain.topology.dim,
        padding=reach * float(cells.diameters[: cells.owned].max(initial=0.0)),
        entities=np.arange(cells.owned, dtype=np.int32),
    )
