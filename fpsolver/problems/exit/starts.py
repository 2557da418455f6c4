"""Where an exit begins: at a point, or spread over an initial density. Both are functionals u -> mean of u."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.case import Exit
from fpsolver.domain.locate import point_rules
from fpsolver.errors import BadUsage
from fpsolver.generator.quadrature import rule_degree
from fpsolver.problems.base import Setting
from fpsolver.problems.evolution.earlier import earlier_density
from fpsolver.problems.evolution.initial import initial_density
from fpsolver.problems.exit.killed import Killed

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """A start of the clock.

    Attributes:
        point: The point, or the mean of the density.
        functional: v -> v(point), or the mean of v over the density.
        density: What kind of density it is; None for a point.
    """

    point: tuple[float, ...]
    functional: PETSc.Vec
    density: str | None = None


def starts_of(setting: Setting, wanted: Exit, problem: Killed) -> list[Start]:
    """The starts of an exit. Collective.

    Raises:
        BadUsage: A start lies outside of the region.
    """
    domain, cells = problem.generator.space.mesh, problem.geometry
    quadrature = problem.generator.quadrature
    starts = []
    for point, rule in zip(wanted.start, point_rules(domain, cells, wanted.start), strict=True):
        if rule is None:
            raise BadUsage(f"exit.start: {list(point)} lies outside of the region {wanted.region}; move it inside")
        starts.append(Start(point, quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))))
    if wanted.initial is not None:
        case = setting.case
        initial = initial_density(
            wanted.initial,
            domain,
            cells,
            case.coordinates,
            case.regions,
            rule_degree(case.dimension, case.discretization.degree),
            lambda folder: earlier_density(*setting.earlier(folder), domain.comm),
        )
        sums = domain.comm.allreduce((initial.rule.weights * initial.density) @ initial.rule.points)
        functional = quadrature.functional_of_rule(initial.rule, initial.density)
        starts.append(Start(tuple(float(x) for x in sums), functional, wanted.initial.kind))
    return starts
