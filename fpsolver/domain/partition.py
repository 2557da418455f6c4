"""Quadrature over the parts of a mesh that points are labelled by, such as basins of attraction.

A piece whose corners and edge middles have one label belongs to that part; others are halved. Where they are small
enough, the label is followed along the edges to where it changes, and the piece is cut there: a straight boundary is
met up to the length of an edge over 4^rounds, a curved one up to the square of the length. Where three parts meet,
pieces are halved further, and then each point goes its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.domain.cells import Cells
from fpsolver.domain.rules import Rule, joined, physical, simplex_rule
from fpsolver.domain.simplex import clip, halves

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Labels = Callable[[Array], Ints]
Pieces = tuple[Array, Ints]
"""Simplices (m, d + 1, d) in the reference coordinates of their cells (m,)."""

HALVINGS = {1: 0, 2: 2, 3: 1}
"""How often a piece is halved along the edge of a part."""

MEETING = {1: 44, 2: 4, 3: 2}
"""How many times more where three parts meet."""

ROUNDS = {1: 22, 2: 6, 3: 5}
"""So many times what is left of an edge is cut into ``SECTIONS``, to find where its label changes."""

SECTIONS = 4

NEXT = 1e-14
"""Fraction of an edge that is nothing."""

MANY = 2**31

SMALL = 4
"""Degree of the rule of small pieces."""

SAME = 1e-12
"""Points closer than this, in units of a cell, are one."""


def parts_rules(
    cells: Cells,
    pieces: Pieces,
    labels: Labels,
    wanted: Sequence[int],
    degree: int,
    *,
    halvings: int | None = None,
    meeting: int | None = None,
    matters: Callable[[Array], Bools] | None = None,
    on_edge: int | None = None,
) -> list[Rule]:
    """A rule for each part, over this rank's cells.

    Args:
        cells: Geometry of the mesh.
        pieces: What the cells are made of.
        labels: Points (n, d) to their labels (n,).
        wanted: The labels whose rules are wanted.
        degree: Of the rule on pieces that have not been halved.
        halvings: How often a piece is halved along the edge of a part; None: as `HALVINGS` says.
        meeting: How many times more where three parts meet; None: as `MEETING` says.
        matters: Corners (m, d + 1, d) to whether it is worth while to follow the edge of a part there.
        on_edge: The label of points just on the edge of a part.
    """
    simplices, parent = pieces
    d = cells.dimension
    deepest = HALVINGS[d] if halvings is None else halvings
    last = deepest + (MEETING[d] if meeting is None else meeting)
    first, second = np.triu_indices(d + 1, 1)
    found: list[list[Rule]] = [[] for _ in wanted]
    uneven: list[tuple[Array, Ints, Ints]] = []
    for depth in range(last + 1):
        nodes = np.concatenate([simplices, (simplices[:, first] + simplices[:, second]) / 2], axis=1)
        points = physical(cells, nodes, parent)
        own = _labelled(labels, points.reshape(-1, d), cells).reshape(points.shape[:2])
        even = (own == own[:, :1]).all(axis=1)
        for rules, label in zip(found, wanted, strict=True):
            here = even & (own[:, 0] == label)
            rules.append(simplex_rule(cells, simplices[here], parent[here], max(degree - 2 * depth, SMALL)))
        simplices, parent, own = simplices[~even], parent[~even], _without(own[~even], on_edge)
        coarse = (depth < deepest) | (~_has_two(own, d) & (depth < last))
        if matters is not None:
            coarse &= matters(points[~even][:, : d + 1])
        uneven.append((simplices[~coarse], parent[~coarse], own[~coarse]))
        simplices, parent = halves(simplices[coarse]), np.repeat(parent[coarse], 2**d)
        if not len(simplices):
            break
    simplices, parent, own = (np.concatenate(parts) for parts in zip(*uneven, strict=True))
    rest = _cut(cells, simplices, parent, own, labels, wanted, max(degree - 2 * deepest, SMALL))
    return [joined([*rules, rule]) for rules, rule in zip(found, rest, strict=True)]


def _cut(
    cells: Cells, simplices: Array, parent: Ints, own: Ints, labels: Labels, wanted: Sequence[int], degree: int
) -> list[Rule]:
    """The rules of pieces with more than one label ``own`` at their corners and edge middles (m, nodes)."""
    two, corners = _has_two(own, cells.dimension), own[:, : simplices.shape[1]]
    one, other = corners.min(axis=1, initial=MANY), corners.max(axis=1, initial=-MANY)
    rest = simplex_rule(cells, simplices[~two], parent[~two], SMALL)
    points = labels(rest.points)
    simplices, parent, one, other = simplices[two], parent[two], one[two], other[two]
    level = _levels(cells, simplices, parent, corners[two], one, labels)
    inner, from_inner = clip(simplices, level)
    outer, from_outer = clip(simplices, -level)
    rules = []
    for label in wanted:
        mine, others = one[from_inner] == label, other[from_outer] == label
        parts = np.concatenate([inner[mine], outer[others]])
        origin = np.concatenate([parent[from_inner[mine]], parent[from_outer[others]]])
        here = points == label
        alone = Rule(rest.cell[here], rest.reference[here], rest.points[here], rest.weights[here])
        rules.append(joined([simplex_rule(cells, parts, origin, degree), alone]))
    return rules


def _has_two(own: Ints, dimension: int) -> Bools:
    """Which pieces have two labels at their corners, and none but these at their edge middles."""
    corners = own[:, : dimension + 1]
    one, other = corners.min(axis=1, initial=MANY), corners.max(axis=1, initial=-MANY)
    return np.asarray((one != other) & ((own == one[:, None]) | (own == other[:, None])).all(axis=1))


def _without(own: Ints, on_edge: int | None) -> Ints:
    """Labels (m, nodes) where those of points just on the edge between two parts are that of one of the parts."""
    edge = own == on_edge
    lowest, highest = np.where(edge, MANY, own).min(axis=1), np.where(edge, -MANY, own).max(axis=1)
    between = edge & (lowest < highest)[:, None]
    return np.where(between, highest[:, None], own)


def _levels(cells: Cells, simplices: Array, parent: Ints, corners: Ints, one: Ints, labels: Labels) -> Array:
    """Values at the corners (m, d + 1), negative where the label is ``one``, of a linear function that vanishes where
    the label changes along the edges.

    With g = -e^a at corners i of one label and e^b at corners j of the other, the function vanishes at the fraction t
    of the edge from i to j if b_j - a_i = log((1 - t)/t). In three dimensions four edges may have to agree: they are
    met in the mean.
    """
    inner = corners == one[:, None]
    piece, i, j = np.nonzero(inner[:, :, None] & ~inner[:, None, :])
    fraction = _changes(cells, simplices[piece, i], simplices[piece, j], parent[piece], one[piece], labels)
    ratio = np.zeros((*corners.shape, corners.shape[1]))
    ratio[piece, i, j] = np.log1p(-fraction) - np.log(fraction)
    ins, outs = inner.sum(axis=1, keepdims=True), (~inner).sum(axis=1, keepdims=True)
    mean = ratio.sum(axis=(1, 2))[:, None] / np.maximum(ins * outs, 1)
    a, b = mean - ratio.sum(axis=2) / np.maximum(outs, 1), ratio.sum(axis=1) / np.maximum(ins, 1)
    return np.asarray(np.where(inner, -np.exp(a), np.exp(b)))


def _changes(cells: Cells, start: Array, end: Array, parent: Ints, label: Ints, labels: Labels) -> Array:
    """The fractions (n,) of edges, given in reference coordinates (n, d), up to which they have the label of the
    start."""
    ends = cells.points_in(np.tile(parent, 2), np.concatenate([start, end])).reshape(2, -1, start.shape[1])
    numbers = _numbered(np.concatenate([ends[0], ends[1]]), cells)[1].reshape(2, -1)
    _, place, inverse = np.unique(numbers, axis=1, return_index=True, return_inverse=True)
    start, end, parent, label = start[place], end[place], parent[place], label[place]
    low, width = np.zeros(len(start)), np.ones(len(start))
    steps = np.arange(1, SECTIONS) / SECTIONS
    for _ in range(ROUNDS[cells.dimension] if len(start) else 0):
        at = low[:, None] + width[:, None] * steps
        inner = start[:, None] + at[:, :, None] * (end - start)[:, None]
        points = cells.points_in(np.repeat(parent, len(steps)), inner.reshape(-1, start.shape[1]))
        same = (labels(points).reshape(at.shape) == label[:, None]).cumprod(axis=1).sum(axis=1)
        low, width = low + width * same / SECTIONS, width / SECTIONS
    # what changes next to an end may as well do so there: an edge of a part that passes through a vertex
    fraction = np.where(low == 0.0, NEXT, np.where(low + width == 1.0, 1.0 - NEXT, low + width / 2.0))
    return np.asarray(fraction[inverse.reshape(-1)])


def _labelled(labels: Labels, points: Array, cells: Cells) -> Ints:
    """The labels of points of which many are the same: corners of neighbours."""
    place, inverse = _numbered(points, cells)
    return np.asarray(labels(points[place])[inverse])


def _numbered(points: Array, cells: Cells) -> tuple[Ints, Ints]:
    """One of each group of points that coincide, and for each point the number of its group."""
    unit = SAME * float(cells.diameters.max(initial=1.0))
    _, place, inverse = np.unique(np.rint(points / unit), axis=0, return_index=True, return_inverse=True)
    return place, inverse.reshape(-1)
