"""What lies between two regions, as a domain of its own: where committors live.

The mesh is fitted to both regions and holds the cells of neither. Its boundary on the first region is the source, on
the second the target; absorbing walls are neither, and paths that end there are lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.case import Case, Committor, Region
from fpsolver.case.expressions import outside
from fpsolver.domain.cells import Cells
from fpsolver.domain.region_mesh import RegionMesh
from fpsolver.domain.regions import at_points
from fpsolver.errors import BadUsage
from fpsolver.generator.boundary import exit_nodes
from fpsolver.generator.generator import Generator
from fpsolver.model import Coefficients, Model
from fpsolver.problems.base import Setting
from fpsolver.problems.landscape.wells import fitting_weight, landscape

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ends:
    """Owned nodes where a process, run forward or backward, leaves what lies between, (owned,) each.

    Attributes:
        source: Into the source.
        target: Into the target.
        lost: Through an absorbing wall.
    """

    source: Bools
    target: Bools
    lost: Bools

    @property
    def all(self) -> Bools:
        return self.source | self.target | self.lost


@dataclass(frozen=True)
class Between:
    """The generator between source and target.

    Attributes:
        generator: On the mesh of what lies between.
        forward: Where the process leaves.
        backward: Where it leaves when time is reversed.
        open: Some of the boundary is crossed in one direction only, as noise does not push across it.
        pins: Bottoms of the wells, deepest first, (m, d).
        cells: Cells of the mesh, over all ranks.
        geometry: Of this rank's cells.
        from_source: Distance of points (n, d) from the source by its level over its slope: right near it.
        from_target: The same from the target.
    """

    generator: Generator
    forward: Ends
    backward: Ends
    open: bool
    pins: Array
    cells: int
    geometry: Cells
    from_source: Callable[[Array], Array]
    from_target: Callable[[Array], Array]

    def nearer_target(self, points: Array) -> Bools:
        """Which points (n, d) are nearer to the target than to the source."""
        return np.asarray(self.from_target(points) < self.from_source(points))


@dataclass(frozen=True)
class _Backward:
    """The model with its drift turned round: where noise does not reach, what came in goes out."""

    model: Model

    @property
    def dimension(self) -> int:
        return self.model.dimension

    @property
    def constant_scalar_diffusion(self) -> float | None:
        return self.model.constant_scalar_diffusion

    gradient_drift = False
    potential = None

    def __call__(self, points: Array) -> Coefficients:
        found = self.model(points)
        return replace(found, gradient=-found.gradient, extra=-found.extra, divergence=-found.divergence)

    def loss(self, points: Array) -> Array:
        return self.model.loss(points)


def region_between(case: Case, wanted: Committor) -> Region:
    """What is in neither source nor target."""
    source, target = case.regions[wanted.source], case.regions[wanted.target]
    text = f"not ({source.source}) and not ({target.source})"
    return Region(f"outside {wanted.source} and {wanted.target}", outside(source.level, target.level), text)


def between(setting: Setting, wanted: Committor) -> Between:
    """What lies between source and target, on a mesh that is made once and kept. Collective.

    Raises:
        BadUsage: There is nothing between them, or nothing leads into one of them.
    """
    case = setting.case
    region = region_between(case, wanted)
    level = at_points(region.level, case.coordinates)
    found = setting.of_model.once(
        ("wells", region.name), lambda: landscape(setting, lambda points: np.asarray(level(points) < 0.0))
    )
    weight = fitting_weight(setting.reference, found)
    fitted = setting.region_mesh(region, weight, found.top)
    generator = setting.generator(weight, fitted.mesh)
    from_source, from_target = (_distance(case, case.regions[name]) for name in (wanted.source, wanted.target))

    def nearer(points: Array) -> Bools:
        return np.asarray(from_target(points) < from_source(points))

    forward = _ends(generator, fitted, setting.model, nearer)
    backward = _ends(generator, fitted, _Backward(setting.model), nearer)
    comm = generator.comm
    for ends in (forward, backward):
        for name, nodes in ((wanted.source, ends.source), (wanted.target, ends.target)):
            if not comm.allreduce(bool(nodes.any()), MPI.LOR):
                raise BadUsage(
                    f'committor from {wanted.source} to {wanted.target}: no path crosses the boundary of "{name}" '
                    "inside the domain; check noise.diffusion and the regions"
                )
    one_way = comm.allreduce(bool((forward.all != backward.all).any()), MPI.LOR)
    return Between(
        generator,
        forward,
        backward,
        one_way,
        found.points,
        fitted.cells,
        Cells.of(fitted.mesh),
        from_source,
        from_target,
    )


def _ends(generator: Generator, fitted: RegionMesh, model: Model, nearer: Callable[[Array], Bools]) -> Ends:
    of_sets = exit_nodes(generator.space, fitted.without_walls(), model)
    everywhere = exit_nodes(generator.space, fitted, model) if fitted.of_walls.any() else of_sets
    points = generator.space.tabulate_dof_coordinates()[: len(of_sets), : generator.model.dimension]
    target = of_sets & nearer(points)
    return Ends(of_sets & ~target, target, everywhere & ~of_sets)


def _distance(case: Case, region: Region) -> Callable[[Array], Array]:
    level = at_points(region.level, case.coordinates)
    slopes = [at_points(region.level.derivative(name), case.coordinates) for name in case.coordinates]

    def distance(points: Array) -> Array:
        slope = np.sqrt(sum(np.nan_to_num(part(points)) ** 2 for part in slopes))
        return np.asarray(level(points) / np.maximum(slope, 1e-150))

    return distance
