"""How a case is simulated: which ensembles, with which step, at which times, and until when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fpsolver.case import Case, Region
from fpsolver.case.monte_carlo import Simulation
from fpsolver.simulation.dynamics import Dynamics
from fpsolver.simulation.starts import Sampler, start_at, start_from, within

Array = NDArray[np.float64]

TIMES = 6
"""Output times of the evolution at which walkers are measured; all of them where there are no more than that."""

RELAXED = 0.02
"""The default step, as a fraction of the fastest relaxation where walkers start and in most of the domain ..."""

CROSSED = 1e-3
"""... and of the time that noise takes to cross the shortest side of the domain."""

LATTICE = 7
"""Points per coordinate at which drift and noise are looked at for that."""

WORK = 6e10
"""Nanoseconds of one core that an ensemble may take by default, by a rough estimate that depends on the case alone."""

LEAST_PAIRS = 5
"""Pairs of steps between two times at which walkers are measured."""


@dataclass(frozen=True)
class Ensemble:
    """Walkers with a common purpose.

    Attributes:
        number: Its number, which its random numbers depend on.
        sampler: Where they start.
        region: What they leave; None: they are only measured.
        times: When they are measured; for exits, times of the survival curve.
        end: When they are given up.
        label: Of messages.
        exit, start: Numbers of the exit of the case and of its start; None for the evolution.
        point: Where they start, None for a density.
    """

    number: int
    sampler: Sampler
    region: Region | None
    times: tuple[float, ...]
    end: float
    label: str
    exit: int | None = None
    start: int | None = None
    point: tuple[float, ...] | None = None

    @property
    def place(self) -> str:
        """Where they start, in words."""
        return "the initial density" if self.point is None else f"({', '.join(f'{x:.4g}' for x in self.point)})"


@dataclass(frozen=True)
class Leg:
    """A part of the time with steps of one size.

    Attributes:
        start, end: Its ends.
        pairs: Pairs of steps in it.
        measured: Whether walkers are measured at its end.
        factors: Of noise and drift in the middle of each of the 2 pairs steps, (2, 2 pairs); None without a schedule.
    """

    start: float
    end: float
    pairs: int
    measured: bool
    factors: Array | None = None

    @property
    def step(self) -> float:
        """h."""
        return (self.end - self.start) / (2 * self.pairs)


def chosen_step(case: Case, dynamics: Dynamics) -> float:
    """The largest step of the diffusion that the program takes by itself."""
    lower, upper = np.array(case.domain.lower), np.array(case.domain.upper)
    ticks = [low + (high - low) * (np.arange(LATTICE) + 0.5) / LATTICE for low, high in zip(lower, upper, strict=True)]
    lattice = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, case.dimension)
    lattice = lattice[case.domain.inside(lattice)]
    starts = np.array([*(point for exit in case.exits for point in exit.start), *_centre(case)]).reshape(-1, len(lower))
    rates = [_rate(dynamics, points, (upper - lower) * 1e-4) for points in (starts, lattice) if len(points)]
    fastest = max(float(rates[0].max()), float(np.median(rates[-1])))
    diffusion = dynamics(lattice.T).diffusion
    noise = max(float(np.median(diffusion[i][i])) / (upper[i] - lower[i]) ** 2 for i in range(len(lower)))
    found = min(RELAXED / max(fastest, 1e-300), CROSSED / max(noise, 1e-300))
    return float(f"{found:.1e}") if found < 1e100 else 1.0


def _centre(case: Case) -> list[tuple[float, ...]]:
    initial = None if case.evolution is None else case.evolution.initial
    point = None if initial is None else initial.mean or initial.point
    return [] if point is None else [point]


def _rate(dynamics: Dynamics, points: Array, apart: Array) -> Array:
    """Spectral norm of the Jacobian of the drift at points (n, d), (n,)."""
    columns = []
    for axis, distance in enumerate(apart):
        shift = np.zeros((len(apart), 1))
        shift[axis] = distance
        ends = [dynamics(points.T + sign * shift).drift for sign in (1.0, -1.0)]
        columns.append(
            [(np.asarray(one) - two) / (2.0 * distance) * np.ones(len(points)) for one, two in zip(*ends, strict=True)]
        )
    jacobian = np.array(columns).transpose(2, 1, 0)
    return np.asarray(np.linalg.norm(jacobian, ord=2, axis=(1, 2)))


def affordable(simulation: Simulation, step: float, cost: float) -> float:
    """The time until which walkers are followed where the case does not say."""
    return float(f"{max(WORK / (simulation.walkers * cost), 100.0) * step:.1e}")


def chosen_times(times: Sequence[float], end: float) -> tuple[float, ...]:
    """Some of the output times up to a time, the first few and the last among them."""
    reached = [time for time in times if time <= end]
    if len(reached) <= TIMES:
        return tuple(reached)
    places = np.unique(np.rint(np.linspace(0, len(reached) - 1, TIMES + 1)).astype(int)[1:])
    return tuple(reached[place] for place in places)


def ensembles(case: Case, end: float) -> list[Ensemble]:
    """All ensembles of a case.

    Args:
        case: The case.
        end: When walkers are given up.
    """
    found: list[Ensemble] = []
    influx = case.boundary is not None and case.boundary.influx is not None
    if case.evolution is not None and not influx:
        times = chosen_times(case.evolution.output_times, end)
        if times:
            sampler = start_from(case.evolution.initial, case)
            found.append(Ensemble(0, sampler, None, times, times[-1], "evolution"))
    for i, wanted in enumerate(case.exits):
        region = case.regions[wanted.region]
        samplers: list[tuple[Sampler, tuple[float, ...] | None]] = [(start_at(point), point) for point in wanted.start]
        if wanted.initial is not None:
            samplers.append((within(start_from(wanted.initial, case), region, case.coordinates), None))
        for j, (sampler, point) in enumerate(samplers):
            number = 1 + i * 1000 + j
            label = f"exit from {wanted.region}"
            found.append(Ensemble(number, sampler, region, wanted.times, end, label, i, j, point))
    return found


def legs_of(ensemble: Ensemble, case: Case, step: float) -> list[Leg]:
    """The time of an ensemble, cut where walkers are measured and where a schedule switches."""
    if ensemble.region is not None:
        return [Leg(0.0, ensemble.end, max(LEAST_PAIRS, math.ceil(ensemble.end / (2.0 * step))), measured=False)]
    switches = [] if case.schedule is None else list(case.schedule.switches)
    cuts = sorted({0.0, *ensemble.times, *(time for time in switches if time < ensemble.end)})
    found = []
    for start, end in pairwise(cuts):
        pairs = max(LEAST_PAIRS, math.ceil((end - start) / (2.0 * step)))
        factors = None
        if case.schedule is not None:
            middles = start + (end - start) * (np.arange(2 * pairs) + 0.5) / (2 * pairs)
            factors = np.array(case.schedule.factors(start, end)(middles))
        found.append(Leg(start, end, pairs, end in ensemble.times, factors))
    return found
