"""Modes of a stationary density, and the minima of the loss that they belong to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from fpsolver.generator.wells import flooded, lattice_of
from fpsolver.problems.base import Setting
from fpsolver.problems.settled import State

Array = npt.NDArray[np.float64]

RESOLVED = 18.0
"""A solved density is trusted this far below its maximum, in nats; a formula everywhere."""

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
    points = lattice_of(box.lower, box.upper)
    flat = points.reshape(-1, points.shape[-1])
    here = flat if comm.rank == 0 else flat[:0]
    potential = state.exponent(here)
    found: list[dict[str, object]] | None = None
    if comm.rank == 0:
        modes, heights = _minima(points, potential)
        if not state.exact:
            modes, heights = modes[heights < RESOLVED], heights[heights < RESOLVED]
        loss = setting.model.loss(flat)
        noise = np.trace(setting.model(flat).diffusion, axis1=1, axis2=2).mean() / points.shape[-1]
        minima, _ = _minima(points, loss / noise) if np.ptp(loss) > 0.0 and noise > 0.0 else (flat[:0], flat[:0, 0])
        found = [_described(mode, height, minima) for mode, height in zip(modes, heights, strict=True)]
    shared: list[dict[str, object]] = comm.bcast(found, root=0)
    return shared


def _described(mode: Array, height: float, minima: Array) -> dict[str, object]:
    entry: dict[str, object] = {"point": [float(x) for x in mode], "height": float(height)}
    if len(minima):
        distance = np.linalg.norm(minima - mode, axis=1)
        entry["minimum"] = [float(x) for x in minima[distance.argmin()]]
        entry["distance"] = float(distance.min())
    return entry


def _minima(points: Array, values: Array) -> tuple[Array, Array]:
    """The local minima of values on the lattice, between its points where a parabola says so, and their heights."""
    shape = points.shape[:-1]
    level = np.where(np.isfinite(values), values, np.inf).reshape(shape)
    level = level - level.min()
    wells = flooded(points, level, np.zeros(shape, dtype=bool), SHALLOW)
    spacing = (points.reshape(-1, len(shape))[-1] - points.reshape(-1, len(shape))[0]) / (np.array(shape) - 1)
    index = np.rint((wells.points - points.reshape(-1, len(shape))[0]) / spacing).astype(int)
    moved = wells.points.copy()
    for axis in range(len(shape)):
        step = np.eye(len(shape), dtype=int)[axis]
        inner = (index[:, axis] > 0) & (index[:, axis] < shape[axis] - 1)
        low, mid, high = (level[tuple(np.clip(index + s * step, 0, np.array(shape) - 1).T)] for s in (-1, 0, 1))
        good = inner & np.isfinite(low) & np.isfinite(high)
        bend = np.where(good, low, 1.0) - 2.0 * mid + np.where(good, high, 1.0)
        good &= bend > 0.0
        lean = np.where(good, low, 0.0) - np.where(good, high, 0.0)
        offset = np.where(good, 0.5 * lean / np.where(good, bend, 1.0), 0.0)
        moved[:, axis] += spacing[axis] * np.clip(offset, -1.0, 1.0)
    return moved, wells.bottoms
