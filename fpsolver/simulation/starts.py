"""First positions of walkers, drawn from the initial densities of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from fpsolver.case import Case, Domain, Expression, Initial, Region
from fpsolver.case.expressions import Program
from fpsolver.errors import BadUsage, SolverFailed

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

CELLS = 2**15
"""About how many cells bound a density from above."""

MARGIN = 1.25
"""A density is taken to stay below so many times what it is at corners and midpoints of a cell."""

ROUNDS = 10_000
"""So many rounds of rejection without enough walkers, and the density has no mass that could be found."""

Sampler = Callable[[np.random.Generator, int], Array]
"""(random numbers, n) -> n positions, (d, n)."""


def start_at(point: tuple[float, ...]) -> Sampler:
    """All walkers at one point."""
    return lambda random, count: np.repeat(np.array(point, dtype=float)[:, None], count, axis=1)


def start_from(initial: Initial, case: Case) -> Sampler:
    """Walkers with the initial density of a case, restricted to the domain.

    Raises:
        BadUsage: The density is that of an earlier run.
    """
    domain = case.domain
    if initial.kind == "point":
        assert initial.point is not None
        return start_at(initial.point)
    if initial.kind == "gaussian":
        mean = np.asarray(initial.mean, dtype=float)[:, None]
        deviation = np.broadcast_to(np.asarray(initial.std, dtype=float), (len(mean),))[:, None]
        return _rejected(lambda random, n: mean + deviation * random.standard_normal((len(mean), n)), domain.inside)
    if initial.kind == "uniform":
        assert initial.region is not None
        level = _formula(case.regions[initial.region].level, case.coordinates)
        return _rejected(_even(domain), lambda points: domain.inside(points) & (level(points) < 0.0))
    if initial.kind == "expression":
        assert initial.expression is not None
        return _bounded(_formula(initial.expression, case.coordinates), domain)
    raise BadUsage("initial.file: walkers cannot start from the density of an earlier run; write another initial")


def within(sampler: Sampler, region: Region, coordinates: tuple[str, ...]) -> Sampler:
    """The same density inside a region alone."""
    level = _formula(region.level, coordinates)
    return _rejected(sampler, lambda points: level(points) < 0.0)


def _formula(expression: Expression, coordinates: tuple[str, ...]) -> Callable[[Array], Array]:
    program = Program([expression])

    def values(points: Array) -> Array:
        where: Mapping[str, Array] = dict(zip(coordinates, points.T, strict=True))
        return program(where)[0]

    return values


def _even(domain: Domain) -> Sampler:
    lower, upper = (np.asarray(corner, dtype=float)[:, None] for corner in (domain.lower, domain.upper))
    return lambda random, n: lower + (upper - lower) * random.random((len(lower), n))


def _rejected(propose: Sampler, accept: Callable[[Array], Bools]) -> Sampler:
    """Proposals are drawn until enough of them are accepted."""

    def sample(random: np.random.Generator, count: int) -> Array:
        found, missing = [], count
        for _ in range(ROUNDS):
            proposed = propose(random, max(2 * missing, 64))
            good = proposed[:, accept(proposed.T)][:, :missing]
            found.append(good)
            missing -= good.shape[1]
            if missing == 0:
                return np.concatenate(found, axis=1)
        raise SolverFailed("initial: hardly any of the density is inside; write one with more mass in the domain")

    return sample


def _bounded(density: Callable[[Array], Array], domain: Domain) -> Sampler:
    """Rejection under a bound that is constant on the cells of a grid over the bounding box."""
    lower, upper = np.asarray(domain.lower, dtype=float), np.asarray(domain.upper, dtype=float)
    size = len(lower)
    cells = round(CELLS ** (1.0 / size))
    ticks = [np.linspace(low, high, 2 * cells + 1) for low, high in zip(lower, upper, strict=True)]
    grid = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1)
    values = np.maximum(density(grid.reshape(-1, size)).reshape(grid.shape[:-1]), 0.0)
    for axis in range(size):
        ends = np.moveaxis(values, axis, 0)
        values = np.moveaxis(np.maximum(np.maximum(ends[:-1:2], ends[1::2]), ends[2::2]), 0, axis)
    bound = MARGIN * values.ravel()
    chances = bound / bound.sum()
    edge = (upper - lower) / cells

    def propose(random: np.random.Generator, count: int) -> Array:
        place = random.choice(len(chances), size=count, p=chances)
        corner = np.stack(np.unravel_index(place, (cells,) * size), axis=0)
        points = lower[:, None] + edge[:, None] * (corner + random.random((size, count)))
        kept = random.random(count) * bound[place] < density(points.T)
        return np.asarray(points[:, kept])

    return _rejected(propose, domain.inside)
