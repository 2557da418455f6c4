"""The stationary density of the whole domain, for problems that need it beside their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from dolfinx import mesh

from fpsolver.domain.region_mesh import graded_box_mesh
from fpsolver.generator.boundary import grading_for
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.weight import Weight
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.classes import DENSITY, classes
from fpsolver.problems.landscape import fitting_weight, landscape
from fpsolver.problems.settled import State, gibbs_state, solved_state

WORTH_RESOLVING = 15.0
"""The mesh is graded so many nats less high than the weight goes: 5 beyond the highest pass."""


def whole_domain(setting: Setting, weight: Weight) -> mesh.Mesh[np.float64]:
    """The mesh of the case, or one with cells small enough for the weight, made once and kept. Collective."""
    return setting.once("graded", lambda: _graded(setting, weight)) or setting.domain


def _graded(setting: Setting, weight: Weight) -> mesh.Mesh[np.float64] | None:
    lower = replace(weight, ceiling=weight.ceiling - WORTH_RESOLVING)
    grading = grading_for(setting.model, lower, setting.case.discretization.degree)
    return graded_box_mesh(setting.domain.comm, setting.case.domain, grading)


def only_state(setting: Setting, count: SolveCount) -> State | None:
    """The stationary density; None where there is none, or more than one. Collective.

    Raises:
        SolverFailed: A solve failed.
    """
    found = setting.once(("wells", None), lambda: landscape(setting))
    weight = fitting_weight(setting.reference, found)
    generator = setting.generator(weight, whole_domain(setting, weight))
    kinds = classes(generator, setting.case.coordinates)
    if len(kinds) != 1 or kinds[0].kind != DENSITY:
        return None
    known = gibbs_state(generator)
    if known is not None:
        return known
    nobody = np.zeros(generator.space.dofmap.index_map.size_local, dtype=bool)
    inverse = Pinned(generator, nobody, found.points, "stationary", count)
    solved = inverse.stationary()
    inverse.destroy()
    solved.scale(1.0 / generator.total.dot(solved))
    return solved_state(generator, solved)
