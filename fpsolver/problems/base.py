"""What every problem is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol, cast

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh

from fpsolver.case import Case
from fpsolver.certificate import Check
from fpsolver.domain.cells import Cells
from fpsolver.domain.lattice import Lattice, sublattice
from fpsolver.generator.choice import reference_weight
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.monotone import monotone_generator
from fpsolver.generator.weight import Weight
from fpsolver.model import Model
from fpsolver.problems.observables import Moments
from fpsolver.quantity import Quantity
from fpsolver.state import FinalState

Array = npt.NDArray[np.float64]

NO_ESTIMATE = "error estimates are not computed in this version"


class Recorder(Protocol):
    """Where a problem leaves fields and rows while it works. All calls are collective."""

    def frame(self, time: float, lattice: Lattice, density: Array) -> None:
        """The projected density at the points of the lattice."""
        ...

    def fields(self, lattice: Lattice, fields: Mapping[str, Array]) -> None:
        """Fields that do not depend on time, at this rank's points of the lattice: scalars (n,) or vectors (n, d)."""
        ...

    def state(self, state: FinalState) -> None:
        """What the evolution ended with: this rank's nodes and values."""
        ...

    def row(self, time: float, step: int, moments: Moments, min_density: float) -> None:
        """One row of the curves."""
        ...


class Silent:
    """A recorder that keeps nothing: companions only give numbers."""

    def frame(self, time: float, lattice: Lattice, density: Array) -> None:
        """Nothing."""

    def fields(self, lattice: Lattice, fields: Mapping[str, Array]) -> None:
        """Nothing."""

    def state(self, state: FinalState) -> None:
        """Nothing."""

    def row(self, time: float, step: int, moments: Moments, min_density: float) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Setting:
    """A case with its mesh and model, and the outside world as functions.

    Attributes:
        case: The case.
        domain: Its mesh.
        model: Drift and diffusion.
        recorder: Takes fields and rows.
        progress: Takes the finished share of a problem and a few words.
        heartbeat: Called often on all ranks; raises `Stopped` when the run should end.
        announce: Takes a line for the user.
        earlier: From the results folder of a finished run to its case and the state that it ended with.
        is_companion: Only numbers are wanted, for comparison: no fields, no checks.
        shared: What companions of other degrees use too, such as the meshes of regions.
    """

    case: Case
    domain: mesh.Mesh
    model: Model
    recorder: Recorder
    progress: Callable[[float, str], None]
    heartbeat: Callable[[], None]
    announce: Callable[[str], None]
    earlier: Callable[[Path], tuple[Case, FinalState]]
    is_companion: bool = False
    shared: dict[object, object] = field(default_factory=dict)

    def companion(self, degree: int) -> Setting:
        """The same questions on the same meshes with elements of another degree, for an estimate of the error."""
        case = replace(self.case, discretization=replace(self.case.discretization, degree=degree))
        twin = replace(self, case=case, recorder=Silent(), announce=lambda line: None, is_companion=True)
        twin.__dict__["reference"] = self.reference  # the weight does not depend on the degree
        return twin

    @cached_property
    def lattice(self) -> tuple[Lattice, npt.NDArray[np.int64]]:
        """Where fields are written, and the local degree of freedom of each of its points. Collective."""
        space = fem.functionspace(self.domain, ("Lagrange", self.case.discretization.degree))
        return sublattice(space)

    @cached_property
    def cells(self) -> Cells:
        """Geometry of the mesh."""
        return Cells.of(self.domain)

    @cached_property
    def quadrature_points(self) -> tuple[Array, Array]:
        """Points (n, d) of the forms in this rank's cells and their weights (n,)."""
        rule, weights = basix.make_quadrature(self.domain.basix_cell(), 2 * self.case.discretization.degree + 4)
        reference = np.asarray(rule, dtype=float)
        owned = self.cells.owned
        points = self.cells.points(reference)[:owned].reshape(-1, self.cells.dimension)
        return points, (self.cells.volumes(reference)[:owned] * weights).ravel()

    @cached_property
    def reference(self) -> Weight:
        """The best weight known for the model on this domain. Collective."""
        return reference_weight(self.model, self.case.domain.lower, self.case.domain.upper, self.domain.comm)

    def generator(self, weight: Weight, domain: mesh.Mesh | None = None) -> Generator:
        """The generator of the case's scheme and degree, on the case's mesh or on that of a part. Collective."""
        settings = self.case.discretization
        domain = self.domain if domain is None else domain
        if settings.scheme == "monotone":
            return monotone_generator(domain, self.model, weight)
        return weighted_generator(domain, self.model, settings.degree, weight)

    def once[T](self, key: object, make: Callable[[], T]) -> T:
        """What does not depend on the degree, made at the first call and kept for companions."""
        if key not in self.shared:
            self.shared[key] = make()
        return cast(T, self.shared[key])


@dataclass(frozen=True)
class Answer:
    """What a problem found.

    Attributes:
        name: Its key in ``results.json``.
        results: The entry there.
        generator: What it was computed with.
        checks: Its lines of the certificate.
        probes: For each probe of the case, quantities by name.
        warnings: What the user should know about the numbers.
        summary: (what, value) pairs for the final table.
    """

    name: str
    results: dict[str, object] | list[dict[str, object]]
    generator: Generator
    checks: Sequence[Check]
    probes: Sequence[dict[str, Quantity]] = field(default_factory=tuple)
    warnings: Sequence[str] = field(default_factory=tuple)
    summary: Sequence[tuple[str, object]] = field(default_factory=tuple)


def quantity(value: float) -> Quantity:
    """A computed number whose error is not estimated yet."""
    return Quantity(float(value), None, NO_ESTIMATE)
