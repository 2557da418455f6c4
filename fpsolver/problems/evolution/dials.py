"""What a schedule sets, as columns of the curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from petsc4py import PETSc

from fpsolver.case.course import Schedule
from fpsolver.generator.generator import Generator
from fpsolver.generator.projection import Projection

COLUMNS = {"learning_rate": "learning_rate", "batch_size": "batch_size", "diffusion": "diffusion_factor"}
"""Key of the schedule -> column of ``curves.csv``."""


class Dials:
    """Reads the functions of a schedule at the times of an evolution: at a switch, what is valid from then on.

    Args:
        schedule: Of the case.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def columns(self) -> Sequence[str]:
        """One per function of time that the schedule sets."""
        return [COLUMNS[name] for name in self._schedule.at(0.0)]

    def enter(self, generator: Generator) -> None:
        """Nothing depends on the generator."""

    def note(self, time: float, vector: PETSc.Vec, projection: Projection, *, is_output: bool) -> Mapping[str, float]:
        """The values from a time on."""
        return {COLUMNS[name]: value for name, value in self._schedule.at(time).items()}

    def memory(self) -> object:
        """Nothing: the schedule knows."""
        return None

    def recall(self, memory: object) -> None:
        """Nothing."""
