"""Where the process ends: the stationary density, its current, its wells, and the slow part of the spectrum.

    K^T h = 0,   h . M 1 = 1,   pi = w h,   J = -w (D grad h + c h),   c = a - D grad Psi

Where the potential is known and absorbs the whole drift (detailed balance), pi = exp(-Psi)/Z is exact and spans as many
orders of magnitude as numbers do; the solution of the matrix is then compared with it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.certificate import Check
from fpsolver.domain.locate import point_rules
from fpsolver.errors import BadUsage
from fpsolver.generator.generator import Generator
from fpsolver.generator.projection import negative_mass
from fpsolver.linalg import backward_error
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.limits import BACKWARD_ERROR, KERNEL_DEFECT, NEGATIVE_MASS
from fpsolver.problems.observables import Observables
from fpsolver.problems.stationary.current import current_size
from fpsolver.problems.stationary.modes import modes_of
from fpsolver.problems.stationary.settled import State, write_fields
from fpsolver.problems.stationary.several import solve_several
from fpsolver.problems.stationary.spectrum import Metastable, Mode, metastable, spectrum
from fpsolver.problems.stationary.through import solve_through
from fpsolver.problems.stationary.whole import whole
from fpsolver.problems.walls import with_walls
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]

STATIONARITY = 1e-3


def solve_stationary(setting: Setting) -> Answer:
    """The stationary state of the case and the eigenvalues of smallest real part. Collective.

    Raises:
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    case = setting.case
    assert case.stationary is not None
    if case.boundary is not None:
        return solve_through(setting)
    domain = whole(setting)
    generator, found = domain.generator, domain.wells
    if not domain.settles:
        return solve_several(setting, generator, found.points, domain.kinds)
    setting.announce(
        f"stationary: {generator.unknowns} unknowns of degree {generator.degree}, weight {generator.weight.kind}, "
        f"wells: {len(found.points)}"
    )
    setting.heartbeat()
    inverse, solved = domain.inverse, domain.solved
    modes = spectrum(inverse, solved, case.stationary.eigenvalues - 1, setting.heartbeat)
    exchange = metastable(inverse, solved, modes)
    state = domain.state
    assert state is not None
    moments = Observables(state.generator, case.coordinates, case.regions)(state.vector)
    results: dict[str, object] = {
        "states": 1,
        "detailed_balance": state.balanced,
        "regions": {name: Quantity(value, scale="log") for name, value in moments.regions.items()},
        "mean": [Quantity(float(value)) for value in moments.mean],
        "covariance": [[Quantity(float(value)) for value in row] for row in moments.covariance],
        "eigenvalues": [Quantity(0.0, 0.0)] + [_eigenvalue(mode) for mode in modes],
        "current": Quantity(0.0, 0.0) if state.balanced else Quantity(current_size(state.generator, state.vector)),
        "wells": len(found.points),
        "unknowns": generator.unknowns,
    }
    if modes:
        results["spectral_gap"] = Quantity(modes[0].value.real, scale="log")
    if exchange is not None:
        results["metastable"] = _exchange(found.points, exchange)
    checks: list[Check] = []
    if not setting.is_companion:
        negative = negative_mass(state.generator, state.vector)
        results |= {"negative_mass": negative, "moved_mass": state.projection.moved, "modes": modes_of(setting, state)}
        write_fields(setting, state, modes)
        checks = [
            Check("stationary state: negative mass", negative, NEGATIVE_MASS),
            Check("stationary state: K^T h", _defect(generator, solved), BACKWARD_ERROR),
            Check("constants in the kernel of K", generator.kernel_defect(), KERNEL_DEFECT),
            Check("backward error of solves", domain.count.backward_error, BACKWARD_ERROR),
        ]
        if state.exact:
            checks.append(Check("stationary state against exp(-Psi)/Z", _distance(generator, solved), STATIONARITY))
    warnings = []
    if state.averages is not None:
        warnings.append(
            f"stationary: the density has a front thinner than the mesh: {100 * state.projection.moved:.2g} % of its "
            "mass lies in oscillations between the nodes. Fields and figures show averages over the cells around each "
            "vertex; masses, means and rates are those of the solution, and their errors say how far to trust them"
        )
    probes = _probes(setting, state)
    answer = Answer("stationary", results, generator, checks, probes, warnings, _summary(results))
    return with_walls(setting, answer, [(state.generator, state.vector)])


def _eigenvalue(mode: Mode) -> Quantity:
    imag = mode.value.imag if mode.imaginary is not None else None
    return Quantity(mode.value.real, scale="log", imag=imag)


def _exchange(points: Array, exchange: Metastable) -> dict[str, object]:
    sets = [
        {"point": [float(x) for x in point], "mass": Quantity(float(mass), scale="log")}
        for point, mass in zip(points, exchange.masses, strict=False)
    ]
    rates = [[Quantity(float(rate), scale="log") for rate in row] for row in exchange.rates]
    for i in range(len(rates)):
        rates[i][i] = Quantity(0.0, 0.0)
    return {"sets": sets, "rates": rates}


def _defect(generator: Generator, vector: PETSc.Vec) -> float:
    """max |K^T h| / (|K^T| |h|) over the rows."""
    nothing = vector.duplicate()
    nothing.set(0.0)
    return backward_error(generator.stiffness, vector, nothing, transposed=True)


def _distance(generator: Generator, solved: PETSc.Vec) -> float:
    """Half the L1 distance between the solution of the matrix and the weight itself, both of unit mass."""
    values, masses, _ = generator.samples(solved)
    total = generator.comm.allreduce(float(masses.sum()))
    return float(generator.comm.allreduce(float((masses * np.abs(values - 1.0 / total)).sum())) / 2.0)


def _probes(setting: Setting, state: State) -> list[dict[str, Quantity]]:
    """The density and its logarithm at each probe, as solved: a projection is for pictures."""
    points = setting.case.probes
    found = []
    quadrature = state.generator.quadrature
    for point, rule in zip(points, point_rules(state.generator.space.mesh, quadrature.cells, points), strict=True):
        if rule is None:
            raise BadUsage(f"probe: the point {list(point)} lies outside the mesh; move it inside")
        functional = quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))
        ratio = float(functional.dot(state.vector))
        exponent = float(state.generator.weight(np.array([point]))[0][0])
        if ratio > 0.0:
            density = Quantity(float(np.exp(-exponent)) * ratio, scale="log")
            logarithm = Quantity(float(np.log(ratio)) - exponent)
        else:
            density = Quantity(0.0)
            logarithm = Quantity(None, why="the density is not resolved there: its value is below its error")
        found.append({"stationary_density": density, "log_stationary_density": logarithm})
    return found


def _summary(results: dict[str, object]) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = [("stationary states", str(results["states"]))]
    lines.append(("detailed balance", "yes" if results["detailed_balance"] else "no"))
    regions = results["regions"]
    assert isinstance(regions, dict)
    lines += [(f"stationary mass in {name}", value) for name, value in regions.items()]
    if "spectral_gap" in results:
        lines.append(("spectral gap", results["spectral_gap"]))
    lines.append(("current", results["current"]))
    return lines
