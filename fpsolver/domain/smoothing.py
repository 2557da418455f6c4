"""Badly shaped cells improved by moving their vertices, each within the box's faces and the sets that it is on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fpsolver.domain.levelset import Level, project
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation

STEPS = (0.4, 0.15, 0.05)
"""Lengths of the moves that are tried, in mean edge lengths around the vertex."""


def smoothed(triangulation: Triangulation, levels: Sequence[Level], wanted: float, sweeps: int = 30) -> Triangulation:
    """Vertices of cells with a quality below ``wanted`` moved where that raises the worst quality around them.

    In each sweep vertices of which no cell has two try a star of moves; those that gain nothing rest until a
    neighbour has moved.
    """
    t = triangulation
    resting = t.locked.copy()
    for _ in range(sweeps):
        quality = t.quality()
        bad = quality < wanted
        if not bad.any():
            break
        vertices = _turn(t, quality, bad, resting)
        if not vertices.size:
            break
        points, gained = _best_moves(t, levels, quality, vertices)
        resting[vertices] = True
        if gained.any():
            moved = t.points.copy()
            moved[vertices[gained]] = points[gained]
            t = replace(t, points=moved)
            near = np.isin(t.cells, vertices[gained]).any(axis=1)
            resting[t.cells[near]] = t.locked[t.cells[near]]
    return t


def _turn(t: Triangulation, quality: Array, bad: Bools, resting: Bools) -> Ints:
    """Vertices of bad cells that may move now: first, by the worst cell around them, in all their cells."""
    worst = np.full(len(t.points), np.inf)
    np.minimum.at(worst, t.cells[bad], quality[bad][:, None])
    worst[resting] = np.inf
    waiting = np.flatnonzero(np.isfinite(worst))
    place = np.full(len(t.points), len(t.points), dtype=np.int64)
    place[waiting[np.argsort(worst[waiting], kind="stable")]] = np.arange(len(waiting))
    first = place[t.cells].min(axis=1)
    beaten = np.zeros(len(t.points), dtype=bool)
    beaten[t.cells[place[t.cells] > first[:, None]]] = True
    return waiting[~beaten[waiting]]


def _best_moves(t: Triangulation, levels: Sequence[Level], quality: Array, vertices: Ints) -> tuple[Array, Bools]:
    """For each vertex the best of its moves, and whether it is better than staying."""
    d = t.dimension
    index = np.full(len(t.points), -1)
    index[vertices] = np.arange(len(vertices))
    cell, position = np.nonzero(index[t.cells] >= 0)
    owner = index[t.cells[cell, position]]
    corners = t.corners(cell)
    start = t.points[vertices]
    size = np.zeros(len(vertices))
    np.add.at(size, owner, t.lengths(t.apart(corners - start[owner][:, None])).sum(axis=1) / d)
    size /= np.bincount(owner, minlength=len(vertices))
    star = np.array([s for s in itertools.product((-1.0, 0.0, 1.0), repeat=d) if any(s)])
    star /= np.linalg.norm(star, axis=1)[:, None]
    moves = np.concatenate([step * star for step in STEPS])
    walls = t.walls(start)
    trial = start[:, None] + np.where(walls[:, None], 0.0, moves * size[:, None, None] * t.spacing)
    trial = np.where(walls[:, None], start[:, None], t.kept(trial))
    possible = np.ones(trial.shape[:2], dtype=bool)
    active = t.sides[vertices] == 0
    bound = np.flatnonzero(active.any(axis=1))
    if bound.size:
        many = np.repeat(bound, len(moves))
        drawn, arrived = project(t, levels, active[many], trial[bound].reshape(-1, d), walls[many])
        trial[bound] = drawn.reshape(len(bound), len(moves), d)
        possible[bound] = arrived.reshape(len(bound), len(moves))
    # a wall is kept, but a vertex inside must not come to lie on one
    possible &= (t.walls(trial) == walls[:, None]).all(axis=-1)
    reached = np.full(possible.shape, np.inf)
    for j in range(len(moves)):
        changed = corners.copy()
        changed[np.arange(len(cell)), position] = trial[owner, j]
        np.minimum.at(reached[:, j], owner, t.shape(t.together(changed)))
    now = np.full(len(vertices), np.inf)
    np.minimum.at(now, owner, quality[cell])
    reached[~possible] = -np.inf
    best = reached.argmax(axis=1)
    rows = np.arange(len(vertices))
    return trial[rows, best], reached[rows, best] > now * (1 + 1e-3)
