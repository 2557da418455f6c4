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

Leaving = Callable[[Array, Array], tuple[Array, Array]]
"""Points and outward unit normals (n, d) to n . D n as a fraction of the trace of D and the outward drift, (n,)."""


@dataclass(frozen=True)
class Way:
    """How a process can cross the facets of an exit set, at their vertices.

    Attributes:
        noise: n . D n as a fraction of the trace of D, (k, d).
        drift: Outward drift, 0 where it is round-off, (k, d).
        normals: Outward unit normals, (k, d, d).
    """

    noise: Array
    drift: Array
    normals: Array

    @classmethod
    def across(cls, t: Triangulation, surface: Surface, levels: Sequence[Level], leaving: Leaving) -> Way:
        """What happens at the vertices of an exit set's facets."""
        points = t.points[surface.facets]
        normals = _normals(t, surface, levels)
        noise, drift = leaving(points.reshape(-1, t.dimension), normals.reshape(-1, t.dimension))
        noise, drift = noise.reshape(surface.facets.shape), drift.reshape(surface.facets.shape)
        largest = np.abs(drift).max(axis=1, keepdims=True, initial=0.0)
        return cls(noise, np.where(np.abs(drift) > STILL * largest, drift, 0.0), normals)

    @property
    def out(self) -> Bools:
        """Where the process can leave, (k, d)."""
        return np.asarray((self.noise > ALONG) | (self.drift >= 0))

    @property
    def along(self) -> Bools:
        """Facets along which all the noise is, (k,)."""
        return np.asarray((self.noise <= ALONG).all(axis=1))


@dataclass(frozen=True)
class Singular:
    """Points where an exit time is not smooth.

    Attributes:
        vertices: Those that are vertices, (n,).
        facets: Numbers of the facets that hold the others, (k,).
        points: Where these are, (k, 2).
        fractions: How far along their facets, (k,).
    """

    vertices: Ints
    facets: Ints
    points: Array
    fractions: Array


def singular_points(t: Triangulation, surface: Surface, way: Way, leaving: Leaving) -> Singular:
    """The points of the exit set of a region in the plane where an exit time is not smooth."""
    sign = np.sign(way.drift)
    turning = way.along & (sign[:, 0] * sign[:, 1] < 0)
    fractions, points = _roots(t, surface, way, np.flatnonzero(turning), leaving)
    low, high = np.zeros(len(t.points)), np.zeros(len(t.points))
    still = np.zeros(len(t.points), dtype=bool)
    facets = surface.facets[way.along]
    np.minimum.at(low, facets, sign[way.along])
    np.maximum.at(high, facets, sign[way.along])
    still[facets[(sign[way.along] == 0) & (sign[way.along] != 0).any(axis=1)[:, None]]] = True
    grazing = still | ((low < 0) & (high > 0))
    vertices = np.flatnonzero(grazing | _corners(t, surface, way))
    return Singular(vertices, np.flatnonzero(turning), points, fractions)


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
    start, end = (t.points[surface.facets[chosen, i]] for i in range(2))
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


def _corners(t: Triangulation, surface: Surface, way: Way) -> Bools:
    """Which vertices are corners at which an exit time is not smooth, (n,)."""
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
    angle = _angles(t, candidates)
    limit = np.where(ends[candidates], UPRIGHT * np.pi / 2, STRAIGHT * np.pi)
    found = np.zeros(len(t.points), dtype=bool)
    found[candidates[angle > limit]] = True
    return found


def _angles(t: Triangulation, vertices: Ints) -> Array:
    """The angles of the region at vertices."""
    place = np.full(len(t.points), -1)
    place[vertices] = np.arange(len(vertices))
    cell, corner = np.nonzero(place[t.cells] >= 0)
    here, second, third = (t.points[t.cells[cell, (corner + i) % 3]] for i in range(3))
    first, last = second - here, third - here
    cross = first[:, 0] * last[:, 1] - first[:, 1] * last[:, 0]
    angle = np.arctan2(np.abs(cross), np.einsum("ni,ni->n", first, last))
    return np.bincount(place[t.cells[cell, corner]], angle, minlength=len(vertices))
