"""The wells of a potential: where they are, how deep, and how high the passes between them and out of a region.

Found on a regular lattice by flooding: at each level the connected parts of {Psi < level} are labelled. A new part is a
new well; when two parts meet, the shallower well keeps its name only if it is deep enough to hold a process back.

The first and the last points of the lattice along a periodic coordinate are the same places; parts that meet there are
one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

POINTS = {1: 4001, 2: 201, 3: 49}
"""Lattice points per direction, by dimension."""

COARSE = 0.03
"""The flood rises by a third of the least depth, and high up by this fraction of its height."""

HIGHEST = 600.0
"""Potentials are followed so far above their minimum, in nats: exp(-Psi) must not underflow."""

DEPTH = 3.0
"""A well shallower than this, in nats, is left to the solver: it holds nothing back."""

MOST = 24
"""No more wells than this are kept, the deepest ones."""


@dataclass(frozen=True)
class Wells:
    """Wells in the order of their bottoms.

    Attributes:
        points: (m, d), at least one.
        bottoms: Psi there above its minimum, (m,).
        depths: How far the flood rises above the bottom before a lower well, or an exit, is reached, (m,).
        top: Level above the minimum by which all wells are connected with each other and with the exit.
    """

    points: Array
    bottoms: Array
    depths: Array
    top: float


def wells(
    potential: Callable[[Array], Array],
    lower: Sequence[float],
    upper: Sequence[float],
    inside: Callable[[Array], Bools] | None = None,
    depth: float = DEPTH,
    highest: float = HIGHEST,
    domain: Callable[[Array], Bools] | None = None,
    periods: Sequence[float] = (),
) -> Wells:
    """The wells of a potential in a domain or in a part of it.

    Args:
        potential: Points (n, d) to Psi in nats, (n,).
        lower: Lower corner of the box, whose faces reflect.
        upper: Upper corner.
        inside: Points to whether they are in the part; its boundary inside of the box is an exit.
        depth: Least depth of a well, in nats.
        highest: The flood ends so many nats above the lowest point.
        domain: Points to whether they are in the domain, whose boundary reflects; None: the box is the domain.
        periods: For each coordinate its period or infinity; empty: none is periodic.
    """
    d = len(lower)
    points = lattice_of(lower, upper)
    shape = points.shape[:-1]
    flat = points.reshape(-1, d)
    whole = np.ones(shape, dtype=bool) if domain is None else domain(flat).reshape(shape)
    mask = whole if inside is None else whole & inside(flat).reshape(shape)
    if not mask.any():
        mask = whole
    level = np.full(shape, np.inf)
    level[mask] = potential(points[mask])
    level -= level.min()
    beside = ndimage.binary_dilation(whole & ~mask, np.ones((3,) * d))
    for axis in np.flatnonzero(np.isfinite(periods)):
        ends = np.moveaxis(beside, axis, 0)
        ends[0] = ends[-1] = ends[0] | ends[-1]
    leaves = mask & beside
    return flooded(points, level, leaves, depth, highest, np.isfinite(periods))


def lattice_of(lower: Sequence[float], upper: Sequence[float]) -> Array:
    """The points of the lattice, one axis per coordinate and the coordinates last."""
    axes = [np.linspace(low, high, POINTS[len(lower)]) for low, high in zip(lower, upper, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def connected(mask: Bools, closes: Bools | Sequence[bool] = ()) -> tuple[npt.NDArray[np.int64], int]:
    """The connected parts of a mask of the lattice, numbered from 1 on, and how many there are.

    Args:
        mask: (...), diagonal neighbours touch.
        closes: Along which axes the last points are the first ones; empty: along none.
    """
    parts, count = ndimage.label(mask, np.ones((3,) * mask.ndim))
    pairs = [np.empty((0, 2), dtype=np.int64)]
    for axis in np.flatnonzero(closes):
        ends = np.stack([parts.take(0, axis).ravel(), parts.take(-1, axis).ravel()], axis=1)
        pairs.append(ends[(ends > 0).all(axis=1)])
    same = np.concatenate(pairs)
    if not len(same):
        return parts, count
    joined = coo_array((np.ones(len(same)), (same[:, 0], same[:, 1])), shape=(count + 1, count + 1))
    found, label = connected_components(joined, directed=False)
    return label[parts], found - 1  # 0, what is in no part, meets nothing and is the first of all


def flooded(
    points: Array,
    level: Array,
    leaves: Bools,
    depth: float,
    highest: float = HIGHEST,
    closes: Bools | Sequence[bool] = (),
) -> Wells:
    """The wells of values on a lattice.

    Args:
        points: (..., d).
        level: Psi above its minimum, infinite outside, (...).
        leaves: Where the outside is next.
        depth: Least depth of a well.
        highest: Where the flood ends.
        closes: Which coordinates are periodic; empty: none is.
    """
    highest = min(float(level[np.isfinite(level)].max()), highest)
    where: list[tuple[int, ...]] = []
    merged: list[float] = []  # the level at which a well met a lower one or the exit; infinite before
    top = 0.0
    height = 0.0
    while height < highest:
        height = min(height + max(depth / 3.0, COARSE * height), highest)
        parts, count = connected(level < height, closes)
        known = {int(parts[place]) for place in where}
        fresh = [part for part in range(1, count + 1) if part not in known] if count > len(known) else []
        for place in ndimage.minimum_position(level, parts, fresh) if fresh else []:
            bottom = tuple(int(i) for i in place)
            if not leaves[bottom]:  # what slopes down to the exit holds nothing back
                where.append(bottom)
                merged.append(np.inf)
        out = set(np.unique(parts[leaves & (parts > 0)]).tolist())
        order = sorted(range(len(where)), key=lambda i: float(level[where[i]]))
        seen: set[int] = set()
        dropped = set()
        for i in order:
            part = int(parts[where[i]])
            if (part in seen or part in out) and merged[i] == np.inf:
                merged[i] = height
                first = i == order[0]
                if not first and height - level[where[i]] < depth:
                    dropped.add(i)
                else:
                    top = max(top, height)
            seen.add(part)
        where = [place for i, place in enumerate(where) if i not in dropped]
        merged = [value for i, value in enumerate(merged) if i not in dropped]
    if not where:  # a flat potential
        where, merged = [tuple(int(i) for i in np.unravel_index(int(level.argmin()), level.shape))], [0.0]
    order = sorted(range(len(where)), key=lambda i: float(level[where[i]]))
    bottoms = np.array([float(level[where[i]]) for i in order])
    depths = np.minimum([merged[i] for i in order], highest) - bottoms
    keep = np.sort(np.argsort(-depths, kind="stable")[:MOST])
    at = np.array([points[where[i]] for i in order])
    return Wells(at[keep], bottoms[keep], depths[keep], top)
