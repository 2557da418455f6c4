"""Initial densities as functionals v -> integral of rho_0 v, each integrated by a rule that resolves it.

A point mass is the functional v -> v(x_0) itself, not a narrow spike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from dolfinx import mesh
from mpi4py import MPI

from fpsolver.case import Initial, Region
from fpsolver.domain.cells import Cells
from fpsolver.domain.locate import point_rules
from fpsolver.domain.regions import at_points
from fpsolver.domain.rules import HALVINGS, Rule, region_rule, resolved_rule
from fpsolver.errors import BadUsage

Array = npt.NDArray[np.float64]

REACH = 9.0
"""A Gaussian is integrated out to so many standard deviations with pieces that resolve it."""

RESOLVED = 1.5
"""Largest piece, in standard deviations, on which a Gaussian is integrated."""

ROUGH = 0.05
"""A piece is halved where a density given by an expression bends by more than this fraction of its largest value."""


@dataclass(frozen=True)
class InitialDensity:
    """rho_0 on this rank: values at the points of a rule, of unit mass over all ranks.

    Attributes:
        rule: Quadrature points; for a point mass the point itself, with the volume of its cell as weight.
        density: rho_0 at those points, (n,).
        is_point: True for a point mass, of which no density exists at time 0.
    """

    rule: Rule
    density: Array
    is_point: bool


@dataclass(frozen=True)
class Shape:
    """An initial density, not normalised, as a function.

    Attributes:
        formula: At points (n, d), (n,).
        coarse: From the corners of pieces of cells (m, d + 1, d) to whether they are too large to resolve it, (m,).
        halvings: No piece need be halved more often.
    """

    formula: Callable[[Array], Array]
    coarse: Callable[[Array], npt.NDArray[np.bool_]]
    halvings: int


def initial_density(
    initial: Initial,
    domain: mesh.Mesh,
    cells: Cells,
    coordinates: tuple[str, ...],
    regions: Mapping[str, Region],
    degree: int,
    earlier: Callable[[Path], Callable[[Array], Array]],
) -> InitialDensity:
    """The initial density of a case on a mesh. Collective.

    Args:
        initial: What the case says.
        domain: The mesh.
        cells: Its geometry.
        coordinates: Names of the coordinates, for expressions.
        regions: The case's regions, for a uniform density.
        degree: Degree of the quadrature.
        earlier: From a results folder to the density that the run there ended with.

    Raises:
        BadUsage: The density has no mass on this mesh, or a point lies outside of it.
    """
    if initial.kind == "point":
        assert initial.point is not None
        return _point_mass(initial.point, domain, cells)
    shape = initial_shape(initial, cells, coordinates, regions, earlier, domain.comm)
    if initial.kind == "uniform":
        assert initial.region is not None
        rule = region_rule(cells, at_points(regions[initial.region].level, coordinates), degree)
        density = np.ones(len(rule.weights))
    else:
        rule = resolved_rule(cells, shape.coarse, degree, shape.halvings)
        density = shape.formula(rule.points)
    mass = domain.comm.allreduce(float(rule.weights @ density))
    if not (np.isfinite(mass) and mass > 0.0):
        raise BadUsage("evolution.initial: the density has no mass on the mesh; move it, widen it or refine the mesh")
    return InitialDensity(rule, density / mass, is_point=False)


def _point_mass(point: tuple[float, ...], domain: mesh.Mesh, cells: Cells) -> InitialDensity:
    rule = point_rules(domain, cells, [point])[0]
    if rule is None:
        raise BadUsage(f"evolution.initial: the point {list(point)} lies outside the mesh; move it inside")
    volume = cells.volumes_in(rule.cell, rule.reference)
    return InitialDensity(Rule(rule.cell, rule.reference, rule.points, volume), 1.0 / volume, is_point=True)


def initial_shape(
    initial: Initial,
    cells: Cells,
    coordinates: tuple[str, ...],
    regions: Mapping[str, Region],
    earlier: Callable[[Path], Callable[[Array], Array]],
    comm: MPI.Comm,
) -> Shape:
    """The initial density of a case, which is not a point mass, as a function. Collective; arguments as above."""
    usual = HALVINGS[cells.dimension]
    if initial.kind == "gaussian":
        return _gaussian(initial)
    if initial.kind == "uniform":
        assert initial.region is not None
        level = at_points(regions[initial.region].level, coordinates)

        def crosses(corners: Array) -> npt.NDArray[np.bool_]:
            values = level(corners.reshape(-1, cells.dimension)).reshape(corners.shape[:2])
            return np.asarray((values < 0.0).any(axis=1) & (values > 0.0).any(axis=1))

        return Shape(lambda points: np.asarray(level(points) < 0.0, dtype=float), crosses, usual)
    if initial.kind == "file":
        assert initial.file is not None
        return Shape(earlier(initial.file), lambda corners: np.zeros(len(corners), dtype=bool), usual)
    assert initial.expression is not None
    formula = at_points(initial.expression, coordinates)
    return Shape(formula, _rough(formula, cells, comm), usual)


def _gaussian(initial: Initial) -> Shape:
    mean = np.asarray(initial.mean, dtype=float)
    deviation = np.broadcast_to(np.asarray(initial.std, dtype=float), mean.shape)

    def too_large(corners: Array) -> npt.NDArray[np.bool_]:
        scaled = (corners - mean) / deviation
        size = np.ptp(scaled, axis=1).max(axis=1)
        distance = np.abs(scaled).min(axis=1).max(axis=1)
        return np.asarray((size > RESOLVED) & (distance < REACH + size))

    def formula(points: Array) -> Array:
        return np.asarray(np.exp(-0.5 * (((points - mean) / deviation) ** 2).sum(axis=1)))

    return Shape(formula, too_large, 40)


def _rough(formula: Callable[[Array], Array], cells: Cells, comm: MPI.Comm) -> Callable[[Array], npt.NDArray[np.bool_]]:
    """Whether the formula bends or jumps on pieces."""
    local = formula(cells.nodes[: cells.owned].reshape(-1, cells.dimension))
    largest = comm.allreduce(float(np.abs(local).max(initial=0.0)), MPI.MAX)
    first, second = np.triu_indices(cells.dimension + 1, 1)

    def rough(corners: Array) -> npt.NDArray[np.bool_]:
        middles = (corners[:, first] + corners[:, second]) / 2
        ends = formula(corners.reshape(-1, cells.dimension)).reshape(corners.shape[:2])
        between = formula(middles.reshape(-1, cells.dimension)).reshape(middles.shape[:2])
        bend = np.abs(between - (ends[:, first] + ends[:, second]) / 2).max(axis=1)
        return np.asarray(bend > ROUGH * largest)

    return rough
