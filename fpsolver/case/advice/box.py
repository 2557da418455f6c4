"""Whether the box holds what the noise can reach: walls that cut the density, and boxes far larger than need be.

The noise reaches {potential <= 30 nats}: what lies higher weighs less than 1e-13 of the rest. The loss is a formula, so
it is followed beyond the walls as well. Where a wall lies lower than that, the mass that it keeps inside is about

    share = integral over the wall of e^-Psi / |dPsi/dn|  /  integral over the box of e^-Psi,

the mass that would be behind it, as a fraction of all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.advice.line import Advice
from fpsolver.case.advice.picture import LATTICE, Picture, picture
from fpsolver.case.sections import Box, Case

Array = NDArray[np.float64]

REACHED = 30.0
"""Nats above the lowest point that noise can reach."""

CUT, MATTERS = 1e-6, 1e-3
"""A share of the mass behind a wall that is worth a word, and one that numbers will show."""

COMES_DOWN = 10.0
"""Nats above its start that a process which comes down from there can reach."""

LARGER = 4.0
"""A box is too large if it has so many times the volume that is needed."""

MOST_GROWTH = 5
"""The box is doubled so often, in search of where the potential is high enough."""


@dataclass(frozen=True)
class Cut:
    """A wall with mass behind it.

    Attributes:
        axis, side: Which one: a coordinate, and 0 for its lower or 1 for its upper end.
        share: The mass that would be behind it, as a fraction of all.
        text: The same in words.
    """

    axis: int
    side: int
    share: float
    text: str


@dataclass(frozen=True)
class Reach:
    """The set that noise can reach.

    Attributes:
        lower, upper: Corners of a box around it, with a little room.
        open: (coordinate, side) of directions in which the potential does not rise high enough however far one goes.
    """

    lower: Array
    upper: Array
    open: tuple[tuple[int, int], ...]


def box_lines(case: Case, seen: Picture) -> list[Advice]:
    """Walls that cut what the noise reaches, and a box that holds it."""
    box = case.domain
    if not isinstance(box, Box) or seen.potential is None or case.boundary is not None:
        return []
    cut = _cut(box, seen)
    if case.loss is not None and case.loss.table is not None:  # beyond its grid nothing is known
        found: Reach | None = Reach(np.array(box.lower), np.array(box.upper), ())
    else:
        found = reach(case, box)
    if found is None:
        return []
    advice = _suggestion(box, found)
    if cut:
        return [_cutting(box, cut, found, advice)]
    ratio = _volume(box) / float(np.prod(found.upper - found.lower))
    if advice and ratio > LARGER:
        text = f"box: the noise hardly ever leaves a part of it that is {ratio:.2g} times smaller; {advice} would do"
        return [Advice("box", text)]
    return []


def _cutting(box: Box, cut: Sequence[Cut], found: Reach, advice: str) -> Advice:
    """Which walls cut the density, how much, and what to write."""
    walls = ", ".join(f"{_wall(box, wall.axis, wall.side)} ({wall.text})" for wall in cut)
    text = f"walls cut what the noise reaches: {walls}"
    if {(wall.axis, wall.side) for wall in cut} & set(found.open):
        text += ". However far away, the potential does not rise enough there: numbers are those of a reflecting wall"
    elif advice:
        text += f"; write {advice}, unless the walls are meant"
    return Advice("walls", text, max(wall.share for wall in cut) > MATTERS)


def reach(case: Case, box: Box) -> Reach | None:
    """Where the noise gets to, beyond the walls too; None where no potential is known."""
    lower, upper = np.array(box.lower), np.array(box.upper)
    starts = _starts(case)
    for attempt in range(MOST_GROWTH + 1):
        seen = picture(case, replace(box, lower=tuple(lower), upper=tuple(upper)))
        if seen is None or seen.potential is None or not seen.carries(1.0).any():
            return None
        high = max([REACHED, *(_height(seen, start) + COMES_DOWN for start in starts)])
        inside = seen.points[seen.carries(high)]
        room = (upper - lower) / 40.0
        low_side, high_side = inside.min(axis=0) <= lower + room, inside.max(axis=0) >= upper - room
        if not (low_side | high_side).any() or attempt == MOST_GROWTH:
            break
        grown = upper - lower
        lower, upper = np.where(low_side, lower - grown / 2, lower), np.where(high_side, upper + grown / 2, upper)
    sides = [(axis, side) for side, marks in enumerate((low_side, high_side)) for axis in np.flatnonzero(marks)]
    low, high_end = inside.min(axis=0), inside.max(axis=0)
    beside = (high_end - low) / 20.0 + (upper - lower) / LATTICE[box.dimension]
    found_lower, found_upper = np.maximum(low - beside, lower), np.minimum(high_end + beside, upper)
    return Reach(found_lower, found_upper, tuple((int(axis), side) for axis, side in sides))


def _starts(case: Case) -> list[Array]:
    """Where processes begin: they come down from there, however high it is."""
    points = [list(point) for wanted in case.exits for point in wanted.start]
    initial = None if case.evolution is None else case.evolution.initial
    if initial is not None:
        points += [list(point) for point in (initial.mean, initial.point) if point is not None]
    return [np.array(point, dtype=float) for point in points]


def _height(seen: Picture, point: Array) -> float:
    """About how high a point lies, by the nearest one that was seen."""
    assert seen.potential is not None
    return float(seen.potential[int(((seen.points - point) ** 2).sum(axis=1).argmin())])


def _cut(box: Box, seen: Picture) -> list[Cut]:
    """Walls with mass behind them."""
    assert seen.potential is not None
    weights = np.exp(-seen.potential)
    total = float(weights.mean()) * _volume(box)  # the points are spread evenly over the box
    sizes = np.subtract(box.upper, box.lower)
    found = []
    for axis in range(box.dimension):
        for side, wall in enumerate((box.lower[axis], box.upper[axis])):
            on = seen.points[:, axis] == wall
            if not on.any():
                continue
            area = float(np.prod(np.delete(sizes, axis)))
            outward = seen.slope[on, axis] * (1 if side else -1)
            depth = np.where(outward > 0, 1.0 / np.maximum(outward, 1e-300), np.inf)
            behind = float((weights[on] * np.minimum(depth, sizes[axis])).mean()) * area / total
            lowest = int(seen.potential[on].argmin())
            if behind > CUT:
                share = f"{behind:.1e}" if behind < 0.01 else f"{100 * min(behind, 1.0):.2g} %"
                falls = ", where the potential falls" if outward[lowest] <= 0 else ""
                found.append(Cut(axis, side, behind, f"about {share} of the mass would be behind it{falls}"))
    return found


def _suggestion(box: Box, found: Reach) -> str:
    """The box to write, rounded outward to two digits of its size; the same walls where they are near enough."""
    lower, upper = list(box.lower), list(box.upper)
    for axis in range(box.dimension):
        step = 10.0 ** math.floor(math.log10(float(found.upper[axis] - found.lower[axis])) - 1.0)
        near = (found.upper[axis] - found.lower[axis]) / 10.0
        if abs(found.lower[axis] - lower[axis]) > near:
            lower[axis] = math.floor(found.lower[axis] / step) * step
        if abs(found.upper[axis] - upper[axis]) > near:
            upper[axis] = math.ceil(found.upper[axis] / step) * step
    if lower == list(box.lower) and upper == list(box.upper):
        return ""
    texts = (", ".join(f"{x:.6g}" for x in corner) for corner in (lower, upper))
    return "domain.lower = [{}] and upper = [{}]".format(*texts)


def _wall(box: Box, axis: int, side: int) -> str:
    return f"{box.coordinates[axis]} = {(box.lower, box.upper)[side][axis]:g}"


def _volume(box: Box) -> float:
    return float(np.prod(np.subtract(box.upper, box.lower)))
