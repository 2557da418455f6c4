"""A triangulation made to follow the zero sets of level functions.

Of every edge that a set cuts, the nearer end moves onto the set, the shortest way first, wherever the cells around
keep their shape. What is left is bisected where the set cuts it, which always succeeds. Afterwards no cell has corners
on both sides, and none has all its corners on the set.

The sets are fitted one after the other; a vertex on an earlier set slides along it, an edge on an earlier set keeps
to it when it is bisected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fpsolver.domain.levelset import Level, edge_roots, evaluate, project, slopes
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation, boundary_facets, edges_of

ON_THE_SET = 1e-9
"""A level below this fraction of its variation over the cells around a vertex is zero there."""

GUARDS = (0.5, 0.5, 0.35, 0.35, 0.25, 0.25)
"""Shape that cells must keep when a vertex moves, as a fraction of the worst background cell; one pass each."""

IMMOVABLE = 1e-6
"""A vertex that cannot move and is nearer to a set than this fraction of an edge counts as on it: no slivers."""

BETWEEN = (0.25, 0.5, 0.75)
"""Where edges are searched for narrow parts of a region, which do not show at their ends."""

DEEP = 0.1
"""Such a part is resolved if it is deeper than this fraction of the edge: less is the bend of a curved boundary."""


def conform(triangulation: Triangulation, levels: Sequence[Level]) -> Triangulation:
    """The triangulation with cells on one side of each level; ``sides`` gains a column per level not given yet."""
    t = triangulation
    worst = float(t.quality().min(initial=1.0))
    for k, level in enumerate(levels[t.given :], start=t.given):
        t = _resolved(_labelled(t, level), level)
        banned = np.zeros(len(t.points), dtype=bool)
        for i, guard in enumerate(GUARDS):
            if i and guard != GUARDS[i - 1]:
                banned[:] = False
            t, banned = _snapped(t, levels[: k + 1], guard * worst, banned)
        t = _resolved(t, level)
        for _ in range(20):
            t, separated = _separated(_split(t, levels[: k + 1]), level)
            if not separated:
                break
        t = _split(t, levels[: k + 1])
    return t


def inside(triangulation: Triangulation, levels: Sequence[Level]) -> Bools:
    """Whether each cell lies in {level < 0}, (cells, levels): by its corners, by its centroid if all are on the set."""
    t = triangulation
    marks = np.ones((len(t.cells), len(levels)), dtype=bool)
    for k, level in enumerate(levels[t.given :], start=t.given):
        sides = t.sides[:, k][t.cells]
        marks[:, k] = sides.min(axis=1) < 0
        flat = np.flatnonzero(~sides.any(axis=1))
        marks[flat, k] = evaluate(level, t.middles(t.cells[flat])) < 0
    return marks


def _labelled(t: Triangulation, level: Level) -> Triangulation:
    """With the sides of the vertices as a further column."""
    value = evaluate(level, t.points)
    variation = np.zeros(len(t.points))
    np.maximum.at(variation, t.cells, np.ptp(value[t.cells], axis=1)[:, None])
    side = np.where(np.abs(value) > ON_THE_SET * variation, np.sign(value), 0.0).astype(np.int8)
    return replace(t, sides=np.hstack([t.sides, side[:, None]]))


def _resolved(t: Triangulation, level: Level) -> Triangulation:
    """Edges with no end on the other side, but a point between, bisected there: a disc in a cell, a narrow strip."""
    for _ in range(3):
        edges = edges_of(t.cells)
        side = t.sides[edges, -1].sum(axis=1)
        edges, side = edges[side != 0], side[side != 0]
        start, end = t.ends(edges)
        value = np.array([side * evaluate(level, start + part * (end - start)) for part in BETWEEN])
        deepest = value.argmin(axis=0)
        value = value.min(axis=0, initial=0.0)
        points = start + np.array(BETWEEN)[deepest, None] * (end - start)
        slope = np.zeros(len(edges))
        other = np.flatnonzero(value < 0)
        slope[other] = np.linalg.norm(slopes(level, t, points[other]), axis=1)
        length = t.lengths(end - start)
        deep = (value < 0) & (-value > DEEP * length * slope)
        if not deep.any():
            break
        edges, points, length = edges[deep], points[deep], length[deep]
        sides = _new_sides(t, edges)
        sides[:, -1] = -np.sign(side[deep])
        chosen = t.independent(edges, -length)
        t = t.bisected(edges[chosen], t.kept(points[chosen]), sides[chosen])
    return t


def _cut_edges(t: Triangulation) -> Ints:
    """Edges with ends on either side of the last level, the negative end first."""
    side = t.sides[:, -1]
    corners = side[t.cells]
    edges = edges_of(t.cells[(corners.min(axis=1) < 0) & (corners.max(axis=1) > 0)])
    edges = edges[side[edges[:, 0]] * side[edges[:, 1]] < 0]
    return np.where(side[edges[:, :1]] < 0, edges, edges[:, ::-1])


def _snapped(t: Triangulation, levels: Sequence[Level], guard: float, banned: Bools) -> tuple[Triangulation, Bools]:
    """One pass of moving the nearer ends of cut edges onto the set; vertices that had to go back are banned."""
    edges = _cut_edges(t)
    edges = edges[~(banned | t.locked)[edges].all(axis=1)]
    if not len(edges):
        return t, banned
    vertices, target, distance = _targets(t, levels, edges)
    distance[banned[vertices]] = np.inf
    place = np.searchsorted(vertices, edges)
    move = np.zeros(len(vertices), dtype=bool)
    # distances that differ by round-off only must not decide between the two sides of a line of vertices
    rounded = np.round(distance, 9)
    nearer = np.where(rounded[place[:, 0]] <= rounded[place[:, 1]], place[:, 0], place[:, 1])
    for i in np.lexsort((edges[:, 1], edges[:, 0], rounded[nearer])):
        if np.isinf(distance[nearer[i]]):
            break
        if not move[place[i]].any():
            move[nearer[i]] = True
    lonely = _lonely(t, vertices[move])
    banned = banned.copy()
    banned[vertices[move][lonely]] = True
    move[np.flatnonzero(move)[lonely]] = False
    points = t.points.copy()
    points[vertices[move]] = target[move]
    length = np.zeros(len(t.points))
    length[vertices[move]] = distance[move]
    touched = np.flatnonzero((length > 0)[t.cells].any(axis=1))
    before = t.quality(touched)
    back = np.zeros(len(t.points), dtype=bool)
    while True:
        after = t.quality(touched, points)
        bad = touched[(after < guard) & (after < before * (1 - 1e-6))]
        if not bad.size:
            break
        farthest = t.cells[bad, length[t.cells[bad]].argmax(axis=1)]
        points[farthest] = t.points[farthest]
        length[farthest] = 0.0
        back[farthest] = True
    sides = t.sides.copy()
    sides[vertices[move & ~back[vertices]], -1] = 0
    return replace(t, points=points, sides=sides), banned | back


def _lonely(t: Triangulation, vertices: Ints) -> Bools:
    """Which vertices leave no neighbour on their side behind when all of them go: a part of a region would vanish."""
    side = t.sides[:, -1].copy()
    side[vertices] = 0
    corners = side[t.cells]
    friends = np.zeros((2, len(t.points)), dtype=bool)
    friends[0, t.cells[(corners < 0).any(axis=1)]] = True
    friends[1, t.cells[(corners > 0).any(axis=1)]] = True
    return np.asarray(~friends[(t.sides[vertices, -1] > 0).astype(int), vertices])


def _targets(t: Triangulation, levels: Sequence[Level], edges: Ints) -> tuple[Ints, Array, Array]:
    """Where the ends of cut edges can go: the vertices, the points and the distances (infinite where nowhere).

    The nearest point of the set, or the cut of an edge where Newton's method does not arrive or goes farther, which
    happens at corners of the set.
    """
    vertices = np.unique(edges)
    start = t.points[vertices]
    walls = t.walls(start)
    earlier = t.sides[vertices, :-1] == 0
    first, last = t.ends(edges)
    fraction = edge_roots(levels[-1], first, last, t.sides[edges[:, 0], -1])
    cut = t.kept(first + fraction[:, None] * (last - first))
    place = np.searchsorted(vertices, edges).T.ravel()
    root = np.vstack([cut, cut])
    far = t.lengths(t.apart(root - start[place]))
    reach = np.full(len(vertices), np.inf)
    np.minimum.at(reach, place, far)
    free = ~(walls[place] & (root != start[place])).any(axis=1) & ~earlier[place].any(axis=1)
    target, distance = start.copy(), np.full(len(vertices), np.inf)
    order = np.flatnonzero(free)[np.argsort(-far[free], kind="stable")]  # the last assignment is the nearest
    target[place[order]], distance[place[order]] = root[order], far[order]
    active = np.hstack([earlier, np.ones((len(vertices), 1), dtype=bool)])
    nearest, arrived = project(t, levels, active, start, walls)
    length = t.lengths(t.apart(nearest - start))
    bound = np.where(walls.any(axis=1) | earlier.any(axis=1), 1.5 * reach, 1.000001 * reach)
    better = arrived & (length <= bound) & (length < distance * 1.000001)
    target[better], distance[better] = nearest[better], length[better]
    distance[t.locked[vertices]] = np.inf
    return vertices, target, distance


def _split(t: Triangulation, levels: Sequence[Level]) -> Triangulation:
    """All edges that are still cut bisected on the set, longest first."""
    while True:
        edges = _cut_edges(t)
        if not len(edges):
            return t
        start, end = t.ends(edges)
        fraction = edge_roots(levels[-1], start, end, t.sides[edges[:, 0], -1])
        close = np.minimum(fraction, 1 - fraction) < IMMOVABLE
        if close.any():
            sides = t.sides.copy()
            sides[np.where(fraction < 0.5, edges[:, 0], edges[:, 1])[close], -1] = 0
            t = replace(t, sides=sides)
            continue
        sides = _new_sides(t, edges)
        sides[:, -1] = 0
        chosen = t.independent(edges, -t.lengths(end - start))
        points = t.kept(start + fraction[:, None] * (end - start))
        t = _drawn(t.bisected(edges[chosen], points[chosen], sides[chosen]), levels, len(chosen))


def _drawn(t: Triangulation, levels: Sequence[Level], new: int) -> Triangulation:
    """The last vertices, put on straight edges, drawn onto all the sets that they belong to, where cells allow it."""
    last = np.arange(len(t.points) - new, len(t.points))
    active = t.sides[last] == 0
    several = active.sum(axis=1) > 1
    last, active = last[several], active[several]
    target, arrived = project(t, levels, active, t.points[last], t.walls(t.points[last]))
    for vertex, point in zip(last[arrived], target[arrived], strict=True):
        cells = np.flatnonzero((t.cells == vertex).any(axis=1))
        points = t.points.copy()
        points[vertex] = point
        if t.quality(cells, points).min() > 0.3 * t.quality(cells).min():
            t = replace(t, points=points)
    return t


def _new_sides(t: Triangulation, edges: Ints) -> npt.NDArray[np.int8]:
    """Sides of vertices put on edges, for all levels: that of the edge; on the set if cells of both sides are around.

    An edge with both ends on the set and all cells on one side belongs to that side: a chord.
    """
    ends = t.sides[edges].astype(np.int8)
    sides = np.where(ends[:, 0] != 0, ends[:, 0], ends[:, 1])
    edge, cell, _ = t.around(edges)
    low, high = np.zeros_like(sides), np.zeros_like(sides)
    np.minimum.at(low, edge, t.sides[t.cells[cell]].min(axis=1))
    np.maximum.at(high, edge, t.sides[t.cells[cell]].max(axis=1))
    sides = np.where(sides != 0, sides, low + high).astype(np.int8)
    if t.given:  # nothing lies beyond the boundary of a mesh from a file, and its edges are on it all the same
        facets, _ = boundary_facets(t.cells)
        on = np.isin(t.keys(np.sort(edges, axis=1)), t.keys(edges_of(facets) if t.dimension > 2 else facets))
        sides[on, : t.given] = 0
    return sides


def _separated(t: Triangulation, level: Level) -> tuple[Triangulation, bool]:
    """Cells with all corners on the last set bisected, on the edge whose middle is farthest from it."""
    flat = np.flatnonzero(~t.sides[:, -1][t.cells].any(axis=1))
    first, second = np.triu_indices(t.dimension + 1, 1)
    pairs = np.stack([t.cells[flat][:, first], t.cells[flat][:, second]], axis=-1)
    middle = t.middles(pairs.reshape(-1, 2)).reshape(*pairs.shape[:2], t.dimension)
    value = evaluate(level, middle.reshape(-1, t.dimension)).reshape(middle.shape[:2])
    most = np.abs(value).argmax(axis=1) if len(flat) else np.empty(0, dtype=int)
    rows = np.arange(len(flat))
    edges = np.sort(pairs[rows, most], axis=1)
    chosen_value = value[rows, most]
    slope = np.linalg.norm(slopes(level, t, middle[rows, most]), axis=1)
    off = np.abs(chosen_value) > ON_THE_SET * slope
    if not off.any():
        return t, False
    edges, once = np.unique(edges[off], axis=0, return_index=True)
    middle = middle[rows, most][off][once]
    sides = _new_sides(t, edges)
    sides[:, -1] = np.sign(chosen_value[off][once])
    chosen = t.independent(edges, -t.lengths(t.along(edges)))
    return t.bisected(edges[chosen], middle[chosen], sides[chosen]), True
