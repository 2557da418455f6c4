"""Looks on while a density evolves: how far it is from the stationary density, and what brings it there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any

import numpy as np
from petsc4py import PETSc

from fpsolver.case import Case
from fpsolver.generator.generator import Generator
from fpsolver.generator.inverse import inverse
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.projection import Projection, project
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.entropy.curve import ABOVE_REST, Curve
from fpsolver.problems.entropy.dissipation import Entropy, entropies
from fpsolver.problems.entropy.rows import TOLERABLE, ChainGauge, FieldGauge, Gauge, Measured
from fpsolver.problems.entropy.target import why_not
from fpsolver.problems.stationary.density import settled_density
from fpsolver.problems.stationary.whole import whole

PRECISION = 1e-3
"""Where an entropy falls below this fraction of its largest value, it is found out what is left of it at the end."""

DOUBTED = 0.5
"""Share that may be in doubt for a companion: what it is off by is what is wanted of it."""


@dataclass(frozen=True)
class Row:
    """What was measured of a state.

    Attributes:
        time: Its time.
        is_output: It is at an output time.
        kinds: One per kind of entropy.
        distance: Integral of |rho - pi|.
    """

    time: float
    is_output: bool
    kinds: Sequence[Measured]
    distance: float


class EntropyWatcher:
    """Measures relative entropies, with or without a stationary density to refer to.

    Args:
        setting: The case. Where there is no stationary density all columns stay empty.

    Attributes:
        entropies: The kinds that the case asks for.
        why: Why there is no stationary density; None where there is one.
        rows: One per state.
        count: Of the solves.
    """

    def __init__(self, setting: Setting) -> None:
        wanted = setting.case.entropy
        assert wanted is not None
        self.entropies: tuple[Entropy, ...] = entropies(wanted.kinds, wanted.power)
        self.why = why_not(setting)
        self.rows: list[Row] = []
        self.count = SolveCount()
        self._setting = setting
        self._target = None if self.why is not None else settled_density(setting)
        self._gauge: Gauge | None = None
        self._generator: Generator | None = None

    def columns(self) -> Sequence[str]:
        """The entropies, then what dissipates them."""
        return entropy_columns(self._setting.case)

    def enter(self, generator: Generator) -> None:
        """See `Watcher`."""
        self._generator = generator
        if self._target is None:
            return
        self.release()
        companion, evolution = self._setting.is_companion, self._setting.case.evolution
        assert evolution is not None
        most = DOUBTED if companion else TOLERABLE
        if generator.monotone:
            self._gauge = ChainGauge(generator, self._target, most)
            return
        mass = None if companion else inverse(generator, generator.mass, "mass", self.count, symmetric=True)
        self._gauge = FieldGauge(generator, self._target, most, evolution.tolerance, mass)

    def note(self, time: float, vector: PETSc.Vec, projection: Projection, *, is_output: bool) -> Mapping[str, float]:
        """See `Watcher`."""
        if self._gauge is None:
            return dict.fromkeys(self.columns(), np.nan)
        kinds, distance = self._gauge.measure(vector, projection, self.entropies)
        self.rows.append(Row(time, is_output, kinds, distance))
        values = [*(each.value for each in kinds), *(each.fisher for each in kinds)]
        return dict(zip(self.columns(), values, strict=True))

    def memory(self) -> object:
        """The rows so far, and the work that they took."""
        rows = [[row.time, row.is_output, [astuple(each) for each in row.kinds], row.distance] for row in self.rows]
        return {"rows": rows, "count": asdict(self.count)}

    def recall(self, memory: Any) -> None:
        """Go on after these rows."""
        self.rows = [
            Row(time, is_output, [Measured(*each) for each in kinds], distance)
            for time, is_output, kinds, distance in memory["rows"]
        ]
        self.count = SolveCount(**memory["count"])

    def curves(self) -> list[Curve]:
        """One for each kind; afterwards nothing can be measured any more. Collective.

        Raises:
            SolverFailed: A solve failed.
        """
        evolution = self._setting.case.evolution
        assert evolution is not None
        rest = self._rest()
        self.release()
        times = np.array([row.time for row in self.rows])
        outputs = np.array([row.is_output or row is self.rows[0] for row in self.rows], dtype=bool)
        return [
            Curve(
                entropy.name,
                times,
                outputs,
                tuple(row.kinds[place] for row in self.rows),
                # the time integration leaves an error whose chi^2 is the square of the tolerance
                ABOVE_REST * (rest[place] + evolution.tolerance**2),
                evolution.initial.kind == "point",
            )
            for place, entropy in enumerate(self.entropies)
        ]

    def _rest(self) -> list[float]:
        """What is left of each kind when the evolution has come to rest: its own stationary density is not quite that
        of the entropies. Zero where no entropy has fallen so far that it matters. Collective.

        Raises:
            SolverFailed: A solve failed.
        """
        values = np.array([[each.value for each in row.kinds] for row in self.rows])
        least, most = np.nanmin(values, axis=0, initial=np.inf), np.nanmax(values, axis=0, initial=0.0)
        if self._gauge is None or self._generator is None or not (least < PRECISION * most).any():
            return [0.0] * len(self.entropies)
        generator = self._generator
        nobody = np.zeros(generator.space.dofmap.index_map.size_local, dtype=bool)
        inverse = Pinned(generator, nobody, whole(self._setting).wells.points, "stationary", self.count)
        vector = inverse.stationary()
        inverse.destroy()
        vector.scale(1.0 / generator.total.dot(vector))
        kinds, _ = self._gauge.measure(vector, project(generator, vector), self.entropies)
        return [each.total if np.isfinite(each.total) else 0.0 for each in kinds]

    def release(self) -> None:
        """Release what PETSc holds; nothing can be measured any more. Collective."""
        if self._gauge is not None:
            self._gauge.destroy()
            self._gauge = None


def entropy_columns(case: Case) -> list[str]:
    """Columns of ``curves.csv``: ``kl``, ``fisher_kl`` and so on."""
    assert case.entropy is not None
    return [*case.entropy.kinds, *(f"fisher_{kind}" for kind in case.entropy.kinds)]
