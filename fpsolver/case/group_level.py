"""The level function of a named group of cells: the distance to what bounds it inside the mesh, negative within it."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from fpsolver.case.mesh_data import Array, Ints, MeshData

NEAREST = 12
"""The distance is taken to so many facets whose middles are nearest."""

STEP = 1e-6
"""Of difference quotients, in mean edges: the level is linear across a facet."""


@dataclass(frozen=True)
class GroupLevel:
    """Distance of points to the facets between the cells of a group and the others, negative within the group.

    Its facets are those of the mesh, so that a mesh of the group's cells needs no fitting. Curved edges are taken as
    straight. Equal where groups are, and what the files hold.

    Attributes:
        group: Name of the group.
        digest: Of points and cells.
        data: The mesh.
    """

    group: str
    digest: int
    data: MeshData = field(repr=False, compare=False)

    def __call__(self, *coordinates: Array) -> Array:
        """The level at points given by their coordinates, of one shape."""
        arrays = np.broadcast_arrays(*coordinates)
        points = np.column_stack([np.asarray(each, dtype=np.float64).reshape(-1) for each in arrays])
        sign = np.where(self._within(points), -1.0, 1.0)
        return np.asarray((sign * self._distance(points)).reshape(arrays[0].shape))

    def slope(self, axis: int) -> GroupSlope:
        """Its derivative along a coordinate."""
        return GroupSlope(self, axis)

    def _within(self, points: Array) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """By the cell that holds a point; beyond curved edges, by the cell whose middle is nearest."""
        from scipy.spatial import cKDTree  # only where groups are used

        cell = self.data.cells_at(points)
        lost = np.flatnonzero((cell < 0) & np.isfinite(points).all(axis=1))
        if lost.size:
            cell[lost] = cKDTree(self.data.points[self.data.cells].mean(axis=1)).query(points[lost])[1]
        return np.asarray(self.data.cell_groups[self.group][cell])

    def _distance(self, points: Array) -> Array:
        from scipy.spatial import cKDTree

        facets = self.data.points[self._facets]
        found = np.full(len(points), self.data.mean_edge)
        known = np.flatnonzero(np.isfinite(points).all(axis=1))
        if len(facets) and len(known):
            near = cKDTree(facets.mean(axis=1)).query(points[known], k=min(NEAREST, len(facets)))[1]
            candidates = facets[near.reshape(len(known), -1)]
            found[known] = distances(points[known][:, None, :], candidates).min(axis=1)
        return found

    @cached_property
    def _facets(self) -> Ints:
        """Facets between a cell of the group and one that is not, by their vertices, (k, d)."""
        d, cells = self.data.dimension, self.data.cells
        local = np.array(list(itertools.combinations(range(d + 1), d)))
        facets = np.sort(cells[:, local].reshape(-1, d), axis=1)
        ours = np.repeat(self.data.cell_groups[self.group], d + 1)
        unique, which = np.unique(facets, axis=0, return_inverse=True)
        sides = np.bincount(which.reshape(-1), minlength=len(unique))
        inner = np.bincount(which.reshape(-1), weights=ours, minlength=len(unique))
        return np.asarray(unique[(sides == 2) & (inner == 1)])


def level_of_group(data: MeshData, group: str) -> GroupLevel:
    """That of a group of a mesh."""
    digest = 0
    for array in (data.points, data.cells, data.cell_groups[group]):
        digest = zlib.crc32(np.ascontiguousarray(array).tobytes(), digest)
    return GroupLevel(group, digest, data)


@dataclass(frozen=True)
class GroupSlope:
    """The derivative of the level of a group along a coordinate; what bounds a group has no curvature."""

    level: GroupLevel
    axis: int

    def __call__(self, *coordinates: Array) -> Array:
        """The derivative at points given by their coordinates, of one shape."""
        step = STEP * self.level.data.mean_edge
        ahead, behind = list(coordinates), list(coordinates)
        ahead[self.axis], behind[self.axis] = coordinates[self.axis] + step, coordinates[self.axis] - step
        return (self.level(*ahead) - self.level(*behind)) / (2.0 * step)

    def slope(self, axis: int) -> None:
        """None: it counts as 0."""
        del axis


def distances(points: Array, simplices: Array) -> Array:
    """Distances of points (..., d) to points, segments or triangles (..., k, d): the least to the part of any face.

    The nearest point of a simplex lies inside one of its faces, where it is the foot of the perpendicular.
    """
    count = simplices.shape[-2]
    least = np.full(np.broadcast_shapes(points.shape[:-1], simplices.shape[:-2]), np.inf)
    for size in range(1, count + 1):
        for face in itertools.combinations(range(count), size):
            origin = simplices[..., face[0], :]
            away = points - origin
            if size == 1:
                foot, inside = np.zeros_like(away), np.ones(away.shape[:-1], dtype=bool)
            else:
                edges = simplices[..., face[1:], :] - origin[..., None, :]
                inner = edges @ np.swapaxes(edges, -1, -2)
                share = np.linalg.solve(inner, (edges @ away[..., None]))[..., 0]
                inside = (share >= 0.0).all(axis=-1) & (share.sum(axis=-1) <= 1.0)
                foot = (share[..., None, :] @ edges)[..., 0, :]
            least = np.where(inside, np.minimum(least, np.linalg.norm(away - foot, axis=-1)), least)
    return least
