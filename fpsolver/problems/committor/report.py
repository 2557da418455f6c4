"""Committors as numbers at probes and as fields."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from petsc4py import PETSc

from fpsolver.case import Committor
from fpsolver.domain.evaluate import evaluate_within
from fpsolver.domain.locate import point_rules
from fpsolver.domain.regions import at_points
from fpsolver.problems.base import Setting
from fpsolver.problems.committor.between import Between, region_between
from fpsolver.problems.committor.reactive import Transitions
from fpsolver.quantity import Quantity


def at_probes(setting: Setting, wanted: Committor, problem: Between, committor: PETSc.Vec) -> list[dict[str, Quantity]]:
    """The committor at each probe: 0 in the source, 1 in the target."""
    points = setting.case.probes
    name = f"committor_{wanted.source}_{wanted.target}"
    found = []
    for point, rule in zip(points, point_rules(problem.generator.space.mesh, problem.geometry, points), strict=True):
        if rule is None:
            found.append({name: Quantity(float(problem.nearer_target(np.array([point]))[0]), 0.0)})
            continue
        functional = problem.generator.quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))
        found.append({name: Quantity(float(functional.dot(committor)), size=1.0)})
    return found


def write_fields(
    setting: Setting, wanted: Committor, problem: Between, committor: PETSc.Vec, transitions: Transitions | None
) -> None:
    """The committor on the lattice, 0 in the source and 1 in the target, and the reactive current, 0 in both."""
    lattice, _ = setting.lattice
    points = lattice.points[:, : lattice.dimension]
    vectors = [committor] + ([] if transitions is None else transitions.current())
    level = at_points(region_between(setting.case, wanted).level, setting.case.coordinates)
    functions = [problem.generator.function(vector) for vector in vectors]
    values = evaluate_within(functions, points, level(points) < 0.0)
    inside = np.isnan(values[0])
    probability = np.where(inside, problem.nearer_target(points).astype(float), values[0])
    fields = {f"committor_{wanted.source}_{wanted.target}": np.clip(probability, 0.0, 1.0)}
    if transitions is not None:
        current = np.where(inside, 0.0, values[1:])
        fields[f"reactive_current_{wanted.source}_{wanted.target}"] = np.ascontiguousarray(current.T)
    setting.recorder.fields(lattice, fields)


def described(wanted: Committor, results: Mapping[str, object]) -> list[tuple[str, object]]:
    """Lines of the final table."""
    way = f"from {wanted.source} to {wanted.target}"
    return [
        (f"rate {way}", results["rate"]),
        ("  back", results["reverse_rate"]),
        ("  transitions per time", results["flux"]),
        (f"mean time {way}", results["mean_passage_time"]),
        ("  of which under way", results["mean_transition_time"]),
    ]
