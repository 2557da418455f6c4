"""Cells of a region bisected at their longest edges, new vertices of its boundary put on the sets that bound it.

A cell is bisected together with all cells around its longest edge; where that is not the longest edge of one of
those, that one is bisected first, and so on. So every cell is bisected at its longest edge, shapes stay as good as
they were to a factor, and cells grow gradually away from the small ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from fpsolver.domain.levelset import Level, evaluate, project
from fpsolver.domain.surface import curved_part, exit_surface
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation, edges_of

KEPT = 0.3
"""A new vertex goes to a curved set if the cells around keep this fraction of their quality."""


Measure = Callable[[Triangulation, Ints], Array]
"""Lengths of edges (k, 2)."""


def in_background_cells(t: Triangulation, edges: Ints) -> Array:
    """Lengths of edges (k, 2) in background cells."""
    return t.lengths(t.along(edges))


def refined(
    t: Triangulation, levels: Sequence[Level], marked: Bools, measure: Measure = in_background_cells
) -> Triangulation:
    """The marked cells bisected once each, (cells,), and the cells around them where need be.

    Args:
        t: The cells inside a region.
        levels: The levels whose zero sets bound it.
        marked: Cells to be bisected, (cells,).
        measure: Tells which edge is the longest.
    """
    waiting = marked.copy()
    while waiting.any():
        edges, of_cell = numbered_edges(t)
        longest = _longest(measure(t, edges), edges, of_cell)
        wanted = waiting
        while True:
            needed = np.zeros(len(edges), dtype=bool)
            needed[longest[wanted]] = True
            more = needed[of_cell].any(axis=1)
            if (more == wanted).all():
                break
            wanted = more
        # an edge that is the longest one of all cells around it
        agreed = np.bincount(of_cell.ravel(), minlength=len(edges)) == np.bincount(longest, minlength=len(edges))
        chosen = needed & agreed
        waiting &= ~chosen[longest]
        ends = edges[chosen]
        t = with_vertices(t, levels, ends, t.middles(ends))
        waiting = np.append(waiting, np.zeros(len(t.cells) - len(waiting), dtype=bool))
    return t


def opened(t: Triangulation, levels: Sequence[Level], absorbing: Level | None) -> Triangulation:
    """Cells with all their vertices on the exit set bisected inside, so that there is something to solve for."""
    for _ in range(4):
        surface = exit_surface(t, levels, absorbing)
        on = np.zeros(len(t.points), dtype=bool)
        on[surface.facets] = True
        shut = on[t.cells].all(axis=1)
        if not shut.any():
            break
        edges, of_cell = numbered_edges(t)
        inner = np.ones(len(edges), dtype=bool)
        if t.dimension > 1:
            outer = edges_of(surface.facets) if t.dimension > 2 else surface.facets
            inner = ~np.isin(t.keys(edges), t.keys(outer))
        possible = np.unique(of_cell[shut])
        possible = possible[inner[possible]]
        if not possible.size:
            break
        candidates = edges[possible]
        chosen = candidates[t.independent(candidates, -in_background_cells(t, candidates))]
        t = with_vertices(t, levels, chosen, t.middles(chosen))
    return t


def with_vertices(t: Triangulation, levels: Sequence[Level], edges: Ints, points: Array) -> Triangulation:
    """New vertices (k, d) on edges (k, 2) of which no cell has two; on the boundary they are drawn onto its sets."""
    bounding, active = curved_part(t, levels)
    keys, wanted = t.keys(bounding), t.keys(edges)
    place = np.searchsorted(keys, wanted).clip(max=max(len(keys) - 1, 0))
    on = np.zeros((len(edges), len(levels)), dtype=bool)
    if len(keys):
        on = active[place] & (keys[place] == wanted)[:, None]
    sides = np.empty((len(edges), len(levels)), dtype=np.int8)
    for k, level in enumerate(levels):
        # all of a mesh from a file that is not on its boundary is inside
        sides[:, k] = np.where(on[:, k], 0, -1 if k < t.given else np.sign(evaluate(level, points)))
    old = len(t.points)
    t = t.bisected(edges, points, sides)
    bound = np.flatnonzero(on.any(axis=1))
    if not bound.size:
        return t
    target, arrived = project(t, levels, on[bound], points[bound], t.walls(points[bound]))
    moved = t.points.copy()
    moved[old + bound[arrived]] = target[arrived]
    near = np.flatnonzero((t.cells >= old).any(axis=1))  # each of them has one new vertex
    worse = t.quality(near, moved) < KEPT * t.quality(near)
    back = t.cells[near[worse]].max(axis=1)
    moved[back] = t.points[back]
    return replace(t, points=moved)


def numbered_edges(t: Triangulation) -> tuple[Ints, Ints]:
    """All edges, lower vertex first (k, 2), and the numbers of those of each cell, (m, edges per cell)."""
    first, second = np.triu_indices(t.dimension + 1, 1)
    pairs = np.sort(np.stack([t.cells[:, first], t.cells[:, second]], axis=-1), axis=2)
    keys, index = np.unique(t.keys(pairs).ravel(), return_inverse=True)
    return np.stack([keys // len(t.points), keys % len(t.points)], axis=1), index.reshape(len(t.cells), -1)


def _longest(length: Array, edges: Ints, of_cell: Ints) -> Ints:
    """The number of each cell's longest edge; of edges of one length all cells prefer the same."""
    order = np.empty(len(edges), dtype=np.int64)
    order[np.lexsort((edges[:, 1], edges[:, 0], np.round(length, 12)))] = np.arange(len(edges))
    return np.asarray(of_cell[np.arange(len(of_cell)), order[of_cell].argmax(axis=1)])
