"""A stationary density: from a formula or solved, at any point and as fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.domain.evaluate import BESIDE, evaluate
from fpsolver.generator.generator import Generator, is_absorbed
from fpsolver.generator.projection import Projection, averages, project
from fpsolver.problems.base import Setting
from fpsolver.problems.stationary.current import current_at_nodes
from fpsolver.problems.stationary.spectrum import Mode

Array = npt.NDArray[np.float64]

FRONT = 1e-2
"""Where the projection would move more mass than this, the density is shown by its averages over the mesh."""

EIGENFUNCTIONS = 3
"""So many eigenfunctions are written as fields."""


@dataclass(frozen=True)
class State:
    """A stationary density w h.

    Attributes:
        generator: With the weight that the density refers to.
        vector: h, of unit mass.
        balanced: Detailed balance holds: no current at all.
        exact: h is a constant: the weight itself, without its bend, is the density.
        projection: Onto positive densities.
        averages: The density averaged over the mesh, where it has a front that the mesh does not resolve.
    """

    generator: Generator
    vector: PETSc.Vec
    balanced: bool
    exact: bool
    projection: Projection
    averages: fem.Function | None

    def exponent(self, points: Array) -> Array:
        """-log of the density at this rank's points (n, d), no number where it is not positive. Collective."""
        if self.averages is not None:
            return -_log(evaluate([self.averages], points, BESIDE)[0])
        ratio = evaluate([self.generator.function(self.vector)], points, BESIDE)[0]
        return np.asarray(self.generator.weight(points)[0] - _log(ratio))

    def density(self, points: Array) -> Array:
        """The density at this rank's points (n, d), positive: projected, or averaged. Collective."""
        if self.averages is not None:
            return np.asarray(np.maximum(evaluate([self.averages], points, BESIDE)[0], 0.0))
        ratio = evaluate([self.generator.function(self.vector)], points, BESIDE)[0] - self.projection.shift
        return np.asarray(self.generator.weight.density(points) * np.maximum(ratio, 0.0))


def solved_state(generator: Generator, vector: PETSc.Vec) -> State:
    """The state with a solution of unit mass. Collective."""
    projection = project(generator, vector)
    shown = averages(generator, vector) if projection.moved > FRONT and not generator.monotone else None
    return State(generator, vector, generator.reversible, False, projection, shown)


def gibbs_state(generator: Generator) -> State | None:
    """exp(-Psi)/Z where Psi, without the bend of the weight, absorbs the whole drift; None elsewhere. Collective."""
    if generator.monotone or generator.weight.kind == "none":
        return None
    unbent = replace(generator.weight, ceiling=np.inf)
    points = generator.quadrature.points[: generator.quadrature.cells.owned]
    _, slope = unbent(points.reshape(-1, points.shape[2]))
    coefficients = generator.coefficients
    absorbed = np.einsum("nij,nj->ni", coefficients.diffusion, slope)
    if not is_absorbed(coefficients.advection, absorbed, generator.comm):
        return None
    view = replace(generator, weight=unbent)
    mass = generator.comm.allreduce(float((view.quadrature.measure * view.weight_at_points).sum()))
    vector = generator.one.copy()
    vector.scale(1.0 / mass)
    return State(view, vector, True, True, project(view, vector), None)


def write_fields(setting: Setting, state: State, modes: Sequence[Mode]) -> None:
    """Density, effective potential, current and the first eigenfunctions on the lattice of the case. Collective."""
    lattice, _ = setting.lattice
    generator = state.generator
    points = lattice.points[:, : lattice.dimension]
    potential = state.exponent(points)
    least = generator.comm.allreduce(float(np.nanmin(potential, initial=np.inf)), MPI.MIN)
    fields = {"stationary_density": state.density(points), "effective_potential": potential - least}
    if not state.balanced:
        current = [generator.function(component) for component in current_at_nodes(generator, state.vector)]
        fields["current"] = evaluate(current, points, BESIDE).T
    for number, mode in enumerate(modes[:EIGENFUNCTIONS], start=1):
        name = f"eigenfunction_{number}"
        if mode.imaginary is None:
            fields[name] = evaluate([generator.function(mode.real)], points, BESIDE)[0]
        else:
            parts = [generator.function(mode.real), generator.function(mode.imaginary)]
            fields[f"{name}_real"], fields[f"{name}_imaginary"] = evaluate(parts, points, BESIDE)
    setting.recorder.fields(lattice, fields)


def _log(values: Array) -> Array:
    """The logarithm, no number where there is none."""
    return np.asarray(np.log(np.where(values > 0.0, values, np.nan)))
