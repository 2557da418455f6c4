"""Points that shall be vertices of a triangulation, such as the starts of exit times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from fpsolver.domain.triangulation import Array, Ints, Triangulation, edges_of
from fpsolver.errors import BadUsage, SolverFailed

KEPT = 0.35
"""Quality that cells must keep when a vertex moves to an anchor, as a fraction of the worst background cell."""

EASED = 0.95
"""That requirement is lowered by this factor each time a cell has to be bisected."""

ROUND_OFF = 1e-12
"""Points closer than this, in background cells, are one."""


def anchored(triangulation: Triangulation, anchors: Sequence[npt.ArrayLike]) -> Triangulation:
    """The triangulation with a locked vertex at each anchor, exactly (to round-off on the faces of the box).

    A vertex of the cell that holds the anchor moves there, the one that keeps the best shapes; where none can, the
    cell is bisected first.

    Raises:
        BadUsage: An anchor lies outside the box.
    """
    t = triangulation
    worst = float(t.quality().min(initial=1.0))
    for anchor in anchors:
        point = np.asarray(anchor, dtype=float)
        point = np.where(np.abs(point - t.lower) <= ROUND_OFF * t.spacing, t.lower, point)
        point = np.where(np.abs(point - t.upper) <= ROUND_OFF * t.spacing, t.upper, point)
        point = np.where(t.closes, t.kept(point), point)
        where = ", ".join(f"{x:.6g}" for x in point)
        if ((point < t.lower) | (point > t.upper)).any():
            raise BadUsage(f"the point ({where}) lies outside the domain; choose one inside")
        for attempt in range(100):
            cells = _holding(t, point)
            moved = _moved(t, cells, point, KEPT * worst * EASED**attempt)
            if moved is not None:
                t = moved
                break
            t = _bisected(t, int(cells[0]))
        else:
            raise SolverFailed(f"no vertex could be put at ({where}); use smaller cells, or points farther apart")
    return t


def _holding(t: Triangulation, point: Array) -> Ints:
    """The cells that hold a point, several if it lies on their facets."""
    corners = t.corners()
    middles = corners.mean(axis=1)
    images = middles + t.apart(point - middles)  # of the point, the nearest to each cell
    near = (
        (corners.min(axis=1) <= images + t.spacing * ROUND_OFF)
        & (corners.max(axis=1) >= images - t.spacing * ROUND_OFF)
    ).all(axis=1)
    candidates = np.flatnonzero(near)
    corners, images = corners[candidates] / t.spacing, images[candidates] / t.spacing
    edges = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
    local = np.linalg.solve(edges, (images - corners[:, 0])[..., None])[..., 0]
    depth = np.minimum(local.min(axis=1), 1.0 - local.sum(axis=1))
    return candidates[depth >= min(-ROUND_OFF, float(depth.max()))]


def _moved(t: Triangulation, cells: Ints, point: Array, least: float) -> Triangulation | None:
    """With the best vertex of these cells at the point, None if none may go there."""
    vertices = np.unique(t.cells[cells])
    distance = t.lengths(t.apart(t.points[vertices] - point))
    walls = t.walls(t.points[vertices])
    best: Triangulation | None = None
    best_quality = least
    locked = t.locked.copy()
    for i in np.argsort(distance, kind="stable"):
        vertex = int(vertices[i])
        if distance[i] <= ROUND_OFF:
            locked[vertex] = True
            points = t.points.copy()
            points[vertex] = np.where(walls[i], points[vertex], point)
            return replace(t, points=points, locked=locked)
        if t.locked[vertex] or (walls[i] & (t.points[vertex] != point)).any():
            continue
        points = t.points.copy()
        points[vertex] = point
        around = np.flatnonzero((t.cells == vertex).any(axis=1))
        quality = float(t.quality(around, points).min())
        if quality >= best_quality:
            locked = t.locked.copy()
            locked[vertex] = True
            best, best_quality = replace(t, points=points, locked=locked), quality * (1 + 1e-9)
    return best


def _bisected(t: Triangulation, cell: int) -> Triangulation:
    """A cell or one of its neighbours bisected: the longest edge, or a longer one of the cells around that one, ...

    So every cell is bisected at its longest edge, which keeps the shapes.
    """
    edge, length = _longest(t, np.array([cell]))
    while True:
        longer, reached = _longest(t, np.unique(t.around(edge)[1]))
        if reached <= length * (1 + 1e-9):
            break
        edge, length = longer, reached
    return t.bisected(edge, t.middles(edge), np.empty((1, t.sides.shape[1]), dtype=np.int8))


def _longest(t: Triangulation, cells: Ints) -> tuple[Ints, float]:
    """The longest edge of some cells, (1, 2), and its length."""
    edges = edges_of(t.cells[cells])
    length = t.lengths(t.along(edges))
    longest = int(length.argmax())
    return edges[longest : longest + 1], float(length[longest])
