"""Two-sided bounds of mean exit times from a computed function, on a mesh that is refined until they are close.

All work is done on rank 0, with a mesh of its own, so the numbers do not depend on how many ranks there are. Cells are
made smaller where the function misses most, see `fpsolver.problems.enclosure.attempt`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.case import Box, Exit
from fpsolver.domain.cells import Cells
from fpsolver.domain.grading import Finer
from fpsolver.domain.region_mesh import RegionMesh, region_mesh
from fpsolver.errors import BadUsage, SolverFailed
from fpsolver.generator.boundary import exit_nodes, grading_for
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.pointwise import FacetSamples
from fpsolver.generator.wells import Wells
from fpsolver.problems.base import Setting
from fpsolver.problems.enclosure.attempt import Attempt, attempt
from fpsolver.problems.exit.killed import Killed
from fpsolver.problems.exit.starts import starts_of
from fpsolver.problems.exit.theory import door_of
from fpsolver.problems.landscape.wells import fitting_weight
from fpsolver.problems.reach.holds import owned_nodes
from fpsolver.problems.reach.traps import Trapped
from fpsolver.problems.wording import tuple_of
from fpsolver.quantity import Quantity
from fpsolver.runtime.ranks import on_root

Array = npt.NDArray[np.float64]
Entry = dict[str, object]

DEGREES = {1: (10,), 2: (10, 8, 6, 4), 3: (5, 4, 3)}
"""Degrees of the elements, by dimension: the highest with which the first mesh leaves room."""

MOST = {1: 20_000, 2: 100_000, 3: 40_000}
"""So many unknowns are not exceeded, by dimension."""

ROOM = 1.8
"""The first mesh may become so many times as large."""

NATS = (2.0, 5.0)
"""The potential varies by so much across cells at the exit and elsewhere, before cells are refined."""

GOAL = 1e-2
"""Relative distance of the bounds that ends the refinement."""

ROUNDS = 8

STALLED = 0.9
"""Two rounds in which what misses most does not fall below this fraction of the least before are the last ones."""

SHAPELY = 0.2
"""Larger cells than those of the case are taken where they can follow the edge of the region without being flatter."""

SHARES = (0.3, 0.15, 0.07, 0.03, 0.01)
"""At most such a share of the cells is made smaller at a time, the first one that leaves room."""

WORST = 0.03
"""Cells that miss less than this fraction of the most wait until the others are better."""

TURN = 0.3
"""No curved edge turns by a larger angle: where the mesh has corners that the region has not, u is not smooth."""

SMALLER = 0.6
"""Longest edge of what a cell is divided into, and ..."""

NEAR = 0.3
"""... the distance of its centroid from that of the cell, as fractions of the diameter."""

METHOD = "comparison with a computed function"
ON_SAMPLES = "what it takes is checked at {samples} points of each cell and enlarged by a tenth for what lies between"
CURVED = "; curved edges of the exit set are allowed for by their distance from the mesh"
NO_BOUNDS = "no bounds with up to {most:,} unknowns: the computed function misses most near {place}"
TOO_LARGE = "the first mesh already takes more than {most:,} unknowns"
WALLS = "curved walls reflect, and the mesh meets them only nearly"
OUTSIDE = "a start lies so close to the edge that it is outside of the mesh"
ENDLESS = "the mean time is infinite from some points of the region"


@dataclass(frozen=True)
class Found:
    """What the refinement ended with.

    Attributes:
        bounds: Lower and upper bound per start; none where ``why`` says so.
        longest: Upper bound of the mean time from anywhere; None where there is none.
        why: What the bounds rest on, or why there are none.
        cells, unknowns: Work.
    """

    bounds: Sequence[tuple[float, float]]
    longest: float | None
    why: str
    cells: int = 0
    unknowns: int = 0

    def width(self) -> float:
        """Largest relative distance of two bounds."""
        return max((upper - lower) / upper for lower, upper in self.bounds) if self.bounds else np.inf


@dataclass(frozen=True)
class Enclosed:
    """What belongs to the entries of the starts and of the exit."""

    starts: Sequence[Entry]
    results: Entry = field(default_factory=dict)


def enclosed(
    setting: Setting, wanted: Exit, problem: Killed, fate: Trapped, theory: Sequence[Mapping[str, object]]
) -> Enclosed:
    """Two-sided bounds for the starts of an exit and for its escape rate, where asked for. Collective.

    Args:
        setting: Of the case.
        wanted: The exit.
        problem: As it is solved.
        fate: Where times are infinite.
        theory: What is known of each start so far; the bounds are added.
    """
    if setting.is_companion or not wanted.enclosure:
        return Enclosed([dict(known) for known in theory])
    wells = setting.of_model.get(("wells", wanted.region))
    assert isinstance(wells, Wells)
    if fate.everywhere or fate.probability is not None:
        found = Found((), None, ENDLESS)
    else:
        found = on_root(setting.domain.comm, lambda: _refined(setting, wanted, problem, wells))
    starts = [{**known, "enclosure": _entry(found, place)} for place, known in enumerate(theory)]
    return Enclosed(starts, _of_exit(found))


def _entry(found: Found, place: int) -> Entry:
    if not found.bounds:
        none = Quantity(None, why=found.why)
        return {"lower": none, "upper": none, "method": METHOD, "certified": False, "why": found.why}
    lower, upper = (Quantity(number, 0.0) for number in found.bounds[place])
    return {"lower": lower, "upper": upper, "method": METHOD, "certified": True, "why": found.why}


def _of_exit(found: Found) -> Entry:
    """A rate is at least one over the longest mean time."""
    if found.longest is None:
        return {"escape_rate_lower": Quantity(None, why=found.why)}
    work = {"enclosure_unknowns": found.unknowns, "enclosure_cells": found.cells}
    return {"escape_rate_lower": Quantity(1.0 / found.longest, 0.0), **work}


def _refined(setting: Setting, wanted: Exit, problem: Killed, wells: Wells) -> Found:
    """Attempts on smaller and smaller cells. On rank 0 alone."""
    d = setting.case.dimension
    finer, found = _round(setting, wanted, wells), Found((), None, "")
    worst: list[float] = []
    region = _mesh(setting, wanted, wells, finer)
    fitting = [k for k in DEGREES[d] if ROOM * _unknowns(region, k) <= MOST[d]]
    if not fitting:
        return Found((), None, TOO_LARGE.format(most=MOST[d]))
    degree = fitting[0]
    for _ in range(ROUNDS):
        tried = _attempt(setting, wanted, problem, wells, region, degree)
        if isinstance(tried, str):
            return found if found.bounds else Found((), None, tried)
        found = min(found, _found(tried, region, degree), key=Found.width)
        large = tried.too_large(GOAL)
        worst.append(float(large.max()))
        if found.width() <= GOAL or worst[-1] <= 1.0:
            break
        if not found.bounds:
            found = replace(found, why=NO_BOUNDS.format(most=MOST[d], place=_centre(region, int(large.argmax()))))
        if len(worst) > 2 and min(worst[-2:]) > STALLED * min(worst[:-2]):
            break
        before, cells = finer, Cells.of(region.mesh)
        for share in SHARES:
            finer = _more(before, large, cells, share)
            region = _mesh(setting, wanted, wells, finer)
            if _unknowns(region, degree) <= MOST[d]:
                break
        else:
            break
    return found


def _centre(region: RegionMesh, cell: int) -> str:
    """The centroid of a cell in words."""
    d = region.mesh.topology.dim
    nodes = region.mesh.geometry.x[region.mesh.geometry.dofmaps[0][cell], :d]
    return tuple_of(nodes.mean(axis=0))


def _round(setting: Setting, wanted: Exit, wells: Wells) -> Finer | None:
    """Wishes of cells along curved edges, until each of those turns by little."""
    finer = None
    for _ in range(ROUNDS):
        region = _mesh(setting, wanted, wells, finer)
        if not region.curved:
            break
        facets, cells = FacetSamples(region.mesh, setting.model, 1), Cells.of(region.mesh)
        owners, local = region.exit_facets()
        normals = facets.normals[facets.of_cells[owners, local]]
        turn = np.arccos(np.clip(np.einsum("fqi,fpi->fqp", normals, normals).min(axis=(1, 2)), -1.0, 1.0))
        owners = np.unique(owners[turn > TURN])
        if not owners.size:
            break
        finer = _joined(finer, _wish(cells, owners))
    return finer


def _mesh(setting: Setting, wanted: Exit, wells: Wells, finer: Finer | None) -> RegionMesh:
    """A mesh of the region on this rank alone."""
    weight = fitting_weight(setting.reference, wells)
    grading = grading_for(setting.model, weight, setting.case.discretization.degree, wells.top)
    at_exit, elsewhere = min(NATS[0], grading.at_exit), min(NATS[1], grading.elsewhere)
    grading = replace(grading, at_exit=at_exit, elsewhere=elsewhere, finer=finer)
    region, domain = setting.case.regions[wanted.region], setting.case.domain
    larger = domain.coarser(2)  # as the degree is higher
    if larger is not None:
        try:
            made = region_mesh(MPI.COMM_SELF, larger, region, setting.absorbing, grading)
        except BadUsage:  # the region holds none of these cells
            made = None
        if made is not None and made.quality >= SHAPELY:
            return made
    return region_mesh(MPI.COMM_SELF, domain, region, setting.absorbing, grading)


def _attempt(
    setting: Setting, wanted: Exit, problem: Killed, wells: Wells, region: RegionMesh, degree: int
) -> Attempt | str:
    weight = fitting_weight(setting.reference, wells)
    generator = weighted_generator(region.mesh, setting.model, degree, weight)
    fixed = exit_nodes(generator.space, region, setting.model)
    in_box = isinstance(setting.case.domain, Box)
    if region.curved and not in_box and _has_walls(generator, region):
        return WALLS
    bent = (region.without_walls() if in_box else region) if region.curved else None  # walls of a box are straight
    here = replace(problem, generator=generator, fixed=fixed, cells=region.cells, geometry=Cells.of(region.mesh))
    try:
        starts = [start.functional for start in starts_of(setting, wanted, here)]
    except BadUsage:  # this mesh is coarser than the one of the exit
        return OUTSIDE
    door = door_of(setting, wanted, owned_nodes(generator)[fixed])
    try:
        return attempt(generator, region, bent, fixed, wells.points, wells.top, starts, door, GOAL)
    except SolverFailed as failure:
        return str(failure).splitlines()[0]


def _has_walls(generator: Generator, region: RegionMesh) -> bool:
    """Whether some facets of the boundary reflect."""
    topology = region.mesh.topology
    d = topology.dim
    topology.create_connectivity(d - 1, d)
    sides = np.diff(topology.connectivity(d - 1, d).offsets)
    return int((sides == 1).sum()) > len(region.exit_facets()[0])


def _found(tried: Attempt, region: RegionMesh, degree: int) -> Found:
    bounds = [tried.bounds(place) for place in range(len(tried.times))]
    known = [each for each in bounds if each is not None]
    samples = tried.values.shape[2]
    why = ON_SAMPLES.format(samples=samples) + (CURVED if region.curved else "")
    return Found(known if len(known) == len(bounds) else (), tried.longest(), why, region.cells, tried.unknowns)


def _more(before: Finer | None, large: Array, cells: Cells, share: float) -> Finer:
    """The wishes so far, and those of a share of the cells, of those that miss most."""
    chosen = np.argsort(-large)[: max(int(share * len(large)), 1)]
    return _joined(before, _wish(cells, chosen[large[chosen] > max(1.0, WORST * float(large.max()))]))


def _wish(cells: Cells, chosen: npt.NDArray[np.int64]) -> Finer:
    """That cells be divided."""
    middles = cells.points(np.full((1, cells.dimension), 1.0 / (cells.dimension + 1)))[chosen, 0]
    diameters = cells.diameters[chosen]
    return Finer(middles, NEAR * diameters, SMALLER * diameters)


def _joined(one: Finer | None, two: Finer) -> Finer:
    if one is None:
        return two
    pairs = ((one.points, two.points), (one.reach, two.reach), (one.size, two.size))
    return Finer(*(np.concatenate(pair) for pair in pairs))


def _unknowns(region: RegionMesh, degree: int) -> int:
    """About so many, by Euler's formula."""
    return int(region.cells * degree**region.mesh.topology.dim / (1, 1, 2, 6)[region.mesh.topology.dim])
