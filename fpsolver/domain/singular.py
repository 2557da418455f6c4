"""Points of an exit set in the plane at which an exit time is not smooth, however smooth region and drift are.

- Grazing: where the noise is along the exit set and the drift across it changes its sign.
- Corners of the exit set that point inwards.
- Ends of the exit set at a wall at more than a right angle, as where an absorbing part of a wall begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fpsolver.domain.levelset import Level, slopes
from fpsolver.domain.surface import Surface
from fpsolver.domain.triangulation import Array, Bools, Ints, Triangulation

ALONG = 1e-9
"""Noise across the set below this fraction of all of it is along the set."""

STILL = 1e-9
"""A drift across a facet below this fraction of the largest one on the same facet is zero."""

STRAIGHT = 1.05
"""A corner points inwards if its angle is more than two right angles by this factor."""

UPRIGHT = 1.1
"""The set ends badly at a wall if the angle is more than a right one by this factor."""

Leaving = Callable[[Array, Array], tuple[Array, Array, Array]]
"""Points and outward unit normals (n, d) to n . D n as a fraction of the trace of D, the outward drift, and the trace
of D, (n,) each."""


@dataclass(frozen=True)
class Way:
    """How a process can cross the facets of an exit set, at their vertices.

    Attributes:
        noise: n . D n as a fraction of the trace of D, (k, d).
        drift: Outward drift, 0 where it is round-off, (k, d).
        trace: Trace of D, (k, d).
        normals: Outward unit normals, (k, d, d).
    """

    noise: Array
    drift: Array
    trace: Array
    normals: Array

    @classmethod
    def across(cls, t: Triangulation, surface: Surface, levels: Sequence[Level], leaving: Leaving) -> Way:
        """What happens at the vertices of an exit set's facets."""
        points = t.points[surface.facets]
        normals = _normals(t, surface, levels)
        values = leaving(points.reshape(-1, t.dimension), normals.reshape(-1, t.dimension))
        noise, drift, trace = (value.reshape(surface.facets.shape) for value in values)
        largest = np.abs(drift).max(axis=1, keepdims=True, initial=0.0)
        return cls(noise, np.where(np.abs(drift) > STILL * largest, drift, 0.0), trace, normals)

    @property
    def out(self) -> Bools:
        """Where the process can leave, (k, d)."""
        return np.asarray((self.noise > ALONG) | (self.drift >= 0))

    @property
    def along(self) -> Bools:
        """Facets along which all the noise is, (k,)."""
        return np.asarray((self.noise <= ALONG).all(axis=1))


@dataclass(frozen=True)
class Grazing:
    """A point of a region's boundary where the noise is along it and the drift across it changes its sign.

    At a distance s along the boundary and n from it, an exit time varies over a length of rho along the boundary and
    of rho^3/K across it, with rho the larger one of s and (K n)^(1/3). K = 9 D/b, D the noise along the boundary, b
    the slope of the drift across it: in a time t a path strays by (D t)^(1/2) along the boundary, and by b t times
    that across it.

    Attributes:
        vertex: Which vertex it is.
        level: The level on whose zero set it lies, -1 for a wall.
        normal: Outward unit normal, (2,).
        stray: K.
    """

    vertex: int
    level: int
    normal: Array
    stray: float


def grazing_points(t: Triangulation, surface: Surface, way: Way) -> list[Grazing]:
    """The vertices of a region's exit set in the plane at which paths graze it."""
    along = np.flatnonzero(way.along)
    facets, drift = surface.facets[along], way.drift[along]
    low, high = np.zeros(len(t.points)), np.zeros(len(t.points))
    np.minimum.at(low, facets, drift)
    np.maximum.at(high, facets, drift)
    still = np.zeros(len(t.points), dtype=bool)
    still[facets[drift == 0]] = True
    length = np.linalg.norm(t.along(facets), axis=1)
    slope = np.abs(drift[:, 1] - drift[:, 0]) / length
    found = []
    for vertex in np.flatnonzero(still | ((low < 0) & (high > 0))):
        row, end = np.nonzero(facets == vertex)
        b, trace = float(slope[row].mean()), float(way.trace[along][row, end].mean())
        if b > 0 and trace > 0:
            first = along[row[0]]
            found.append(Grazing(int(vertex), int(surface.level[first]), way.normals[first, end[0]], 9.0 * trace / b))
    return found


