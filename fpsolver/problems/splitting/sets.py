"""What is outside of the neighbourhoods of some minima, as a domain of its own that ends where one of them begins.

Two kinds are needed. Outside of all of them live the committors of the minima and the time until the first one is
reached; outside of all but one, the time until another minimum is reached, and which one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.case import Case, Exit, Region
from fpsolver.case.expressions import level
from fpsolver.domain.cells import Cells
from fpsolver.domain.regions import at_points
from fpsolver.generator.boundary import exit_nodes
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.killed import Killed
from fpsolver.problems.landscape.wells import fitting_weight, landscape
from fpsolver.problems.reach.holds import owned_nodes
from fpsolver.problems.reach.traps import Trapped, trapped
from fpsolver.problems.splitting.basins import Landscape

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outside:
    """What is outside of some neighbourhoods.

    Attributes:
        problem: The generator there, and where the process ends: in a neighbourhood, at an absorbing wall, or caught.
        into: For each basin the owned nodes where the process enters its neighbourhood, (owned,); none for the basins
            that are inside.
        fate: What keeps a process outside for ever.
    """

    problem: Killed
    into: Sequence[Bools]
    fate: Trapped

    @property
    def generator(self) -> Generator:
        return self.problem.generator

    @property
    def lost(self) -> Bools:
        """Where the process ends but in no neighbourhood."""
        return np.asarray(self.problem.fixed & ~np.logical_or.reduce(self.into))

    def inverse(self, count: SolveCount) -> Pinned | None:
        """Solves with K there; None where nothing ends the process. Collective."""
        ends = self.generator.comm.allreduce(bool(self.problem.fixed.any()), MPI.LOR)
        if not ends:
            return None
        return Pinned(self.generator, self.problem.fixed, self.problem.pins, "splitting", count)


def outside_of(setting: Setting, basins: Landscape, chosen: Sequence[int]) -> Outside:
    """What is outside of the neighbourhoods of the chosen basins; its mesh is made once and kept. Collective.

    Raises:
        BadUsage: Nothing is left outside.
    """
    case = setting.case
    region = _region(case, basins, chosen)
    inner = at_points(region.level, case.coordinates)

    def inside(points: Array) -> Bools:
        return np.asarray(case.domain.inside(points) & (inner(points) < 0.0))

    found = setting.of_model.once(("wells", region.name), lambda: landscape(setting, inside))
    weight = fitting_weight(setting.reference, found)
    anchors = [basins.centres[i] for i in chosen]
    fitted = setting.region_mesh(region, weight, found.top, anchors)
    generator = setting.generator(weight, fitted.mesh)
    fixed = exit_nodes(generator.space, fitted, setting.model)
    of_balls = fixed if case.boundary is None else exit_nodes(generator.space, fitted.without_walls(), setting.model)
    box = case.domain
    problem = Killed(generator, fixed, found.points, inside, box.lower, box.upper, fitted.cells, Cells.of(fitted.mesh))
    nearest = _nearest(basins, chosen, owned_nodes(generator))
    into = [of_balls & (nearest == i) for i in range(basins.count)]
    fate = trapped(setting, Exit(region.name, (), 1), problem)
    if not fate.everywhere:
        problem = replace(problem, fixed=fixed | fate.held)
    return Outside(problem, into, fate)


def _nearest(basins: Landscape, chosen: Sequence[int], points: Array) -> npt.NDArray[np.int64]:
    """The chosen basin whose ball is nearest to each point (n, d)."""
    distance = np.linalg.norm(points[:, None] - basins.centres[list(chosen)], axis=2) - basins.radii[list(chosen)]
    return np.asarray(np.asarray(chosen)[distance.argmin(axis=1)])


def _region(case: Case, basins: Landscape, chosen: Sequence[int]) -> Region:
    conditions = []
    for i in chosen:
        basin = basins.basins[i]
        squares = [f"({name} - ({float(c)!r}))**2" for name, c in zip(case.coordinates, basin.centre, strict=True)]
        conditions.append(f"{' + '.join(squares)} > {basin.radius**2!r}")
    text = " and ".join(conditions)
    which = ", ".join(str(i + 1) for i in chosen)
    name = f"the domain without {'the minima' if len(chosen) > 1 else 'minimum'} {which}"
    return Region(name, level(text, case.coordinates), text)
