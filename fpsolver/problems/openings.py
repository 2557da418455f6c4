"""The open boundary of a case: where it absorbs, where something comes in, and what its parts are called."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fpsolver.case import MeshFile
from fpsolver.domain.ground import group_level
from fpsolver.domain.regions import at_points
from fpsolver.errors import BadUsage
from fpsolver.generator.generator import Generator
from fpsolver.generator.open_boundary import Influx, OpenBoundary, open_boundary
from fpsolver.problems.base import Setting
from fpsolver.problems.walls import numbered, walls_of

Array = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

WHOLE = "boundary"
"""The one part of the boundary of a mesh from a file."""


def openings(setting: Setting, generator: Generator) -> OpenBoundary:
    """What leaves and what comes in, for a generator of the case. Collective.

    Raises:
        BadUsage: Nothing can leave through the part that is said to absorb, or what comes in does so there.
    """
    domain, absorbing, influx = setting.case.domain, setting.absorbing, influx_of(setting)
    assert absorbing is not None

    def part(points: Array, normals: Array) -> Ints:
        walls = walls_of(domain)
        return numbered(domain, points, normals) if walls else np.zeros(len(points), dtype=np.int64)

    found = open_boundary(generator, absorbing, part, len(part_names(setting)), influx)
    if not any(found.takes):
        raise BadUsage(
            "boundary: nothing can leave through the absorbing part, where noise is along the boundary and the drift "
            "points inward; write a part that drift or noise crosses"
        )
    _announce(setting, found)
    return found


def part_names(setting: Setting) -> list[str]:
    """Names of the parts of the boundary: the walls of a box or ball, or one."""
    return [wall.name for wall in walls_of(setting.case.domain)] or [WHOLE]


def influx_of(setting: Setting) -> Influx | None:
    """What comes in per area and time at points of the boundary, and where; None where nothing does."""
    boundary, domain, names = setting.case.boundary, setting.case.domain, setting.case.coordinates
    if boundary is None or boundary.influx is None:
        return None
    density = at_points(boundary.influx, names)
    if boundary.influx_on is not None:
        return density, at_points(boundary.influx_on, names)
    assert isinstance(domain, MeshFile)
    assert boundary.influx_group is not None
    return density, group_level(domain, boundary.influx_group)


def _announce(setting: Setting, found: OpenBoundary) -> None:
    """Once, what theory wants where noise does not cross the absorbing part."""
    by_drift, nothing = found.characteristic

    def tell() -> None:
        if by_drift > 0.0:
            setting.announce(
                f"boundary: through {_percent(by_drift)} of the absorbing part drift alone leaves, as noise is along "
                "it: no condition is set on the density there, what flows out is counted"
            )
        if nothing > 0.0:
            setting.announce(
                f"boundary: through {_percent(nothing)} of the absorbing part nothing leaves, as noise is along it and "
                "the drift points inward: no condition is set there"
            )

    setting.of_model.once("openings that were told of", tell)


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"
