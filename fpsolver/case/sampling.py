"""Points of the domain to try formulas at: a lattice and random points, the same in every run."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.expressions import Expression
from fpsolver.case.sections import Ball, Box, Domain, MeshFile

Array = NDArray[np.float64]
Function = Callable[[Array], Array]  # (n, d) points -> (n,) values

LATTICE = {1: 2001, 2: 61, 3: 17}  # points along each coordinate, odd so that the centre is one of them
DENSE = {1: 1_000_001, 2: 1001, 3: 101}  # the same for a search that must not miss a small set
RANDOM = 1000
OPERATIONS = 100_000_000  # of a dense search, about a second


def lattice_points(domain: Domain, count: int | None = None) -> Array:
    """(n, d) points of a lattice over the bounding box, corners included, that lie in the domain."""
    count = count or LATTICE[domain.dimension]
    axes = [np.linspace(low, high, count) for low, high in zip(domain.lower, domain.upper, strict=True)]
    return _inside(domain, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, domain.dimension))


def dense(domain: Domain, expression: Expression) -> int:
    """Points along each coordinate for a search that must not miss a small set; fewer for a very long formula."""
    affordable = int(float(OPERATIONS / expression.size) ** (1.0 / domain.dimension))
    return max(LATTICE[domain.dimension], min(DENSE[domain.dimension], affordable))


def random_points(domain: Domain, count: int = RANDOM) -> Array:
    """(n, d) random points in the domain; they avoid the special places that a lattice hits."""
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    points = np.random.default_rng(20011).random((count, domain.dimension))
    return _inside(domain, lower + (upper - lower) * points)


def boundary_points(domain: Domain) -> Array:
    """(n, d) points of the boundary."""
    if isinstance(domain, Ball):
        directions = np.random.default_rng(20011).standard_normal((4000, domain.dimension))
        lengths = np.linalg.norm(directions, axis=1, keepdims=True)
        radii = np.where(np.arange(4000)[:, None] % 2 == 0, domain.radius, domain.hole or domain.radius)
        return np.asarray(np.array(domain.center) + radii * directions / lengths)
    if isinstance(domain, MeshFile):
        return domain.data.boundary_points
    points = lattice_points(domain)
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    outer: Array = points[(((points == lower) | (points == upper)) & np.isinf(domain.periods)).any(axis=1)]
    return outer


def _inside(domain: Domain, points: Array) -> Array:
    if isinstance(domain, Box):
        return points
    inner: Array = points[domain.inside(points)]
    if not len(inner) and isinstance(domain, MeshFile):  # thin in its bounding box
        return np.asarray(domain.data.points[domain.data.cells].mean(axis=1))
    return inner


def lowest(function: Function, domain: Domain, points: Array, rounds: int = 14) -> tuple[float, Array]:
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
        if not isinstance(domain, Box):
            found[~domain.inside(around.reshape(-1, dimension)).reshape(found.shape)] = math.inf
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
