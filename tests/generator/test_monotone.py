"""The monotone companion: signs, kernel, Gibbs state, orders against exact solutions, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.domain.box import box_mesh
from fpsolver.errors import BadUsage
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.integrated import integrated_potential
from fpsolver.generator.monotone import SIGN_LIMIT, monotone_generator, sign_defect
from fpsolver.generator.weight import Weight, no_potential
from fpsolver.linalg import Factorization, SolveCount
from fpsolver.model.coefficients import Coefficients, Potential
from fpsolver.propagation import PROPAGATORS, Settings

Array = npt.NDArray[np.float64]
COMM = MPI.COMM_WORLD

pytestmark = pytest.mark.parallel


@dataclass(frozen=True)
class Equation:
    """A model from functions of points (n, d): grad f, D (n, d, d), div D, and -log of the stationary density."""

    dimension: int
    gradient: Callable[[Array], Array]
    diffusion: Callable[[Array], Array]
    divergence: Callable[[Array], Array] = np.zeros_like
    extra: Callable[[Array], Array] = np.zeros_like
    potential: Potential | None = None
    constant_scalar_diffusion: float | None = None
    gradient_drift: bool = True

    def loss(self, points: Array) -> Array:
        """Psi; the solver never asks for f itself."""
        return np.zeros(len(points)) if self.potential is None else self.potential(points)[0]

    def __call__(self, points: Array) -> Coefficients:
        scalar = np.asarray(self.diffusion(points))
        matrix = scalar[:, None, None] * np.eye(self.dimension) if scalar.ndim == 1 else scalar
        return Coefficients(
            self.loss(points), self.gradient(points), self.extra(points), matrix, self.divergence(points)
        )


def constant(value: float) -> Callable[[Array], Array]:
    return lambda points: np.full(len(points), value)


def gibbs(dimension: int, loss: Callable[[Array], Array], gradient: Callable[[Array], Array], d: float) -> Equation:
    """D = d I: the stationary density is exp(-f/d)."""

    def potential(points: Array) -> tuple[Array, Array]:
        return loss(points) / d, gradient(points) / d

    return Equation(dimension, gradient, constant(d), potential=potential, constant_scalar_diffusion=d)


def double_well(d: float, dimension: int = 2) -> Equation:
    """f = (x^2 - 1)^2 / 4 + 2 (y^2 + z^2)."""

    def gradient(points: Array) -> Array:
        slope = 4.0 * points
        slope[:, 0] = points[:, 0] ** 3 - points[:, 0]
        return slope

    def loss(points: Array) -> Array:
        return (points[:, 0] ** 2 - 1) ** 2 / 4 + 2 * (points[:, 1:] ** 2).sum(axis=1)

    return gibbs(dimension, loss, gradient, d)


def ornstein_uhlenbeck(d: float, dimension: int) -> Equation:
    return gibbs(dimension, lambda points: 0.5 * (points**2).sum(axis=1), np.copy, d)


def rotating(d: float) -> Equation:
    """Drift -x plus a rotation: exp(-|x|^2 / 2d) is stationary, with a current and without a known potential."""
    return Equation(2, np.copy, constant(d), extra=lambda points: 3.0 * points @ np.array([[0.0, 1.0], [-1.0, 0.0]]))


MULTIPLICATIVE = Equation(
    1, np.copy, lambda points: 0.3 * (0.01 + points[:, 0] ** 2), divergence=lambda points: 0.6 * points
)
"""f = x^2/2, D = 0.3 (0.01 + x^2) in the sense of Ito: stationary density (0.01 + x^2)^(-8/3)."""

UNWEIGHTED = Weight(no_potential)


def weight_of(model: Equation, ceiling: float = 60.0) -> Weight:
    return Weight(no_potential if model.potential is None else model.potential, ceiling=ceiling)


def generator_of(
    model: Equation, half: float, cells: int, weight: Weight | None = None, diagonal: str = "right"
) -> Generator:
    """On the box [-half, half]^d."""
    d = model.dimension
    domain = box_mesh(COMM, [-half] * d, [half] * d, [cells] * d, diagonal)
    return monotone_generator(domain, model, weight_of(model) if weight is None else weight)


CASES = {
    "1-D": lambda: generator_of(ornstein_uhlenbeck(0.1, 1), 2.0, 31),
    "right": lambda: generator_of(double_well(0.1), 1.6, 17),
    "left": lambda: generator_of(double_well(0.1), 1.6, 17, diagonal="left"),
    "crossed": lambda: generator_of(double_well(0.1), 1.6, 12, diagonal="crossed"),
    "3-D": lambda: generator_of(double_well(0.2, 3), 1.6, 7),
    "bent weight": lambda: generator_of(double_well(0.01), 1.6, 16),
    "no weight": lambda: generator_of(double_well(0.1), 1.6, 16, UNWEIGHTED),
    "rotation": lambda: generator_of(rotating(0.1), 2.0, 16),
    "strong rotation": lambda: generator_of(rotating(0.001), 2.0, 16),
    "multiplicative": lambda: generator_of(MULTIPLICATIVE, 2.0, 50),
}


def nodes(generator: Generator) -> Array:
    """Owned nodes, (n, d)."""
    owned = generator.space.dofmap.index_map.size_local
    return np.asarray(generator.space.tabulate_dof_coordinates()[:owned, : generator.quadrature.cells.dimension])


def nodal(generator: Generator) -> Array:
    """w at the owned nodes, (n,)."""
    assert generator.nodal is not None
    return np.asarray(generator.nodal.array_r)


def volumes(generator: Generator) -> Array:
    """m_i, (n,)."""
    return np.asarray(generator.total.array_r / nodal(generator))


def vector(generator: Generator, values: Array) -> PETSc.Vec:
    result = generator.one.copy()
    result.array[:] = values
    return result


def density(generator: Generator, h: PETSc.Vec) -> Array:
    return np.asarray(h.array_r * nodal(generator))


def total(values: Array) -> float:
    return float(COMM.allreduce(float(values.sum()), MPI.SUM))


def largest(values: Array) -> float:
    return float(COMM.allreduce(float(values.max(initial=-np.inf)), MPI.MAX))


def l1_error(generator: Generator, found: Array, exact: Array) -> float:
    """Between densities at the nodes, both normalised."""
    m = volumes(generator)
    return total(m * np.abs(found / total(m * found) - exact / total(m * exact)))


def flux_defect(generator: Generator, h: Array) -> float:
    """max over nodes of |K^T h| / |K|^T h: zero for a stationary state."""
    image, size, magnitude = generator.one.copy(), generator.one.copy(), generator.stiffness.copy()
    start, columns, values = magnitude.getValuesCSR()
    magnitude.setValuesCSR(start, columns, np.abs(values))
    magnitude.assemble()
    generator.stiffness.multTranspose(vector(generator, h), image)
    magnitude.multTranspose(vector(generator, h), size)
    return largest(np.abs(image.array_r) / size.array_r)


def stationary(generator: Generator) -> Array:
    """Density with K^T h = 0, h fixed at the first node."""
    first, last = generator.stiffness.getOwnershipRange()
    free = PETSc.IS().createGeneral(np.arange(max(first, 1), last, dtype=PETSc.IntType), comm=COMM)
    pin = PETSc.IS().createGeneral(np.arange(first, min(1, last), dtype=PETSc.IntType), comm=COMM)
    h = generator.one.copy()
    outflow = generator.stiffness.createSubMatrix(pin, free)
    source = outflow.createVecRight()
    outflow.multTranspose(h.getSubVector(pin), source)
    source.scale(-1.0)
    inner = generator.stiffness.createSubMatrix(free, free)
    solution = Factorization(inner, "stationary", symmetric=False, count=SolveCount()).solve(source, transposed=True)
    h.array[max(first, 1) - first :] = solution.array_r
    return density(generator, h)


def order(errors: list[float]) -> float:
    """Observed order between the last two of meshes that halve."""
    return float(np.log2(errors[-2] / errors[-1]))


@pytest.mark.parametrize("name", CASES)
def test_the_rates_are_those_of_a_markov_chain(name: str) -> None:
    generator = CASES[name]()
    assert generator.monotone
    assert sign_defect(generator) <= SIGN_LIMIT
    assert generator.kernel_defect() <= 1e-15
    assert total(generator.total.array_r / nodal(generator)) == pytest.approx(
        total(generator.quadrature.measure), rel=1e-13
    )


def test_edges_without_flux_are_no_edges() -> None:
    """A grid of right triangles gives the five-point star, not seven entries of which two are round-off."""
    n = 9
    entries = generator_of(double_well(0.1), 1.6, n).stiffness.getInfo(PETSc.Mat.InfoType.GLOBAL_SUM)["nz_used"]
    assert entries == 5 * (n + 1) ** 2 - 4 * (n + 1)


@pytest.mark.parametrize("name", ["1-D", "right", "left", "crossed", "3-D"])
def test_a_weight_that_is_the_gibbs_state_makes_k_symmetric_to_the_last_bit(name: str) -> None:
    generator = CASES[name]()
    assert generator.reversible
    mirrored = generator.stiffness.copy()
    mirrored.transpose()
    mirrored.axpy(-1.0, generator.stiffness)
    assert mirrored.norm(PETSc.NormType.NORM_INFINITY) == 0.0
    assert flux_defect(generator, generator.one.array_r) <= 1e-15


@pytest.mark.parametrize("ceiling", [60.0, 690.0, 0.0])
def test_the_gibbs_state_is_stationary_however_steep(ceiling: float) -> None:
    """Over 600 nats, 60 of them along one edge: within the weight, above its bend, and without any weight."""
    model = double_well(0.01)
    weight = UNWEIGHTED if ceiling == 0.0 else weight_of(model, ceiling)
    generator = generator_of(model, 1.7, 24, weight)
    assert generator.reversible is (ceiling > 600.0)
    psi = model.loss(nodes(generator))
    psi -= -largest(-psi)
    assert largest(psi) > 600.0
    defect = flux_defect(generator, np.exp(-psi) / nodal(generator))
    assert defect <= 1e-13  # round-off of Psi, hundreds of nats


@pytest.mark.parametrize("nats", [1e-9, 0.3, 8.0, 60.0, 3000.0])
def test_a_linear_potential_gives_the_rates_of_scharfetter_and_gummel(nats: float) -> None:
    """Three plain Gauss points would be wrong by 2e-5 at 2 nats an edge, and by a factor of 20 at 50."""
    cells, d = 10, 0.7
    model = Equation(1, lambda points: np.full_like(points, nats * cells * d), constant(d))
    generator = monotone_generator(box_mesh(COMM, [0.0], [1.0], [cells]), model, UNWEIGHTED)
    x = nodes(generator)[:, 0]
    image = generator.one.copy()
    generator.stiffness.mult(vector(generator, x), image)
    inside = (x > 0.05) & (x < 0.95)
    # the upwind drift and the downwind drift: h (rate down - rate up) = a whatever the mesh
    np.testing.assert_allclose(
        (image.array_r / generator.total.array_r)[inside], nats * cells * d, 1e-11, 1e-13 * d * cells**2
    )
    rates = generator.stiffness.getDiagonal().array_r / generator.total.array_r
    np.testing.assert_allclose(rates[inside], d * cells**2 * nats / np.tanh(nats / 2), rtol=1e-11)


def test_it_is_the_generator_of_the_ito_equation() -> None:
    """L x = -x and L x^2 = 2 D - 2 x^2; without div D, or with its sign wrong, L x is off by 0.6 x."""
    errors = []
    for cells in (100, 200, 400):
        generator = generator_of(MULTIPLICATIVE, 1.0, cells)
        x = nodes(generator)[:, 0]
        inside = np.abs(x) < 0.95
        defect = np.zeros_like(x)
        for u, exact in ((x, -x), (x**2, 2 * MULTIPLICATIVE.diffusion(x[:, None]) - 2 * x**2)):
            image = generator.one.copy()
            generator.stiffness.mult(vector(generator, u), image)
            defect = np.maximum(defect, np.abs(-image.array_r / generator.total.array_r - exact))
        errors.append(largest(defect[inside]))
    assert order(errors) == pytest.approx(2.0, abs=0.15), errors
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("weight", [UNWEIGHTED, Weight(integrated_potential(MULTIPLICATIVE, -1.0, 1.0))])
def test_variable_diffusion_is_averaged_along_the_edge_as_the_flux_asks(weight: Weight) -> None:
    """rho_i g_ij = 1 / integral of 1/(D rho) over the edge, with D rho = 0.3 (0.01 + x^2)^(-5/3)."""
    points, weights = np.polynomial.legendre.leggauss(30)

    def conductance(left: Array, h: float) -> Array:
        inside = left[:, None] + h * (points + 1) / 2
        return 1.0 / ((0.01 + inside**2) ** (5 / 3) / 0.3 @ weights * (h / 2))

    errors = []
    for cells in (40, 80, 160):
        generator, h = generator_of(MULTIPLICATIVE, 1.0, cells, weight), 2.0 / cells
        x = nodes(generator)[:, 0]
        inside = np.abs(x) < 1.0 - h / 2
        exact = (conductance(x, h) + conductance(x - h, h)) * (0.01 + x**2) ** (8 / 3)
        rates = generator.stiffness.getDiagonal().array_r / nodal(generator)
        errors.append(largest(np.abs(rates / exact - 1)[inside]))
    assert order(errors) > 4.5, errors
    assert errors[-1] < 1e-6


def test_multiplicative_noise_without_a_known_potential_has_the_right_stationary_density() -> None:
    """In one dimension only the integral of a/D by three Gauss points is approximate: order 6 at the nodes."""
    errors = []
    for cells in (50, 100, 200, 400):
        generator = generator_of(MULTIPLICATIVE, 1.0, cells)
        exact = (0.01 + nodes(generator)[:, 0] ** 2) ** (-8 / 3)
        errors.append(l1_error(generator, stationary(generator), exact))
    assert order(errors) == pytest.approx(6.0, abs=0.5), errors


def test_an_integrated_potential_makes_it_reversible() -> None:
    model = MULTIPLICATIVE
    generator = generator_of(model, 1.0, 40, Weight(integrated_potential(model, -1.0, 1.0)))
    assert generator.reversible
    exact = (0.01 + nodes(generator)[:, 0] ** 2) ** (-8 / 3)
    assert l1_error(generator, density(generator, generator.one), exact) < 1e-12


def test_a_rotating_stationary_density_converges_at_second_order() -> None:
    d, errors = 0.2, []
    for cells in (16, 32, 64):
        generator = generator_of(rotating(d), 2.5, cells)
        assert not generator.reversible
        found = stationary(generator)
        assert largest(-found / largest(np.abs(found))) <= 0.0
        errors.append(l1_error(generator, found, np.exp(-(nodes(generator) ** 2).sum(axis=1) / (2 * d))))
    assert order(errors) == pytest.approx(2.0, abs=0.1), errors


@pytest.mark.parametrize("weighted", [True, False])
def test_a_moving_gaussian_converges_at_second_order(weighted: bool) -> None:
    """Ornstein-Uhlenbeck from N(-1, 0.3^2) to time 0.7: N(-e^-t, d + (0.3^2 - d) e^-2t)."""
    d, time, errors = 0.25, 0.7, []
    model = ornstein_uhlenbeck(d, 1)
    mean, variance = -np.exp(-time), d + (0.3**2 - d) * np.exp(-2 * time)
    for cells in (40, 80, 160):
        generator = generator_of(model, 4.0, cells, weight_of(model, 40.0) if weighted else UNWEIGHTED)
        assert generator.reversible is weighted
        x = nodes(generator)[:, 0]
        start = np.exp(-((x + 1) ** 2) / (2 * 0.3**2)) / nodal(generator)
        (state,) = PROPAGATORS["krylov"](generator, vector(generator, start), [time], Settings(1e-10))
        found = density(generator, state.vector)
        errors.append(l1_error(generator, found, np.exp(-((x - mean) ** 2) / (2 * variance))))
    assert order(errors) == pytest.approx(2.0, abs=0.1), errors


@pytest.mark.parametrize("name", ["right", "crossed", "3-D", "bent weight", "no weight", "strong rotation"])
@pytest.mark.parametrize("step", [1e-4, 1.0, 1e4])
def test_an_implicit_step_from_a_point_mass_is_positive(name: str, step: float) -> None:
    generator = CASES[name]()
    point = generator.one.copy()
    point.set(0.0)
    point.setValue(generator.unknowns // 3, 1.0)
    point.assemble()
    factors = Factorization(generator.shifted(step), "evolution", symmetric=generator.reversible, count=SolveCount())
    after = factors.solve(point, transposed=not generator.reversible)
    assert largest(-after.array_r) <= 0.0
    assert after.dot(generator.total) == pytest.approx(1.0, abs=1e-11)


def test_shifted_is_the_sum() -> None:
    generator = CASES["right"]()
    x = vector(generator, np.sin(nodes(generator)[:, 0]))
    expected, image = generator.one.copy(), generator.one.copy()
    generator.stiffness.mult(x, expected)
    expected.scale(0.3)
    generator.mass.multAdd(x, expected, expected)
    generator.shifted(0.3).mult(x, image)
    image.axpy(-1.0, expected)
    assert image.norm() <= 1e-15 * expected.norm()


@pytest.mark.parametrize(
    ("d", "cells", "exact", "accuracy"),
    [
        (0.1, (28, 22), 30.82130247251994, 1.2e-5),
        (0.1, (56, 42), 30.82130247251994, 7.1e-7),
        (0.05, (56, 42), 361.9037595, 2.5e-7),
        (0.02, (56, 42), 616063.850977, 5e-9),
    ],
)
def test_exit_times(d: float, cells: tuple[int, int], exact: float, accuracy: float) -> None:
    """From the left well to x = 0 by K_RR u = M 1; nodal differences of Psi are 4000 times worse at 56 x 42."""
    model = double_well(d)
    generator = monotone_generator(box_mesh(COMM, [-2.0, -1.5], [2.0, 1.5], cells), model, weight_of(model))
    x = nodes(generator)
    first = generator.stiffness.getOwnershipRange()[0]
    inside = np.flatnonzero(x[:, 0] < -1e-9)
    region = PETSc.IS().createGeneral((inside + first).astype(PETSc.IntType), comm=COMM)
    stiffness = generator.stiffness.createSubMatrix(region, region)
    factors = Factorization(stiffness, "exit", symmetric=generator.reversible, count=SolveCount())
    times = factors.solve(generator.total.getSubVector(region)).array_r
    found = total(times[(np.abs(x[inside] - [-1.0, 0.0]) < 1e-9).all(axis=1)])
    assert found == pytest.approx(exact, rel=accuracy)


def test_it_agrees_with_the_weighted_form() -> None:
    """Moments after time 1 of a Gaussian on the barrier, against degree 4: the difference falls at second order."""
    model = double_well(0.1)
    weight, centre = weight_of(model), np.array([-0.3, 0.1])

    def moments(generator: Generator) -> Array:
        quadrature = generator.quadrature
        points = quadrature.points[: quadrature.cells.owned]
        start = np.exp(-((points - centre) ** 2).sum(axis=2) / 0.08) / (0.08 * np.pi)
        count = SolveCount()
        h = Factorization(generator.mass, "mass", symmetric=True, count=count).solve(quadrature.functional(start))
        (state,) = PROPAGATORS["krylov"](generator, h, [1.0], Settings(1e-10))
        values = (np.ones(points.shape[:2]), points[:, :, 0], points[:, :, 0] ** 2, points[:, :, 1] ** 2)
        return np.array([state.vector.dot(generator.observable(value)) for value in values])

    def domain(cells: int):  # type: ignore[no-untyped-def]
        return box_mesh(COMM, [-2.0, -1.5], [2.0, 1.5], [cells, cells])

    exact = moments(weighted_generator(domain(12), model, 4, weight))
    errors = [np.abs(moments(monotone_generator(domain(n), model, weight)) - exact).max() for n in (20, 40, 80)]
    assert order(errors) == pytest.approx(2.0, abs=0.1), errors
    assert errors[-1] < 2e-3


@pytest.mark.parametrize(
    ("diffusion", "words"),
    [
        (lambda p: np.eye(2) * np.array([1.0, 1.001]) + 0 * p[:, :1, None], "it is [[1, 0], [0, 1.001]]; write"),
        (lambda p: np.array([[1.0, 0.1], [0.1, 1.0]]) + 0 * p[:, :1, None], "it is [[1, 0.1], [0.1, 1]]; write"),
        (lambda p: (p[:, 0] - 1.0) ** 2, "at [1, "),
        (lambda p: -np.ones(len(p)), "vanishes"),
    ],
)
def test_other_diffusions_are_refused(diffusion: Callable[[Array], Array], words: str) -> None:
    model = Equation(2, np.copy, diffusion)
    with pytest.raises(BadUsage) as refused:
        generator_of(model, 2.0, 8)
    message = str(refused.value)
    assert message.startswith('discretization.scheme: "monotone" needs a diffusion that is a positive multiple')
    assert words in message
    assert message.endswith('write discretization.scheme = "weighted"')
    assert len(set(COMM.allgather(message))) == 1


def test_a_mesh_that_is_not_delaunay_is_refused() -> None:
    """Crossed rectangles of unequal sides have two obtuse angles opposite each long side."""
    model = double_well(0.1)
    domain = box_mesh(COMM, [-2.0, -1.0], [2.0, 1.0], [8, 8], "crossed")
    with pytest.raises(BadUsage, match=r"Delaunay mesh, and here a rate is negative, by \d\.\de[+-]\d\d of the sum"):
        monotone_generator(domain, model, weight_of(model))


def test_a_potential_that_no_cell_resolves_is_refused() -> None:
    """A valley of thousands of nats between two neighbouring nodes."""
    model = gibbs(1, lambda p: np.cos(2 * np.pi * p[:, 0]), lambda p: -np.sin(2 * np.pi * p) * 2 * np.pi, 1e-5)
    with pytest.raises(BadUsage, match=r"inside the cell at \[\d\.5\], and rates overflow; refine the mesh"):
        monotone_generator(box_mesh(COMM, [0.0], [6.0], [6]), model, weight_of(model))


def test_one_wrong_sign_is_found_on_any_rank() -> None:
    generator = CASES["right"]()
    broken = generator.stiffness.copy()
    start, columns, values = (np.array(part) for part in broken.getValuesCSR())
    if COMM.rank == COMM.size - 1:
        first = broken.getOwnershipRange()[0]
        diagonal = values[: start[1]][columns[: start[1]] == first][0]
        values[np.flatnonzero(columns[: start[1]] != first)[0]] = 1e-9 * diagonal
    broken.setValuesCSR(start, columns, values)
    broken.assemble()
    assert sign_defect(replace(generator, stiffness=broken)) == pytest.approx(1e-9, rel=1e-12)
