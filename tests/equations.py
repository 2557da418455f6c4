"""Models given by functions, meshes for them, and densities carried through time: the workbench of the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import basix.ufl
import numpy as np
import numpy.typing as npt
from dolfinx import fem, mesh
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.case.sections import Initial
from fpsolver.domain.box import box_mesh
from fpsolver.domain.cells import Cells
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.weight import Weight, no_potential
from fpsolver.linalg import Factorization, SolveCount
from fpsolver.model.coefficients import Coefficients, Potential
from fpsolver.problems.evolution.initial import initial_density
from fpsolver.propagation import PROPAGATORS, Settings, State

Array = npt.NDArray[np.float64]
Field = Callable[[Array], Array]
COMM = MPI.COMM_WORLD
NO_WEIGHT = Weight(no_potential)


@dataclass(frozen=True)
class Equation:
    """A model from functions of points (n, d): grad f, D as (n,) or (n, d, d), div D, extra drift, -log pi."""

    dimension: int
    gradient: Field
    diffusion: Field
    divergence: Field = np.zeros_like
    extra: Field = np.zeros_like
    potential: Potential | None = None
    constant_scalar_diffusion: float | None = None
    gradient_drift: bool = True

    def loss(self, points: Array) -> Array:
        """Nobody here asks for f itself."""
        return np.zeros(len(points))

    def __call__(self, points: Array) -> Coefficients:
        given = np.asarray(self.diffusion(points))
        matrix = given[:, None, None] * np.eye(self.dimension) if given.ndim == 1 else given
        return Coefficients(
            self.loss(points), self.gradient(points), self.extra(points), matrix, self.divergence(points)
        )

    @property
    def weight(self) -> Weight:
        """exp(-potential), bent at the usual ceiling."""
        assert self.potential is not None
        return Weight(self.potential, kind="potential")


def constant(value: float | Sequence[Sequence[float]]) -> Field:
    """The same number or matrix at all points."""
    return lambda points: np.broadcast_to(np.asarray(value, dtype=float), (len(points), *np.shape(value)))


def gibbs(dimension: int, loss: Field, gradient: Field, d: float) -> Equation:
    """D = d I, so that exp(-f/d) is stationary."""
    return Equation(
        dimension,
        gradient,
        constant(d),
        potential=lambda points: (loss(points) / d, gradient(points) / d),
        constant_scalar_diffusion=d,
    )


def double_well(d: float, dimension: int = 2) -> Equation:
    """f = (x^2 - 1)^2 / 4 + 2 (y^2 + z^2)."""

    def gradient(points: Array) -> Array:
        slope = 4.0 * points
        slope[:, 0] = points[:, 0] ** 3 - points[:, 0]
        return slope

    return gibbs(dimension, lambda p: (p[:, 0] ** 2 - 1) ** 2 / 4 + 2 * (p[:, 1:] ** 2).sum(axis=1), gradient, d)


def linear(drift: npt.ArrayLike, diffusion: npt.ArrayLike) -> Equation:
    """dX = -A X dt + sqrt(2 D) dW, all of the drift given as extra; -log pi where D is regular."""
    a, d = np.asarray(drift, dtype=float), np.asarray(diffusion, dtype=float)
    return Equation(len(a), np.zeros_like, constant(d.tolist()), extra=lambda p: -p @ a.T, gradient_drift=False)


def box(lower: Sequence[float], upper: Sequence[float], cells: Sequence[int], diagonal: str = "right") -> mesh.Mesh:
    """A box over all ranks."""
    return box_mesh(COMM, lower, upper, cells, diagonal)


def curved_square(cells: int) -> mesh.Mesh:
    """The unit square with wavy inner edges: cells of geometry degree 2, over all ranks."""
    flat = box_mesh(MPI.COMM_SELF, [0.0, 0.0], [1.0, 1.0], [cells, cells])
    space = fem.functionspace(flat, ("Lagrange", 2))
    x = space.tabulate_dof_coordinates()[:, :2]
    wave = 0.3 / cells * np.sin(np.pi * x[:, :1]) * np.sin(np.pi * x[:, 1:])
    warped = x + wave * np.cos(7 * x[:, ::-1])
    corners = space.dofmap.list.astype(np.int64) if COMM.rank == 0 else np.empty((0, 6), dtype=np.int64)
    element = basix.ufl.element("Lagrange", "triangle", 2, shape=(2,))
    share = mesh.create_cell_partitioner(mesh.GhostMode.shared_facet, 2)
    return mesh.create_mesh(COMM, corners, element, warped if COMM.rank == 0 else warped[:0], partitioner=share)


def total(value: float) -> float:
    """Sum over all ranks."""
    return float(COMM.allreduce(float(value)))


def largest(values: npt.ArrayLike) -> float:
    """Largest magnitude over all ranks."""
    return float(COMM.allreduce(float(np.abs(np.asarray(values)).max(initial=0.0)), MPI.MAX))


def dense(matrix: PETSc.Mat) -> Array:
    """The whole of a small matrix, on every rank."""
    start, columns, values = matrix.getValuesCSR()
    low = matrix.getOwnershipRange()[0]
    rows = low + np.repeat(np.arange(len(start) - 1), np.diff(start))
    everything = np.zeros(matrix.getSize())
    for r, c, v in COMM.allgather((rows, columns, values)):
        everything[r, c] = v
    return everything


def gathered(vector: PETSc.Vec) -> Array:
    """The whole of a small vector, on every rank."""
    return np.concatenate(COMM.allgather(vector.array_r.copy()))


def interpolated(generator: Generator, function: Field) -> PETSc.Vec:
    """The values of a function of points (n, d) at the nodes."""
    vector = generator.total.duplicate()
    nodes = generator.space.tabulate_dof_coordinates()[: vector.getLocalSize(), : generator.space.mesh.geometry.dim]
    vector.array[:] = function(nodes)
    return vector


def solved(matrix: PETSc.Mat, rhs: PETSc.Vec, *, transposed: bool = False) -> PETSc.Vec:
    """The solution of one system."""
    return Factorization(matrix, "test", symmetric=False, count=SolveCount()).solve(rhs, transposed=transposed)


def started(generator: Generator, initial: Initial, names: tuple[str, ...] = ("x", "y", "z")) -> PETSc.Vec:
    """h(0) of an initial density: M h = its functional."""
    domain = generator.space.mesh
    coordinates = names[: domain.geometry.dim]
    degree = 2 * generator.degree + 4
    found = initial_density(initial, domain, Cells.of(domain), coordinates, {}, degree, _no_earlier_run)
    return solved(generator.mass, generator.quadrature.functional_of_rule(found.rule, found.density))


def _no_earlier_run(folder: Path) -> Field:
    raise AssertionError("no start here comes from a file")


def carried(
    generator: Generator,
    start: PETSc.Vec,
    times: Sequence[float],
    method: str = "krylov",
    tolerance: float = 1e-10,
    settings: Settings | None = None,
) -> list[State]:
    """The states at the output times."""
    chosen = settings or Settings(tolerance)
    return [state for state in PROPAGATORS[method](generator, start, times, chosen) if state.is_output]


def density(generator: Generator, vector: PETSc.Vec) -> Array:
    """w h at the quadrature points of the owned cells."""
    return generator.quadrature.values(generator.function(vector)) * generator.weight_at_points


def l1(generator: Generator, values: Array) -> float:
    """Integral of |values|, given at the quadrature points of the owned cells."""
    return total((np.abs(values) * generator.quadrature.measure).sum())


def l1_error(generator: Generator, vector: PETSc.Vec, exact: Field) -> float:
    """L1 norm of w h - exact."""
    points = generator.quadrature.points[: generator.quadrature.cells.owned]
    expected = exact(points.reshape(-1, points.shape[2])).reshape(points.shape[:2])
    return l1(generator, density(generator, vector) - expected)


def evolved(
    equation: Equation,
    domain: mesh.Mesh,
    degree: int,
    weight: Weight,
    initial: Initial,
    times: Sequence[float],
    tolerance: float = 1e-10,
) -> tuple[Generator, list[State]]:
    """A generator, and the states of a density at the output times."""
    generator = weighted_generator(domain, equation, degree, weight)
    return generator, carried(generator, started(generator, initial), times, tolerance=tolerance)


def orders(errors: Sequence[float]) -> Array:
    """Observed orders between successive halvings."""
    values = np.asarray(errors)
    return np.log2(values[:-1] / values[1:])
