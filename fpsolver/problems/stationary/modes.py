"""Modes of a stationary density, and the minima of the loss that they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.generator.wells import flooded, lattice_of
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.theory import critical_of
from fpsolver.problems.stationary.settled import State
from fpsolver.runtime import on_root
from fpsolver.wrapping import nearest, wrapped

Array = npt.NDArray[np.float64]

RESOLVED = 18.0
"""A solved density is trusted this far below its maximum, in nats; a formula everywhere."""

NEARBY = 5.0
"""A minimum of the loss on the lattice is the critical point within so many of its spacings."""

SHALLOW = 0.1
"""A mode that rises above its surroundings by less, in nats, is not told apart from them."""


def modes_of(setting: Setting, state: State) -> list[dict[str, object]]:
    """The modes of a stationary density with the nearest minimum of the loss. Collective.

    Args:
        setting: The case.
        state: The stationary state.

    Returns:
        On every rank, highest first: ``point``, ``height`` (nats below the highest one), and where the model has a
        loss the nearest ``minimum`` of it and the ``distance`` to that.
    """
    box, comm = setting.case.domain, setting.domain.comm
    points, closes = lattice_of(box.lower, box.upper), np.isfinite(box.periods)
    flat = points.reshape(-1, points.shape[-1])
    here = flat if comm.rank == 0 else flat[:0]
    potential = state.exponent(here)
    ripple = _ripple(state)
    bottoms = np.array([place.point for place in critical_of(setting) if place.index == 0]).reshape(-1, flat.shape[1])

    def found() -> list[dict[str, object]]:
        # cut before the search: noise farther up has deeper wells than modes have
        trusted = np.inf if state.exact else max(min(RESOLVED, -np.log(ripple)), SHALLOW)
        known = np.where(potential <= np.nanmin(potential) + trusted, potential, np.nan)
        modes, heights, depths = _minima(points, known, closes)
        real = -np.exp(-heights) * np.expm1(-depths) >= (0.0 if state.exact else ripple)
        real[0] = True
        modes, heights = modes[real], heights[real]
        loss = setting.model.loss(flat)
        noise = np.trace(setting.model(flat).diffusion, axis1=1, axis2=2).mean() / points.shape[-1]
        minima = _minima(points, loss / noise, closes)[0] if np.ptp(loss) > 0.0 and noise > 0.0 else flat[:0]
        minima = _exactly(minima, bottoms, points, box.periods)
        modes = wrapped(modes, box.lower, box.periods)
        return [_described(mode, height, minima, box.periods) for mode, height in zip(modes, heights, strict=True)]

    return on_root(comm, found)


def _described(mode: Array, height: float, minima: Array, periods: Sequence[float]) -> dict[str, object]:
    entry: dict[str, object] = {"point": [float(x) for x in mode], "height": float(height)}
    if len(minima):
        distance = np.linalg.norm(nearest(minima - mode, periods), axis=1)
        entry["minimum"] = [float(x) for x in minima[distance.argmin()]]
        entry["distance"] = float(distance.min())
    return entry


def _exactly(minima: Array, bottoms: Array, points: Array, periods: Sequence[float]) -> Array:
    """Minima found on the lattice, moved to the critical points nearby; those at walls, or of flat valleys, stay."""
    if not len(minima) or not len(bottoms):
        return minima
    away = np.linalg.norm(nearest(minima[:, None] - bottoms, periods) / _spacing(points), axis=2)
    near = away.min(axis=1) < NEARBY
    return np.where(near[:, None], bottoms[away.argmin(axis=1)], minima)


def _spacing(points: Array) -> Array:
    """Of the lattice, (d,)."""
    corners = points.reshape(-1, points.shape[-1])[[0, -1]]
    return np.asarray((corners[1] - corners[0]) / (np.array(points.shape[:-1]) - 1))


def _ripple(state: State) -> float:
    """What the density is uncertain by, relative to its maximum: twice its largest negative value. Collective."""
    density, comm = state.generator.density(state.vector), state.generator.comm
    lowest = comm.allreduce(float(density.min(initial=0.0)), MPI.MIN)
    highest = comm.allreduce(float(density.max(initial=0.0)), MPI.MAX)
    return max(-2.0 * float(lowest) / float(highest), float(np.finfo(float).tiny))


def _minima(points: Array, values: Array, closes: npt.NDArray[np.bool_]) -> tuple[Array, Array, Array]:
    """The local minima of values on the lattice, or between its points by a parabola, with heights and depths."""
    shape = points.shape[:-1]
    level = np.where(np.isfinite(values), values, np.inf).reshape(shape)
    level = level - level.min()
    wells = flooded(points, level, np.zeros(shape, dtype=bool), SHALLOW, closes=closes)
    spacing = _spacing(points)
    index = np.rint((wells.points - points.reshape(-1, len(shape))[0]) / spacing).astype(int)
    moved = wells.points.copy()
    for axis in range(len(shape)):
        step = np.eye(len(shape), dtype=int)[axis]
        inner = closes[axis] | ((index[:, axis] > 0) & (index[:, axis] < shape[axis] - 1))
        beside = (_neighbour(index + s * step, shape, closes) for s in (-1, 0, 1))
        low, mid, high = (level[tuple(place.T)] for place in beside)
        good = inner & np.isfinite(low) & np.isfinite(high)
        bend = np.where(good, low, 1.0) - 2.0 * mid + np.where(good, high, 1.0)
        good &= bend > 0.0
        lean = np.where(good, low, 0.0) - np.where(good, high, 0.0)
        offset = np.where(good, 0.5 * lean / np.where(good, bend, 1.0), 0.0)
        moved[:, axis] += spacing[axis] * np.clip(offset, -1.0, 1.0)
    return moved, wells.bottoms, wells.depths


def _neighbour(
    index: npt.NDArray[np.integer], shape: tuple[int, ...], closes: npt.NDArray[np.bool_]
) -> npt.NDArray[np.integer]:
    """Places of the lattice (n, d), brought back to it: to its ends, or round where these are one."""
    counts = np.array(shape)
    return np.asarray(np.where(closes, index % (counts - 1), np.clip(index, 0, counts - 1)))
