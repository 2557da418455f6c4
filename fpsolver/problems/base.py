"""What every problem is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast

import basix
import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh
from petsc4py import PETSc

from fpsolver.case import Case, MeshFile, Noise, Region
from fpsolver.certificate import Check
from fpsolver.domain.cells import Cells
from fpsolver.domain.grading import Grading
from fpsolver.domain.ground import group_level
from fpsolver.domain.lattice import Lattice, sublattice
from fpsolver.domain.levelset import Level
from fpsolver.domain.region_mesh import RegionMesh, region_mesh
from fpsolver.domain.regions import at_points
from fpsolver.generator.boundary import grading_for
from fpsolver.generator.choice import reference_weight
from fpsolver.generator.generator import Generator
from fpsolver.generator.projection import Projection
from fpsolver.generator.quadrature import rule_degree
from fpsolver.generator.weight import Weight
from fpsolver.model import Model, build
from fpsolver.problems.generators import about_noise, generator_of
from fpsolver.problems.keeper import Forgetful, Keeper
from fpsolver.problems.recorder import Recorder, Silent
from fpsolver.quantity import Quantity
from fpsolver.state import FinalState

Array = npt.NDArray[np.float64]

__all__ = ["NO_ESTIMATE", "Answer", "Recorder", "Setting", "Silent", "Store", "Watcher"]

NO_ESTIMATE = "error estimates are not computed in this version"


class Watcher(Protocol):
    """Sees every state that an evolution notes. All calls are collective."""

    def columns(self) -> Sequence[str]:
        """Names of what `note` adds to every row of the curves."""
        ...

    def enter(self, generator: Generator) -> None:
        """From now on states are coefficients with respect to this generator."""
        ...

    def note(self, time: float, vector: PETSc.Vec, projection: Projection, *, is_output: bool) -> Mapping[str, float]:
        """A state h and its projection to positive densities; values by column, not a number where there is none."""
        ...

    def memory(self) -> object:
        """What it has seen, as lists and tables of plain numbers."""
        ...

    def recall(self, memory: Any) -> None:
        """Go on from what was seen in an earlier part of the run."""
        ...


class Store:
    """What is made once and used by several."""

    def __init__(self) -> None:
        self._kept: dict[object, object] = {}

    def once[T](self, key: object, make: Callable[[], T]) -> T:
        """What is kept under a key; made at the first call."""
        if key not in self._kept:
            self._kept[key] = make()
        return cast(T, self._kept[key])

    def get(self, key: object) -> object | None:
        """What is kept under a key, None if it has not been made."""
        return self._kept.get(key)


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
        keeper: Keeps what took long, for a run that is taken up again.
        is_companion: Only numbers are wanted, for comparison: no fields, no checks.
        graded_for: The degree that meshes of regions are graded for, None: that of the case. Companions have that of
            the run, so that their meshes are the same whoever asks for them first.
        steeper: Over a cell of a graded mesh the potential may vary by so many times more than it should.
        of_model: Keeps what depends on neither mesh nor degree.
        of_mesh: Keeps what depends on the mesh but not on the degree, such as the meshes of regions.
        of_degree: Keeps everything else that several problems use, such as the stationary state.
    """

    case: Case
    domain: mesh.Mesh
    model: Model
    recorder: Recorder
    progress: Callable[[float, str], None]
    heartbeat: Callable[[], None]
    announce: Callable[[str], None]
    earlier: Callable[[Path], tuple[Case, FinalState]]
    keeper: Keeper = field(default_factory=Forgetful)
    is_companion: bool = False
    graded_for: int | None = None
    steeper: float = 1.0
    of_model: Store = field(default_factory=Store)
    of_mesh: Store = field(default_factory=Store)
    of_degree: Store = field(default_factory=Store)

    def companion(self, degree: int) -> Setting:
        """The same questions on the same meshes with elements of another degree, for an estimate of the error."""
        case = replace(self.case, discretization=replace(self.case.discretization, degree=degree))
        return replace(
            self,
            case=case,
            recorder=Silent(),
            announce=_nothing,
            keeper=Forgetful(),
            is_companion=True,
            graded_for=self.graded_for or self.case.discretization.degree,
            of_degree=Store(),
        )

    def coarser(self, case: Case, domain: mesh.Mesh, steeper: float) -> Setting:
        """The same questions on larger cells, for an estimate of the error.

        Args:
            case: The case with its coarser domain.
            domain: Its mesh.
            steeper: See the attribute.
        """
        twin = replace(self.companion(case.discretization.degree), case=case, domain=domain)
        return replace(twin, steeper=steeper, of_mesh=Store())

    def with_noise(self, label: object, noise: Noise) -> Setting:
        """The same case on the same mesh with another noise, silent. What it makes is kept under its label."""
        case = replace(self.case, noise=noise)
        return replace(
            self,
            case=case,
            model=self.of_model.once(("model", label), lambda: build(case)),
            recorder=Silent(),
            announce=_nothing,
            progress=lambda share, text: None,
            keeper=Forgetful(),
            of_model=self.of_model.once(("of_model", label), Store),
            of_mesh=self.of_mesh.once(("of_mesh", label), Store),
            of_degree=self.of_degree.once(("of_degree", label), Store),
        )

    @property
    def lattice(self) -> tuple[Lattice, npt.NDArray[np.int64]]:
        """Where fields are written, and the local degree of freedom of each of its points. Collective."""
        degree = self.case.discretization.degree
        return self.of_degree.once("lattice", lambda: sublattice(fem.functionspace(self.domain, ("Lagrange", degree))))

    @property
    def cells(self) -> Cells:
        """Geometry of the mesh."""
        return self.of_mesh.once("cells", lambda: Cells.of(self.domain))

    @property
    def quadrature_points(self) -> tuple[Array, Array]:
        """Points (n, d) of the forms in this rank's cells and their weights (n,)."""
        rule, weights = basix.make_quadrature(
            self.domain.basix_cell(), rule_degree(self.case.dimension, self.case.discretization.degree)
        )
        reference, cells = np.asarray(rule, dtype=float), self.cells
        points = cells.points(reference)[: cells.owned].reshape(-1, cells.dimension)
        return points, (cells.volumes(reference)[: cells.owned] * weights).ravel()

    @property
    def reference(self) -> Weight:
        """The best weight known for the model on this domain. Collective."""
        box = self.case.domain
        return self.of_model.once(
            "reference", lambda: reference_weight(self.model, box.lower, box.upper, self.domain.comm, box.periods)
        )

    def generator(self, weight: Weight, domain: mesh.Mesh | None = None) -> Generator:
        """The generator of the case's scheme and degree, on the case's mesh or on that of a part. Collective."""
        found = generator_of(self.case, self.model, self.domain if domain is None else domain, weight)
        if line := about_noise(found):
            self.of_model.once("about_noise", lambda: self.announce(line))
        return found

    @property
    def absorbing(self) -> Level | None:
        """Negative on the walls that end the process; None where all reflect."""
        boundary, domain = self.case.boundary, self.case.domain
        if boundary is None:
            return None
        if boundary.absorbing is not None:
            return at_points(boundary.absorbing, self.case.coordinates)
        assert isinstance(domain, MeshFile)
        assert boundary.group is not None
        return group_level(domain, boundary.group)

    def region_mesh(
        self, region: Region, weight: Weight, passes: float = 0.0, anchors: Sequence[npt.ArrayLike] = ()
    ) -> RegionMesh:
        """The mesh of a region for a weight, fine enough; made once and kept. Collective.

        Args:
            region: The region; its name is the key.
            weight: What the mesh is graded for.
            passes: See `Grading`.
            anchors: Points that shall be vertices.
        """
        comm, domain = self.domain.comm, self.case.domain
        found = self.of_mesh.once(
            ("mesh", region.name),
            lambda: region_mesh(comm, domain, region, self.absorbing, self.grading(weight, passes), anchors),
        )
        self.of_mesh.once(("curved", region.name), lambda: found.curved)
        return found

    def grading(self, weight: Weight, passes: float = 0.0) -> Grading:
        """How small cells have to be for a weight; see `grading_for`."""
        degree = self.graded_for or self.case.discretization.degree
        found = grading_for(self.model, weight, degree, passes)
        steeper = self.steeper / self.case.domain.grade
        return replace(found, at_exit=steeper * found.at_exit, elsewhere=steeper * found.elsewhere)


@dataclass(frozen=True)
class Answer:
    """What a problem found.

    Attributes:
        name: Its key in ``results.json``.
        results: The entry there.
        generator: What it was computed with; None where that was done in an earlier part of the run.
        checks: Its lines of the certificate.
        probes: For each probe of the case, quantities by name.
        warnings: What the user should know about the numbers.
        summary: (what, value) pairs for the final table.
        about: What ``results.json`` says of the generator where that is not here.
    """

    name: str
    results: dict[str, object] | list[dict[str, object]]
    generator: Generator | None
    checks: Sequence[Check]
    probes: Sequence[dict[str, Quantity]] = field(default_factory=tuple)
    warnings: Sequence[str] = field(default_factory=tuple)
    summary: Sequence[tuple[str, object]] = field(default_factory=tuple)
    about: Mapping[str, object] | None = None


def _nothing(line: str) -> None:
    """Nobody hears it."""
