"""Whether cells resolve what the formulas do: Péclet number, layers, nats per cell, and what the run refines itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.advice.line import Advice
from fpsolver.case.advice.picture import Picture
from fpsolver.case.fields import at_points, value
from fpsolver.case.sections import Case

Array = NDArray[np.float64]

SEEN = 25.0  # nats above the lowest point beyond which a density weighs nothing
TOLERATED = 1.2  # spacing of nodes in layers that still resolves them
HIGHER = (3, 4)  # degrees that resolve steep cells better
WEIGHS = 14.0  # nats beyond which it is below a millionth, and a cell may be as steep as it likes
NATS = {1: (0.5, 1.0), 2: (1.0, 2.0), 3: (2.0, 10.0)}
"""Degree, 3 for all from 3 -> the most nats across cells at an exit set, and across other cells."""

GROWTH = {1: 20.0, 2: 4.0, 3: 1.5}
ALWAYS = 12_000
"""A mesh is refined to so many times its cells at most, by dimension, or to so many, whatever is more."""


def allowed_nats(case: Case) -> tuple[float, float]:
    """Nats across a cell at an exit set and elsewhere that the degree resolves."""
    at_exit, elsewhere = NATS[min(case.discretization.degree, 3)]
    return (at_exit / 2, elsewhere / 5) if case.dimension == 1 else (at_exit, elsewhere)


def resolution_lines(case: Case, seen: Picture) -> list[Advice]:
    """All that a picture of the case says about its cells."""
    sizes = np.array(case.domain.cell_sizes)
    carries = seen.carries(SEEN)
    if not carries.any() or not np.abs(seen.drift).any():
        return []
    across = np.abs(seen.drift) @ sizes  # |a| h, with h the size of the cell along a
    with np.errstate(all="ignore"):
        peclet = np.where(seen.largest > 0, across / (2 * seen.largest), np.inf)[carries]
    peclet_text = f"median {np.median(peclet):.3g}, largest {np.max(peclet):.3g}"
    lines = [Advice("peclet", f"cell Péclet number |a| h/(2 lmax(D)): {peclet_text}")]
    lines += _layer(case, seen)
    lines += _nats(case, seen, sizes)
    lines += _exits(case, seen, sizes)
    return lines


def layer_width(seen: Picture) -> float:
    """sqrt(D/lambda): the length over which a density varies near the steepest curvature; 0 if there is none."""
    carries = seen.carries(SEEN)
    symmetric = (seen.jacobian[carries] + seen.jacobian[carries].transpose(0, 2, 1)) / 2
    steepest = float(np.abs(np.linalg.eigvalsh(symmetric)).max(initial=0.0))
    return math.sqrt(float(np.median(seen.largest[carries])) / steepest) if steepest > 0 else 0.0


def finer(case: Case, factor: float) -> str:
    """The key that makes cells smaller by a factor."""
    factor = min(factor, 1e5) if math.isfinite(factor) else 1e5  # not finite where D is almost 0
    return case.domain.finer(factor)[0].split(" (now")[0]


def _on_given_cells(case: Case) -> bool:
    """Whether something is solved on the cells as they are: all but evolutions refine theirs where need be."""
    return case.evolution is not None


def _layer(case: Case, seen: Picture) -> list[Advice]:
    """The width over which the density varies near steep curvature, against the spacing of the nodes."""
    width = layer_width(seen)
    if not width > 0:
        return []
    spacing = max(case.domain.cell_sizes) / case.discretization.degree
    text = f"layer width sqrt(D/lambda) {width:.3g}, spacing of nodes {spacing:.3g}"
    if spacing <= TOLERATED * width or not _on_given_cells(case):
        return [Advice("layer", text)]
    return [Advice("layer", f"{text}: the layer is not resolved; write {finer(case, spacing / width)} or more", True)]


def _nats(case: Case, seen: Picture, sizes: Array) -> list[Advice]:
    """How much the potential varies across one cell where mass is, and what is refined for it."""
    if seen.potential is None:
        return []
    degree, (_, limit) = case.discretization.degree, allowed_nats(case)
    largest = float(seen.steepness(sizes, WEIGHS).max())
    text = f"potential where mass is: up to {largest:.3g} nats across a cell (degree {degree} resolves {limit:g})"
    if largest <= limit:
        return [Advice("nats", text)]
    if _on_given_cells(case):
        return [Advice("nats", f"{text}; write {_resolving(case, seen, sizes)}", True)]
    return [_refined(case, seen.steepness(sizes, SEEN) / limit, text)]


def _resolving(case: Case, seen: Picture, sizes: Array) -> str:
    """The cells that resolve so many nats, with the degree that takes the fewest unknowns."""
    options = []
    for degree in {case.discretization.degree, *HIGHER} if case.discretization.scheme == "weighted" else {1}:
        if degree < case.discretization.degree:
            continue
        settings = replace(case, discretization=replace(case.discretization, degree=degree))
        factor = _factor(seen, sizes, allowed_nats(settings)[1])
        text, domain = case.domain.finer(factor)
        keys = [text.split(" (now")[0]] if factor > 1.0 else []
        keys += [f"discretization.degree = {degree}"] if degree > case.discretization.degree else []
        options.append((domain.nodes(degree), " and ".join(keys)))
    return min(options)[1]


def _factor(seen: Picture, sizes: Array, limit: float) -> float:
    """How many times smaller cells have to be for at most so many nats across them, to 2 %."""
    low, high = 1.0, 1.0
    while float(seen.steepness(sizes / high, WEIGHS).max()) > limit and high < 1e5:
        low, high = high, 2.0 * high
    while high > 1.02 * low:
        middle = math.sqrt(low * high)
        if float(seen.steepness(sizes / middle, WEIGHS).max()) > limit:
            low = middle
        else:
            high = middle
    return high


def _refined(case: Case, ratio: Array, text: str) -> Advice:
    """What refining to the limit makes of the mesh: cells that are n times too steep become n^d cells."""
    growth = float((np.maximum(ratio, 1.0) ** case.dimension).mean())
    present = _cells(case)
    most = max(GROWTH[case.dimension] * present, ALWAYS)
    if growth * present <= most:
        return Advice("nats", f"{text}; the run refines its mesh to about {growth * present:,.2g} cells")
    change = finer(case, (growth * present / most) ** (1.0 / case.dimension))
    more = f"{most:,.2g} cells at most, of about {growth * present:,.2g} that it would take"
    return Advice("nats", f"{text}; the run refines its mesh, but to {more}; write {change}, or more noise", True)


def _cells(case: Case) -> float:
    """About how many simplices the domain is cut into."""
    degree = float(case.discretization.degree)
    return case.domain.nodes(case.discretization.degree) * math.factorial(case.dimension) / degree**case.dimension


def _exits(case: Case, seen: Picture, sizes: Array) -> list[Advice]:
    """How steep the potential is across cells at the edge of each region that is left."""
    at_exit, _ = allowed_nats(case)
    lines = []
    for wanted in case.exits:
        region = case.regions.get(wanted.region)
        if region is None:
            continue
        with np.errstate(all="ignore"):
            height = value(region.level, case.coordinates, seen.points)
            slopes = at_points(
                [region.level.derivative(name) for name in case.coordinates], case.coordinates, seen.points
            )
        near = (np.abs(height) <= np.abs(slopes.T) @ sizes) & seen.carries(SEEN)
        if not near.any():
            continue
        steepest = float((np.abs(seen.slope) @ sizes)[near].max())
        text = f"exit from {wanted.region}: up to {steepest:.3g} nats across a cell at its edge"
        if steepest > at_exit:
            text += f", which the run refines to {at_exit:g}"
        lines.append(Advice("exit", text))
    return lines


def initial_lines(case: Case) -> list[Advice]:
    """A narrow initial density needs nodes closer than its standard deviation; one at a wall is cut."""
    initial = None if case.evolution is None else case.evolution.initial
    if initial is None or initial.std is None:
        return []
    widths = np.broadcast_to(np.array(initial.std), (case.dimension,))
    spacings = np.array(case.domain.cell_sizes) / case.discretization.degree
    worst = int(np.argmax(spacings / widths))
    ratio = float(spacings[worst] / widths[worst])
    name = case.coordinates[worst]
    text = (
        f"initial density: standard deviation {widths[worst]:.3g} along {name}, spacing of nodes {spacings[worst]:.3g}"
    )
    if ratio <= 1.0:
        return [Advice("initial", text)]
    return [Advice("initial", f"{text}: it is not resolved; write {finer(case, ratio)}", True)]
