"""The pair (K, M): kernel, Gibbs state, the same form by other means, orders, independence of the weight, duality."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc as fem_petsc
from petsc4py import PETSc
from scipy.linalg import expm

from fpsolver.case.sections import Initial
from fpsolver.generator import forms
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.weight import Weight
from tests import exact
from tests.equations import (
    COMM,
    NO_WEIGHT,
    Array,
    Equation,
    box,
    carried,
    constant,
    curved_square,
    dense,
    double_well,
    evolved,
    gathered,
    interpolated,
    l1_error,
    largest,
    linear,
    orders,
    started,
    total,
)

parallel = pytest.mark.parallel
"""All but the costly ones, whose way through the ranks the others take too."""


def wavy(points: Array) -> tuple[Array, Array]:
    """A potential that has nothing to do with any drift here."""
    value = 2.0 * np.sin(3 * points[:, 0]) + (points**2).sum(axis=1)
    gradient = 2.0 * points
    gradient[:, 0] += 6.0 * np.cos(3 * points[:, 0])
    return value, gradient


WEIGHTS = {"none": NO_WEIGHT, "unrelated": Weight(wavy)}


def swirl(dimension: int, diffusion: float | list[list[float]]) -> Equation:
    """A drift with a gradient part and a rotation, and constant noise."""
    rotation = np.zeros((dimension, dimension))
    if dimension > 1:
        rotation[0, 1], rotation[1, 0] = 2.0, -2.0
    return Equation(
        dimension, double_well(1.0, dimension).gradient, constant(diffusion), extra=lambda p: p @ rotation.T
    )


def singular(dimension: int) -> list[list[float]]:
    """Noise in one direction only, slanted."""
    direction = np.arange(1.0, dimension + 1.0) * (dimension > 1)
    return np.outer(direction, direction).tolist()


def some_mesh(dimension: int) -> mesh.Mesh:
    return box([-1.5] * dimension, [1.5] * dimension, {1: (9,), 2: (4, 5), 3: (2, 3, 2)}[dimension])


@pytest.mark.parametrize(
    ("dimension", "degree"),
    [
        pytest.param(1, 1, marks=parallel),
        (1, 2),
        (1, 3),
        (1, 4),
        (2, 1),
        (2, 2),
        (2, 3),
        pytest.param(2, 4, marks=parallel),
        (3, 1),
        pytest.param(3, 2, marks=parallel),
    ],
)
def test_constants_are_in_the_kernel(dimension: int, degree: int) -> None:
    """Mass is conserved whatever the weight and however singular D: here regular, of rank one, and zero (in 1-D)."""
    domain, steep = some_mesh(dimension), double_well(0.02, dimension).weight
    slanted = singular(dimension)
    for weight, noise in ((NO_WEIGHT, 0.1), (steep, 0.1), (steep, slanted), (Weight(wavy), slanted)):
        generator = weighted_generator(domain, swirl(dimension, noise), degree, weight)
        assert generator.kernel_defect() < 1e-14


@parallel
def test_constants_are_in_the_kernel_on_curved_cells() -> None:
    generator = weighted_generator(curved_square(3), swirl(2, singular(2)), 3, WEIGHTS["unrelated"])
    assert generator.kernel_defect() < 1e-14


@parallel
def test_the_kernel_defect_sees_a_row_that_does_not_sum_to_zero() -> None:
    generator = weighted_generator(some_mesh(2), swirl(2, 0.1), 2, NO_WEIGHT)
    matrix, last = generator.stiffness, generator.unknowns - 1
    matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_LOCATION_ERR, False)
    if COMM.rank == COMM.size - 1:
        matrix.setValue(last, last, 1e-6, addv=PETSc.InsertMode.ADD_VALUES)
    matrix.assemble()
    assert generator.kernel_defect() > 1e-9


def asymmetry(generator: Generator) -> float:
    matrix = dense(generator.stiffness)
    scale = np.sqrt(np.abs(np.outer(np.diag(matrix), np.diag(matrix))))
    return float((np.abs(matrix - matrix.T) / scale).max())


@parallel
@pytest.mark.parametrize(("dimension", "degree"), [(1, 4), (2, 1), (2, 4), (3, 2)])
def test_the_gibbs_state_is_exact(dimension: int, degree: int) -> None:
    """With w = exp(-f/D): K = K^T, and h = 1 is stationary. f/D stays below the bend."""
    equation, end = double_well(0.2, dimension), 2.0 if dimension < 3 else 1.2
    domain = box([-end] * dimension, [end] * dimension, {1: (16,), 2: (8, 6), 3: (3, 3, 3)}[dimension])
    generator = weighted_generator(domain, equation, degree, equation.weight)
    assert generator.reversible
    image = generator.total.duplicate()
    generator.stiffness.multTranspose(generator.one, image)
    size = generator.stiffness.getDiagonal()
    assert largest(image.array_r / np.abs(size.array_r)) < 1e-13
    if dimension < 3:
        assert asymmetry(generator) < 1e-13


@parallel
@pytest.mark.parametrize("reason", ["rotation", "other weight", "bent weight", "other noise"])
def test_what_the_weight_does_not_absorb_is_not_reversible(reason: str) -> None:
    equation, weight = double_well(0.2), double_well(0.2).weight
    if reason == "rotation":
        equation = Equation(2, equation.gradient, equation.diffusion, extra=lambda p: 1e-6 * p[:, ::-1] * [1, -1])
    elif reason == "other weight":
        weight = NO_WEIGHT
    elif reason == "bent weight":
        weight = Weight(weight.potential, ceiling=5.0, kind="potential")
    else:
        equation = double_well(0.2 * (1 + 1e-8))
    generator = weighted_generator(some_mesh(2), equation, 2, weight)
    assert not generator.reversible


def analytic(domain: mesh.Mesh, degree: int) -> tuple[Equation, Weight, tuple[PETSc.Mat, PETSc.Mat]]:
    """Variable full D, gradient and rotation, a weight; and K, M from UFL formulas in the coordinate."""
    equation = Equation(
        2,
        gradient=lambda p: np.stack([p[:, 0] ** 3 - p[:, 0], 4 * p[:, 1]], axis=1),
        diffusion=lambda p: np.stack(
            [np.stack([1 + p[:, 0] ** 2, p[:, 0] * p[:, 1]], -1), np.stack([p[:, 0] * p[:, 1], 2 + p[:, 1]], -1)], -1
        ),
        divergence=lambda p: np.stack([3 * p[:, 0], 1 + p[:, 1]], axis=1),
        extra=lambda p: np.stack([-p[:, 1], p[:, 0]], axis=1),
    )
    weight = Weight(lambda p: (p[:, 0] + p[:, 0] * p[:, 1], np.stack([1 + p[:, 1], p[:, 0]], axis=1)))

    space = fem.functionspace(domain, ("Lagrange", degree))
    u, v, n = ufl.TrialFunction(space), ufl.TestFunction(space), ufl.FacetNormal(domain)
    x, y = ufl.SpatialCoordinate(domain)
    psi = x + x * y
    w = ufl.exp(-psi)
    noise = ufl.as_matrix([[1 + x**2, x * y], [x * y, 2 + y]])
    a = ufl.as_vector([x**3 - x + y + 3 * x, 4 * y - x + 1 + y])
    c = a - noise * ufl.as_vector([1 + y, x])
    dx = ufl.dx(metadata={"quadrature_degree": 2 * degree + 4})

    # cellwise means by testing with constants; h is the longest edge
    flat = fem.functionspace(domain, ("DG", 0))
    one, volume = ufl.TestFunction(flat), None

    def mean(of: object) -> fem.Function:
        nonlocal volume
        if volume is None:
            volume = fem.assemble_vector(fem.form(fem.Constant(domain, 1.0) * one * dx)).array
        function = fem.Function(flat)
        function.x.array[:] = fem.assemble_vector(fem.form(of * one * dx)).array / np.where(volume > 0, volume, 1)
        function.x.scatter_forward()
        return function

    h = ufl.CellDiameter(domain)
    speed = ufl.as_vector([mean(c[0]), mean(c[1])])
    tau = 0.03 / degree**3.5 * ufl.avg(h**2 * mean(w)) * abs(ufl.dot(ufl.avg(speed), n("+")))
    facet = tau * ufl.jump(ufl.grad(u), n) * ufl.jump(ufl.grad(v), n) * ufl.dS(metadata={"quadrature_degree": 8})
    k = w * (ufl.inner(noise * ufl.grad(u), ufl.grad(v)) + ufl.dot(c, ufl.grad(u)) * v) * dx + facet
    return equation, weight, (assembled(k), assembled(w * u * v * dx))


def assembled(form: object) -> PETSc.Mat:
    matrix = fem_petsc.assemble_matrix(fem.form(form))
    matrix.assemble()
    return matrix


@parallel
@pytest.mark.parametrize("degree", [1, 2])
def test_the_same_form_written_in_ufl_gives_the_same_matrices(degree: int) -> None:
    """Signs, factors, the facet term, the Itô term and the ghosts: every entry agrees to round-off."""
    domain = box([-1.0, -0.5], [1.0, 1.0], (5, 4))
    equation, weight, theirs = analytic(domain, degree)
    generator = weighted_generator(domain, equation, degree, weight)
    scale = np.exp(generator.weight.floor)  # the weight is 1 where it is largest
    for ours, other in zip((generator.stiffness, generator.mass), theirs, strict=True):
        a, b = dense(ours), scale * dense(other)
        size = np.sqrt(np.abs(np.outer(np.diag(b), np.diag(b))))
        assert (np.abs(a - b) / size).max() < 1e-12


def cosines(points: Array) -> Array:
    return np.cos(np.pi * points[:, 0]) * np.cos(np.pi * points[:, 1])


def bumpy(points: Array) -> Array:
    """D with off-diagonal entries that vanish on the walls, so that cosines satisfy n.D grad u = 0 there."""
    x, y = np.pi * points.T
    slanted = 0.2 * np.sin(x) * np.sin(y)
    return np.stack([np.stack([0.5 + 0.1 * x, slanted], -1), np.stack([slanted, 0.7 + 0 * y], -1)], -1)


def minus_generator_of_cosines(points: Array) -> Array:
    """-Lu = -D : grad grad u + (grad f - extra) . grad u for the coefficients of `resolvent_error`."""
    x, y = np.pi * points.T
    noise = bumpy(points)
    cos, mixed = np.cos(x) * np.cos(y), np.sin(x) * np.sin(y)
    hessian = -(np.pi**2) * (cos * (noise[:, 0, 0] + noise[:, 1, 1]) - 2 * mixed * noise[:, 0, 1])
    slope = -np.pi * np.stack([np.sin(x) * np.cos(y), np.cos(x) * np.sin(y)], axis=1)
    return -hessian + ((drift(points) - turn(points)) * slope).sum(axis=1)


def drift(points: Array) -> Array:
    return np.stack([4 * points[:, 0], -2 + 3 * points[:, 1] ** 2], axis=1)


def turn(points: Array) -> Array:
    return 3.0 * np.stack([points[:, 1], -points[:, 0]], axis=1)


def ito(points: Array) -> Array:
    """div D of `bumpy`."""
    x, y = np.pi * points.T
    return np.stack([0.1 * np.pi + 0.2 * np.pi * np.sin(x) * np.cos(y), 0.2 * np.pi * np.cos(x) * np.sin(y)], axis=1)


def resolvent_error(degree: int, cells: int, weight: Weight, domain: mesh.Mesh | None = None) -> float:
    """L2 error of u from u - Lu = g, the weak form being (M + K) u = integral of w g v."""
    from tests.equations import solved

    equation = Equation(2, drift, bumpy, ito, turn)
    generator = weighted_generator(
        box([0.0, 0.0], [1.0, 1.0], (cells, cells)) if domain is None else domain, equation, degree, weight
    )
    points = generator.quadrature.points[: generator.quadrature.cells.owned]
    flat = points.reshape(-1, 2)
    right = (cosines(flat) + minus_generator_of_cosines(flat)).reshape(points.shape[:2])
    found = solved(generator.shifted(1.0), generator.quadrature.functional(right * generator.weight_at_points))
    error = generator.quadrature.values(generator.function(found)) - cosines(flat).reshape(points.shape[:2])
    return float(np.sqrt(total((error**2 * generator.quadrature.measure).sum())))


@pytest.mark.parametrize(("degree", "cells"), [(1, (16, 32, 64)), (2, (6, 12, 24)), (3, (4, 8, 16)), (4, (3, 6, 12))])
@pytest.mark.parametrize("weight", ["none", "unrelated"])
def test_the_form_is_consistent_with_minus_L_at_full_order(degree: int, cells: tuple[int, ...], weight: str) -> None:
    """Catches a lost Itô term, a wrong sign of the rotation, D transposed, and a weight that is not compensated."""
    errors = [resolvent_error(degree, n, WEIGHTS[weight]) for n in cells]
    assert errors[-1] < 3e-3
    assert orders(errors)[-1] == pytest.approx(degree + 1, abs=0.35)


def test_the_form_is_consistent_on_curved_cells() -> None:
    errors = [resolvent_error(3, n, NO_WEIGHT, curved_square(n)) for n in (4, 8)]
    assert errors[1] < 1e-4
    assert errors[0] / errors[1] > 8.0


@pytest.mark.parametrize("weight", ["none", "Gibbs", "unrelated", "Gibbs, bent early"])
def test_any_weight_gives_the_same_density(weight: str) -> None:
    """rho = w h converges to the exact density, whatever w is; only h differs. The Gibbs weight is best."""
    equation = double_well(0.2)
    weights = WEIGHTS | {"Gibbs": equation.weight, "Gibbs, bent early": Weight(equation.potential, ceiling=6.0)}
    solution = exact.double_well(0.2, start=-0.5, std=0.3)
    initial = Initial("gaussian", mean=(-0.5, 0.0), std=0.3)
    errors = []
    for cells in ((16, 12), (24, 18)):
        domain = box([-2.0, -1.5], [2.0, 1.5], cells)
        generator, states = evolved(equation, domain, 4, weights[weight], initial, [0.3, 2.0])
        errors.append(max(l1_error(generator, s.vector, partial(solution, s.time)) for s in states))
    assert errors[0] < (1e-5 if weight.startswith("Gibbs") else 1e-3)
    assert errors[0] / errors[1] > 1.5**4


@parallel
@pytest.mark.parametrize("degree", [1, 4])
def test_forward_and_backward_evolution_are_dual(degree: int) -> None:
    """<M e^{-t M^-1 K^T} h, v> = <M h, e^{-t M^-1 K} v>, the right side by a dense exponential of K itself."""
    equation = linear([[1.0, 1.0], [-1.0, 0.5]], [[0.2, 0.0], [0.0, 0.0]])
    generator = weighted_generator(box([-2.0, -2.0], [2.0, 2.0], (5, 5)), equation, degree, Weight(wavy))
    start = started(generator, Initial("gaussian", mean=(0.4, -0.2), std=0.5))
    question = interpolated(generator, lambda p: np.sin(2 * p[:, 0]) + p[:, 1])
    forward = carried(generator, start, [1.3], tolerance=1e-11)[0].vector
    k, m = dense(generator.stiffness), dense(generator.mass)
    backward = expm(-1.3 * np.linalg.solve(m, k)) @ gathered(question)
    left, right = gathered(forward) @ m @ gathered(question), gathered(start) @ m @ backward
    assert left == pytest.approx(right, abs=1e-8 * np.linalg.norm(backward, np.inf))


@parallel
def test_observables_are_integrals_against_the_density() -> None:
    """The mass, and the integral of a function, by a UFL form of w h instead of the functionals."""
    domain = box([-1.0, -1.0], [1.0, 1.0], (5, 4))
    generator = weighted_generator(
        domain, swirl(2, 0.3), 3, Weight(lambda p: (p[:, 0], np.array([[1.0, 0.0]] * len(p))))
    )
    vector = interpolated(generator, lambda p: 1 + np.sin(2 * p[:, 0] + p[:, 1]))
    x = ufl.SpatialCoordinate(domain)
    w = ufl.exp(-(x[0] - generator.weight.floor))
    h, dx = generator.function(vector), ufl.dx(metadata={"quadrature_degree": 10})

    def integral(of: object) -> float:
        return total(fem.assemble_scalar(fem.form(of * w * h * dx)))

    assert generator.total.dot(vector) == pytest.approx(integral(1.0), rel=1e-13)
    points = generator.quadrature.points[: generator.quadrature.cells.owned]
    functional = generator.observable(points[:, :, 0] * points[:, :, 1] ** 2)
    assert functional.dot(vector) == pytest.approx(integral(x[0] * x[1] ** 2), rel=1e-12)


@parallel
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_shifted_is_the_sum_and_leaves_its_parts_alone(shift: float) -> None:
    generator = weighted_generator(some_mesh(2), swirl(2, 0.1), 2, NO_WEIGHT)
    k, m = dense(generator.stiffness), dense(generator.mass)
    np.testing.assert_allclose(dense(generator.shifted(shift)), m + shift * k, rtol=1e-14, atol=1e-16)
    np.testing.assert_array_equal(dense(generator.stiffness), k)


def with_penalty(value: float, monkeypatch: pytest.MonkeyPatch, build: Callable[[], Generator]) -> Array:
    monkeypatch.setattr(forms, "FACET_PENALTY", value)
    return dense(build().stiffness)


@parallel
def test_the_facet_term_is_positive_and_blind_to_smooth_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """It penalises jumps of the normal derivative only: quadratics have none, so P2 sees no change of them."""

    def build() -> Generator:
        return weighted_generator(some_mesh(2), swirl(2, singular(2)), 2, NO_WEIGHT)

    generator = build()
    facets: npt.NDArray[np.float64] = with_penalty(0.03, monkeypatch, build) - with_penalty(0.0, monkeypatch, build)
    assert np.abs(facets).max() > 1e-6
    assert np.linalg.eigvalsh((facets + facets.T) / 2).min() > -1e-12
    quadratic = gathered(interpolated(generator, lambda p: p[:, 0] ** 2 - 3 * p[:, 0] * p[:, 1]))
    assert np.abs(facets @ quadratic).max() < 1e-12
