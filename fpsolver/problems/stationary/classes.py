"""Where a process may settle: the closed communicating classes of a model, each with a stationary state of its own.

A class is a part of the domain that nothing leaves and within which the process goes everywhere: it carries a density.
Or it is a trap that paths converge to, where mass collapses and no density exists; what flows into it is transient. In
one dimension the exact analysis of the coefficients decides, in more dimensions the crossings of facets. A part in
which noise does not reach all directions is singular where the drift keeps to one of the curves or surfaces that noise
keeps to: mass collapses onto it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.generator.generator import Generator
from fpsolver.model.degeneracy import Trap, traps
from fpsolver.model.directions import reached
from fpsolver.model.line import Line, line
from fpsolver.problems.reach.connections import parts_of
from fpsolver.problems.reach.holds import MOST_TRAPS, SAME, box_of_cells, nearest_node, nodes_of_cells, traps_off
from fpsolver.problems.wording import number, placed

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DENSITY, POINT_MASS, SINGULAR = "density", "point mass", "singular"

SHARES = (np.arange(6) + 0.37) / 6
"""Where it is looked how many directions noise reaches, along each side of a class; not in the middle."""

LARGER = 1.1
"""So much larger cells are looked at, for curves and surfaces that lie between two of them."""

STEPS, TURNED = 6, 0.5
"""Points along an edge, and the cosine of the angle by which leaves may turn between two of them."""

HALVINGS = 12
"""A change of sign that is still there between points that are so many times closer is one."""


@dataclass(frozen=True)
class Class:
    """A set that is never left, and the kind of stationary state on it.

    Attributes:
        kind: "density", "point mass" where mass collapses to a point, or "singular" where it collapses onto a curve or
            surface; in both no density exists.
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
    text = "the whole domain" if everything else _bounds(lower, upper, names) + why
    return Class(DENSITY, text, nodes_of_cells(generator, cells), cells, lower, upper, everything)


def _bounds(lower: Array, upper: Array, names: Sequence[str]) -> str:
    bounds = [f"{number(a)} < {name} < {number(b)}" for a, name, b in zip(lower, names, upper, strict=True)]
    return ("" if len(names) == 1 else "a part within ") + ", ".join(bounds)


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
    spread = [_class_of_cells(generator, cells, names, why) for cells in closed]
    return [
        replace(each, text=f"{_bounds(each.lower, each.upper, names)}{each.text}") if each.kind == SINGULAR else each
        for each in _together(generator, result, [_judged(generator, each, names) for each in spread])
    ]


def _judged(generator: Generator, each: Class, names: Sequence[str]) -> Class:
    """A class of cells, singular if noise keeps to leaves in it, and the drift to one of them. Collective.

    With k directions reached a path has k + 1 of them at most. If those are all, the drift carries leaves from one side
    to the other: a density if it does so everywhere, as where it turns about a point, and not where its sign changes.
    """
    d = len(names)
    lower, upper = (end.tolist() for end in box_of_cells(generator, np.ones(len(each.cells), dtype=bool)))
    axes = [low + (high - low) * SHARES for low, high in zip(each.lower, each.upper, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    most = int(reached(generator.model, lower, upper, points).count.max())
    if most in (-1, d) or (most == d - 1 and not _keeps_to_a_leaf(generator, each, lower, upper)):
        return each
    why = f", where noise reaches {most or 'none'} of {d} directions: mass collapses in it, and no density exists"
    return replace(each, kind=SINGULAR, text=why)


def _keeps_to_a_leaf(generator: Generator, each: Class, lower: Sequence[float], upper: Sequence[float]) -> bool:
    """Whether the drift across the leaves changes its sign along some edge of the cells of a class. Collective.

    The sides of the leaves are told apart by following their normal along the edge, where it does not turn too fast.
    """
    d, cells = len(lower), generator.quadrature.cells
    middle = np.full((1, d), 1.0 / (d + 1))
    corners = middle + LARGER * (np.vstack([np.zeros((1, d)), np.eye(d)]) - middle)
    ends = corners[list(combinations(range(d + 1), 2))]
    edges = ends[:, :1] + np.linspace(0.0, 1.0, STEPS)[:, None] * (ends[:, 1:] - ends[:, :1])
    points = cells.points(edges.reshape(-1, d))[: cells.owned][each.cells].reshape(-1, STEPS, d)
    found = reached(generator.model, lower, upper, points.reshape(-1, d))
    normal, across = found.normal.reshape(points.shape), found.across.reshape(points.shape[:2])
    turn = np.einsum("eqi,eqi->eq", normal[:, 1:], normal[:, :-1])
    told = (found.count.reshape(across.shape) == d - 1).all(axis=1) & (np.abs(turn) > TURNED).all(axis=1)
    changes = told & (across[:, 0] * across[:, -1] * np.sign(turn).prod(axis=1) < 0.0)
    kept = _is_still_there(generator, points[changes][:, [0, -1]], lower, upper)
    return bool(generator.comm.allreduce(kept, MPI.LOR))


def _is_still_there(generator: Generator, ends: Array, lower: Sequence[float], upper: Sequence[float]) -> bool:
    """Whether a change of sign between two points (n, 2, d) is found between ever closer ones.

    It is not where leaves meet in a point: their normal turns fast there, or noise vanishes.
    """
    for _ in range(HALVINGS):
        points = np.stack([ends[:, 0], ends.mean(axis=1), ends[:, 1]], axis=1)
        found = reached(generator.model, lower, upper, points.reshape(-1, points.shape[2]))
        normal, across = found.normal.reshape(points.shape), found.across.reshape(points.shape[:2])
        turn = np.einsum("nqi,nqi->nq", normal[:, 1:], normal[:, :-1])
        change = across[:, 1:] * across[:, :-1] * np.sign(turn) <= 0.0
        told = (found.count.reshape(across.shape) == len(lower) - 1).all(axis=1) & (np.abs(turn) > TURNED).all(axis=1)
        points, change = points[told], change[told]
        half = np.where(change[:, 0], 0, 1)
        some = change.any(axis=1)
        rows = np.arange(len(points))[some]
        ends = np.stack([points[rows, half[some]], points[rows, half[some] + 1]], axis=1)
    return bool(len(ends))


def _together(generator: Generator, points: list[Class], parts: list[Class]) -> list[Class]:
    """Point masses and parts; singular parts that touch each other are one, as are those around a point mass with it.

    A set onto which mass collapses may lie on facets: the cells on either side are parts of their own then.
    """
    lower, upper = box_of_cells(generator, np.ones(generator.quadrature.cells.owned, dtype=bool))
    near = SAME * (upper - lower)
    found = [each for each in parts if each.kind == DENSITY]
    waiting = [each for each in parts if each.kind == SINGULAR]
    while waiting:
        one = waiting.pop()
        if any(_touch(one, each, near) for each in points):
            continue
        other = next((each for each in waiting if _touch(one, each, near)), None)
        if other is None:
            found.append(one)
            continue
        waiting.remove(other)
        waiting.append(_joined(one, other))
    return points + found


def _joined(one: Class, other: Class) -> Class:
    low, high = np.minimum(one.lower, other.lower), np.maximum(one.upper, other.upper)
    return replace(one, nodes=one.nodes | other.nodes, cells=one.cells | other.cells, lower=low, upper=high)


def _touch(one: Class, other: Class, near: Array) -> bool:
    """Whether the boxes around two classes have a point in common."""
    return bool(((one.lower <= other.upper + near) & (other.lower <= one.upper + near)).all())
