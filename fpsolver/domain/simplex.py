"""Pure geometry of simplices, vectorised: halving, clipping by a level, and the lattice inside one."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def reference_simplex(dimension: int) -> Array:
    """Corners of the reference simplex, (d + 1, d)."""
    return np.vstack([np.zeros(dimension), np.eye(dimension)])


def kuhn_cells(dimension: int, degree: int) -> tuple[Ints, Ints]:
    """Cut a simplex into degree^d simplices on its lattice (the Kuhn triangulation restricted to it).

    In the coordinates k >= y_1 >= y_2 >= ... >= y_d >= 0 a simplex is a union of Kuhn simplices of the unit cubes.

    Returns:
        The lattice points in barycentric steps (p, d + 1), each row summing to the degree, and the corners of the
        small simplices as indices into them, (degree^d, d + 1).
    """
    ordered = [y for y in itertools.product(range(degree + 1), repeat=dimension) if all(np.diff(y) <= 0)]
    index = {y: i for i, y in enumerate(ordered)}
    steps = np.eye(dimension, dtype=int)
    small = []
    for start in ordered:
        for order in itertools.permutations(range(dimension)):
            climbed = np.cumsum(steps[list(order)], axis=0)
            path = [start, *(tuple(corner) for corner in (np.array(start) + climbed).tolist())]
            if all(corner in index for corner in path):
                small.append([index[corner] for corner in path])
    y = np.array(ordered, dtype=np.int64)
    chain = np.hstack([np.full((len(y), 1), degree), y, np.zeros((len(y), 1), dtype=np.int64)])
    return chain[:, :-1] - chain[:, 1:], np.array(small, dtype=np.int64)


def element_subcells(points: Array, degree: int) -> Ints:
    """Corners of the small simplices as indices into the nodes (p, d) of a Lagrange element of this degree.

    The nodes may be warped away from the equidistant lattice; each is matched with its lattice point.
    """
    dimension = points.shape[1]
    steps, small = kuhn_cells(dimension, degree)
    lattice = steps[:, 1:] / degree
    distance = np.linalg.norm(lattice[:, None] - points[None], axis=-1)
    _, node = linear_sum_assignment(distance**2)
    return np.asarray(node, dtype=np.int64)[small]


def halves(simplices: Array) -> Array:
    """Each simplex (m, d + 1, d) cut into its 2^d children: (m 2^d, d + 1, d)."""
    steps, small = kuhn_cells(simplices.shape[2], 2)
    nodes = np.einsum("pa,mad->mpd", steps / 2.0, simplices)
    return np.asarray(nodes[:, small].reshape(-1, *simplices.shape[1:]))


def clip(simplices: Array, level: Array) -> tuple[Array, Ints]:
    """The part {g < 0} of each simplex for the linear g with the given values at the corners.

    With k negative corners that part is the product of a (k - 1)-simplex (the negative corners) and a
    (d + 1 - k)-simplex (stay at the corner, or go to the cut of one of the edges to a positive corner); the staircase
    triangulation of the product cuts it into simplices.

    Args:
        simplices: (m, d + 1, d).
        level: g at the corners, (m, d + 1).

    Returns:
        Simplices (n, d + 1, d), and for each the index of the one it was cut from, (n,).
    """
    _, corners, dimension = simplices.shape
    order = np.argsort(level, axis=1, kind="stable")
    sorted_corners = np.take_along_axis(simplices, order[:, :, None], axis=1)
    g = np.take_along_axis(level, order, axis=1)
    negative = (g < 0).sum(axis=1)
    parts, origins = [np.empty((0, corners, dimension))], [np.empty(0, dtype=np.int64)]
    for k in range(1, corners + 1):
        chosen = np.flatnonzero(negative == k)
        if not chosen.size:
            continue
        x, value = sorted_corners[chosen], g[chosen]
        # grid[i][j]: negative corner i, either itself (j = 0) or its cut towards positive corner k + j - 1
        grid = np.empty((len(chosen), k, corners - k + 1, dimension))
        grid[:, :, 0] = x[:, :k]
        for j in range(corners - k):
            fraction = value[:, :k] / (value[:, :k] - value[:, k + j, None])
            grid[:, :, j + 1] = x[:, :k] + fraction[:, :, None] * (x[:, None, k + j] - x[:, :k])
        for path in _staircases(k, corners - k + 1):
            parts.append(np.stack([grid[:, i, j] for i, j in path], axis=1))
            origins.append(chosen)
    return np.concatenate(parts), np.concatenate(origins)


def _staircases(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """Monotone lattice paths from (0, 0) to (rows - 1, columns - 1)."""
    steps = rows + columns - 2
    paths = []
    for down in itertools.combinations(range(steps), rows - 1):
        i = j = 0
        path = [(0, 0)]
        for step in range(steps):
            i, j = (i + 1, j) if step in down else (i, j + 1)
            path.append((i, j))
        paths.append(path)
    return paths
