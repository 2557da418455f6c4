"""Points of the edge of a region where f is least along the edge and rises outward."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsolver.model import Model
from fpsolver.problems.landscape.passes import Door
from fpsolver.wrapping import nearest, wrapped

Array = npt.NDArray[np.float64]

MOST = 60
"""So many points of the edge are polished, the lowest ones."""

STEPS = 25
NEAR = 1e-3
"""Nodes farther from the edge, as a fraction of the box, belong to a wall where the process ends."""

SAME = 1e-6
REACHED = 1e-8
ISOLATED = 1e-6
"""Least curvature along the edge, as a fraction of the slope over the size of the box."""


@dataclass(frozen=True)
class EdgeMinimum:
    """A point of the edge.

    Attributes:
        point: (d,).
        slope: Derivative of f along the outward normal, positive.
        eigenvalues: Of the Hessian of f along the edge, positive, (d - 1,).
    """

    point: Array
    slope: float
    eigenvalues: Array


def edge_minima(model: Model, door: Door, nodes: Array, height: Callable[[Array], Array]) -> list[EdgeMinimum]:
    """The isolated minima of f along the edge.

    Args:
        model: Its loss.
        door: The exit.
        nodes: Points of the edge to begin with, (n, d).
        height: Points to Phi; the lowest nodes are taken.
    """
    if not len(nodes):
        return []
    points = nodes[np.argsort(height(nodes), kind="stable")[:MOST]]
    points = points[np.abs(door.level(points)) <= NEAR * np.abs(door.slope(points) * door.size).max(axis=1)]
    if points.shape[1] > 1:
        points = wrapped(_polished(model, door, points), door.lower, door.periods)
    found: list[EdgeMinimum] = []
    for point in points:
        if any((np.abs(nearest(point - other.point, door.periods)) < SAME * door.size).all() for other in found):
            continue
        least = _judged(model, door, point)
        if least is not None:
            found.append(least)
    return found


def _judged(model: Model, door: Door, point: Array) -> EdgeMinimum | None:
    gradient, normal = model(point[None]).gradient[0], door.slope(point[None])[0]
    steep = float(np.linalg.norm(normal))
    slope = float(gradient @ normal) / steep
    if not slope > 0.0:
        return None
    along = np.linalg.svd(normal[None])[2][1:].T
    curvature = _hessian(model, door, point[None])[0] - slope / steep * door.bend(point[None])[0]
    eigenvalues = np.linalg.eigvalsh(along.T @ curvature @ along)
    if (eigenvalues <= ISOLATED * slope / float(door.size.max())).any():
        return None
    return EdgeMinimum(point, slope, eigenvalues)


def _hessian(model: Model, door: Door, points: Array) -> Array:
    count, d = points.shape
    step = 6e-6 * door.size
    moved = points[:, None, None, :] + np.array([1.0, -1.0])[:, None, None] * np.diag(step)
    slope = model(moved.reshape(-1, d)).gradient.reshape(count, 2, d, d)
    rows = (slope[:, 0] - slope[:, 1]) / (2.0 * step[:, None])
    return np.asarray(rows + rows.transpose(0, 2, 1)) / 2.0


def _polished(model: Model, door: Door, points: Array) -> Array:
    """Newton's method for grad f = multiplier grad g, g = 0, from many points at once; those that arrive."""
    count, d = points.shape
    normal = door.slope(points)
    multiplier = np.einsum("ni,ni->n", model(points).gradient, normal) / np.einsum("ni,ni->n", normal, normal)
    step = np.full_like(points, np.inf)
    matrix = np.zeros((count, d + 1, d + 1))
    for _ in range(STEPS):
        normal = door.slope(points)
        matrix[:, :d, :d] = _hessian(model, door, points) - multiplier[:, None, None] * door.bend(points)
        matrix[:, :d, d], matrix[:, d, :d] = -normal, normal
        right = np.concatenate(
            [-(model(points).gradient - multiplier[:, None] * normal), -door.level(points)[:, None]], axis=1
        )
        solved = np.einsum("nij,nj->ni", np.linalg.pinv(np.nan_to_num(matrix)), np.nan_to_num(right))
        far = np.maximum(np.abs(solved[:, :d] / door.size).max(axis=1) / 0.02, 1.0)
        step = solved[:, :d] / far[:, None]
        points = points + step
        multiplier = multiplier + solved[:, d]
    return points[(np.abs(step) <= REACHED * door.size).all(axis=1)]
