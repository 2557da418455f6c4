"""The boundary of a domain without its mesh: points of it with normals, and how far points are beyond it."""

from __future__ import annotations

from itertools import product

import numpy as np

from fpsolver.case import Ball, Box, Domain, MeshFile
from fpsolver.domain.triangulation import Array

SAMPLES = {1: 1, 2: 201, 3: 41}
"""Points along each direction of a face of a box."""

AROUND = {1: 2, 2: 800, 3: 4000}
"""Points of a sphere."""


def boundary_of(domain: Domain) -> tuple[Array, Array]:
    """Points of the boundary and outward unit normals there, (n, d) each."""
    if isinstance(domain, Box):
        return _of_box(domain)
    return _of_ball(domain) if isinstance(domain, Ball) else _of_mesh(domain)


def beyond(ball: Ball, points: Array) -> Array:
    """How far points (n, d) are outside of a ball, or in its hole; negative inside."""
    distance = np.linalg.norm(points - np.array(ball.center), axis=1)
    outer = distance - ball.radius
    return np.asarray(np.maximum(outer, ball.hole - distance) if ball.hole else outer)


def _of_box(box: Box) -> tuple[Array, Array]:
    d = box.dimension
    points, normals = [], []
    for axis, (side, corner) in product(range(d), ((-1.0, box.lower), (1.0, box.upper))):
        axes = [np.linspace(a, b, SAMPLES[d]) for a, b in zip(box.lower, box.upper, strict=True)]
        axes[axis] = np.array([corner[axis]])
        face = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
        points.append(face)
        normals.append(np.broadcast_to(side * np.eye(d)[axis], face.shape))
    return np.concatenate(points), np.concatenate(normals)


def _of_ball(ball: Ball) -> tuple[Array, Array]:
    ways = directions(AROUND[ball.dimension], ball.dimension)
    center = np.array(ball.center)
    outer = center + ball.radius * ways
    if not ball.hole:
        return outer, ways
    return np.concatenate([outer, center + ball.hole * ways]), np.concatenate([ways, -ways])


def _of_mesh(domain: MeshFile) -> tuple[Array, Array]:
    data = domain.data
    corners = data.points[data.facets]
    middles = corners.mean(axis=1)
    d = data.dimension
    if d == 1:
        inward = data.points.mean() - middles
    else:
        frame = np.linalg.svd(corners[:, 1:] - corners[:, :1])[2][:, -1]
        step = 1e-6 * data.mean_edge * frame
        inward = np.where(data.holds(middles + step)[:, None], frame, -frame)
    return middles, -inward / np.linalg.norm(inward, axis=1, keepdims=True)


def directions(count: int, d: int) -> Array:
    """Unit vectors, evenly spread, (count, d)."""
    if d == 1:
        return np.array([[1.0], [-1.0]])
    turn = 2.0 * np.pi * (np.arange(count) / count if d == 2 else np.arange(count) * (np.sqrt(5.0) - 1.0) / 2.0)
    if d == 2:
        return np.column_stack([np.cos(turn), np.sin(turn)])
    z = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    return np.column_stack([np.sqrt(1.0 - z**2) * np.cos(turn), np.sqrt(1.0 - z**2) * np.sin(turn), z])
