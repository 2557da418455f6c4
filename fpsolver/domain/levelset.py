"""Where a level function vanishes: on an edge, and nearest to a point."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from fpsolver.domain.triangulation import Array, Bools, Triangulation
from fpsolver.errors import FpsolverError

Level = Callable[[Array], Array]

DIFFERENCE = 1e-5
"""Step of the difference quotients in background cells. Their error slows Newton's method but not its limit."""

REACHED = 1e-11
"""A point counts as on a zero set when Newton's next step is shorter than this, in background cells."""


STEPS = 12
"""Newton's method gives up after so many steps: it is then at a corner of the set, or there is no set."""


class LevelUndefined(FpsolverError):
    """A level function is not a number at a point of the domain."""


def evaluate(level: Level, points: Array) -> Array:
    """The level at points (n, d), finite.

    Raises:
        LevelUndefined: It is not a number somewhere.
    """
    values = np.asarray(level(points), dtype=float)
    undefined = np.flatnonzero(np.isnan(values))
    if undefined.size:
        where = ", ".join(f"{x:.6g}" for x in points[undefined[0]])
        raise LevelUndefined(
            f"a region has no value at ({where}); write an expression that is defined on the whole domain"
        )
    return np.asarray(np.nan_to_num(values, posinf=1e150, neginf=-1e150))


def edge_roots(level: Level, start: Array, end: Array, side: Array) -> Array:
    """Fractions (n,) at which the level changes sign between points (n, d), by bisection to the last digit.

    Args:
        level: The level function.
        start: Points where it has the given side.
        end: Points where it has the other one.
        side: -1 or 1 for each pair, (n,).
    """
    low, high = np.zeros(len(start)), np.ones(len(start))
    for _ in range(54 if len(start) else 0):
        middle = (low + high) / 2
        same = evaluate(level, start + middle[:, None] * (end - start)) * side > 0
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return high


def slopes(level: Level, triangulation: Triangulation, points: Array) -> Array:
    """Gradient per background cell at points (n, d), from differences that stay in the box."""
    t = triangulation
    gradient = np.empty_like(points)
    for i in range(t.dimension):
        ahead, behind = points.copy(), points.copy()
        ahead[:, i] += DIFFERENCE * t.spacing[i]
        behind[:, i] -= DIFFERENCE * t.spacing[i]
        if not t.closes[i]:
            ahead[:, i] = np.minimum(ahead[:, i], t.upper[i])
            behind[:, i] = np.maximum(behind[:, i], t.lower[i])
        width = (ahead[:, i] - behind[:, i]) / t.spacing[i]
        gradient[:, i] = (evaluate(level, ahead) - evaluate(level, behind)) / width
    return gradient


def project(
    triangulation: Triangulation, levels: Sequence[Level], active: Bools, points: Array, fixed: Bools
) -> tuple[Array, Bools]:
    """The nearest points on the common zero set of the active levels: Newton with steps of least length.

    Args:
        triangulation: Gives the box and the unit of length.
        levels: Level functions.
        active: Which of them must vanish at each point, (n, levels).
        points: Where to start, (n, d).
        fixed: Coordinates that must not change, (n, d).

    Returns:
        The points, and whether Newton's method arrived, (n,).
    """
    t = triangulation
    found = points.copy()
    arrived = np.zeros(len(points), dtype=bool)
    moving = np.arange(len(points))
    for _ in range(STEPS):
        if not moving.size:
            break
        step, distance = _step(t, levels, active[moving], found[moving], fixed[moving])
        found[moving] = t.kept(found[moving] + step * t.spacing)
        close = distance < REACHED
        arrived[moving[close]] = True
        moving = moving[~close]
    return np.where(arrived[:, None], found, points), arrived


def _step(
    t: Triangulation, levels: Sequence[Level], active: Bools, points: Array, fixed: Bools
) -> tuple[Array, npt.NDArray[np.float64]]:
    """Newton's step and the distance to the sets as far as it can be told, both in background cells."""
    gradient = np.zeros((len(points), len(levels), t.dimension))
    value = np.zeros((len(points), len(levels)))
    for j, level in enumerate(levels):
        here = active[:, j]
        if here.any():
            value[here, j] = evaluate(level, points[here])
            gradient[here, j] = slopes(level, t, points[here])
    gradient[np.broadcast_to(fixed[:, None], gradient.shape)] = 0.0
    size = np.linalg.norm(gradient, axis=-1)
    flat = size <= 1e-150
    ratio = np.where(flat, np.sign(value), value / np.where(flat, 1.0, size))
    direction = gradient / np.where(flat, 1.0, size)[..., None]
    step = -np.einsum("ndl,nl->nd", np.linalg.pinv(direction, rcond=1e-4), ratio)
    length = np.linalg.norm(step, axis=-1)
    step /= np.maximum(length, 1.0)[:, None]
    return step, np.maximum(length, np.abs(ratio).max(axis=1, initial=0.0))
