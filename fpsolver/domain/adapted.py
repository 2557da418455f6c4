"""Meshes of a domain that are made finer step by step, where a solution shows that it is not resolved.

As all meshes that are refined, they are made on rank 0 and do not depend on the number of ranks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import factorial

import numpy as np
from dolfinx import mesh
from mpi4py import MPI
from scipy.spatial import KDTree

from fpsolver.case import Domain
from fpsolver.domain.curved import CurvedEdges, bent_edges
from fpsolver.domain.distributed import distributed
from fpsolver.domain.fitted import fit
from fpsolver.domain.grading import Grading, graded
from fpsolver.domain.ground import Ground, ground_of
from fpsolver.domain.refinement import opened, refined
from fpsolver.domain.region_mesh import with_given
from fpsolver.domain.surface import curved_part
from fpsolver.domain.triangulation import Array, Ints, Triangulation
from fpsolver.runtime.ranks import on_root

HALF = 1.4
"""A cell is bisected while it is larger than it should be by more than this factor: halves are not quite halves."""


@dataclass(frozen=True)
class AdaptedMesh:
    """A mesh of the whole domain that can be made finer.

    Attributes:
        mesh: Ghost cells share facets with owned ones.
        cells: Number of cells, over all ranks.
        ground: What is behind it: its triangulation and the levels that bound it; on rank 0 alone.
    """

    mesh: mesh.Mesh[np.float64]
    cells: int
    ground: Ground | None

    def graded(self, grading: Grading) -> AdaptedMesh:
        """Finer where a weight is too steep for its cells; the same object where it is nowhere. Collective."""

        def make() -> Ground:
            assert self.ground is not None
            t = self.ground.triangulation
            return replace(self.ground, triangulation=graded(t, list(self.ground.levels), None, grading))

        found = _shared(self.mesh.comm, self.mesh.topology.dim, make, self.cells)
        return self if found is None else found

    def finer(self, times: Ints) -> AdaptedMesh:
        """Cells bisected so many times. Collective.

        Args:
            times: For each owned cell how often, (owned,).
        """
        comm = self.mesh.comm
        gathered = comm.gather((self.mesh.topology.original_cell_index[: len(times)], times))

        def make() -> Ground:
            assert self.ground is not None
            assert gathered is not None
            wanted = np.zeros(self.cells, dtype=np.int64)
            for theirs, counts in gathered:
                wanted[theirs] = counts
            return _bisected(self.ground, wanted)

        found = _shared(comm, self.mesh.topology.dim, make, self.cells)
        return self if found is None else found


def adapted_mesh(comm: MPI.Intracomm, domain: Domain) -> AdaptedMesh:
    """The mesh of a domain as it is. Collective."""

    def make() -> Ground:
        ground = ground_of(domain)
        levels = list(ground.levels)
        fitted = fit(ground.triangulation, levels, [])
        t = fitted.triangulation.restricted(fitted.marks.all(axis=1)) if levels else fitted.triangulation
        return replace(ground, triangulation=opened(t, levels, None) if levels else t)

    found = _shared(comm, domain.dimension, make, 0)
    assert found is not None
    return found


def _shared(comm: MPI.Intracomm, d: int, make: Callable[[], Ground], before: int) -> AdaptedMesh | None:
    """The mesh of what rank 0 makes; None if it has no more cells than before."""
    made: list[Ground] = []

    def shape() -> tuple[int, int]:
        made.append(make())
        return len(made[0].triangulation.cells), len(made[0].triangulation.points)

    cells, vertices = on_root(comm, shape)
    if cells == before:
        return None
    bent = on_root(comm, lambda: _bent(made[0]))
    ground = made[0] if made else None
    found, _ = distributed(comm, None if ground is None else ground.triangulation, d, vertices, bent)
    return AdaptedMesh(found, cells, ground)


def _bent(ground: Ground) -> CurvedEdges:
    levels = list(ground.levels)
    t = ground.triangulation
    return with_given(t, ground, bent_edges(t, levels, *curved_part(t, levels)))


def _bisected(ground: Ground, times: Ints) -> Ground:
    """Every cell and its parts bisected so many times, (cells,); a part belongs to the cell whose middle is nearest."""
    t = ground.triangulation
    wanted = _volumes(t) * 0.5**times
    middles = KDTree(t.corners().mean(axis=1))
    for _ in range(int(times.max(initial=0))):
        _, parent = middles.query(t.corners().mean(axis=1))
        marked = _volumes(t) > HALF * wanted[parent]
        if not marked.any():
            break
        t = refined(t, list(ground.levels), marked)
    return replace(ground, triangulation=t)


def _volumes(t: Triangulation) -> Array:
    corners = t.corners()
    return np.asarray(np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / factorial(t.dimension))
