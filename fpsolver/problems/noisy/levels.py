"""Stationary densities of Noisy SGD, D + eps I for smaller and smaller eps, each on a mesh that resolves it.

Where D vanishes in some direction, layers of width sqrt(eps/lambda) form around valleys, lambda the curvature across.
Neither weights nor gradings know of them beforehand, so meshes are refined where the content of the solution says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.domain.adapted import AdaptedMesh, adapted_mesh
from fpsolver.generator.generator import Generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.quadrature import owned_vector
from fpsolver.generator.weight import Weight
from fpsolver.generator.wells import Wells
from fpsolver.linalg import SolveCount
from fpsolver.problems.base import Setting
from fpsolver.problems.exit.theory import critical_of
from fpsolver.problems.landscape.wells import fitting_weight, landscape
from fpsolver.problems.noisy.layers import layers_shown
from fpsolver.problems.noisy.refinement import Refinement
from fpsolver.problems.reach.holds import owned_nodes
from fpsolver.problems.stationary.content import allowed_content, bisections, contents_of
from fpsolver.problems.stationary.settled import State, gibbs_state, solved_state
from fpsolver.problems.stationary.whole import WORTH_RESOLVING

Array = npt.NDArray[np.float64]

SHARE = 0.05
"""Content that it may leave of the L1 difference between two levels, where that is less."""

LEAST = 1e-6
"""No mesh is refined for the sake of a smaller content."""

UNRESOLVED = 2.0
"""A density with so many times the content that a mesh may leave is not resolved; nothing is concluded from it."""

CRUDER = 4.0
"""A companion on larger cells may leave so many times more."""

ROUNDS = 8
LARGEST = {1: 20_000, 2: 8_000, 3: 2_000}
"""Meshes are refined up to so many cells, by dimension, or up to half as many again as the first one has."""

PINS = 6
"""So many minima of the loss are pinned, the lowest ones, beside the wells of the weight."""


@dataclass(frozen=True)
class Level:
    """The stationary density of one eps.

    Attributes:
        regularization: eps, beyond what the case itself has.
        state: The density.
        mesh: What it was solved on.
        content: What is at the edge of what the mesh shows.
        backward_error: Of the solves.
    """

    regularization: float
    state: State
    mesh: AdaptedMesh
    content: float
    backward_error: float

    @property
    def resolved(self) -> bool:
        """Whether the mesh shows the density."""
        return self.content <= UNRESOLVED * allowed_content(self.state.generator.degree)

    @property
    def masses(self) -> Array:
        """Of the density at the quadrature points of the owned cells, (n,)."""
        generator = self.state.generator
        return np.asarray((generator.density(self.state.vector) * generator.quadrature.measure).ravel())

    @property
    def points(self) -> Array:
        """The quadrature points of the owned cells, (n, d)."""
        return points_of(self.state.generator)


@dataclass(frozen=True)
class Rung:
    """A level and, on the same mesh, the one before it: what both get wrong cancels in their difference.

    Attributes:
        level: Of the smaller eps.
        above: Of the larger one; None for the first.
        facts: What was measured of it before the run was taken up again.
    """

    level: Level
    above: Level | None
    facts: Mapping[str, Any] | None = None


def points_of(generator: Generator) -> Array:
    """The quadrature points of a generator in the owned cells, (n, d)."""
    points = generator.quadrature.points[: generator.quadrature.cells.owned]
    return np.asarray(points.reshape(-1, points.shape[2]))


def l1(one: Level, other: Level) -> float:
    """Integral of |rho - sigma| of two levels on one mesh. Collective."""
    return float(one.state.generator.comm.allreduce(float(np.abs(one.masses - other.masses).sum())))


def rungs(setting: Setting) -> Iterator[Rung]:
    """The levels of the case, from large to small eps. Collective.

    Raises:
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    assert setting.case.stationary is not None
    coarsest = layers_shown(setting)
    mesh = setting.of_mesh.once("noisy SGD", lambda: adapted_mesh(setting.domain.comm, setting.case.domain))
    before: Level | None = None
    room = LARGEST[setting.case.dimension]
    for number, eps in enumerate(setting.case.stationary.regularizations):
        solver = _Solver(setting, eps, coarsest)
        refinement = Refinement(setting, number)
        found = setting.of_mesh.get(("noisy SGD", eps))
        is_known = isinstance(found, AdaptedMesh)
        if isinstance(found, AdaptedMesh):
            mesh = found
        else:
            mesh = solver.graded(mesh)
            room = max(room, 3 * mesh.cells // 2) if before is None else room
            again = refinement.recalled(mesh)
            mesh, is_known = (mesh, False) if again is None else (again, True)
        rung = solver.recalled(mesh, number) if is_known else None
        if rung is None and is_known:
            rung = Rung(solver.solved(mesh, before), solver.again(mesh, before))
        elif rung is None:
            rung = solver.adapted(mesh, before, room, refinement)
        mesh = setting.of_mesh.once(("noisy SGD", eps), partial(_mesh_of, rung))
        before = rung.level
        yield rung


def _mesh_of(rung: Rung) -> AdaptedMesh:
    return rung.level.mesh


def at_zero(setting: Setting, last: Level) -> Level:
    """The density of the case itself, where there is just one, on the mesh of the last level. Collective."""
    return _Solver(setting, 0.0, layers_shown(setting), last.regularization).solved(last.mesh, last)


class _Solver:
    """Solves for the density of one eps.

    Args:
        setting: The case.
        eps: What is added to D.
        shown: The least that is added in a fitted weight.
        like: Added in a fitted weight instead of eps.
    """

    def __init__(self, setting: Setting, eps: float, shown: float, like: float | None = None) -> None:
        self._setting, self._eps, self._shown = setting, eps, shown
        self._variant = _with(setting, eps) if eps else setting
        fitted = setting.case.dimension > 1 and self._variant.model.potential is None
        weigher = _with(setting, max(eps if like is None else like, shown)) if fitted else self._variant
        self._wells: Wells = weigher.of_model.once(("wells", None), lambda: landscape(weigher))
        self._weight: Weight = fitting_weight(weigher.reference, self._wells)
        self._grading = replace(self._weight, ceiling=self._weight.ceiling - WORTH_RESOLVING)
        minima = [place.point for place in critical_of(setting) if place.index == 0][:PINS]
        self._pins = np.array([*self._wells.points, *minima])
        self._cruder = CRUDER if setting.is_companion else 1.0
        self._monotone = setting.case.discretization.scheme == "monotone"

    def graded(self, mesh: AdaptedMesh) -> AdaptedMesh:
        """A mesh made finer where the weight is too steep for it."""
        return mesh if self._monotone else mesh.graded(self._variant.grading(self._grading))

    def adapted(self, mesh: AdaptedMesh, before: Level | None, room: int, refinement: Refinement) -> Rung:
        """On a mesh that is refined until it resolves the density and what it differs in from the one before.

        Args:
            mesh: To begin with.
            before: The level before.
            room: The mesh may have so many cells.
            refinement: Keeps what is done to the mesh.
        """
        above: Level | None = None
        for _ in range(ROUNDS):
            level = self.solved(mesh, before)
            allowed = self._cruder * allowed_content(level.state.generator.degree)
            if level.content <= allowed and before is not None:
                above = self.again(mesh, before)
                assert above is not None
                allowed = max(min(allowed, self._cruder * SHARE * l1(level, above)), LEAST)
            if level.content <= allowed or self._monotone:
                break
            times = bisections(level.state, contents_of(level.state), allowed, room - mesh.cells)
            if not mesh.mesh.comm.allreduce(int(times.max(initial=0)), MPI.MAX):
                break
            mesh, above = refinement.finer(mesh, times), None
        refinement.keep()
        return Rung(level, above or self.again(level.mesh, before))

    def recalled(self, mesh: AdaptedMesh, number: int) -> Rung | None:
        """What was kept of a level; None where nothing was, or of another mesh. Collective."""
        kept = self._setting.keeper.recall(level_name(number))
        if kept is None:
            return None
        generator = self._variant.generator(self._weight, mesh.mesh)
        vector = owned_vector(generator.space)
        values = kept.at(owned_nodes(generator))
        if values is None:
            return None
        vector.array[:] = values["h"]
        state = gibbs_state(generator) or solved_state(generator, vector)
        level = Level(self._eps, state, mesh, kept.facts["content"], kept.facts["backward_error"])
        return Rung(level, None, kept.facts)

    def again(self, mesh: AdaptedMesh, before: Level | None) -> Level | None:
        """The density of the level before on this mesh."""
        if before is None or before.mesh is mesh:
            return before
        return _Solver(self._setting, before.regularization, self._shown).solved(mesh, before)

    def solved(self, mesh: AdaptedMesh, before: Level | None = None) -> Level:
        """The density on a mesh."""
        self._setting.heartbeat()
        generator = self._variant.generator(self._weight, mesh.mesh)
        known = gibbs_state(generator)
        if known is not None:
            return Level(self._eps, known, mesh, 0.0, 0.0)
        count = SolveCount()
        nobody = np.zeros(generator.space.dofmap.index_map.size_local, dtype=bool)
        peak = [] if before is None else [densest(before)[1]]
        inverse = Pinned(generator, nobody, np.array([*self._pins, *peak]), "noisy SGD", count)
        vector = inverse.stationary()
        inverse.destroy()
        vector.scale(1.0 / generator.total.dot(vector))
        state = solved_state(generator, vector)
        content = generator.comm.allreduce(float(contents_of(state).sum()))
        return Level(self._eps, state, mesh, content, count.backward_error)


def _with(setting: Setting, eps: float) -> Setting:
    """The case with eps I added to its noise."""
    noise = setting.case.noise
    return setting.with_noise(("noisy SGD", eps), replace(noise, regularization=noise.regularization + eps))


def level_name(number: int) -> str:
    """Of what is kept of a level."""
    return f"noisy_sgd_{number}"


def densest(level: Level) -> tuple[float, Array]:
    """The largest value of a density at the quadrature points, and where. Collective."""
    generator = level.state.generator
    density = generator.density(level.state.vector).ravel()
    best = int(density.argmax()) if len(density) else -1
    value = float(density[best]) if best >= 0 else -np.inf
    place = tuple(float(x) for x in level.points[best]) if best >= 0 else ()
    highest = generator.comm.allreduce((value, place), MPI.MAX)
    return float(highest[0]), np.array(highest[1])
