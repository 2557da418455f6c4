"""Edges on curved sets: where the middles of edges between inside and outside have to be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fpsolver.domain.levelset import Level, project
from fpsolver.domain.simplex import kuhn_cells
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation

STRAIGHT = 1e-12
"""An edge whose middle is nearer to the set than this fraction of its length is straight."""

FARTHEST = 0.25
"""A middle that would move by more than this fraction of its edge stays: a corner of the set, or another part of it."""

SHRUNK = 0.03
"""The least local volume of a curved cell, as a fraction of that of the straight one."""

LEAST_SHARE = 0.1
"""Where a cell does not bear it, an edge is bent only half the way, a quarter, an eighth, then not at all."""


@dataclass(frozen=True)
class CurvedEdges:
    """Edges whose middles do not lie halfway.

    Attributes:
        edges: Vertices, lower first, sorted, (k, 2).
        middles: Where the middles are, (k, d).
        limited: Number of edges that do not reach their set, for the sake of the cells around them.
    """

    edges: Ints
    middles: Array
    limited: int


def no_edges(dimension: int) -> CurvedEdges:
    """Of a mesh whose edges are all straight."""
    return CurvedEdges(np.empty((0, 2), dtype=np.int64), np.empty((0, dimension)), 0)


def curved_edges(triangulation: Triangulation, levels: Sequence[Level], marks: Bools) -> CurvedEdges:
    """The edges on curved sets.

    Args:
        triangulation: Conforms to the levels.
        levels: Level functions.
        marks: Which cells are inside, (cells, levels).
    """
    return bent_edges(triangulation, levels, *_on_sets(triangulation, marks))


def bent_edges(triangulation: Triangulation, levels: Sequence[Level], edges: Ints, active: Bools) -> CurvedEdges:
    """The middles of edges that lie on sets, as far as the cells bear it.

    Args:
        triangulation: Its vertices are on the sets.
        levels: Level functions.
        edges: Lower vertex first, sorted, (k, 2).
        active: On which sets each of them lies, (k, levels).
    """
    t = triangulation
    halfway = t.middles(edges)
    target, arrived = project(t, levels, active, halfway, t.walls(t.points[edges]).all(axis=1))
    length = t.lengths(t.along(edges))
    way = t.lengths(t.apart(target - halfway))
    wrong = ~arrived | (way > FARTHEST * length)
    bent = ~wrong & (way > STRAIGHT * length)
    edges, halfway, bend = edges[bent], halfway[bent], t.apart(target - halfway)[bent]
    edge, cell, ends = t.around(edges)
    share = np.ones(len(edges))
    while True:
        volume = _least_volume(t, edge, cell, ends, share[:, None] * bend)
        bad = np.flatnonzero((volume < SHRUNK) & (share[edge] > 0))
        if not bad.size:
            break
        # in each of the cells the edge that is bent most
        order = bad[np.lexsort((t.lengths(share[:, None] * bend)[edge[bad]], cell[bad]))]
        last = np.append(cell[order][1:] != cell[order][:-1], True)
        share[np.unique(edge[order[last]])] /= 2
        share[share < LEAST_SHARE] = 0.0
    middles = halfway + share[:, None] * bend
    return CurvedEdges(edges[share > 0], middles[share > 0], int(wrong.sum() + (share < 1).sum()))


def _on_sets(t: Triangulation, marks: Bools) -> tuple[Ints, Bools]:
    """Edges of facets between inside and outside, and on which sets each of them lies, (k, levels)."""
    d = t.dimension
    found, level = [np.empty((0, d), dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for k in range(marks.shape[1]) if d > 1 else ():
        on = t.sides[:, k][t.cells] == 0
        near = np.flatnonzero(on.sum(axis=1) >= d)
        local = np.array(list(itertools.combinations(range(d + 1), d)))
        facets = np.sort(t.cells[near][:, local].reshape(-1, d), axis=1)
        mark = np.repeat(marks[near, k], d + 1)
        unique, index = np.unique(facets, axis=0, return_inverse=True)
        count = np.bincount(index.ravel(), minlength=len(unique))
        inner = np.bincount(index.ravel(), weights=mark, minlength=len(unique))
        between = unique[(count == 2) & (inner == 1)]
        found.append(between)
        level.append(np.full(len(between), k))
    return edges_of_facets(np.concatenate(found), np.concatenate(level), marks.shape[1])


def edges_of_facets(facets: Ints, level: Ints, levels: int) -> tuple[Ints, Bools]:
    """The edges of facets (k, d) that lie on one set each (k,), and on which of the sets each edge lies."""
    pairs = list(itertools.combinations(range(facets.shape[1]), 2))
    found = np.concatenate([np.empty((0, 2), dtype=np.int64), *(np.sort(facets[:, pair], axis=1) for pair in pairs)])
    edges, index = np.unique(found, axis=0, return_inverse=True)
    active = np.zeros((len(edges), levels), dtype=bool)
    active[index.ravel(), np.tile(level, len(pairs))] = True
    return edges, active


def _least_volume(t: Triangulation, edge: Ints, cell: Ints, ends: Ints, bend: Array) -> Array:
    """For each pair of a curved edge and a cell around it, a lower bound of the cell's local volume.

    The determinant of the map is a polynomial of degree d on the cell; its least Bernstein coefficient bounds it from
    below. As a fraction of the determinant of the straight cell.
    """
    d = t.dimension
    curved, row = np.unique(cell, return_inverse=True)
    steps, _ = kuhn_cells(d, d)
    at = steps / d
    corners = t.corners(curved)
    barycentric = np.vstack([-np.ones(d), np.eye(d)])  # gradients of the barycentric coordinates
    jacobian = np.repeat(np.einsum("cai,aj->cij", corners, barycentric)[:, None], len(at), axis=1)
    # the middle of edge (a, b) moves by bend: the map gains 4 lambda_a lambda_b bend
    slope = 4 * (at[:, ends[:, 0], None] * barycentric[ends[:, 1]] + at[:, ends[:, 1], None] * barycentric[ends[:, 0]])
    np.add.at(jacobian, row, bend[edge][:, None, :, None] * np.swapaxes(slope, 0, 1)[:, :, None, :])
    multinomial = [math.factorial(d) / math.prod(math.factorial(int(i)) for i in step) for step in steps]
    bernstein = np.prod(at[:, None] ** steps[None], axis=-1) * np.array(multinomial)
    coefficients = np.linalg.solve(bernstein, np.linalg.det(jacobian).T).T
    straight = np.linalg.det(np.einsum("cai,aj->cij", corners, barycentric))
    return np.asarray((coefficients.min(axis=1) / straight)[row])
