"""The exit set of a triangulated region: the facets through which it is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpsolver.domain.curved import edges_of_facets
from fpsolver.domain.levelset import Level, edge_roots, evaluate, project, slopes
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation, boundary_facets

PIECES = 8
"""A wall facet is searched in so many pieces for the ends of the absorbing part."""


@dataclass(frozen=True)
class Surface:
    """Facets of the exit set.

    Attributes:
        facets: Their vertices, ascending, (k, d).
        cells: The cell behind each, (k,).
        level: The level on whose zero set it lies, -1 for a part of a wall, (k,).
    """

    facets: Ints
    cells: Ints
    level: Ints

    def normals(self, t: Triangulation) -> Array:
        """Outward unit normals of the straight facets, (k, d)."""
        d = t.dimension
        corners = t.cells[self.cells]
        opposite = (corners[:, :, None] != self.facets[:, None]).all(axis=2)
        inward = t.apart(t.points[corners[opposite]] - t.points[self.facets[:, 0]])
        along = t.apart(t.points[self.facets[:, 1:]] - t.points[self.facets[:, :1]])
        # what is left of the way inward without its part along the facet
        frame = np.linalg.qr(np.swapaxes(along, 1, 2))[0] if d > 1 else np.zeros((len(inward), d, 0))
        across = inward - np.einsum("kij,klj,kl->ki", frame, frame, inward)
        return np.asarray(-across / np.linalg.norm(across, axis=1)[:, None])


def exit_surface(t: Triangulation, levels: Sequence[Level], absorbing: Level | None) -> Surface:
    """The boundary of a triangulation but for the reflecting walls.

    Args:
        t: The cells inside the region; its ``sides`` say which vertices are on which sets.
        levels: The levels whose zero sets bound the region.
        absorbing: Walls where it is negative belong to the exit set.
    """
    facets, cells = boundary_facets(t.cells)
    wall = walls_among(t, facets)
    leaving = ~wall
    if absorbing is not None and wall.any():
        leaving[wall] = evaluate(absorbing, _middles(t, levels, facets[wall])) < 0
    facets, cells, wall = facets[leaving], cells[leaving], wall[leaving]
    return Surface(facets, cells, _levels_of(t, levels, facets, wall))


def walls_among(t: Triangulation, facets: Ints) -> Bools:
    """Which facets (k, d) of the boundary of a triangulation belong to that of the domain, (k,)."""
    of_box = on_walls(t.points[facets], t.lower, t.upper, t.closes)
    return np.asarray(of_box | (t.sides[facets][:, :, : t.outer] == 0).all(axis=1).any(axis=1))


def curved_part(t: Triangulation, levels: Sequence[Level]) -> tuple[Ints, Bools]:
    """The edges of a triangulation that lie on zero sets which bound it, sorted, and on which, (k, levels)."""
    facets, _ = boundary_facets(t.cells)
    level = _levels_of(t, levels, facets, walls_among(t, facets))
    on = level >= 0
    return edges_of_facets(facets[on], level[on], len(levels))


def _middles(t: Triangulation, levels: Sequence[Level], facets: Ints) -> Array:
    """Points (k, d) in the middle of facets of the boundary, on that itself where it is curved."""
    middles = t.middles(facets)
    active = np.zeros((len(facets), len(levels)), dtype=bool)
    active[:, : t.outer] = (t.sides[facets][:, :, : t.outer] == 0).all(axis=1)
    if not active.any():
        return np.asarray(middles)
    return project(t, levels, active, middles, np.zeros_like(middles, dtype=bool))[0]


def wall_ends(t: Triangulation, absorbing: Level, region: Level) -> list[Array]:
    """Where the absorbing part of a rectangle's walls begins and ends within a region; none in other dimensions."""
    if t.dimension != 2:
        return []
    walls, _ = boundary_facets(t.cells)
    share = np.linspace(0.0, 1.0, PIECES + 1)[:, None, None]
    first, last = t.ends(walls)
    points = first + share * (last - first)
    side = np.sign(evaluate(absorbing, points.reshape(-1, 2))).reshape(points.shape[:2])
    # a zero at the end of a piece counts for the piece before it
    turning = (side[:-1] != side[1:]) & (side[:-1] != 0)
    start, end = points[:-1][turning], points[1:][turning]
    fraction = edge_roots(absorbing, start, end, side[:-1][turning])
    found = start + fraction[:, None] * (end - start)
    return list(t.kept(found[evaluate(region, found) < 0]))


def on_walls(corners: Array, lower: Array, upper: Array, closes: Bools) -> Bools:
    """Which facets (k, vertices, d) lie in one face of the box, exactly; periodic coordinates (d,) have no faces."""
    return np.asarray((((corners == lower).all(axis=1) | (corners == upper).all(axis=1)) & ~closes).any(axis=1))


def _levels_of(t: Triangulation, levels: Sequence[Level], facets: Ints, wall: Bools) -> Ints:
    """The level on which each facet lies: all its vertices do, and among such levels its middle is nearest."""
    possible = (t.sides[facets] == 0).all(axis=1)
    possible[:, t.outer :] &= ~wall[:, None]
    doubtful = possible.sum(axis=1) > 1
    distance = np.where(possible, 0.0, np.inf)
    middle = t.middles(facets)
    for k, level in enumerate(levels):
        here = np.flatnonzero(possible[:, k] & doubtful)
        slope = np.linalg.norm(slopes(level, t, middle[here]), axis=1)
        distance[here, k] = np.abs(evaluate(level, middle[here])) / np.maximum(slope, 1e-150)
    nearest = distance.argmin(axis=1) if levels else np.zeros(len(facets), dtype=np.int64)
    return np.where(possible.any(axis=1), nearest, -1)
