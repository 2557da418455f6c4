"""Measures every state of an evolution on its way and remembers the worst of each check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from petsc4py import PETSc

from fpsolver.certificate import Check
from fpsolver.domain.lattice import sublattice
from fpsolver.domain.locate import point_rules
from fpsolver.errors import BadUsage
from fpsolver.generator.collecting import Counted
from fpsolver.generator.generator import Generator
from fpsolver.generator.monotone import sign_defect
from fpsolver.generator.projection import Projection, project
from fpsolver.problems.base import Answer, Setting, Watcher
from fpsolver.problems.evolution.passages import Passages
from fpsolver.problems.limits import BACKWARD_ERROR, KERNEL_DEFECT, SIGN_DEFECT
from fpsolver.problems.observables import Observables
from fpsolver.problems.stationary.close_weight import coefficients_of
from fpsolver.propagation import Settings, State
from fpsolver.quantity import Quantity
from fpsolver.state import FinalState

Array = npt.NDArray[np.float64]

MASS_DRIFT = 1e-11
MOST_MOVED = 1e-2
WARN_MOVED = 1e-3

TIME_SHARE = 0.1
"""What is left of the tolerance: a basis ends when its last vectors changed the density by less than that."""

ROUND_OFF = 1e-12
"""Of a mass, after a few hundred solves."""

NEGLIGIBLE = 1e-3
"""A mass, or the density that it would have spread over the domain, whose relative error is of no interest."""


NOTHING_LEFT = "nothing is left of the density but the error of the time integration"


class Journal:
    """Rows, frames, final answer and certificate of an evolution.

    Args:
        setting: The case and the outside world.
        generator: What the first state refers to; `enter` tells of another one.
        watchers: Shown every state.
    """

    def __init__(self, setting: Setting, generator: Generator, watchers: Sequence[Watcher] = ()) -> None:
        self._setting = setting
        self._watchers = watchers
        self._passages = Passages(setting)
        self._loss = None if setting.case.loss is None else setting.model.loss
        self._drift = self._moved = self._kernel = self._signs = 0.0
        self._lowest = np.inf
        self._steps = 0
        self.enter(generator)

    def enter(self, generator: Generator) -> None:
        """From now on states are coefficients with respect to this generator. Collective."""
        case = self._setting.case
        self._generator = generator
        self._observables = Observables(generator, case.coordinates, case.regions, self._loss)
        self._lattice, self._nodes = sublattice(generator.space)
        self._weight = generator.weight.density(self._lattice.points[:, : case.dimension])
        self._probes = self._probe_functionals()
        self._reach = np.subtract(case.domain.upper, case.domain.lower) / 2.0
        self._kernel = max(self._kernel, generator.kernel_defect())
        if generator.monotone:
            self._signs = max(self._signs, sign_defect(generator))
        for watcher in self._watchers:
            watcher.enter(generator)

    def note(self, state: State, counted: Counted | None, *, frame: bool) -> None:
        """Record a state: a row of the curves, and a frame if asked for. Collective."""
        self._last, self._counted = state, counted
        if self._setting.is_companion and not self._watchers:  # only the last one counts
            return
        projection = self._measure()
        more: dict[str, float] = {} if self._moments.loss is None else {"mean_loss": self._moments.loss}
        for watcher in self._watchers:
            more |= watcher.note(state.time, state.vector, projection, is_output=state.is_output)
        more |= self._passages.columns(counted)
        self._drift = max(self._drift, abs(self._moments.mass + self._passages.gone(counted) - 1.0))
        self._lowest = min(self._lowest, projection.minimum)
        if state.is_output:
            self._moved = max(self._moved, projection.moved * min(abs(self._moments.mass), 1.0))
        recorder = self._setting.recorder
        recorder.row(state.time, self._steps, self._moments, projection.minimum, more)
        self._steps += 1
        if frame:
            values = self._generator.function(state.vector).x.array[self._nodes]
            recorder.frame(state.time, self._lattice, self._weight * np.maximum(values - self._shift, 0.0))

    @property
    def steps(self) -> int:
        """States noted so far."""
        return self._steps

    def memory(self) -> dict[str, object]:
        """What was measured so far, as plain numbers, for `resume`."""
        return {
            "worst": [self._drift, self._moved, self._kernel, self._signs, self._lowest],
            "steps": self._steps,
            "watchers": [watcher.memory() for watcher in self._watchers],
        }

    def resume(self, memory: Mapping[str, Any], state: State, counted: Counted | None) -> None:
        """Go on after a state where an earlier part of the run left off. Collective."""
        drift, moved, kernel, signs, lowest = memory["worst"]
        self._drift, self._moved, self._lowest = drift, moved, lowest
        self._kernel, self._signs = max(self._kernel, kernel), max(self._signs, signs)
        self._steps = memory["steps"]
        self._last, self._counted = state, counted
        for watcher, known in zip(self._watchers, memory["watchers"], strict=True):
            watcher.recall(known)
        self._measure()
        self._setting.recorder.resume(state.time)

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
                self._last.time,
                generator.degree,
                points,
                vector.array_r.copy(),
                kind,
                weight.floor,
                weight.ceiling,
                weight.ratio,
                coefficients_of(self._setting, weight),
            )
        )

    def answer(self, settings: Settings) -> Answer:
        """The results at the end time, with everything that was checked on the way."""
        if self._setting.is_companion:
            self._measure()
        time_error = settings.time_error + TIME_SHARE * settings.tolerance + ROUND_OFF
        time_error += self._passages.round_off(self._counted, self._last.time)
        quantities = self._quantities(time_error)
        results: dict[str, object] = {
            "time": self._last.time,
            "steps": self._steps - 1,  # the first row is the start
            "rejected_steps": settings.rejected,
            **settings.count.work,
            "min_density": self._lowest,
            "moved_mass": self._moved,
            "time_error": settings.time_error,
            **quantities,
            **self._passages.results(self._counted, time_error),
        }
        return Answer(
            "evolution",
            results,
            self._generator,
            self._checks(settings),
            self._probe_values(time_error),
            self._warnings(settings),
            self._summary(results),
        )

    def _measure(self) -> Projection:
        """Moments and projection of the last state."""
        self._moments = self._observables(self._last.vector)
        projection = project(self._generator, self._last.vector)
        self._shift = projection.shift
        return projection

    def _quantities(self, time_error: float) -> dict[str, object]:
        """Mass, mean, covariance, mean loss and masses of regions.

        Args:
            time_error: Of the time integration, L1 norm of the density, so that the mean of a function is off by no
                more than so many times its largest value.
        """
        moments, reach = self._moments, self._reach
        of_all = self._passages.relative(time_error, moments.mass)
        floors = 4.0 * of_all * np.outer(reach, reach)  # x y - E[x] y - E[y] x + E[x] E[y]
        pairs = range(len(reach))

        def known(value: float, floor: float) -> Quantity:
            return Quantity(None, why=NOTHING_LEFT) if of_all >= 1.0 else Quantity(float(value), floor=float(floor))

        above = 0.0 if moments.loss is None else moments.loss - self._observables.lowest_loss
        loss = {} if moments.loss is None else {"mean_loss": known(moments.loss, of_all * above)}
        return {
            "mass": Quantity(moments.mass, floor=time_error, size=1.0),
            "mean": [known(value, of_all * reach[i]) for i, value in enumerate(moments.mean)],
            "covariance": [[known(moments.covariance[i, j], floors[i, j]) for j in pairs] for i in pairs],
            "regions": {
                name: Quantity(value, floor=time_error, size=NEGLIGIBLE) for name, value in moments.regions.items()
            },
            **loss,
        }

    def _summary(self, results: Mapping[str, Any]) -> list[tuple[str, object]]:
        names = self._setting.case.coordinates
        spread = np.sqrt(np.maximum(np.diag(self._moments.covariance), 0.0))
        return [
            ("time", f"{self._last.time:.6g}"),
            ("mass", results["mass"]),
            *((f"mean of {name}", value) for name, value in zip(names, results["mean"], strict=True)),
            *((f"standard deviation of {name}", f"{value:.8g}") for name, value in zip(names, spread, strict=True)),
            *([("mean loss", results["mean_loss"])] if "mean_loss" in results else []),
            *((f"mass in {name}", value) for name, value in results["regions"].items()),
            *self._passages.summary(results),
        ]

    def _checks(self, settings: Settings) -> list[Check]:
        # the monotone rates are positive by themselves; a time integration of high order is so up to its tolerance
        most_moved = settings.tolerance if self._generator.monotone else MOST_MOVED
        checks = [
            Check("constants in the kernel of K, relative", self._kernel, KERNEL_DEFECT),
            Check(self._passages.balance, self._drift, MASS_DRIFT),
            Check("evolution: smallest density", self._lowest, 0.0, at_least=True),
            Check("evolution: mass moved by the projection at an output time", self._moved, most_moved),
            Check("evolution: componentwise backward error of solves", settings.count.backward_error, BACKWARD_ERROR),
        ]
        if self._generator.monotone:
            checks.append(Check("signs of the rates, relative", self._signs, SIGN_DEFECT))
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
        for point, rule in zip(points, point_rules(self._setting.domain, self._setting.cells, points), strict=True):
            if rule is None:
                raise BadUsage(f"probe: the point {list(point)} lies outside the mesh; move it inside")
            functional = self._generator.quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))
            found.append((functional, float(self._generator.weight.density(np.array([point]))[0])))
        return found

    def _probe_values(self, time_error: float) -> list[dict[str, Quantity]]:
        """The projected density at each probe."""
        box = self._setting.case.domain
        even = 1.0 / float(np.prod(np.subtract(box.upper, box.lower)))
        ratios = [float(functional.dot(self._last.vector)) for functional, _ in self._probes]
        values = [w * max(ratio - self._shift, 0.0) for ratio, (_, w) in zip(ratios, self._probes, strict=True)]
        return [
            {"density": Quantity(value, floor=time_error * (value + even), size=NEGLIGIBLE * even)} for value in values
        ]
