"""Points of the domain to try formulas at: a lattice and random points, the same in every run."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.sections import Ball, Box

Array = NDArray[np.float64]
Function = Callable[[Array], Array]  # (n, d) points -> (n,) values

LATTICE = {1: 2001, 2: 61, 3: 17}  # points along each coordinate, odd so that the centre is one of them
DENSE = {1: 1_000_001, 2: 1001, 3: 101}  # the same for a search that must not miss a small set
RANDOM = 1000


def lattice_points(domain: Box | Ball, count: int | None = None) -> Array:
    """(n, d) points of a lattice over the bounding box, corners included, that lie in the domain."""
    count = count or LATTICE[domain.dimension]
    axes = [np.linspace(low, high, count) for low, high in zip(domain.lower, domain.upper, strict=True)]
    return _inside(domain, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, domain.dimension))


def random_points(domain: Box | Ball, count: int = RANDOM) -> Array:
    """(n, d) random points in the domain; they avoid the special places that a lattice hits."""
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    points = np.random.default_rng(20011).random((count, domain.dimension))
    return _inside(domain, lower + (upper - lower) * points)


def boundary_points(domain: Box | Ball) -> Array:
    """(n, d) points of the boundary."""
    if isinstance(domain, Ball):
        directions = np.random.default_rng(20011).standard_normal((4000, domain.dimension))
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        return np.asarray(np.array(domain.center) + domain.radius * directions / lengths)
    points = lattice_points(domain)
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    outer: Array = points[((points == lower) | (points == upper)).any(axis=1)]
    return outer


def _inside(domain: Box | Ball, points: Array) -> Array:
    if isinstance(domain, Box):
        return points
    inner: Array = points[np.linalg.norm(points - np.array(domain.center), axis=1) <= domain.radius]
    return inner


def lowest(function: Function, domain: Box | Ball, points: Array, rounds: int = 14) -> tuple[float, Array]:
    """The lowest value that a function is seen to take, and where.

    Starts from the eight lowest of the given points and looks around them on ever finer lattices, so that sets much
    smaller than the spacing of the points are found. Values that are not finite are passed over.

    Returns:
        The value (inf where no value is finite) and the point.
    """
    dimension = domain.dimension
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    step = (upper - lower) / (LATTICE[dimension] - 1)
    offsets = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    values = _finite(function(points))
    chosen = np.argsort(values, kind="stable")[:8]
    seeds, best = points[chosen], values[chosen]
    for _ in range(rounds):
        around = np.clip(seeds[:, None, :] + step * offsets, lower, upper)
        found = _finite(function(around.reshape(-1, dimension))).reshape(len(seeds), -1)
        if isinstance(domain, Ball):
            found[np.linalg.norm(around - np.array(domain.center), axis=2) > domain.radius] = math.inf
        index = found.argmin(axis=1)
        rows = np.arange(len(seeds))
        better = found[rows, index] < best
        seeds = np.where(better[:, None], around[rows, index], seeds)
        best = np.where(better, found[rows, index], best)
        step = step / 2
    place = int(best.argmin())
    return float(best[place]), seeds[place]


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, math.inf)
