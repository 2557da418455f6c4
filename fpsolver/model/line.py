"""One dimension exactly: where noise vanishes, which way such places are crossed, and what a process can reach.

Between the zeros of D the process goes wherever it likes. At a zero z with b(z) != 0 it crosses one way only (a gate).
Where b(z) = 0 too it may converge to z: with y the distance from z, the speed measure has the density m, the scale
function the slope s,

    y m ~ y^q,  q = 1 + y b/D - y D'/D,        s = exp(-integral of b/D dy) ~ y^-r,  r = y b/D,

b and D' counted away from z. Where q > 0 paths are thrown back and m can be integrated. Otherwise no stationary density
exists and mean times are infinite: paths are caught where r < 1, and linger near z where r >= 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csgraph

from fpsolver.model.coefficients import Model
from fpsolver.model.zeros import Profile

NARROW = 1e-9
"""A point closer to a place than this fraction of the length is on it."""

NEAR = 1e-5
"""Distance from z at which the exponents are read, as a fraction of the stretch."""

FLAT = 1e-3
"""q below this is not positive, and r so little below 1 is 1."""


@dataclass(frozen=True)
class Place:
    """A point where noise vanishes, or an end of the line.

    Attributes:
        x: Where.
        noise: D > 0: an end like any other.
        drift: Sign of b.
        leaves: The process can leave the line here.
    """

    x: float
    noise: bool
    drift: int
    leaves: bool = False

    @property
    def rests(self) -> bool:
        """Neither noise nor drift, and no way out."""
        return not (self.noise or self.drift or self.leaves)


@dataclass(frozen=True)
class Stretch:
    """An open interval between two neighbouring places.

    Attributes:
        lower: Its lower end.
        upper: Its upper end.
        noise: D > 0 inside.
        drift: Sign of b where there is no noise.
    """

    lower: float
    upper: float
    noise: bool
    drift: int

    @property
    def rests(self) -> bool:
        """Neither noise nor drift."""
        return not (self.noise or self.drift)


@dataclass(frozen=True)
class Line:
    """An interval and what a process can do on it.

    Its parts are numbered along the line: places have even numbers, stretches odd ones.

    Attributes:
        places: In ascending order, one more than stretches.
        stretches: Between them.
        moves: (parts, parts): whether paths go from one part to a neighbouring one, or converge to it.
        lingers: The same where they neither converge nor come back in a finite mean time.
    """

    places: tuple[Place, ...]
    stretches: tuple[Stretch, ...]
    moves: NDArray[np.bool_]
    lingers: NDArray[np.bool_]

    def part_at(self, x: float) -> int:
        """The number of the part that holds a point; outside, that of the nearest end."""
        at = np.array([place.x for place in self.places])
        nearest = int(np.abs(at - x).argmin())
        if abs(at[nearest] - x) <= NARROW * (at[-1] - at[0]):
            return 2 * nearest
        return int(np.clip(2 * np.searchsorted(at, x) - 1, 0, 2 * len(at) - 2))

    @cached_property
    def reachable(self) -> NDArray[np.bool_]:
        """(parts, parts): whether paths from one part come to another, however unlikely."""
        distance = csgraph.shortest_path(self.moves.astype(float), unweighted=True)
        return np.asarray(np.isfinite(distance))

    @cached_property
    def closed(self) -> tuple[tuple[int, ...], ...]:
        """Sets of parts that are never left, each reached from all others of its set; ends to leave do not count."""
        both = self.reachable & self.reachable.T
        sets = {tuple(np.flatnonzero(row).tolist()) for row in both}
        return tuple(sorted(c for c in sets if self._is_closed(c)))

    def rests(self, parts: tuple[int, ...]) -> bool:
        """Whether parts are an interval without noise or drift, each point of which is a trap."""
        return any(part % 2 == 1 and self.stretches[part // 2].rests for part in parts)

    @property
    def traps(self) -> tuple[int, ...]:
        """Single places that are never left."""
        return tuple(c[0] for c in self.closed if len(c) == 1 and c[0] % 2 == 0)

    def attracts(self, part: int) -> bool | None:
        """Whether paths nearby converge to a trap: from all sides, from none, or from one of two (None)."""
        sides = [s for s in (part - 1, part + 1) if 0 <= s < len(self.moves)]
        if any(self.lingers[s, part] for s in sides):
            return None
        into = {bool(self.moves[s, part]) for s in sides}
        return into.pop() if len(into) == 1 else None

    def _is_closed(self, parts: tuple[int, ...]) -> bool:
        if any(part % 2 == 0 and (self.places[part // 2].noise or self.places[part // 2].leaves) for part in parts):
            return False
        beyond = self.reachable[list(parts)].any(axis=0)
        beyond[list(parts)] = False
        return not beyond.any()


def line(model: Model, lower: float, upper: float, exits: tuple[bool, bool] = (False, False)) -> Line:
    """The exact analysis of a model on [lower, upper].

    Args:
        model: Of one dimension.
        lower: An end, which reflects, or is where the process ends.
        upper: The other one.
        exits: Whether the process ends at the lower and at the upper end, if it gets there.
    """
    profile = Profile(model, lower, upper)
    stretches = tuple(_stretch(profile, a, b) for a, b in pairwise(profile.places))
    places = [Place(x, profile.noise(x) > 0.0, profile.drift(x)) for x in profile.places]
    for end, side in ((0, -1), (-1, 1)):
        if exits[end]:
            place = places[end]
            places[end] = replace(place, leaves=place.noise or profile.carries(place.x, side))
    size = 2 * len(places) - 1
    moves, lingers = np.zeros((size, size), dtype=bool), np.zeros((size, size), dtype=bool)
    for i, place in enumerate(places):
        for j, side in ((2 * i - 1, 1), (2 * i + 1, -1)):  # side: where the place lies, as seen from the stretch
            if not 0 <= j < size:
                continue
            moves[j, 2 * i], lingers[j, 2 * i] = _arrives(model, stretches[j // 2], place, side)
            moves[2 * i, j] = not (place.noise or place.leaves) and place.drift == -side
            if stretches[j // 2].rests and place.rests:  # every point is a trap: together they are one
                moves[j, 2 * i] = moves[2 * i, j] = True
    return Line(tuple(places), stretches, moves, lingers)


def _stretch(profile: Profile, lower: float, upper: float) -> Stretch:
    middle = (lower + upper) / 2
    noise = not any(a < middle < b for a, b in profile.quiet)
    return Stretch(lower, upper, noise, 0 if noise else profile.drift(middle))


def _arrives(model: Model, stretch: Stretch, place: Place, side: int) -> tuple[bool, bool]:
    """Whether paths of a stretch come to a place, or converge to it; and whether they linger there."""
    if not stretch.noise:
        return stretch.drift == side, False
    if place.noise or place.leaves:
        return place.leaves, False
    if place.drift:
        return place.drift == side, False
    y = NEAR * (stretch.upper - stretch.lower)
    values = model(np.array([[place.x - side * y]]))
    drift = -side * float(values.extra[0, 0] - values.gradient[0, 0])
    noise, slope = float(values.diffusion[0, 0, 0]), -side * float(values.divergence[0, 0])
    # multiplied by D, which may be too small to divide by
    thrown_back = noise + y * drift - y * slope > FLAT * noise
    return not thrown_back, not thrown_back and y * drift >= (1.0 - FLAT) * noise
