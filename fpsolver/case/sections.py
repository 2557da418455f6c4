"""The sections of a loaded case: frozen, complete, every expression parsed, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fpsolver.case.course import Schedule
from fpsolver.case.expressions import Expression
from fpsolver.case.inertia import Momentum, step_time
from fpsolver.case.monte_carlo import Simulation
from fpsolver.case.shapes import Ball, Box, Domain, MeshFile, Point
from fpsolver.case.sources import Data, Loss, PythonClass
from fpsolver.case.table import Table
from fpsolver.case.watched import Concentration, Entropy, Splitting

__all__ = [
    "Ball", "Boundary", "Box", "Case", "Committor", "Concentration", "Data", "Discretization", "Domain", "Entropy",
    "Evolution", "Exit", "Initial", "Loss", "Matrix", "MeshFile", "Noise", "Output", "Point", "PythonClass", "Region",
    "RunSettings", "Simulation", "Splitting", "Stationary", "Table",
]  # fmt: skip


Matrix = tuple[tuple[Expression, ...], ...]


@dataclass(frozen=True)
class Noise:
    """The diffusion tensor D, or what it is made of: learning_rate/(2 batch_size) covariance + regularization I.

    Attributes:
        kind: Which of the two was given.
        diffusion: Full d x d matrix, without the regularization; None for ``learning_rate``.
        shape: How the diffusion, or the covariance matrix, was written.
        learning_rate, batch_size: None for ``diffusion``.
        covariance: ``samples``: of the per-sample gradients; ``python``: of the user's class; or a d x d matrix; None
            for ``diffusion``.
        regularization: ε, added to D as ε I.
        potential: A known -log of the stationary density, used as weight.
        order: Of the equation in the learning rate; with 2 the drift is -∇(f + learning_rate/4 |∇f|²).
        population: N, the rows that batches are drawn from without replacement; None: with replacement.
    """

    kind: Literal["diffusion", "learning_rate"]
    diffusion: Matrix | None
    shape: Literal["scalar", "diagonal", "matrix"]
    learning_rate: float | None
    batch_size: float | None
    covariance: Literal["samples", "python"] | Matrix | None
    regularization: float
    potential: Expression | None
    order: Literal[1, 2] = 1
    population: int | None = None

    @property
    def scale(self) -> float:
        """The factor s = η/(2B) of the covariance, times (N - B)/(N - 1) without replacement; 1 for ``diffusion``."""
        if self.learning_rate is None or self.batch_size is None:
            return 1.0
        rate = self.learning_rate / (2.0 * self.batch_size)
        return (
            rate
            if self.population is None
            else rate * (self.population - self.batch_size) / max(self.population - 1, 1)
        )


@dataclass(frozen=True)
class Region:
    """The open set {level < 0}."""

    name: str
    level: Expression
    source: str


@dataclass(frozen=True)
class Boundary:
    """The open part of the boundary; all the rest reflects.

    Attributes:
        absorbing: Negative on the part that absorbs; None: a named group.
        group: Of the mesh.
        influx: Mass that comes in per area and time (in one dimension per time); None: nothing does.
        influx_on: Negative where it does; None: on a named group.
        influx_group: Of the mesh.
    """

    absorbing: Expression | None
    group: str | None
    influx: Expression | None = None
    influx_on: Expression | None = None
    influx_group: str | None = None


@dataclass(frozen=True)
class Discretization:
    """Degree of the elements and the scheme; nothing is ``auto`` any more."""

    degree: int
    scheme: Literal["weighted", "monotone"]


@dataclass(frozen=True)
class Initial:
    """The initial density; only the fields of its kind are set (region is a name)."""

    kind: Literal["gaussian", "point", "uniform", "expression", "file"]
    mean: Point | None = None
    std: float | Point | None = None
    point: Point | None = None
    region: str | None = None
    expression: Expression | None = None
    file: Path | None = None


@dataclass(frozen=True)
class Evolution:
    """Density evolution: output times are ascending and positive, the last one is the end time."""

    initial: Initial
    end_time: float
    output_times: tuple[float, ...]
    tolerance: float
    method: Literal["krylov", "sdirk"]


@dataclass(frozen=True)
class Stationary:
    """Stationary state and the eigenvalues of smallest real part, 0 included.

    Attributes:
        eigenvalues: How many.
        regularizations: Descending values of ε for the limit of Noisy SGD, D + ε I with ε to 0; empty: not asked for.
    """

    eigenvalues: int
    regularizations: tuple[float, ...] = ()


@dataclass(frozen=True)
class Exit:
    """Time to leave a region from given points, and from points spread over an initial density.

    Attributes:
        noise_levels: Learning rates where the case has one; else values of a scalar constant D, or factors on others.
        times: Of the survival curve; empty: chosen by the program.
        enclosure: Whether two-sided bounds of the mean times are computed.
    """

    region: str
    start: tuple[Point, ...]
    moments: int
    initial: Initial | None = None
    noise_levels: tuple[float, ...] = ()
    times: tuple[float, ...] = ()
    enclosure: bool = False


@dataclass(frozen=True)
class Committor:
    """Probability to reach region ``target`` before region ``source``."""

    source: str
    target: str


@dataclass(frozen=True)
class Output:
    """Format of the files for ParaView, and whether figures are drawn."""

    format: Literal["vtkhdf", "pvd"]
    figures: bool


@dataclass(frozen=True)
class RunSettings:
    """How the run goes.

    Attributes:
        walltime: Seconds after which a run stops and can be continued; None: as the scheduler says.
        errors: Whether the error of every number is estimated.
        checkpoint_every, checkpoint_states: Seconds and states (None: any number) between two checkpoints.
    """

    walltime: float | None
    errors: bool
    checkpoint_every: float
    checkpoint_states: int | None


@dataclass(frozen=True)
class Case:
    """A case without mistakes.

    Attributes:
        path: The file, as the user typed it; no part of equality.
        resolved: The whole case as a TOML-able dictionary: defaults included, overrides applied, file paths absolute.
    """

    path: Path = field(compare=False)
    title: str
    parameters: Mapping[str, float] = field(hash=False)
    domain: Domain
    loss: Loss | None
    data: Data | None
    drift: tuple[Expression, ...] | None
    noise: Noise
    boundary: Boundary | None
    regions: Mapping[str, Region] = field(hash=False)
    discretization: Discretization
    evolution: Evolution | None
    stationary: Stationary | None
    exits: tuple[Exit, ...]
    committors: tuple[Committor, ...]
    probes: tuple[Point, ...]
    entropy: Entropy | None
    splitting: Splitting | None
    simulation: Simulation | None
    output: Output
    run: RunSettings
    resolved: Mapping[str, object] = field(repr=False, hash=False)
    schedule: Schedule | None = None
    momentum: Momentum | None = None
    concentration: Concentration | None = None

    @property
    def dimension(self) -> int:
        return self.domain.dimension

    @property
    def coordinates(self) -> tuple[str, ...]:
        return self.domain.coordinates

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of loss and data, on whose contents results depend."""
        sources = (self.data, None if self.loss is None else self.loss.table or self.loss.python)
        return tuple(source.file for source in sources if source is not None)

    @property
    def step_time(self) -> float | None:
        """The time of one iteration of SGD; None where the case has no learning rate."""
        rate = self.noise.learning_rate
        return None if rate is None else step_time(rate, self.momentum)