def turning_points(t: Triangulation, surface: Surface, way: Way, leaving: Leaving) -> tuple[Ints, Array, Array]:
    """Facets within which paths graze: their numbers (k,), where on them, as a fraction (k,) and as a point (k, 2)."""
    chosen = np.flatnonzero(way.along & (way.drift[:, 0] * way.drift[:, 1] < 0))
    return chosen, *_roots(t, surface, way, chosen, leaving)


def bad_corners(t: Triangulation, surface: Surface, way: Way) -> Ints:
    """Vertices of an exit set in the plane with noise across it, at corners inwards or bad ends at a wall."""
    count, lowest, highest = np.zeros(len(t.points)), np.full(len(t.points), np.inf), np.full(len(t.points), -np.inf)
    noisy = np.ones(len(t.points), dtype=bool)
    for i in range(2):
        np.add.at(count, surface.facets[:, i], 1)
        np.minimum.at(lowest, surface.facets[:, i], surface.level)
        np.maximum.at(highest, surface.facets[:, i], surface.level)
        np.logical_and.at(noisy, surface.facets[:, i], way.noise[:, i] > ALONG)
    inwards = (count == 2) & (lowest != highest)
    ends = count == 1
    candidates = np.flatnonzero((inwards | ends) & noisy)
    limit = np.where(ends[candidates], UPRIGHT * np.pi / 2, STRAIGHT * np.pi)
    return np.asarray(candidates[_angles(t, candidates) > limit])


def _normals(t: Triangulation, surface: Surface, levels: Sequence[Level]) -> Array:
    """Outward unit normals at the vertices of facets, (k, d, d): of the set, of the facet where that has none."""
    d = t.dimension
    straight = surface.normals(t)
    normals = np.repeat(straight[:, None], d, axis=1)
    for k, level in enumerate(levels):
        here = np.flatnonzero(surface.level == k)
        gradient = slopes(level, t, t.points[surface.facets[here]].reshape(-1, d)) / t.spacing
        size = np.linalg.norm(gradient, axis=1)
        gradient = (gradient / np.where(size > 0, size, 1.0)[:, None]).reshape(-1, d, d)
        agree = np.einsum("kvi,ki->kv", gradient, straight[here]) > 0.5
        normals[here] = np.where(agree[:, :, None], gradient, normals[here])
    return normals


def _roots(t: Triangulation, surface: Surface, way: Way, chosen: Ints, leaving: Leaving) -> tuple[Array, Array]:
    """Where the drift across facets changes its sign: fractions (k,) and points (k, d)."""
    start, end = t.ends(surface.facets[chosen])
    first, last = way.normals[chosen, 0], way.normals[chosen, 1]
    low, high = np.zeros(len(chosen)), np.ones(len(chosen))

    def at(fraction: Array) -> Array:
        return np.asarray(start + fraction[:, None] * (end - start))

    for _ in range(50 if len(chosen) else 0):
        middle = (low + high) / 2
        drift = leaving(at(middle), first + middle[:, None] * (last - first))[1]
        same = drift * way.drift[chosen, 0] > 0
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return high, at(high)


def _angles(t: Triangulation, vertices: Ints) -> Array:
    """The angles of the region at vertices."""
    place = np.full(len(t.points), -1)
    place[vertices] = np.arange(len(vertices))
    cell, corner = np.nonzero(place[t.cells] >= 0)
    here = t.points[t.cells[cell, corner]]
    first, last = (t.apart(t.points[t.cells[cell, (corner + i) % 3]] - here) for i in (1, 2))
    cross = first[:, 0] * last[:, 1] - first[:, 1] * last[:, 0]
    angle = np.arctan2(np.abs(cross), np.einsum("ni,ni->n", first, last))
    return np.bincount(place[t.cells[cell, corner]], angle, minlength=len(vertices))
