"""The whole domain, where the process may stay for ever: its generator, its wells and its stationary density."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from dolfinx import mesh
from petsc4py import PETSc

from fpsolver.domain.region_mesh import graded_mesh
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.weight import Weight
from fpsolver.generator.wells import Wells
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.landscape.wells import fitting_weight, landscape
from fpsolver.problems.stationary.classes import DENSITY, Class, classes
from fpsolver.problems.stationary.settled import State, gibbs_state, solved_state

WORTH_RESOLVING = 15.0
"""The mesh is graded so many nats less high than the weight goes: 5 beyond the highest pass."""


def whole_domain(setting: Setting, weight: Weight) -> mesh.Mesh[np.float64]:
    """The mesh of the case, or one with cells small enough for the weight, made once and kept. Collective."""
    return setting.of_mesh.once("graded", lambda: _graded(setting, weight)) or setting.domain


def _graded(setting: Setting, weight: Weight) -> mesh.Mesh[np.float64] | None:
    lower = replace(weight, ceiling=weight.ceiling - WORTH_RESOLVING)
    return graded_mesh(setting.domain.comm, setting.case.domain, setting.grading(lower))


@dataclass(frozen=True)
class Whole:
    """The whole domain.

    Attributes:
        generator: With a weight that follows the potential over all barriers.
        wells: Of the reference potential; their bottoms are the pins.
        kinds: The stationary states that there are.
        count: Of the solves with the inverse.
    """

    generator: Generator
    wells: Wells
    kinds: Sequence[Class]
    count: SolveCount

    @property
    def settles(self) -> bool:
        """Whether there is exactly one stationary state, and that a density."""
        return len(self.kinds) == 1 and self.kinds[0].kind == DENSITY

    @cached_property
    def inverse(self) -> Pinned:
        """Solves with K and its transpose, where the process settles. Collective at first use."""
        nobody = np.zeros(self.generator.space.dofmap.index_map.size_local, dtype=bool)
        return Pinned(self.generator, nobody, self.wells.points, "stationary", self.count)

    @cached_property
    def solved(self) -> PETSc.Vec:
        """h of unit mass with K^T h = 0, where the process settles. Collective at first use."""
        solved = self.inverse.stationary()
        solved.scale(1.0 / self.generator.total.dot(solved))
        return solved

    @cached_property
    def state(self) -> State | None:
        """The stationary density, by a formula where there is one; None where the process does not settle.

        Collective at first use.
        """
        if not self.settles:
            return None
        return gibbs_state(self.generator) or solved_state(self.generator, self.solved)


def whole(setting: Setting) -> Whole:
    """The whole domain of a case, made once and kept. Collective.

    Raises:
        SolverFailed: A solve failed.
    """
    return setting.of_degree.once("whole", lambda: _whole(setting))


def _whole(setting: Setting) -> Whole:
    found = setting.of_model.once(("wells", None), lambda: landscape(setting))
    weight = fitting_weight(setting.reference, found)
    generator = setting.generator(weight, whole_domain(setting, weight))
    return Whole(generator, found, classes(generator, setting.case.coordinates), SolveCount())
