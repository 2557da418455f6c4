"""Looks on while a density evolves: how much of it is in each basin.

The mass in a basin of attraction is what splits: it begins with the deterministic share and, when all paths have come
to some minimum, changes only by rare escapes. The mean of a committor begins with the share that the basin will have
then: it is a martingale until a minimum is reached, so it shows escapes alone, from the first moment on.

What is undecided is the mean of 1 - sum of q_i^2: the chance that two paths from one point reach different minima.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.errors import SolverFailed
from fpsolver.generator.generator import Generator
from fpsolver.generator.projection import Projection
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.splitting.basins import Landscape, basins_of
from fpsolver.problems.splitting.shares import basin_rules
from fpsolver.problems.splitting.ways import FirstReached, first_reached

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Split:
    """The minima of a case and which of them is reached first.

    Attributes:
        basins: Of the minima.
        first: The committors, or why there are none.
        count: Of the solves.
    """

    basins: Landscape
    first: FirstReached | str
    count: SolveCount


def split_of(setting: Setting) -> Split | None:
    """The minima of a case with their committors, made once; None where the loss has no isolated minimum. Collective.

    Raises:
        BadUsage: ``splitting.radius`` is too large.
    """
    return setting.of_degree.once("split", lambda: _made(setting))


def _made(setting: Setting) -> Split | None:
    basins, count = basins_of(setting), SolveCount()
    if basins is None:
        return None
    first: FirstReached | str
    try:
        first = first_reached(setting, basins, count)
    except SolverFailed as failure:  # on all ranks; the evolution goes on without
        first = f"the committors of the minima: {str(failure).splitlines()[0]}"
    return Split(basins, first, count)


class MassWatcher:
    """Masses of the basins and means of the committors, for every state of an evolution.

    Args:
        setting: The case.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._split = split_of(setting)
        self._count = 0 if self._split is None else self._split.basins.count
        self._committors: Array | None = None
        self._functionals: list[PETSc.Vec] = []
        self._rows: list[Array] = []
        self._outputs: list[bool] = []

    def columns(self) -> Sequence[str]:
        """``basin_1``, ... in the order of the basins."""
        return [f"basin_{i + 1}" for i in range(self._count)]

    def enter(self, generator: Generator) -> None:
        """From now on states are coefficients with respect to this generator. Collective."""
        if self._split is None:
            return
        rules = basin_rules(self._setting, self._split.basins, generator.quadrature.cells, "case")
        self._functionals = [generator.observable_of_rule(rule) for rule in rules]
        if isinstance(self._split.first, str):
            return
        if self._committors is None:
            points = generator.quadrature.points[: generator.quadrature.cells.owned]
            values = self._split.first(points.reshape(-1, points.shape[2]))
            self._committors = values.reshape(self._count, *points.shape[:2])
        undecided = 1.0 - (self._committors**2).sum(axis=0)
        self._functionals += [generator.observable(values) for values in (*self._committors, undecided)]

    def note(self, time: float, vector: PETSc.Vec, projection: Projection, *, is_output: bool) -> Mapping[str, float]:
        """The masses of the basins. Collective."""
        if self._split is None:
            return {}
        values = np.full(2 * self._count + 1, np.nan)
        found = np.asarray(vector.mDot(self._functionals))
        values[: len(found)] = found
        self._rows.append(np.concatenate([[time], values]))
        self._outputs.append(is_output or time == 0.0)
        return dict(zip(self.columns(), values[: self._count].tolist(), strict=True))

    def memory(self) -> object:
        """The rows so far."""
        return [[row.tolist() for row in self._rows], self._outputs]

    def recall(self, memory: Any) -> None:
        """Go on after these rows."""
        rows, self._outputs = memory
        self._rows = [np.array(row) for row in rows]

    @property
    def rows(self) -> Array:
        """Time, masses, means of committors and what is undecided, (times, 2 + 2 m)."""
        return np.array(self._rows)

    @property
    def outputs(self) -> Array:
        """The rows of the start and of the output times alone."""
        return np.asarray(self.rows[np.array(self._outputs)])
