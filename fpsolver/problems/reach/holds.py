"""What can hold a path for ever: traps, and parts that nothing leads out of, found in space or exactly on a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from dolfinx import fem, la
from mpi4py import MPI

from fpsolver.domain.locate import point_rules
from fpsolver.generator.generator import Generator
from fpsolver.model.degeneracy import Trap
from fpsolver.model.line import Line, Place, line
from fpsolver.problems.reach.connections import Parts, neighbours
from fpsolver.problems.wording import number, placed

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_TRAPS = 6
"""More traps than this are taken together: they fill a curve."""

SAME = 1e-9
"""Points closer than this fraction of the domain are one."""


@dataclass(frozen=True)
class Hold:
    """Something that is never left.

    Attributes:
        cause: Why, in words.
        nodes: Owned nodes that stand for it; none where paths do not come to it.
        points: Traps themselves, (k, d), from where a path never moves; none for parts.
        certain: Paths converge to it, or cannot leave it; False if it only may be so.
        lingers: Paths do not converge to it, but stay near for an infinite mean time.
    """

    cause: str
    nodes: Bools
    points: Array
    certain: bool = True
    lingers: bool = False


def traps_off(generator: Generator, fixed: Bools, found: Sequence[Trap]) -> list[Trap]:
    """The traps on the mesh whose nearest node is not one of the owned nodes of an exit set. Collective."""
    rules = point_rules(generator.space.mesh, generator.quadrature.cells, [trap.point.tolist() for trap in found])
    on_mesh = [trap for trap, rule in zip(found, rules, strict=True) if rule is not None]
    return [trap for trap in on_mesh if not on_nodes(generator, fixed, trap.point)]


def holds_in_space(generator: Generator, found: Sequence[Trap], parts: Parts, names: Sequence[str]) -> list[Hold]:
    """Traps and closed parts of a region in several dimensions. Collective.

    Args:
        generator: On the region.
        found: The traps on its mesh.
        parts: The parts of the mesh.
        names: Of the coordinates.
    """
    d = len(names)
    holds = []
    for attracting in (True, None, False):
        group = [trap.point for trap in found if trap.attracting is attracting]
        together = [group] if len(group) > MOST_TRAPS else [[point] for point in group]
        for points in together:
            nodes = np.zeros(generator.space.dofmap.index_map.size_local, dtype=bool)
            if attracting is not False:
                for point in points:
                    nodes |= nearest_node(generator, point)
            where = placed(names, points[0])
            if len(points) > 1:
                where = f"many points such as {where}"
            cause = f"noise and drift both vanish at {where}"
            holds.append(Hold(cause, nodes, np.array(points), certain=attracting is True))
    closed = parts.closed[parts.label]
    if generator.comm.allreduce(bool(closed.any()), MPI.LOR):
        nodes = nodes_of_cells(generator, closed)
        low, high = box_of_cells(generator, closed)
        box = ", ".join(f"{a:.4g} < {name} < {b:.4g}" for a, name, b in zip(low, names, high, strict=True))
        cause = f"neither noise nor drift leads out of a part of the region (within {box})"
        holds.append(Hold(cause, nodes, np.zeros((0, d))))
    return holds


class LineHolds:
    """What holds a path on the intervals of a region in one dimension. Collective.

    Args:
        generator: On the region.
        fixed: Owned nodes of the exit set.
        name: Of the coordinate.
    """

    def __init__(self, generator: Generator, fixed: Bools, name: str) -> None:
        self._name = name
        x = owned_nodes(generator)[:, 0]
        exits = np.concatenate(generator.comm.allgather(x[fixed]))
        ends = _ends(generator)
        size = ends[-1] - ends[0]
        self._lines: list[Line] = []
        self._first: list[int] = []
        self.holds: list[Hold] = []
        self.has_exit = bool(len(exits))
        for lower, upper in zip(ends[::2], ends[1::2], strict=True):
            leaving = [bool(len(exits)) and float(np.abs(exits - end).min()) < SAME * size for end in (lower, upper)]
            found = line(generator.model, lower, upper, (leaving[0], leaving[1]))
            self._lines.append(found)
            self._first.append(len(self.holds))
            self.holds += [self._hold(generator, found, parts, x) for parts in found.closed]

    def reached(self, points: Array) -> list[int]:
        """Numbers of the holds that paths from any of the points (n,) come to, or never leave."""
        reached: list[int] = []
        ends = np.array([found.places[-1].x for found in self._lines])
        which = np.searchsorted(ends, points).clip(max=len(ends) - 1)
        for k in np.unique(which):
            found = self._lines[k]
            parts = {found.part_at(float(point)) for point in np.unique(points[which == k])}
            if len(points) > 1:  # of a density: what is at a single place has no mass
                parts = {part for part in parts if part % 2} or parts
            beyond = found.reachable[sorted(parts)].any(axis=0)
            reached += [self._first[k] + i for i, closed in enumerate(found.closed) if beyond[list(closed)].any()]
        return reached

    @property
    def everywhere(self) -> bool:
        """From no interval is the mean time finite."""
        middles = [np.array([(s.lower + s.upper) / 2]) for found in self._lines for s in found.stretches]
        return all(self.reached(middle) for middle in middles)

    def _hold(self, generator: Generator, found: Line, parts: tuple[int, ...], x: Array) -> Hold:
        nodes = np.zeros(len(x), dtype=bool)
        at = [found.places[part // 2].x for part in parts if part % 2 == 0]
        for part in parts:
            if part % 2:
                stretch = found.stretches[part // 2]
                nodes |= (x >= stretch.lower) & (x <= stretch.upper)
            elif found.moves[:, part].any():
                nodes |= nearest_node(generator, np.array([found.places[part // 2].x]))
        points = np.array(at)[:, None] if len(parts) == 1 else np.zeros((0, 1))
        lingers = len(parts) == 1 and bool(found.lingers[:, parts[0]].any())
        return Hold(self._cause(found, parts), nodes, points, lingers=lingers)

    def _cause(self, found: Line, parts: tuple[int, ...]) -> str:
        name = self._name
        if len(parts) == 1 and parts[0] % 2 == 0:
            place = found.places[parts[0] // 2]
            if place.drift == 0:
                return f"noise and drift both vanish at {name} = {number(place.x)}"
            return f"noise vanishes at the wall {name} = {number(place.x)} and the drift pushes against it"
        lower, upper = found.places[parts[0] // 2], found.places[(parts[-1] + 1) // 2]
        span = f"{number(lower.x)} < {name} < {number(upper.x)}"
        if found.rests(parts):
            return f"noise and drift both vanish for {span}"
        return f"nothing leads out of {span} ({self._end(lower)}, {self._end(upper)})"

    def _end(self, place: Place) -> str:
        where = f"{self._name} = {number(place.x)}"
        if place.noise:
            return f"{where} reflects"
        return f"at {where} noise vanishes and the drift {'too' if place.drift == 0 else 'points inwards'}"


def owned_nodes(generator: Generator) -> Array:
    """Coordinates of the owned nodes, (owned, d)."""
    space = generator.space
    size = space.dofmap.index_map.size_local
    return np.asarray(space.tabulate_dof_coordinates()[:size, : space.mesh.geometry.dim])


def nearest_node(generator: Generator, point: Array) -> Bools:
    """The one node, on whichever rank it is, that is nearest to a point. Collective."""
    nodes = owned_nodes(generator)
    distance = np.linalg.norm(nodes - point, axis=1)
    mine = int(distance.argmin()) if len(nodes) else -1
    start = generator.space.dofmap.index_map.local_range[0]
    best = (float(distance[mine]), start + mine) if mine >= 0 else (np.inf, -1)
    chosen = generator.comm.allreduce(best, MPI.MIN)[1]
    return np.asarray(np.arange(start, start + len(nodes)) == chosen)


def on_nodes(generator: Generator, mask: Bools, point: Array) -> bool:
    """Whether the node nearest to a point is in a set of owned nodes. Collective."""
    return bool(generator.comm.allreduce(bool((nearest_node(generator, point) & mask).any()), MPI.LOR))


def nodes_of_cells(generator: Generator, cells: Bools) -> Bools:
    """The owned nodes of some of the owned cells of all ranks, their boundary included. Collective."""
    marks = fem.Function(generator.space)
    marks.x.array[generator.quadrature.dofs[cells]] = 1.0
    marks.x.scatter_reverse(la.InsertMode.add)
    return np.asarray(marks.x.array[: generator.space.dofmap.index_map.size_local] > 0.0)


def box_of_cells(generator: Generator, cells: Bools) -> tuple[Array, Array]:
    """The corners of the box around some of the owned cells of all ranks, (d,) each. Collective."""
    geometry = generator.quadrature.cells
    nodes = geometry.nodes[: geometry.owned][cells].reshape(-1, geometry.dimension)
    corners = np.concatenate([nodes.min(axis=0, initial=np.inf), -nodes.max(axis=0, initial=-np.inf)])
    found = np.empty_like(corners)
    generator.comm.Allreduce(corners, found, MPI.MIN)
    return found[: geometry.dimension], -found[geometry.dimension :]


def _ends(generator: Generator) -> list[float]:
    """Ends of the intervals of a one-dimensional mesh, in ascending order: two for each."""
    cell, facet = np.nonzero(neighbours(generator) < 0)
    mine = generator.quadrature.cells.nodes[cell, facet, 0]
    return sorted(np.concatenate(generator.comm.allgather(mine)).tolist())
