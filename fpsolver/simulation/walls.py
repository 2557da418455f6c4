"""The walls of a domain: walkers that have crossed one are put back, or absorbed.

What reflects pushes back along -Dn, as the flux J·n = 0 of the density wants it: a walker that is a distance r beyond a
wall goes to x - 2r Dn/(n·Dn), which is its mirror image where Dn is along n (weak order 1: Bossy, Gobet, Talay 2004).
Where no noise is across a wall, only the drift can press against it, and the walker stays on the wall.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case import Ball, Box, Case
from fpsolver.case.expressions import Expression, Program
from fpsolver.errors import BadUsage
from fpsolver.simulation.crossing import NEVER
from fpsolver.simulation.tensor import Tensor, form, product, taken

Array = NDArray[np.float64]
Places = NDArray[np.intp]

SILENT = 1e-12
"""Noise across a wall that is less than this fraction of the trace of D is none."""


NOWHERE = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True)
class Side:
    """One wall: positions (d, n) -> the room before it, (n,), negative beyond; and its outward normals, d entries."""

    room: Callable[[Array], Array]
    normal: Callable[[Array], list[Array]]


class Walls:
    """All walls of the domain of a case.

    Args:
        case: On a box or a ball.

    Raises:
        BadUsage: The domain is a mesh file.
    """

    def __init__(self, case: Case) -> None:
        domain = case.domain
        if not isinstance(domain, Box | Ball):
            raise BadUsage(
                "[simulation]: walkers cannot reflect from the walls of a mesh file; "
                'write domain.shape = "box" or "ball", or remove [simulation]'
            )
        self._domain: Box | Ball = domain
        self._circles = [i for i, period in enumerate(domain.periods) if np.isfinite(period)]
        self._sides = _sides_of_box(domain) if isinstance(domain, Box) else _sides_of_ball(domain)
        level = None if case.boundary is None else case.boundary.absorbing
        self._absorbing = None if level is None else _Level(level, case.coordinates)

    @property
    def absorbs(self) -> bool:
        """Whether some part of the walls absorbs."""
        return self._absorbing is not None

    def contain(
        self, positions: Array, before: Array | None, diffusion: Tensor, step: float, random: np.random.Generator
    ) -> Places:
        """Put back, in place, all walkers that are beyond a wall; which of them it has absorbed.

        Args:
            positions: (d, n), after the step.
            before: Before it; needed where a wall absorbs.
            diffusion: D there.
            step: h.
            random: For crossings of absorbing walls within the step.
        """
        if self._absorbing is None and not self._anywhere_beyond(positions):
            return NOWHERE
        gone = [NOWHERE]
        for side in self._sides:
            room = side.room(positions)
            if self._absorbing is not None and before is not None:
                gone.append(self._absorbed(side, room, positions, before, diffusion, step, random))
            if room.min(initial=0.0) < 0.0:
                _put_back(side, np.flatnonzero(room < 0.0), room, positions, diffusion)
        self.inside(positions)
        return np.unique(np.concatenate(gone))

    def _anywhere_beyond(self, positions: Array) -> bool:
        """Whether any walker is off the domain, by the cheapest look."""
        domain = self._domain
        if isinstance(domain, Ball):
            return True
        rows = zip(positions, domain.lower, domain.upper, strict=True)
        return any(row.min(initial=high) < low or row.max(initial=low) > high for row, low, high in rows)

    def inside(self, positions: Array) -> None:
        """Bring positions (d, n) onto the domain, in place: circles are closed, what is beyond goes to the wall."""
        domain = self._domain
        if isinstance(domain, Ball):
            _into_ball(positions, domain)
            return
        for i, (row, low, high) in enumerate(zip(positions, domain.lower, domain.upper, strict=True)):
            if i in self._circles:
                row -= (high - low) * np.floor((row - low) / (high - low))
            elif row.min(initial=high) < low or row.max(initial=low) > high:
                np.clip(row, low, high, out=row)

    def folded(self, positions: Array) -> None:
        """Mirror, in place, walkers that have jumped beyond walls, as often as it takes: for jumps without a D."""
        domain = self._domain
        if isinstance(domain, Box):
            for i, (row, low, high) in enumerate(zip(positions, domain.lower, domain.upper, strict=True)):
                if i not in self._circles:
                    side = high - low
                    row[:] = high - np.abs((row - low) % (2.0 * side) - side)
        else:
            away = positions - np.array(domain.center)[:, None]
            distance = np.sqrt((away**2).sum(axis=0))
            beyond = np.flatnonzero(distance > domain.radius)
            inner = np.maximum(2.0 * domain.radius - distance[beyond], domain.hole)
            positions[:, beyond] = np.array(domain.center)[:, None] + away[:, beyond] * inner / distance[beyond]
        self.inside(positions)

    def _absorbed(
        self,
        side: Side,
        room: Array,
        positions: Array,
        before: Array,
        diffusion: Tensor,
        step: float,
        random: np.random.Generator,
    ) -> Places:
        """Walkers that met the absorbing part of a wall within a step, by its ends or by a Brownian bridge."""
        assert self._absorbing is not None
        ahead = side.room(before)
        trace = sum((diffusion[i][i] for i in range(1, len(diffusion))), start=diffusion[0][0])
        reach = np.sqrt(NEVER * step * trace)
        near = np.flatnonzero((ahead < reach) & (room < reach))
        if not len(near):
            return near
        normal = side.normal(before[:, near])
        noise = np.asarray(form(taken(diffusion, near), list(normal))) * np.ones(len(near))
        one, two = np.maximum(ahead[near], 0.0), room[near]
        with np.errstate(divide="ignore", invalid="ignore"):
            chance = np.where(two <= 0.0, 1.0, np.where(noise > 0.0, np.exp(-one * two / (noise * step)), 0.0))
        met = random.random(len(near)) < chance
        near, one, two = near[met], one[met], two[met]
        share = one / np.maximum(one + np.abs(two), 1e-300)
        where = before[:, near] + share * (positions[:, near] - before[:, near])
        normal = side.normal(where)
        gap = side.room(where)
        on_wall = where + gap * np.array(normal)
        return near[self._absorbing(on_wall) < 0.0]


class _Level:
    def __init__(self, level: Expression, coordinates: tuple[str, ...]) -> None:
        self._program, self._coordinates = Program([level]), coordinates

    def __call__(self, positions: Array) -> Array:
        return self._program(dict(zip(self._coordinates, positions, strict=True)))[0]


def _put_back(side: Side, beyond: Places, room: Array, positions: Array, diffusion: Tensor) -> None:
    """Along -Dn, or onto the wall where that is no way."""
    there = positions[:, beyond]
    normal = side.normal(there)
    local = taken(diffusion, beyond)
    push = product(local, list(normal))
    across = np.asarray(form(local, list(normal))) * np.ones(len(beyond))
    trace = sum((local[i][i] for i in range(1, len(local))), start=local[0][0])
    loud = across > SILENT * trace
    over = -room[beyond]
    for i in range(len(positions)):
        mirrored = 2.0 * over * push[i] / np.where(loud, across, 1.0)
        positions[i, beyond] -= np.where(loud, mirrored, over * normal[i])


def _sides_of_box(box: Box) -> list[Side]:
    found = []
    for i, (low, high, period) in enumerate(zip(box.lower, box.upper, box.periods, strict=True)):
        if np.isfinite(period):
            continue
        for end, sign in ((low, -1.0), (high, 1.0)):
            found.append(Side(_distance(i, end, sign), _axis(i, sign)))
    return found


def _distance(axis: int, end: float, sign: float) -> Callable[[Array], Array]:
    return lambda positions: sign * (end - positions[axis])


def _axis(axis: int, sign: float) -> Callable[[Array], list[Array]]:
    return lambda positions: [np.full(positions.shape[1], sign if i == axis else 0.0) for i in range(len(positions))]


def _sides_of_ball(ball: Ball) -> list[Side]:
    center = np.array(ball.center)[:, None]

    def distance(positions: Array) -> Array:
        return np.asarray(np.sqrt(((positions - center) ** 2).sum(axis=0)))

    def outward(positions: Array) -> list[Array]:
        return list((positions - center) / np.maximum(distance(positions), 1e-300))

    def inward(positions: Array) -> list[Array]:
        return [-entry for entry in outward(positions)]

    outer = Side(lambda positions: ball.radius - distance(positions), outward)
    inner = Side(lambda positions: distance(positions) - ball.hole, inward)
    return [outer, inner] if ball.hole > 0.0 else [outer]


def _into_ball(positions: Array, ball: Ball) -> None:
    center = np.array(ball.center)[:, None]
    away = positions - center
    distance = np.sqrt((away**2).sum(axis=0))
    wrong = np.flatnonzero((distance > ball.radius) | (distance < ball.hole))
    if len(wrong):
        right = np.clip(distance[wrong], ball.hole, ball.radius) / np.maximum(distance[wrong], 1e-300)
        positions[:, wrong] = center + away[:, wrong] * right
