"""Bounds of mean exit times that need no solution: by comparison with functions of one variable (Dynkin's formula).

With b the drift and V = |x - c|^2, in a ball around c that holds no point of the exit,

    lam = inf -b.(x - c)/V > 0,  T = sup tr D,  del = sup of the largest eigenvalue of D,  0 < th < lam/(2 del):
    L exp(th V) <= C = 2 th T exp(th T/(lam - 2 th del))   so   E tau(x) >= (exp(th R^2) - exp(th |x - c|^2))/C

for every D, however degenerate; and E tau(x) >= (R^2 - |x - c|^2)/sup L V, whatever the drift does.
With a direction e, s = e.x and on each slice of the region a(s) = inf e.De > 0 and g(s) = max(0, sup -b.e), or without
the maximum where e.De is the same all over the slice,

    E tau(x) <= w(s) = int_s^max du int_min^u dv 1/a(v) exp(int_v^u g/a)

since a w'' = -1 + g w' and w' <= 0. At walls that reflect along D n the comparison functions must not be pushed
the wrong way: n.D(x - c) >= 0 in the ball for the first, n.De <= 0 for the second.

Suprema are taken over samples, rays around c and slices across e, so the bounds are as good as the samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from fpsolver.domain.outline import directions
from fpsolver.model import Model

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

RAYS = {1: 2, 2: 180, 3: 600}
RADII = {1: 1500, 2: 150, 3: 40}
SLICES = {1: 4001, 2: 401, 3: 121}
ACROSS = {1: 1, 2: 61, 3: 23}
"""Samples: rays and radii of a ball, slices and points across each direction of a slice."""

ROUND_OFF = 1e-10
EDGE = 1e-4
"""Balls stay so far, as a fraction of their radius, from the nodes of the exit set, which are not quite on it."""

TRIED = 60
"""Values of th, as fractions of the largest."""

LARGEST = 690.0
"""Logarithm of the largest number."""


class NoBound(Exception):
    """A bound does not apply; the message says why."""


@dataclass(frozen=True)
class Ground:
    """A region in a box, where the process leaves it, and the model.

    Attributes:
        model: Drift and diffusion.
        lower: Lower corner of the box.
        upper: Upper corner.
        inside: Whether points (n, d) are in the region.
        exits: Points of the exit set, (n, d).
        absorbing: Whether points (n, d) of a wall belong to the exit set.
        boundary: Points of the boundary of the domain and outward normals there, (n, d) each.
    """

    model: Model
    lower: Array
    upper: Array
    inside: Callable[[Array], Bools]
    exits: Array
    absorbing: Callable[[Array], Bools]
    boundary: tuple[Array, Array]

    def drift_and_noise(self, points: Array) -> tuple[Array, Array]:
        """b (n, d) and D (n, d, d)."""
        there = self.model(points)
        return there.extra - there.gradient, there.diffusion

    def walls(self) -> tuple[Array, Array]:
        """Points of the walls that reflect the process in the region, and outward normals, (n, d) each."""
        points, normals = self.boundary
        here = self.inside(points)
        here[here] = ~self.absorbing(points[here])
        return points[here], normals[here]


def lower_bound(ground: Ground, centre: Array, start: Array) -> float:
    """Logarithm of the best lower bound by balls around a centre; infinite where some paths never leave.

    Raises:
        NoBound: There is none.
    """
    if not len(ground.exits):
        raise NoBound("there is no exit")
    farthest = float(np.linalg.norm(ground.exits - centre, axis=1).min())
    walls, normals = ground.walls()
    if len(walls):
        _, noise = ground.drift_and_noise(walls)
        push = np.einsum("ni,nij,nj->n", normals, noise, walls - centre)
        wrong = push < -ROUND_OFF * np.abs(noise).max() * farthest
        if wrong.any():
            farthest = min(farthest, float(np.linalg.norm(walls[wrong] - centre, axis=1).min()))
    radii, slow, trace, largest, rise = _ball(ground, centre, farthest * (1.0 - EDGE))
    begin = float(np.linalg.norm(start - centre))
    around = radii > begin
    if not around.any():
        raise NoBound("no ball around a minimum or the start holds the start and no exit")
    if (rise[around] <= 0.0).any():  # V does not grow in the mean: with a positive probability the ball is never left
        return float(np.inf)
    best = float(np.log((radii[around] ** 2 - begin**2) / rise[around]).max())
    use = (slow > 0.0) & (radii > begin) & (largest > 0.0)
    if not use.any():
        return best
    lam, spread, radius = slow[use][:, None], largest[use][:, None], radii[use][:, None]
    theta = lam / (2.0 * spread) * (np.arange(TRIED) + 0.5) / TRIED
    total = trace[use][:, None]
    log_c = np.log(2.0 * theta * total) + theta * total / (lam - 2.0 * theta * spread)
    growth = theta * (radius**2 - begin**2)
    logs = theta * begin**2 + growth + np.log(-np.expm1(-growth)) - log_c
    return max(best, float(logs.max()))


def _ball(ground: Ground, centre: Array, farthest: float) -> tuple[Array, Array, Array, Array, Array]:
    """Radii, and lam, T, del and sup L V of the balls with these radii, none of which leaves the region."""
    d = len(centre)
    rays = directions(RAYS[d], d)
    radii = farthest * (np.arange(RADII[d]) + 1.0) / RADII[d]
    points = centre + radii[:, None, None] * rays
    flat = points.reshape(-1, d)
    boxed = ((flat >= ground.lower) & (flat <= ground.upper)).all(axis=1)
    here = boxed.copy()
    here[boxed] = ground.inside(flat[boxed])
    left = (boxed & ~here).reshape(len(radii), -1).any(axis=1)
    drift, noise = np.zeros((len(flat), d)), np.zeros((len(flat), d, d))
    drift[here], noise[here] = ground.drift_and_noise(flat[here])
    square = np.einsum("ni,ni->n", flat - centre, flat - centre)
    pull = -np.einsum("ni,ni->n", drift, flat - centre) / square
    lift = np.where(here, 2.0 * np.trace(noise, axis1=1, axis2=2) - 2.0 * pull * square, -np.inf)
    shape = (len(radii), -1)
    slow = np.where(here, pull, np.inf).reshape(shape).min(axis=1)
    trace = np.trace(noise, axis1=1, axis2=2).reshape(shape).max(axis=1)
    largest = np.linalg.eigvalsh(noise)[:, -1].reshape(shape).max(axis=1)
    keep = ~np.logical_or.accumulate(left)
    middle = ground.drift_and_noise(centre[None])[1][0]
    rise = np.maximum.accumulate(np.maximum(lift.reshape(shape).max(axis=1), 2.0 * np.trace(middle)))
    trace = np.maximum.accumulate(np.maximum(trace, np.trace(middle)))
    largest = np.maximum.accumulate(np.maximum(largest, np.linalg.eigvalsh(middle)[-1]))
    return radii[keep], np.minimum.accumulate(slow)[keep], trace[keep], largest[keep], rise[keep]


def upper_bound(ground: Ground, direction: Array, start: Array) -> float:
    """Logarithm of the upper bound by functions of e.x.

    Raises:
        NoBound: It does not apply.
    """
    walls, normals = ground.walls()
    if len(walls):
        _, noise = ground.drift_and_noise(walls)
        push = np.einsum("ni,nij,j->n", normals, noise, direction)
        if (push > ROUND_OFF * np.abs(noise).max()).any():
            raise NoBound("a wall throws the process back along every noisy direction")
    at, pull, least = _slices(ground, direction)
    if not (least > 0.0).all():
        raise NoBound("no direction has noise all over the region")
    log_inner = _inner(np.diff(at), pull, least)
    first = max(int(np.searchsorted(at, float(start @ direction) + 1e-12, side="right")) - 1, 0)
    pieces = np.log(np.diff(at)) + np.maximum(log_inner[:-1], log_inner[1:])
    return float(np.logaddexp.reduce(pieces[first:]))


def _slices(ground: Ground, direction: Array) -> tuple[Array, Array, Array]:
    """Edges of slices across a direction that cover the region, and in each slice g and a."""
    d = len(direction)
    frame = np.linalg.svd(direction[None])[2]
    frame[0] = direction
    corners = np.array(list(product(*zip(ground.lower, ground.upper, strict=True)))) @ frame.T
    ranges = list(zip(corners.min(axis=0), corners.max(axis=0), strict=True))
    axes = [np.linspace(a, b, SLICES[d] if i == 0 else ACROSS[d]) for i, (a, b) in enumerate(ranges)]
    flat = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d) @ frame
    within = 1e-12 * (ground.upper - ground.lower)
    here = ((flat >= ground.lower - within) & (flat <= ground.upper + within)).all(axis=1)
    here[here] = ground.inside(flat[here])
    drift, noise = ground.drift_and_noise(flat[here])
    along = np.einsum("i,nij,j->n", direction, noise, direction)
    shape = (len(axes[0]), -1)
    pull, least, most = np.full(len(flat), -np.inf), np.full(len(flat), np.inf), np.full(len(flat), -np.inf)
    pull[here], least[here], most[here] = -drift @ direction, along, along
    by_slice = [pull.reshape(shape).max(axis=1), least.reshape(shape).min(axis=1), most.reshape(shape).max(axis=1)]
    used = np.flatnonzero(np.isfinite(by_slice[1]))
    if not len(used):
        raise NoBound("the region has no inside on the samples")
    # one slice more on either side: the edge of the region lies between two
    low, high = max(used[0] - 1, 0), min(used[-1] + 1, len(axes[0]) - 1)
    at = axes[0][low : high + 1]
    pull, least, most = (values[low : high + 1] for values in by_slice)
    pull, least, most = (
        np.maximum(pull[:-1], pull[1:]),
        np.minimum(least[:-1], least[1:]),
        np.maximum(most[:-1], most[1:]),
    )
    same = most - least <= ROUND_OFF * np.abs(most)
    empty = ~np.isfinite(least)
    pull = np.where(empty, 0.0, np.where(same, pull, np.maximum(pull, 0.0)))
    return at, pull, np.where(empty, 1.0, least)


def _inner(width: Array, pull: Array, least: Array) -> Array:
    """log of int_min^u exp(int_v^u g/a)/a dv at the edges of the slices, with g and a constant on each."""
    rate = pull / least * width
    risen = np.concatenate([[0.0], np.cumsum(rate)])
    small = np.abs(rate) < 1e-8
    safe = np.where(small, 1.0, rate)
    # (1 - exp(-rate))/rate, by its logarithm, so that steep slices do not overflow
    share = np.where(
        small, -rate / 2.0, np.where(safe > 0.0, 0.0, -safe) + np.log(-np.expm1(-np.abs(safe)) / np.abs(safe))
    )
    pieces = np.log(width / least) + share - risen[:-1]
    return np.concatenate([[-np.inf], risen[1:] + np.logaddexp.accumulate(pieces)])


def candidate_directions(noise: Array) -> list[Array]:
    """Coordinate axes and eigenvectors of a matrix D, both ways, none twice."""
    d = len(noise)
    found: list[Array] = []
    for vector in [*np.eye(d), *np.linalg.eigh(noise)[1].T]:
        if not any(abs(float(vector @ other)) > 1.0 - 1e-9 for other in found):
            found.append(np.asarray(vector))
    return [sign * vector for vector in found for sign in (1.0, -1.0)]
