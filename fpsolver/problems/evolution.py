"""The density in time: M dh/dt = -K^T h, M h(0) = the functional of the initial density."""

from __future__ import annotations

import basix
import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.certificate import Check
from fpsolver.domain.lattice import sublattice
from fpsolver.domain.locate import point_rules
from fpsolver.errors import BadUsage
from fpsolver.generator.choice import weight_for
from fpsolver.generator.generator import Generator, grounded
from fpsolver.generator.monotone import sign_defect
from fpsolver.generator.projection import project
from fpsolver.generator.weight import Weight
from fpsolver.linalg import Factorization
from fpsolver.problems.base import Answer, Setting, quantity
from fpsolver.problems.earlier import earlier_density
from fpsolver.problems.initial import InitialDensity, initial_density
from fpsolver.problems.observables import Observables
from fpsolver.propagation import PROPAGATORS, Settings, State
from fpsolver.state import FinalState

Array = npt.NDArray[np.float64]

MASS_DRIFT = 1e-11
MOST_MOVED = 1e-2
WARN_MOVED = 1e-3
KERNEL_DEFECT = 1e-12
BACKWARD_ERROR = 1e-10
SIGN_DEFECT = 1e-13


def solve_evolution(setting: Setting) -> Answer:
    """Carry the initial density of the case through its output times. Collective.

    Raises:
        BadUsage: The initial density has no mass on the mesh.
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    wanted = setting.case.evolution
    assert wanted is not None
    initial = initial_density(
        wanted.initial,
        setting.domain,
        setting.cells,
        setting.case.coordinates,
        setting.case.regions,
        2 * setting.case.discretization.degree + 4,
        lambda folder: earlier_density(*setting.earlier(folder), setting.domain.comm),
    )
    generator = setting.generator(_weight(setting, initial))
    setting.announce(
        f"evolution: {generator.unknowns} unknowns of degree {generator.degree}, "
        f"{'monotone scheme, ' if generator.monotone else ''}weight {describe(generator.weight)}, {wanted.method}"
    )
    settings = Settings(wanted.tolerance, setting.heartbeat)
    mass = Factorization(generator.mass, "mass", symmetric=True, count=settings.count)
    start = mass.solve(generator.quadrature.functional_of_rule(initial.rule, initial.density))
    mass.destroy()

    journal = _Journal(setting, generator)
    journal.note(State(0.0, start, 0, is_output=False), frame=not initial.is_point)
    done = 0
    for state in PROPAGATORS[wanted.method](generator, start, wanted.output_times, settings):
        done += state.is_output
        if state.is_output or wanted.method == "sdirk":
            journal.note(state, frame=state.is_output)
        setting.progress(done / len(wanted.output_times), f"t = {state.time:.6g}")
    journal.keep()
    return journal.answer(settings)


def describe(weight: Weight) -> str:
    """A weight in a few words."""
    kinds = {
        "potential": "exp(-f/D)",
        "given": "exp(-noise.potential)",
        "integrated": "exp(-integral of a/D)",
        "fitted": "by exponential fitting",
        "none": "none (the initial density reaches far beyond the stationary one)",
    }
    return kinds[weight.kind]


def _weight(setting: Setting, initial: InitialDensity) -> Weight:
    degree = 2 * setting.case.discretization.degree + 4
    reference, weights = basix.make_quadrature(setting.domain.basix_cell(), degree)
    owned = setting.cells.owned
    points = setting.cells.points(reference)[:owned].reshape(-1, setting.cells.dimension)
    volumes = (setting.cells.volumes(reference)[:owned] * weights).ravel()
    comm = setting.domain.comm
    data = (initial.rule.points, initial.rule.weights, initial.density)
    return weight_for(grounded(setting.reference, points, comm), (points, volumes), data, comm)


class _Journal:
    """Measures every state on its way and remembers the worst of each check."""

    def __init__(self, setting: Setting, generator: Generator) -> None:
        self._setting = setting
        self._generator = generator
        self._observables = Observables(generator, setting.case.coordinates, setting.case.regions)
        self._lattice, self._nodes = sublattice(generator.space)
        self._weight = generator.weight.density(self._lattice.points[:, : setting.case.dimension])
        self._probes = self._probe_functionals()
        self._drift = self._moved = 0.0
        self._lowest = np.inf
        self._step = 0

    def note(self, state: State, *, frame: bool) -> None:
        """Record a state: a row of the curves, and a frame if asked for. Collective."""
        projection = project(self._generator, state.vector)
        self._moments = self._observables(state.vector)
        self._shift, self._last, self._step = projection.shift, state, state.step
        self._drift = max(self._drift, abs(self._moments.mass - 1.0))
        self._lowest = min(self._lowest, projection.minimum)
        if state.is_output:
            self._moved = max(self._moved, projection.moved)
        recorder = self._setting.recorder
        recorder.row(state.time, state.step, self._moments, projection.minimum)
        if frame:
            values = self._generator.function(state.vector).x.array[self._nodes]
            recorder.frame(state.time, self._lattice, self._weight * np.maximum(values - self._shift, 0.0))

    def keep(self) -> None:
        """Leave the last state for a later run to start from. Collective."""
        generator = self._generator
        vector, kind = self._last.vector, generator.weight.kind
        if generator.nodal is not None:  # its density is linear between the nodes: the plain form with w = 1
            vector, kind = vector.copy(), "none"
            vector.pointwiseMult(vector, generator.nodal)
        size = vector.getLocalSize()
        points = generator.space.tabulate_dof_coordinates()[:size, : self._setting.case.dimension]
        weight = generator.weight
        self._setting.recorder.state(
            FinalState(
                self._last.time, generator.degree, points, vector.array_r.copy(), kind, weight.floor, weight.ceiling
            )
        )

    def answer(self, settings: Settings) -> Answer:
        """The results at the end time, with everything that was checked on the way."""
        coordinates, moments = self._setting.case.coordinates, self._moments
        results: dict[str, object] = {
            "time": self._last.time,
            "steps": self._step,
            "rejected_steps": settings.rejected,
            "solves": settings.count.solves,
            "factorizations": settings.count.factorizations,
            "mass": quantity(moments.mass),
            "min_density": self._lowest,
            "moved_mass": self._moved,
            "time_error": settings.time_error,
            "mean": [quantity(value) for value in moments.mean],
            "covariance": [[quantity(value) for value in row] for row in moments.covariance],
            "regions": {name: quantity(value) for name, value in moments.regions.items()},
        }
        summary = [("time", f"{self._last.time:.6g}"), ("mass", f"{moments.mass:.12g}")]
        summary += [(f"mean of {name}", f"{value:.8g}") for name, value in zip(coordinates, moments.mean, strict=True)]
        deviations = np.sqrt(np.maximum(np.diag(moments.covariance), 0.0))
        summary += [
            (f"standard deviation of {name}", f"{value:.8g}")
            for name, value in zip(coordinates, deviations, strict=True)
        ]
        summary += [(f"mass in {name}", f"{value:.8g}") for name, value in moments.regions.items()]
        return Answer(
            "evolution",
            results,
            self._generator,
            self._checks(settings),
            [{"density": quantity(value)} for value in self._probe_values()],
            self._warnings(settings),
            summary,
        )

    def _checks(self, settings: Settings) -> list[Check]:
        # the monotone rates are positive by themselves; a time integration of high order is so up to its tolerance
        most_moved = settings.tolerance if self._generator.monotone else MOST_MOVED
        checks = [
            Check("constants in the kernel of K, relative", self._generator.kernel_defect(), KERNEL_DEFECT),
            Check("evolution: mass drift", self._drift, MASS_DRIFT),
            Check("evolution: smallest density", self._lowest, 0.0, at_least=True),
            Check("evolution: mass moved by the projection at an output time", self._moved, most_moved),
            Check("evolution: componentwise backward error of solves", settings.count.backward_error, BACKWARD_ERROR),
        ]
        if self._generator.monotone:
            checks.append(Check("signs of the rates, relative", sign_defect(self._generator), SIGN_DEFECT))
        return checks

    def _warnings(self, settings: Settings) -> list[str]:
        warnings = []
        if self._moved > WARN_MOVED:
            warnings.append(
                f"the projection to positive densities moved {self._moved:.1e} of the mass: the mesh does not resolve "
                "the density at some output time; use smaller cells (domain.cells), a wider initial density or later "
                "output times"
            )
        if settings.time_error > settings.tolerance:
            warnings.append(
                f"the error in time is about {settings.time_error:.1e}, above evolution.tolerance "
                f"{settings.tolerance:.1e}: round-off allows no more; smaller cells may help"
            )
        return warnings

    def _probe_functionals(self) -> list[tuple[PETSc.Vec, float]]:
        """For each probe the functional h -> h(x) and w(x)."""
        points = self._setting.case.probes
        found = []
        rules = point_rules(self._setting.domain, self._setting.cells, points)
        for point, rule in zip(points, rules, strict=True):
            if rule is None:
                raise BadUsage(f"probe: the point {list(point)} lies outside the mesh; move it inside")
            functional = self._generator.quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))
            found.append((functional, float(self._generator.weight.density(np.array([point]))[0])))
        return found

    def _probe_values(self) -> list[float]:
        """The projected density at each probe."""
        values = [float(functional.dot(self._last.vector)) for functional, _ in self._probes]
        return [w * max(value - self._shift, 0.0) for value, (_, w) in zip(values, self._probes, strict=True)]
