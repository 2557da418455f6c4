"""A region as a domain of its own whose exit set ends the process: what every exit problem stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fpsolver.case import Exit
from fpsolver.domain.cells import Cells
from fpsolver.domain.regions import at_points
from fpsolver.generator.boundary import exit_nodes
from fpsolver.generator.generator import Generator
from fpsolver.problems.base import Setting
from fpsolver.problems.landscape.wells import fitting_weight, landscape

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Killed:
    """The generator on a region, and where the process ends.

    Attributes:
        generator: On the mesh of the region alone.
        fixed: Owned nodes of the exit set where the process can leave, (owned,).
        pins: Bottoms of the wells of the region, deepest first, (m, d).
        inside: Whether points (n, d) are in the region.
        lower: Lower corner of the box around the domain.
        upper: Upper corner.
        cells: Cells of the mesh, over all ranks.
        geometry: Of this rank's cells.
    """

    generator: Generator
    fixed: Bools
    pins: Array
    inside: Callable[[Array], Bools]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    cells: int
    geometry: Cells


def killed(setting: Setting, wanted: Exit) -> Killed:
    """The exit problem of a region on a mesh fitted to it; the mesh is made once and kept. Collective.

    Raises:
        BadUsage: The region has no cells.
    """
    case = setting.case
    box = case.domain
    level = at_points(case.regions[wanted.region].level, case.coordinates)

    def inside(points: Array) -> Bools:
        return np.asarray(box.inside(points) & (level(points) < 0.0))

    found = setting.of_model.once(("wells", wanted.region), lambda: landscape(setting, inside))
    weight = fitting_weight(setting.reference, found)
    region = setting.region_mesh(case.regions[wanted.region], weight, found.top)
    generator = setting.generator(weight, region.mesh)
    return Killed(
        generator,
        exit_nodes(generator.space, region, setting.model),
        found.points,
        inside,
        box.lower,
        box.upper,
        region.cells,
        Cells.of(region.mesh),
    )
