"""Where a process may settle: the closed communicating classes of a model, each with a stationary state of its own.

A class is a part of the domain that nothing leaves and within which the process goes everywhere: it carries a density.
Or it is a trap that paths converge to, where mass collapses and no density exists; what flows into it is transient. In
one dimension the exact analysis of the coefficients decides, in more dimensions the crossings of facets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.generator.generator import Generator
from fpsolver.model.degeneracy import Trap, traps
from fpsolver.model.line import Line, line
from fpsolver.problems.reach.connections import parts_of
from fpsolver.problems.reach.holds import MOST_TRAPS, box_of_cells, nearest_node, nodes_of_cells, traps_off
from fpsolver.problems.wording import number, placed

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DENSITY, POINT_MASS = "density", "point mass"


@dataclass(frozen=True)
class Class:
    """A set that is never left, and the kind of stationary state on it.

    Attributes:
        kind: "density", or "point mass" where mass collapses and no density exists.
        text: Where it is, and why it is alone, in words.
        nodes: Owned nodes of its cells, those on its boundary included, or the node nearest to a point mass.
        cells: Owned cells; none for a point mass.
        lower: Lower corner of the box around it, (d,).
        upper: Upper corner.
        everything: Its cells are the whole mesh.
    """

    kind: str
    text: str
    nodes: Bools
    cells: Bools
    lower: Array
    upper: Array
    everything: bool = False


def classes(generator: Generator, names: Sequence[str] = ("x", "y", "z")) -> list[Class]:
    """The closed classes of a generator without an exit, from low to high coordinates. Collective.

    Args:
        generator: Gives mesh and model.
        names: Of the coordinates, for the texts.
    """
    everywhere = np.ones(generator.quadrature.cells.owned, dtype=bool)
    lower, upper = box_of_cells(generator, everywhere)
    names = names[: len(lower)]
    if (generator.model.constant_scalar_diffusion or 0.0) > 0.0:
        found = [_class_of_cells(generator, everywhere, names, "")]
    elif len(lower) == 1:
        exact = line(generator.model, float(lower[0]), float(upper[0]))
        found = [_on_line(generator, exact, parts, names[0]) for parts in exact.closed if _is_reached(exact, parts)]
    else:
        found = _in_space(generator, traps(generator.model, lower.tolist(), upper.tolist()), names)
    return sorted(found, key=lambda each: (*each.lower.tolist(), *each.upper.tolist()))


def _class_of_cells(
    generator: Generator, cells: Bools, names: Sequence[str], why: str, box: tuple[Array, Array] | None = None
) -> Class:
    lower, upper = box_of_cells(generator, cells) if box is None else box
    everything = bool(generator.comm.allreduce(bool(cells.all()), MPI.LAND))
    bounds = [f"{number(a)} < {name} < {number(b)}" for a, name, b in zip(lower, names, upper, strict=True)]
    text = ("" if len(names) == 1 else "a part within ") + ", ".join(bounds) + why
    text = "the whole domain" if everything else text
    return Class(DENSITY, text, nodes_of_cells(generator, cells), cells, lower, upper, everything)


def _point_mass(generator: Generator, points: Sequence[Array], names: Sequence[str], cause: str) -> Class:
    nodes = np.logical_or.reduce([nearest_node(generator, point) for point in points])
    where = placed(names, points[0])
    if len(points) > 1:
        where = f"many points such as {where}"
    text = f"{where}, where {cause}: mass collapses there, and no density exists"
    at = np.array(points)
    nobody = np.zeros(generator.quadrature.cells.owned, dtype=bool)
    return Class(POINT_MASS, text, nodes, nobody, at.min(axis=0), at.max(axis=0))


def _is_reached(exact: Line, parts: tuple[int, ...]) -> bool:
    """Traps that throw paths back are stationary too, but nothing settles there."""
    return len(parts) > 1 or parts[0] % 2 == 1 or bool(exact.moves[:, parts[0]].any())


def _on_line(generator: Generator, exact: Line, parts: tuple[int, ...], name: str) -> Class:
    if len(parts) == 1 and parts[0] % 2 == 0:
        place = exact.places[parts[0] // 2]
        cause = "noise and drift both vanish" if place.drift == 0 else "noise vanishes and the drift pushes at the wall"
        return _point_mass(generator, [np.array([place.x])], [name], cause)
    first, last = exact.places[parts[0] // 2], exact.places[(parts[-1] + 1) // 2]
    if exact.rests(parts):
        points = [np.array([x]) for x in np.linspace(first.x, last.x, MOST_TRAPS)]
        return _point_mass(generator, points, [name], "noise and drift both vanish")
    cells = generator.quadrature.cells
    middles = cells.points(np.array([[0.5]]))[: cells.owned, 0, 0]
    inside = (middles > first.x) & (middles < last.x)
    ends = [number(place.x) for place in (first, last) if not place.noise]
    why = f" (noise vanishes at {name} = {' and '.join(ends)}, and nothing leads out)" if ends else ""
    return _class_of_cells(generator, inside, [name], why, (np.array([first.x]), np.array([last.x])))


def _in_space(generator: Generator, found: Sequence[Trap], names: Sequence[str]) -> list[Class]:
    nobody = np.zeros(generator.space.dofmap.index_map.size_local, dtype=bool)
    held = [trap.point for trap in traps_off(generator, nobody, found) if trap.attracting]
    parts = parts_of(generator, held)
    together = [held] if len(held) > MOST_TRAPS else [[point] for point in held]
    result = [_point_mass(generator, points, names, "noise and drift both vanish") for points in together]
    why = ": neither noise nor drift leads out of it"
    closed = [parts.label == label for label in np.flatnonzero(parts.closed)]
    return result + [_class_of_cells(generator, cells, names, why) for cells in closed]
