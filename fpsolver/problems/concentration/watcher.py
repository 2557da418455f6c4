"""Looks on while a density evolves: how closely it gathers around each minimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.generator.generator import Generator
from fpsolver.generator.projection import Projection
from fpsolver.problems.base import Setting
from fpsolver.problems.concentration.balls import Ball, places_of
from fpsolver.problems.concentration.gathering import MEASURED, Gathering
from fpsolver.problems.splitting.basins import basins_of
from fpsolver.problems.splitting.shares import basin_rules

Array = npt.NDArray[np.float64]

RULES = 3
"""So many numbers of a ball are integrals; the others follow from them."""


class GatheringWatcher:
    """Masses of the basins, and masses and second moments in the balls, for every state of an evolution.

    Args:
        setting: The case. Collective.

    Attributes:
        places: The minima with their balls.
        gatherings: Number of a minimum -> what happens in its ball, where it has one.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.places = places_of(setting)
        self.gatherings = {
            i: Gathering(setting, place.ball) for i, place in enumerate(self.places) if isinstance(place.ball, Ball)
        }
        self._functionals: list[PETSc.Vec] = []
        self._rows: list[Array] = []

    def columns(self) -> Sequence[str]:
        """``attracted_1``, ... in the order of the minima, and for each ball what is measured of it."""
        basins = [f"attracted_{i + 1}" for i in range(len(self.places))]
        return [*basins, *(f"{name}_{i + 1}" for i in self.gatherings for name in MEASURED)]

    def enter(self, generator: Generator) -> None:
        """See `Watcher`."""
        self._functionals = []
        landscape = basins_of(self._setting)
        if landscape is None:
            return
        rules = [*basin_rules(self._setting, landscape, generator.quadrature.cells, "case")]
        rules += [rule for gathering in self.gatherings.values() for rule in gathering.rules(generator)]
        self._functionals = [generator.observable_of_rule(rule) for rule in rules]

    def note(self, time: float, vector: PETSc.Vec, projection: Projection, *, is_output: bool) -> Mapping[str, float]:
        """See `Watcher`."""
        values = np.asarray(vector.mDot(self._functionals)) if self._functionals else np.zeros(0)
        plain = len(self.places)
        balls = values[plain:].reshape(-1, RULES)
        measured = [each.note(time, part) for each, part in zip(self.gatherings.values(), balls, strict=True)]
        row = np.concatenate([values[:plain], *measured])
        self._rows.append(np.concatenate([[time], row]))
        return dict(zip(self.columns(), row.tolist(), strict=True))

    def memory(self) -> object:
        """The rows so far, and what the bounds depend on."""
        return [[row.tolist() for row in self._rows], [each.memory() for each in self.gatherings.values()]]

    def recall(self, memory: Any) -> None:
        """Go on after these rows."""
        rows, balls = memory
        self._rows = [np.array(row) for row in rows]
        for each, known in zip(self.gatherings.values(), balls, strict=True):
            each.recall(known)

    @property
    def times(self) -> Array:
        """Of all states, (n,)."""
        return np.array([row[0] for row in self._rows])

    @property
    def curves(self) -> dict[str, Array]:
        """What was measured, by column, (n,) each."""
        return dict(zip(self.columns(), np.array(self._rows)[:, 1:].T, strict=True))
