"""Quadrature that follows a region or a narrow density instead of the mesh.

A rule lists points in cells with weights. Where a region's boundary or a narrow density crosses a cell, the cell is
halved until it is resolved: a boundary that is straight in a cell is met exactly, a curved one with an error that
falls by a factor of four per halving.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import basix
import numpy as np
import numpy.typing as npt

from fpsolver.domain.cells import Cells
from fpsolver.domain.simplex import clip, halves, reference_simplex

Array = npt.NDArray[np.float64]
Level = Callable[[Array], Array]

SIMPLEX = {1: basix.CellType.interval, 2: basix.CellType.triangle, 3: basix.CellType.tetrahedron}
HALVINGS = {1: 40, 2: 6, 3: 3}
"""How often a cell is halved along a curved boundary: to round-off in 1-D, to about 1e-5 of a cell in 2-D."""

BOUNDARY = 1e-9
"""A level function below this fraction of its variation over a cell counts as zero."""


@dataclass(frozen=True)
class Rule:
    """Quadrature points in cells: the integral of v is the sum of weight * v(point).

    Attributes:
        cell: Local cell of each point, (n,).
        reference: Reference coordinates in that cell, (n, d).
        points: Physical coordinates, (n, d).
        weights: Weights, with the volume of the cell, (n,).
    """

    cell: npt.NDArray[np.int64]
    reference: Array
    points: Array
    weights: Array


def joined(rules: Sequence[Rule]) -> Rule:
    """One rule from several over disjoint parts."""
    return Rule(
        np.concatenate([rule.cell for rule in rules]),
        np.concatenate([rule.reference for rule in rules]),
        np.concatenate([rule.points for rule in rules]),
        np.concatenate([rule.weights for rule in rules]),
    )


def simplex_rule(cells: Cells, simplices: Array, parent: npt.NDArray[np.int64], degree: int) -> Rule:
    """The rule of a list of simplices (m, d + 1, d), given in the reference coordinates of their cells (m,)."""
    dimension = cells.dimension
    nodes, weights = basix.make_quadrature(SIMPLEX[dimension], degree)
    edges = simplices[:, 1:] - simplices[:, :1]
    reference = (simplices[:, :1] + np.einsum("qi,mid->mqd", nodes, edges)).reshape(-1, dimension)
    cell = np.repeat(parent, len(weights))
    volume = (np.abs(np.linalg.det(edges))[:, None] * weights).ravel()
    return Rule(cell, reference, cells.points_in(cell, reference), volume * cells.volumes_in(cell, reference))


def region_rule(cells: Cells, level: Level, degree: int) -> Rule:
    """Quadrature over the part of the owned cells where ``level`` is negative."""
    simplices, parent = _whole(cells)
    rules = []
    for depth in range(HALVINGS[cells.dimension] + 1):
        corners, middles = _sampled(cells, simplices, parent, level)
        values = np.hstack([corners, middles])
        inside, outside = (values <= 0).all(axis=1), (values >= 0).all(axis=1)
        whole, cut = inside & ~outside, ~(inside | outside)
        # a small piece needs fewer points than a whole cell for the same accuracy
        enough = max(degree - 2 * depth, 4)
        rules.append(simplex_rule(cells, simplices[whole], parent[whole], enough))
        simplices, parent, corners, middles = simplices[cut], parent[cut], corners[cut], middles[cut]
        straight = _is_linear(corners, middles) | (depth == HALVINGS[cells.dimension])
        part, source = clip(simplices[straight], corners[straight])
        rules.append(simplex_rule(cells, part, parent[straight][source], enough))
        simplices, parent = halves(simplices[~straight]), np.repeat(parent[~straight], 2**cells.dimension)
    return joined(rules)


def resolved_rule(
    cells: Cells, wanted: Callable[[Array], npt.NDArray[np.bool_]], degree: int, halvings: int | None = None
) -> Rule:
    """Quadrature over the owned cells, halved wherever ``wanted`` asks for it.

    Args:
        cells: Geometry of the mesh.
        wanted: From the corners of pieces, (m, d + 1, d), to whether they are too large, (m,).
        degree: Degree of the rule on each piece.
        halvings: At most so many; by default as many as along a curved boundary.
    """
    return simplex_rule(cells, *resolved_pieces(cells, wanted, halvings), degree)


def resolved_pieces(
    cells: Cells, wanted: Callable[[Array], npt.NDArray[np.bool_]], halvings: int | None = None
) -> tuple[Array, npt.NDArray[np.int64]]:
    """The owned cells, halved wherever ``wanted`` asks for it.

    Args:
        cells: Geometry of the mesh.
        wanted: From the corners of pieces, (m, d + 1, d), to whether they are too large, (m,).
        halvings: At most so many; by default as many as along a curved boundary.

    Returns:
        Simplices (m, d + 1, d) in the reference coordinates of their cells (m,).
    """
    simplices, parent = _whole(cells)
    kept, origin = [], []
    for _ in range(HALVINGS[cells.dimension] if halvings is None else halvings):
        coarse = wanted(physical(cells, simplices, parent))
        kept.append(simplices[~coarse])
        origin.append(parent[~coarse])
        simplices, parent = halves(simplices[coarse]), np.repeat(parent[coarse], 2**cells.dimension)
        if not len(simplices):
            break
    return np.concatenate([*kept, simplices]), np.concatenate([*origin, parent])


def _whole(cells: Cells) -> tuple[Array, npt.NDArray[np.int64]]:
    simplices = np.repeat(reference_simplex(cells.dimension)[None], cells.owned, axis=0)
    return simplices, np.arange(cells.owned, dtype=np.int64)


def physical(cells: Cells, simplices: Array, parent: npt.NDArray[np.int64]) -> Array:
    """The corners of simplices (m, d + 1, d) in the reference coordinates of their cells (m,) as points."""
    count, corners, dimension = simplices.shape
    flat = simplices.reshape(-1, dimension)
    return cells.points_in(np.repeat(parent, corners), flat).reshape(count, corners, dimension)


def _sampled(cells: Cells, simplices: Array, parent: npt.NDArray[np.int64], level: Level) -> tuple[Array, Array]:
    """The level at the corners and the edge midpoints of each simplex, zero within the boundary's tolerance."""
    first, second = np.triu_indices(simplices.shape[1], 1)
    nodes = np.concatenate([simplices, (simplices[:, first] + simplices[:, second]) / 2], axis=1)
    points = physical(cells, nodes, parent)
    values = level(points.reshape(-1, cells.dimension)).reshape(nodes.shape[:2])
    values = np.where(np.abs(values) <= BOUNDARY * np.ptp(values, axis=1, keepdims=True), 0.0, values)
    return values[:, : simplices.shape[1]], values[:, simplices.shape[1] :]


def _is_linear(corners: Array, middles: Array) -> npt.NDArray[np.bool_]:
    first, second = np.triu_indices(corners.shape[1], 1)
    bend = np.abs(middles - (corners[:, first] + corners[:, second]) / 2).max(axis=1, initial=0.0)
    return np.asarray(bend <= 1e-12 * np.ptp(corners, axis=1))
