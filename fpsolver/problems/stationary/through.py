"""What stands between a source and a sink: the density that comes in through one part of the boundary and leaves by
another,

    T^T h = source,   h = 0 where noise carries paths out,   rho = w h   (T: K with what drift carries out)

It has a mass of its own, and

    mass / influx = mean time that what comes in stays = mean exit time averaged over the influx,

the last one from the backward equation T u = M 1, with the same matrix: an identity that checks both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.certificate import Check
from fpsolver.errors import SolverFailed
from fpsolver.generator.open_boundary import OpenBoundary
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.projection import negative_mass
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.landscape.wells import fitting_weight, landscape
from fpsolver.problems.limits import BACKWARD_ERROR, KERNEL_DEFECT, NEGATIVE_MASS
from fpsolver.problems.observables import Observables
from fpsolver.problems.openings import openings, part_names
from fpsolver.problems.stationary.settled import solved_state, write_fields
from fpsolver.problems.stationary.whole import whole_domain
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

BALANCE = 1e-9
"""What leaves against what comes in; and the mass against the mean exit time, relative."""


def solve_through(setting: Setting) -> Answer:
    """The stationary density of a case with an influx. Collective.

    Raises:
        BadUsage: Nothing can leave through the absorbing part.
        SolverFailed: A solve failed, or what comes in never leaves.
        Stopped: The heartbeat said so.
    """
    case = setting.case
    found = setting.of_model.once(("wells", None), lambda: landscape(setting))
    weight = fitting_weight(setting.reference, found)
    boundary = openings(setting, setting.generator(weight, whole_domain(setting, weight)))
    assert boundary.source is not None
    generator, count = boundary.generator, SolveCount()
    setting.announce(
        f"stationary: {generator.unknowns} unknowns of degree {generator.degree}, weight {weight.kind}, between an "
        "influx and an absorbing boundary"
    )
    setting.heartbeat()
    inverse = Pinned(boundary.killed, boundary.fixed, found.points, "stationary", count, leaks=boundary.drain)
    vector = inverse.solve_transposed(boundary.source)
    staying = inverse.solve(generator.total)
    inverse.destroy()
    moments = Observables(generator, case.coordinates, case.regions)(vector)
    if not (np.isfinite(moments.mass) and moments.mass > 0.0):
        raise SolverFailed("stationary: what comes in does not leave; let the boundary absorb where the drift leads")
    entering, leaving = boundary.entering, leaving_of(boundary, vector)
    residence = float(staying.dot(boundary.source)) / entering
    results: dict[str, object] = {
        "mass": Quantity(moments.mass, scale="log"),
        "influx": Quantity(entering, 0.0),
        "mean_residence_time": Quantity(moments.mass / entering, scale="log"),
        "through": {
            name: {"flux": Quantity(float(flux), size=1e-3 * entering)}
            for name, flux, takes in zip(part_names(setting), leaving, boundary.takes, strict=True)
            if takes
        },
        "regions": {name: Quantity(value, scale="log") for name, value in moments.regions.items()},
        "mean": [Quantity(float(value)) for value in moments.mean],
        "covariance": [[Quantity(float(value)) for value in row] for row in moments.covariance],
        "unknowns": generator.unknowns,
    }
    checks: list[Check] = []
    if not setting.is_companion:
        negative = negative_mass(generator, vector)
        results["negative_mass"] = negative
        write_fields(setting, solved_state(generator, vector), [])
        checks = [
            Check("stationary state: negative mass", negative, NEGATIVE_MASS),
            Check(
                "stationary state: what leaves against what enters", float(abs(leaving.sum() / entering - 1.0)), BALANCE
            ),
            Check(
                "stationary state: residence against exit time", abs(moments.mass / entering / residence - 1.0), BALANCE
            ),
            Check("constants in the kernel of K", generator.kernel_defect(), KERNEL_DEFECT),
            Check("backward error of solves", count.backward_error, BACKWARD_ERROR),
        ]
    return Answer("stationary", results, generator, checks, summary=_summary(results))


def leaving_of(boundary: OpenBoundary, vector: PETSc.Vec) -> Array:
    """What leaves through each part per time, (parts,): the reaction where h = 0, and what drift carries out."""
    carried = vector.duplicate()
    boundary.transport.multTranspose(vector, carried)
    if boundary.source is not None:  # on nodes where h = 0 it leaves at once
        carried.axpy(-1.0, boundary.source)
    at_nodes = np.array([-float(carried.array_r[mask].sum()) for mask in boundary.closed])
    by_drift = np.array([float(vector.dot(outflow)) for outflow in boundary.outflow])
    return np.asarray(boundary.generator.comm.allreduce(at_nodes) + by_drift)


def _summary(results: dict[str, Any]) -> list[tuple[str, object]]:
    lines = [("stationary mass", results["mass"]), ("mean residence time", results["mean_residence_time"])]
    lines += [(f"flux out at {name}", entry["flux"]) for name, entry in results["through"].items()]
    return lines + [(f"stationary mass in {name}", value) for name, value in results["regions"].items()]
