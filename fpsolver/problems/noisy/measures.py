"""What is measured of the densities of Noisy SGD: of each by itself, and between neighbouring values of eps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
import numpy.typing as npt
from scipy import special

from fpsolver.case import Case
from fpsolver.problems.noisy.identity import Balance, balance
from fpsolver.problems.noisy.levels import Level, Rung, densest, l1
from fpsolver.problems.noisy.verdict import Pair
from fpsolver.problems.noisy.wasserstein import Distance, gelbrich, wasserstein
from fpsolver.problems.observables import Moments, Observables
from fpsolver.quantity import Quantity
from fpsolver.runtime import on_root

Array = npt.NDArray[np.float64]

WALL = 0.02
"""Near a wall is what is closer than this fraction of the domain, along some coordinate."""

SHARES = special.ndtr(np.linspace(-3.5, 3.5, 57))
"""Shares of the mass at which bins of marginals begin: as many in the tails as inside."""

EVEN = 80
"""So many further edges of bins, evenly spread."""

INNER = (0.05, 0.95)
"""Between these shares of the mass is where it is said to be."""

SPREAD = 0.6
"""The mass of a quadrature point is spread by this fraction of the size of its cell to either side, for marginals."""


@dataclass(frozen=True)
class Marginal:
    """The density of one coordinate.

    Attributes:
        edges: Of bins, ascending, (k + 1,): closer together where there is more mass.
        masses: In the bins, (k,).
        inner: Between these 90 % of the mass is, without 5 % on either side.
    """

    edges: Array
    masses: Array
    inner: tuple[float, float]


@dataclass(frozen=True)
class Measured:
    """One density.

    Attributes:
        level: The density.
        moments: Mean, covariance and masses of the regions.
        mean_loss: Integral of f rho.
        spread: Integral of |x - middle of the box|^2 rho.
        concentration: Integral of rho log rho; it grows like (m/2) log(1/eps) where mass collapses onto a set of
            codimension m.
        near_walls: Mass near the walls.
        maximum: Largest value of the density.
        densest: Where that is, (d,).
        near_minima: Mass nearer to a minimum of the loss than to the others, (minima,).
        balance: Of noise and drift.
        marginals: Of each coordinate.
    """

    level: Level
    moments: Moments
    mean_loss: float
    spread: float
    concentration: float
    near_walls: float
    maximum: float
    densest: Array
    near_minima: Array
    balance: Balance
    marginals: tuple[Marginal, ...]

    def entry(self) -> dict[str, object]:
        """Of ``results.json``."""
        moments = self.moments
        return {
            "regularization": self.level.regularization,
            "resolved": self.level.resolved,
            "cells": self.level.mesh.cells,
            "content": self.level.content,
            "regions": {name: Quantity(value, scale="log") for name, value in moments.regions.items()},
            "mean": [Quantity(float(value)) for value in moments.mean],
            "covariance": [[Quantity(float(value)) for value in row] for row in moments.covariance],
            "mean_loss": Quantity(self.mean_loss),
            "second_moment": Quantity(self.spread),
            "maximum": Quantity(self.maximum, scale="log"),
            "densest": self.densest.tolist(),
            "concentration": Quantity(self.concentration, size=1.0),
            "near_walls": Quantity(self.near_walls, size=1.0),
        }


def measured(level: Level, case: Case, minima: Array) -> Measured:
    """The measures of a density. Collective.

    Args:
        level: The density.
        case: Names and regions, and the box.
        minima: Of the loss, (m, d).
    """
    generator = level.state.generator
    points, masses = level.points, level.masses
    lower, upper = np.asarray(case.domain.lower), np.asarray(case.domain.upper)
    density = np.maximum(generator.density(level.state.vector).ravel(), 0.0)
    logarithm = np.log(np.where(density > 0.0, density, 1.0))
    steps = WALL * np.diag(upper - lower)
    inner = np.logical_and.reduce([case.domain.inside(points + side) for step in steps for side in (step, -step)])
    nearest = np.linalg.norm(points[:, None] - minima, axis=2).argmin(axis=1) if len(minima) else np.zeros(0, int)
    sums = [
        masses @ generator.coefficients.loss,
        masses @ ((points - (lower + upper) / 2.0) ** 2).sum(axis=1),
        masses @ logarithm,
        masses[~inner].sum(),
        *np.bincount(nearest, masses if len(minima) else None, minlength=len(minima)),
    ]
    loss, spread, concentration, walls, *shares = generator.comm.allreduce(np.array(sums)).tolist()
    maximum, place = densest(level)
    return Measured(
        level,
        Observables(generator, case.coordinates, case.regions)(level.state.vector),
        loss,
        spread,
        concentration,
        walls,
        maximum,
        place,
        np.array(shares),
        balance(level, case.domain, place),
        _marginals(level),
    )


def _marginals(level: Level) -> tuple[Marginal, ...]:
    """Of each coordinate. Collective.

    The points of a mesh stand in columns, so the mass of each is spread over some of the size of its cell.
    """
    comm, measure = level.state.generator.comm, level.state.generator.quadrature.measure
    points = level.points
    d = points.shape[1]
    sizes = (factorial(d) * measure.sum(axis=1)) ** (1.0 / d)
    gathered = comm.gather((points, np.maximum(level.masses, 0.0), SPREAD * np.repeat(sizes, measure.shape[1])))

    def found() -> tuple[Marginal, ...]:
        assert gathered is not None
        everywhere, masses, width = (np.concatenate(parts) for parts in zip(*gathered, strict=True))
        return tuple(_marginal(x, masses, width) for x in everywhere.T)

    return on_root(comm, found)


def _marginal(x: Array, masses: Array, width: Array) -> Marginal:
    """Of masses that are spread to hats of these widths to either side."""
    ends = np.concatenate([x - width, x, x + width])
    bend = np.tile(masses / width**2, 3) * np.repeat([1.0, -2.0, 1.0], len(x))
    order = np.argsort(ends, kind="stable")
    ends = ends[order]
    step = np.diff(ends)
    height = np.maximum(np.append(0.0, np.cumsum(np.cumsum(bend[order])[:-1] * step)), 0.0)
    below = np.append(0.0, np.cumsum((height[1:] + height[:-1]) / 2.0 * step))
    below = below / below[-1]
    quantiles = np.clip(np.interp(SHARES, below, ends), x.min(), x.max())
    edges = np.union1d(quantiles, np.linspace(quantiles[0], quantiles[-1], EVEN))
    inner = np.interp(INNER, below, ends)
    return Marginal(edges, np.diff(np.interp(edges, ends, below)), (float(inner[0]), float(inner[1])))


@dataclass(frozen=True)
class Compared:
    """Two neighbouring densities.

    Attributes:
        pair: The larger eps and the smaller one.
        one: Of the larger eps, on the mesh of the other.
        other: Of the smaller eps.
        one_loss: Mean loss of the larger eps.
        l1: Integral of |rho - sigma|.
        distance: W1, and an upper bound of W2.
        second: A lower bound of W2, exact between Gaussians.
    """

    pair: Pair
    one: Moments
    other: Measured
    one_loss: float
    l1: float
    distance: Distance
    second: float

    @cached_property
    def mean(self) -> float:
        """By how much the mean moves."""
        return float(np.linalg.norm(self.one.mean - self.other.moments.mean))

    @cached_property
    def covariance(self) -> float:
        """By how much the covariance changes, in the norm of Frobenius."""
        return float(np.linalg.norm(self.one.covariance - self.other.moments.covariance))

    @cached_property
    def loss(self) -> float:
        """By how much the mean loss changes."""
        return abs(self.one_loss - self.other.mean_loss)

    def entry(self) -> dict[str, object]:
        """Of ``results.json``."""
        covariance = self.other.moments.covariance
        width = float(np.sqrt(max(np.trace(covariance), 0.0)))
        found = self.distance
        return {
            "from": self.pair[0],
            "to": self.pair[1],
            "l1": Quantity(self.l1, size=0.01),
            "wasserstein1": Quantity(found.first, floor=found.error, size=0.01 * width),
            "wasserstein1_bound": found.bound,
            "wasserstein2_lower": Quantity(self.second, size=0.01 * width),
            "wasserstein2_upper": Quantity(found.second, size=0.01 * width),
            "mean_change": Quantity(self.mean, size=width),
            "covariance_change": Quantity(self.covariance, size=width**2),
            "mean_loss_change": Quantity(self.loss, size=abs(self.other.mean_loss)),
        }


def compared(rung: Rung, other: Measured, case: Case) -> Compared | None:
    """A density with the one before it; None for the first. Collective."""
    above, level = rung.above, rung.level
    if above is None:
        return None
    generator = above.state.generator
    moments = Observables(generator, case.coordinates, case.regions)(above.state.vector)
    loss = generator.comm.allreduce(float(above.masses @ generator.coefficients.loss))
    return Compared(
        (above.regularization, level.regularization),
        moments,
        other,
        loss,
        l1(level, above),
        wasserstein(generator.comm, level.points, above.masses, level.masses),
        gelbrich(moments.mean, moments.covariance, other.moments.mean, other.moments.covariance),
    )
