"""The balls around the minima in which bounds hold, and the smaller ones in which the mass shall gather."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsolver.case import MeshFile
from fpsolver.domain.outline import boundary_of
from fpsolver.model.funnel import Funnel, best_radius, funnel
from fpsolver.problems.base import Setting
from fpsolver.problems.splitting.basins import Basin, basins_of
from fpsolver.problems.wording import number
from fpsolver.runtime import on_root

Array = npt.NDArray[np.float64]

EDGE = 1e-3
"""Balls stay so far, as a fraction of their radius, from the walls, which are known by samples."""

LEAST = 0.1
"""The distance in which the mass shall gather, unless the case says which, is the geometric mean of radius and noise
floor, but at least this fraction of the radius."""

MOMENTUM = "a velocity leads away from the minimum as often as back, so no ball around it is only entered by the drift"


@dataclass(frozen=True)
class Ball:
    """A ball around a minimum.

    Attributes:
        funnel: Its constants.
        within: The distance in which the mass shall gather.
    """

    funnel: Funnel
    within: float

    def floor(self, share: float) -> float:
        """The noise floor: the least distance in which all but a share of the mass is bound to gather."""
        rate, noise = self.funnel.pairs.T
        return float(np.sqrt((noise / rate).min() / share))


@dataclass(frozen=True)
class Place:
    """A minimum with its ball.

    Attributes:
        basin: Of the minimum.
        ball: Around it, or why there is none in which bounds hold.
    """

    basin: Basin
    ball: Ball | str


def places_of(setting: Setting) -> list[Place]:
    """The minima of a case with their balls, made once and kept; nothing without an isolated minimum. Collective."""
    landscape = basins_of(setting)
    if landscape is None:
        return []
    basins, comm = landscape.basins, setting.domain.comm

    def made() -> list[Ball | str]:
        return on_root(comm, lambda: [_ball(setting, basin) for basin in basins])

    balls = setting.of_model.once("balls of concentration", made)
    return [Place(basin, ball) for basin, ball in zip(basins, balls, strict=True)]


def _ball(setting: Setting, basin: Basin) -> Ball | str:
    wanted, domain = setting.case.concentration, setting.case.domain
    assert wanted is not None
    if setting.case.momentum is not None:
        return MOMENTUM
    walls = boundary_of(domain)[0]
    room = float(np.linalg.norm(walls - basin.centre, axis=1).min())
    if isinstance(domain, MeshFile):  # of whose facets the middles are known
        room = max(room - domain.data.mean_edge, 0.0)
    room *= 1.0 - EDGE
    if room <= 0.0:
        return "the minimum lies at a wall"
    radius = wanted.radius
    if radius is None:
        radius = best_radius(setting.model, basin.centre, room)
        if radius is None:
            return "next to the minimum the drift leads away from it in some direction: lambda <= 0 in every ball"
    elif radius > room:
        return f"its ball leaves the domain: write less than concentration.radius = {room:.4g}"
    found = funnel(setting.model, basin.centre, radius)
    if isinstance(found, float):
        return (
            f"within {number(radius)} of the minimum the drift leads away from it somewhere: lambda = {number(found)} "
            "is not positive; write a smaller concentration.radius"
        )
    if wanted.within is not None and wanted.within >= radius:
        return f"concentration.within is not less than the radius of its ball: write less than {radius:.4g}"
    return Ball(found, _within(found, wanted.within, wanted.share))


def _within(found: Funnel, wanted: float | None, share: float) -> float:
    if wanted is not None:
        return wanted
    radius, floor = found.radius, Ball(found, found.radius).floor(share)
    return float(np.clip(np.sqrt(floor * radius), LEAST * radius, radius))
