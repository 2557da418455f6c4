"""The cells of a case that names none: as many as its formulas ask for, within what is cheap.

Cells are as large as all of these allow, along each coordinate by itself:
- nodes closer than the width sqrt(D/lambda) of layers, and than the standard deviation of the initial density;
- where an evolution is asked for, few nats of the potential across a cell (all else is solved on refined meshes);
- at least `FEWEST` of them, and not more than make `BUDGET` unknowns.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.advice.picture import Picture, picture
from fpsolver.case.advice.resolution import SEEN, WEIGHS, allowed_nats
from fpsolver.case.sections import Case
from fpsolver.case.shapes import Ball, Box

Array = NDArray[np.float64]

FEWEST = {1: 100, 2: 24, 3: 10}
BUDGET = {1: 20_000, 2: 60_000, 3: 40_000}
"""Unknowns, by dimension: a run takes a minute or so."""

CLOSER = 1.25
"""Nodes are so many times closer than what they have to resolve."""

STEEP = 75.0
"""Where no formula gives the potential, the steepest quarter of all points is left out: far corners without mass."""

MOST = 1e5  # cells along a coordinate, before the budget is asked
LONGEST = 3.0
"""Cells are at most so many times longer along one coordinate than along another."""


def with_cells(case: Case) -> Case:
    """The case with cells chosen, and why; one with cells of its own is returned as it is."""
    domain = case.domain
    if not isinstance(domain, Box | Ball) or domain.chosen is None:
        return case
    sizes, reason = _sizes(case)
    if isinstance(domain, Ball):
        size = _rounded(_within_budget(domain, case, float(sizes.min())))
        found: Box | Ball = replace(domain, cell_size=size)
    else:
        widths = np.subtract(domain.upper, domain.lower)
        found = replace(domain, cells=_counts(widths, np.maximum(sizes, widths / MOST)))
        while (nodes := found.nodes(case.discretization.degree)) > BUDGET[case.dimension]:
            sizes = np.maximum(sizes, widths / MOST) * math.pow(nodes / BUDGET[case.dimension], 1.0 / case.dimension)
            found = replace(domain, cells=_counts(widths, sizes, down=True))
    degree = case.discretization.degree
    if found.nodes(degree) > 0.7 * BUDGET[case.dimension]:
        reason += f", as far as {BUDGET[case.dimension]:,} unknowns allow"
    return replace(case, domain=replace(found, chosen=reason))


def _sizes(case: Case) -> tuple[Array, str]:
    """The largest cells along each coordinate, and what asks for the smallest of them."""
    domain, d = case.domain, case.dimension
    widths = np.subtract(domain.upper, domain.lower)
    wanted: dict[str, Array] = {f"at least {FEWEST[d]} cells across": widths / FEWEST[d]}
    seen = picture(case)
    if seen is not None:
        wanted |= _by_picture(case, seen, widths)
    initial = None if case.evolution is None else case.evolution.initial
    if initial is not None and initial.std is not None:
        std = np.broadcast_to(np.asarray(initial.std, dtype=float), (d,))
        wanted["nodes closer than the standard deviation of the initial density"] = (
            case.discretization.degree * std / CLOSER
        )
    sizes = np.asarray(np.min(list(wanted.values()), axis=0), dtype=float)
    name = min(wanted, key=lambda key: float((wanted[key] / widths).min()))
    return np.maximum(sizes, sizes.max() / LONGEST), name


def _by_picture(case: Case, seen: Picture, widths: Array) -> dict[str, Array]:
    """What layers and nats ask for."""
    degree, d = case.discretization.degree, case.dimension
    carries = seen.carries(SEEN)
    bends = np.abs(np.einsum("nii->ni", seen.jacobian[carries])).max(axis=0)
    noise = float(np.median(seen.largest[carries]))
    wanted = {}
    with np.errstate(divide="ignore"):
        width = np.sqrt(noise / np.where(bends > 0, bends, 0.0))
        refined = 1.0 if case.evolution is not None else 2.0  # other problems refine their meshes
        wanted["nodes closer than the width of layers"] = np.asarray(refined * degree * width / CLOSER)
        if case.evolution is not None:
            counts = seen.steepness(widths / FEWEST[d], WEIGHS) > 0.0 if seen.potential is not None else slice(None)
            slopes = np.abs(seen.slope[counts])
            steepest = slopes.max(axis=0) if seen.potential is not None else np.percentile(slopes, STEEP, axis=0)
            limit = allowed_nats(case)[1] / d
            wanted[f"at most {allowed_nats(case)[1]:g} nats across a cell"] = np.asarray(limit / steepest)
    return wanted


def _counts(widths: Array, sizes: Array, *, down: bool = False) -> tuple[int, ...]:
    """Numbers of cells, even ones: the middle of a box is often where something happens."""
    halves = widths / sizes / 2.0
    return tuple(max(1, math.floor(half) if down else math.ceil(half)) * 2 for half in halves)


def _within_budget(ball: Ball, case: Case, size: float) -> float:
    """The size of cells that makes no more unknowns than the budget allows."""
    size = min(size, (ball.radius - ball.hole) / 4.0)
    nodes = replace(ball, cell_size=size).nodes(case.discretization.degree)
    return size * max(1.0, math.pow(nodes / BUDGET[case.dimension], 1.0 / case.dimension))


def _rounded(size: float) -> float:
    """Two digits."""
    return float(f"{size:.2g}")
