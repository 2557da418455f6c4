"""More than one stationary state, or one without a density: noise that vanishes splits the domain into classes.

Each class that nothing leaves carries a stationary state of its own: a density, solved for on its cells alone, or a
point, curve or surface at which mass collapses. Where the process ends then depends on where it starts, so there is no
answer for the whole domain, and the classes are described one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.certificate import Check
from fpsolver.domain.evaluate import evaluate
from fpsolver.domain.regions import at_points
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.projection import negative_mass, project
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.limits import BACKWARD_ERROR, KERNEL_DEFECT, NEGATIVE_MASS
from fpsolver.problems.observables import Observables
from fpsolver.problems.stationary.classes import DENSITY, POINT_MASS, Class
from fpsolver.problems.walls import with_walls
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

NOT_ONE = "there is more than one stationary state, and the start decides; see the classes"
COLLAPSED = "the mass collapses to a point: there is no density"
ONTO_A_SET = "the mass collapses onto a curve or surface: there is no density; noise.regularization adds noise"
NO_SPECTRUM = "the spectrum is computed only where there is one stationary density"


def solve_several(setting: Setting, generator: Generator, wells: Array, found: Sequence[Class]) -> Answer:
    """The stationary state of each class. Collective.

    Args:
        setting: The case.
        generator: On the whole domain.
        wells: Bottoms of the wells, deepest first, (m, d).
        found: The classes.

    Raises:
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    count = SolveCount()
    parts: list[dict[str, object]] = []
    checks: list[Check] = []
    fields: dict[str, Array] = {}
    states: list[tuple[Generator, PETSc.Vec]] = []
    for number, each in enumerate(found, start=1):
        setting.heartbeat()
        if each.kind != DENSITY:
            parts.append(_collapsed(setting, each))
            continue
        vector = _density(generator, each, _inside(wells, each), count)
        states.append((generator, vector))
        parts.append(_spread(setting, generator, each, vector))
        if not setting.is_companion:
            name = f"stationary, class {number}: negative mass"
            checks.append(Check(name, negative_mass(generator, vector), NEGATIVE_MASS))
            fields[f"stationary_density_{number}"] = _on_lattice(setting, generator, vector)
    if fields:
        setting.recorder.fields(setting.lattice[0], fields)
    checks += [
        Check("constants in the kernel of K", generator.kernel_defect(), KERNEL_DEFECT),
        Check("backward error of solves", count.backward_error, BACKWARD_ERROR),
    ]
    only = parts[0] if len(parts) == 1 else None
    results: dict[str, object] = {"states": len(parts), "classes": parts, "unknowns": generator.unknowns}
    why = NOT_ONE if only is None else COLLAPSED if only["kind"] == POINT_MASS else ONTO_A_SET
    results |= _for_all(setting, only, why)
    probes = [{"stationary_density": Quantity(None, why=why)} for _ in setting.case.probes]
    warnings = [f"stationary: {describe(found)}"]
    answer = Answer("stationary", results, generator, checks, probes, warnings, _summary(results, found))
    return with_walls(setting, answer, states)


def describe(found: Sequence[Class]) -> str:
    """The classes in a sentence."""
    texts = "; ".join(each.text for each in found)
    return texts if len(found) == 1 else f"{len(found)} stationary states, and the start decides which: {texts}"


def _density(generator: Generator, each: Class, pins: Array, count: SolveCount) -> PETSc.Vec:
    inverse = Pinned(generator, ~each.nodes, pins, "stationary", count)
    vector = inverse.stationary()
    vector.scale(1.0 / generator.total.dot(vector))
    inverse.destroy()
    return vector


def _inside(wells: Array, each: Class) -> Array:
    """The wells in the box around a class, or its middle."""
    inside = ((wells > each.lower) & (wells < each.upper)).all(axis=1)
    return wells[inside] if inside.any() else (each.lower + each.upper)[None] / 2.0


def _spread(setting: Setting, generator: Generator, each: Class, vector: PETSc.Vec) -> dict[str, object]:
    case = setting.case
    moments = Observables(generator, case.coordinates, case.regions)(vector)
    return _entry(each) | {
        "regions": {name: Quantity(value, scale="log") for name, value in moments.regions.items()},
        "mean": [Quantity(float(value)) for value in moments.mean],
        "covariance": [[Quantity(float(value)) for value in row] for row in moments.covariance],
    }


def _collapsed(setting: Setting, each: Class) -> dict[str, object]:
    case = setting.case
    if each.kind != POINT_MASS:
        return _entry(each) | {"regions": dict.fromkeys(case.regions, Quantity(None, why=ONTO_A_SET))}
    point = (each.lower + each.upper) / 2.0
    inside = {
        name: float(at_points(region.level, case.coordinates)(point[None])[0] < 0.0)
        for name, region in case.regions.items()
    }
    exact = bool((each.lower == each.upper).all())
    zero = [[Quantity(0.0, 0.0)] * len(point) for _ in point]
    entry = _entry(each) | {"regions": {name: Quantity(value, 0.0) for name, value in inside.items()}}
    if exact:
        entry |= {"point": point.tolist(), "mean": [Quantity(float(x), 0.0) for x in point], "covariance": zero}
    return entry


def _entry(each: Class) -> dict[str, object]:
    return {"kind": each.kind, "support": each.text, "lower": each.lower.tolist(), "upper": each.upper.tolist()}


def _for_all(setting: Setting, only: Mapping[str, object] | None, why: str) -> dict[str, object]:
    """What is asked of the whole domain: from the only class, or the reason why there is no answer."""
    nothing = Quantity(None, why=why)
    d = setting.case.dimension
    entries: dict[str, object] = {
        "detailed_balance": False,
        "regions": dict.fromkeys(setting.case.regions, nothing),
        "mean": [nothing] * d,
        "covariance": [[nothing] * d for _ in range(d)],
    }
    if only is not None:
        entries |= {key: only[key] for key in ("regions", "mean", "covariance") if key in only}
    no_spectrum = Quantity(None, why=NO_SPECTRUM)
    return entries | {"eigenvalues": [Quantity(0.0, 0.0)], "spectral_gap": no_spectrum, "current": nothing}


def _on_lattice(setting: Setting, generator: Generator, vector: PETSc.Vec) -> Array:
    lattice, _ = setting.lattice
    points = lattice.points[:, : lattice.dimension]
    ratio = evaluate([generator.function(vector)], points)[0]
    return np.asarray(generator.weight.density(points) * np.maximum(ratio - project(generator, vector).shift, 0.0))


def _summary(results: Mapping[str, object], found: Sequence[Class]) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = [("stationary states", str(results["states"]))]
    return lines + [(f"  {number}. {each.kind}", each.text) for number, each in enumerate(found, start=1)]
