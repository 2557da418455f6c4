"""The cells of a domain on one rank, before regions are cut out of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import KDTree

from fpsolver.case import Ball, Box, Domain, MeshFile
from fpsolver.domain.levelset import Level
from fpsolver.domain.refinement import numbered_edges
from fpsolver.domain.simplex import kuhn_cells
from fpsolver.domain.triangulation import Array, Ints, Triangulation, boundary_facets, box_triangulation, edges_of

MARGIN = 2
"""A ball's lattice reaches so many cells beyond it."""

QUARTER = np.array([0.375, 0.75, -0.125])
"""Shares of start, middle and end in the point of a quadratic edge a quarter along it."""


@dataclass(frozen=True)
class Ground:
    """A domain on one rank.

    Attributes:
        triangulation: Fills the domain, and more where that is no box and has to be fitted first.
        levels: Negative in the domain; for a mesh from a file one that is nothing but zero, as the boundary is there.
        bent: Edges of a mesh from a file that are not straight, as pairs of points (k, 2, d).
        middles: Their middles, (k, d).
    """

    triangulation: Triangulation
    levels: tuple[Level, ...]
    bent: Array
    middles: Array


def ground_of(domain: Domain) -> Ground:
    """The cells of a domain, on the rank that calls."""
    d = domain.dimension
    straight = np.empty((0, 2, d)), np.empty((0, d))
    if isinstance(domain, Box):
        return Ground(_box(domain), (), *straight)
    if isinstance(domain, Ball):
        return Ground(_lattice(domain), _spheres(domain), *straight)
    data = domain.data
    bent = data.points[data.bent_edges].reshape(-1, 2, d), data.bent_middles.reshape(-1, d)
    t = _from_file(domain)
    for _ in range(domain.halvings):
        t, bent = _halved(t, *bent)
    return Ground(t, (_zero,), *bent)


def _box(box: Box) -> Triangulation:
    return box_triangulation(box.lower, box.upper, box.cells, box.diagonal, box.periods)


def group_level(domain: MeshFile, name: str) -> Level:
    """A level that is negative on the facets of a named group, at points of the boundary; the nearest facet decides."""
    data = domain.data
    facets, chosen = data.facets, data.facet_groups[name]
    base = len(data.points) ** np.arange(data.dimension)
    inside = np.isin(facets @ base, chosen @ base)
    corners = data.points[facets]
    # pieces of a facet are nearer to one of its samples than to those of another facet of its size
    share = _shares(data.dimension)
    samples = np.einsum("sv,kvd->ksd", share, corners).reshape(-1, data.dimension)
    tree, owner = KDTree(samples), np.repeat(inside, len(share))
    return lambda points: np.where(owner[tree.query(points)[1]], -1.0, 1.0)


def _shares(d: int) -> Array:
    """Barycentric coordinates of sample points of a facet with d vertices, (samples, d)."""
    if d == 1:
        return np.ones((1, 1))
    steps = np.stack(np.meshgrid(*[np.arange(9)] * (d - 1), indexing="ij"), axis=-1).reshape(-1, d - 1)
    steps = steps[steps.sum(axis=1) <= 8]
    return np.asarray(np.column_stack([steps, 8 - steps.sum(axis=1)]) / 8.0)


def _zero(points: Array) -> Array:
    return np.zeros(len(points))


def _spheres(ball: Ball) -> tuple[Level, ...]:
    center = np.array(ball.center)

    def outer(points: Array) -> Array:
        return np.asarray(np.linalg.norm(points - center, axis=1) - ball.radius)

    def inner(points: Array) -> Array:
        return np.asarray(ball.hole - np.linalg.norm(points - center, axis=1))

    return (outer, inner) if ball.hole else (outer,)


def _lattice(ball: Ball) -> Triangulation:
    """Cells around a ball, with a vertex at its centre."""
    count = int(np.ceil(ball.radius / ball.cell_size * (1 - 1e-12))) + MARGIN
    center, reach = np.array(ball.center), count * ball.cell_size
    t = box_triangulation(list(center - reach), list(center + reach), [2 * count] * ball.dimension)
    return Triangulation(t.points, t.cells, t.lower, t.upper, t.spacing, t.sides, t.locked, outer=1 + (ball.hole > 0))


def _halved(t: Triangulation, bent: Array, middles: Array) -> tuple[Triangulation, tuple[Array, Array]]:
    """Every cell cut into 2^d, curved edges in their middles; and the halves of those, with their middles."""
    d = t.dimension
    edges, of_cell = numbered_edges(t)
    new = t.points[edges].mean(axis=1)
    if len(bent):
        curved = same_edges(t.points, edges, bent)
        new[curved] = middles
    facets, _ = boundary_facets(t.cells)
    outside = np.zeros(len(edges), dtype=bool)
    if d > 1:
        outside = np.isin(t.keys(edges), t.keys(edges_of(facets) if d > 2 else facets))
    steps, small = kuhn_cells(d, 2)
    first, second = np.triu_indices(d + 1, 1)
    nodes = np.empty((len(t.cells), len(steps)), dtype=np.int64)
    for column, step in enumerate(steps):
        corners = np.flatnonzero(step)
        if len(corners) == 1:
            nodes[:, column] = t.cells[:, corners[0]]
        else:
            edge = np.flatnonzero((first == corners[0]) & (second == corners[1]))[0]
            nodes[:, column] = len(t.points) + of_cell[:, edge]
    cells = nodes[:, small].reshape(-1, d + 1)
    points = np.vstack([t.points, new])
    corners = points[cells]
    turned = np.linalg.det(corners[:, 1:] - corners[:, :1]) < 0
    cells[turned, :2] = cells[turned, 1::-1]
    ways = np.stack([bent[:, 0], middles, bent[:, 1]], axis=1) if len(bent) else np.empty((0, 3, d))
    halves = np.concatenate([ways[:, :2], ways[:, 1:]])
    quarters = np.concatenate([np.einsum("w,kwd->kd", share, ways) for share in (QUARTER, QUARTER[::-1])])
    sides = np.vstack([t.sides, np.where(outside, 0, -1).astype(np.int8)[:, None]])
    finer = replace(
        t,
        points=points,
        cells=cells,
        spacing=t.spacing / 2.0,
        sides=sides,
        locked=np.concatenate([t.locked, outside]),
    )
    return finer, (halves, quarters)


def same_edges(points: Array, edges: Ints, pairs: Array) -> Ints:
    """The positions among edges (k, 2) of edges given by the points of their ends (n, 2, d); -1 where there is none."""
    tree = KDTree(points)
    far, vertices = tree.query(pairs.reshape(-1, pairs.shape[2]))
    ends = np.sort(vertices.reshape(-1, 2), axis=1)
    keys, wanted = edges[:, 0] * len(points) + edges[:, 1], ends[:, 0] * len(points) + ends[:, 1]
    place = np.searchsorted(keys, wanted).clip(max=max(len(keys) - 1, 0))
    there = (keys[place] == wanted) & (far.reshape(-1, 2).max(axis=1) == 0.0)
    return np.where(there, place, -1)


def _from_file(domain: MeshFile) -> Triangulation:
    data = domain.data
    facets, _ = boundary_facets(data.cells)
    outside = np.zeros(len(data.points), dtype=bool)
    outside[facets] = True
    return Triangulation(
        data.points,
        data.cells,
        np.array(domain.lower),
        np.array(domain.upper),
        np.full(data.dimension, data.mean_edge),
        np.where(outside, 0, -1).astype(np.int8)[:, None],
        outside,
        outer=1,
        given=1,
    )
