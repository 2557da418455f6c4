"""The curvature of Bakry and Émery against Γ₂ by its definition, and where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from fpsolver.case import Ball
from fpsolver.model import Array, build
from fpsolver.model.curvature import Pointwise, curvature
from fpsolver.model.envelope import envelope
from fpsolver.model.field import Field
from fpsolver.model.walls import bulging, oblique
from tests.model.gaussians import entropy, gaussian
from tests.model.kinds import SAMPLES_2, Write, difference, random_points, table
from tests.model.polynomials import Operator, plus, text


def field(write: Write, text: str, dimension: int = 2, data: str = "") -> Field:
    case = write(text, dimension, data)
    return Field(build(case), case.domain)


def polynomial_operator(seed: int) -> Operator:
    """Random cubic drift and quadratic D, full and positive definite in the box."""
    random = np.random.default_rng(seed)
    drift = [random.normal(size=(4, 4)) * (np.add.outer(range(4), range(4)) < 4) for _ in range(2)]
    one, two, off = (0.3 * random.normal(size=(3, 3)) * (np.add.outer(range(3), range(3)) < 3) for _ in range(3))
    far = np.array([[20.0]])
    return Operator(drift, [[plus(one, far), off], [off, plus(two, far)]])


def operator_text(operator: Operator) -> str:
    drift, matrix = ", ".join(f"'{text(b)}'" for b in operator.drift), operator.diffusion
    rows = ", ".join("[" + ", ".join(f"'{text(entry)}'" for entry in row) + "]" for row in matrix)
    return f"[drift]\nextra = [{drift}]\n[noise]\ndiffusion = [{rows}]\n"


def lowest_ratio(second: Array, first: Array) -> float:
    """inf over u of Γ₂(u)/Γ(u) at a point, by elimination of the second derivatives of u from the form Γ₂."""
    form = second[:2, :2] - second[:2, 2:] @ np.linalg.solve(second[2:, 2:], second[2:, :2])
    return float(np.linalg.eigvals(np.linalg.solve(first[:2, :2], form)).real.min())


@pytest.mark.parametrize("seed", range(2))
def test_curvature_is_the_infimum_of_its_definition(write: Write, seed: int) -> None:
    """Full D(x), a drift that is no gradient: Γ₂ from L alone, exactly; then its infimum over all u."""
    operator = polynomial_operator(seed)
    there = field(write, operator_text(operator))
    points = random_points(6, 2, seed)
    points[:2] = -2.0, 2.0  # corners
    exact = [lowest_ratio(*operator.forms(point)) for point in points]
    np.testing.assert_allclose(Pointwise(there)(there.at(points)), exact, rtol=1e-7, atol=1e-7)
    whole = curvature(there)
    assert whole.point is not None
    assert whole.value <= min(exact) + 1e-7
    assert lowest_ratio(*operator.forms(whole.point)) == pytest.approx(whole.value, rel=1e-6)


def test_no_function_does_better(write: Write) -> None:
    """Γ₂(u) - κ Γ(u) over random gradients and Hessians is never negative, and nearly zero for some."""
    operator = polynomial_operator(7)
    there = field(write, operator_text(operator))
    point = np.array([[0.7, -1.1]])
    (kappa,) = Pointwise(there)(there.at(point))
    second, first = operator.forms(point[0])
    values, vectors = np.linalg.eigh(second - kappa * first)
    assert values[0] == pytest.approx(0.0, abs=1e-6 * values[-1])
    assert np.abs(vectors[:2, 0]).max() > 1e-3


def test_one_dimension(write: Write) -> None:
    """f'' - f'D'/(2D) + D''/2 - D'^2/(4D)."""
    there = field(write, "[loss]\nexpression = 'x**4/4 + sin(x)'\n[noise]\ndiffusion = '0.2 + 0.1*x**2'\n", 1)
    x = np.linspace(-2.0, 2.0, 41)
    d, slope, bend = 0.2 + 0.1 * x**2, 0.2 * x, 0.2
    exact = 3 * x**2 - np.sin(x) - (x**3 + np.cos(x)) * slope / (2 * d) + bend / 2 - slope**2 / (4 * d)
    np.testing.assert_allclose(Pointwise(there)(there.at(x[:, None])), exact, rtol=1e-8, atol=1e-8)
    found = curvature(there)
    assert found.value <= exact.min()
    assert found.walls is None


def test_curvature_does_not_depend_on_coordinates(write: Write) -> None:
    """A linear process with constant noise, seen in bent coordinates in which D is full and depends on the point."""
    # dy = -C y dt + sqrt(2 D) dW;  x = (y1, y2 + y1^2/2, y3 + y1 y2/3), so y1 = x, y2 = y - x^2/2, y3 = z - x y2/3
    c = np.array([[1.0, 0.3, 0.0], [-0.2, 1.4, 0.1], [0.0, 0.5, 1.2]])
    d = np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.1], [0.0, 0.1, 0.3]])
    y = ["x", "(y - x**2/2)", "(z - x*(y - x**2/2)/3)"]
    rows = [["1", "0", "0"], ["x", "1", "0"], [f"{y[1]}/3", "x/3", "1"]]
    pull = [" + ".join(f"({-c[i, j]})*{y[j]}" for j in range(3)) for i in range(3)]
    ito = ["0", f"{d[0, 0]}", f"2*{d[0, 1]}/3"]  # D:Hess of each new coordinate
    extra = [" + ".join([*(f"({rows[i][j]})*({pull[j]})" for j in range(3)), ito[i]]) for i in range(3)]
    matrix = [
        [" + ".join(f"({rows[i][k]})*({d[k, m]})*({rows[j][m]})" for k in range(3) for m in range(3)) for j in range(3)]
        for i in range(3)
    ]
    there = field(write, f"[drift]\nextra = {extra}\n[noise]\ndiffusion = {matrix}\n", 3)
    straight = curvature(field(write, linear_text(-c, d), 3))
    assert straight.value > 0.5
    found = Pointwise(there)(there.at(random_points(40, 3)))
    np.testing.assert_allclose(found, straight.value, rtol=1e-6)


def linear_text(b: Array, d: Array) -> str:
    names = "xyz"[: len(b)]
    extra = [" + ".join(f"({entry})*{name}" for entry, name in zip(row, names, strict=True)) for row in b]
    return f"[drift]\nextra = {extra}\n[noise]\ndiffusion = {d.tolist()}\n"


def test_flat_coordinates(write: Write) -> None:
    """Noise that is constant in the coordinate y = asinh x has the curvature that the potential has there."""
    # dy = -k y dt + sqrt(2) dW and x = sinh y: D = 1 + x^2, b = -k y sqrt(1 + x^2) + x by Ito's formula
    there = field(
        write, "[drift]\nextra = ['-0.7*sqrt(1+x**2)*log(x+sqrt(1+x**2)) + x']\n[noise]\ndiffusion = '1+x**2'\n", 1
    )
    found = curvature(there)
    assert found.value == pytest.approx(0.7, rel=1e-8)
    assert found.point is None


@pytest.mark.parametrize(
    ("loss", "noise", "value", "point"),
    [
        ("(x**2 - 1)**2/4 + 2*y**2", "0.1", -1.0, [0.0, 0.0]),
        ("x**2/2 + x**4/4 + y**2", "0.3", 1.0, [0.0, 0.0]),
        ("x**4/4 + y**2 - x", "[0.3, 0.01]", 0.0, [0.0, 0.0]),
        ("cosh(x - 0.3) + 2*y**2", "0.1", 1.0, [0.3, 0.0]),
    ],
)
def test_constant_noise(write: Write, loss: str, noise: str, value: float, point: list[float]) -> None:
    """The lowest eigenvalue of the Hessian where D is a number; where it is a minimum between the lattice points."""
    loss = loss.replace("cosh(x - 0.3)", "(exp(x - 0.3) + exp(0.3 - x))/2")
    noise = noise if noise.startswith("[") else f"'{noise}'"
    found = curvature(field(write, f"[loss]\nexpression = '{loss}'\n[noise]\ndiffusion = {noise}\n"))
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.point is not None
    assert found.point[0] == pytest.approx(point[0], abs=1e-4)
    assert found.walls is None


KINETIC = "[drift]\nextra = ['y', '-x - y']\n[noise]\ndiffusion = [[0, 0], [0, 0.2]]\n"
INVARIANT = "[loss]\nexpression = 'x**2 + 3*y**2/2'\n[noise]\ndiffusion = [[0.2, 0], [0, 0]]\n"
VECTORS = "[loss]\nexpression = 'x**2 + 3*y**2/2'\n[noise]\ndiffusion = [['1', 'x'], ['x', 'x**2']]\n"


def test_singular_noise(write: Write) -> None:
    """Kinetic dynamics have no curvature; noise that the drift keeps to itself has that of its own directions."""
    found = curvature(field(write, KINETIC))
    assert found.value == -np.inf
    assert "kinetic" in str(found.why)
    kept = curvature(field(write, INVARIANT))
    assert kept.value == pytest.approx(2.0)
    assert kept.singular
    assert curvature(field(write, VECTORS)).value == -np.inf


def test_singular_noise_along_a_field_that_the_flow_carries(write: Write) -> None:
    """L = V^2 + cV... with V = (1, x) d/d(x, y) and b from Ito's formula plus -V: [b, V] = 0, so the curvature is 0."""
    # V^2 = D:Hess + (V·∇)V·∇ with (V·∇)V = (0, 1)
    text = "[drift]\nextra = ['-1', '1 - x']\n[noise]\ndiffusion = [['1', 'x'], ['x', 'x**2']]\n"
    assert curvature(field(write, text)).value == pytest.approx(0.0, abs=1e-8)


def test_noise_that_vanishes_somewhere(write: Write) -> None:
    """D = x^2: curvature 0 for f = x^2/2, none where the drift does not vanish with the noise."""
    flat = curvature(field(write, "[loss]\nexpression = 'x**2/2'\n[noise]\ndiffusion = '0.3*x**2'\n", 1))
    assert flat.value == pytest.approx(0.0, abs=1e-6)
    none = curvature(field(write, "[loss]\nexpression = 'x**2/2 + x'\n[noise]\ndiffusion = '0.3*x**2'\n", 1))
    assert none.value == -np.inf
    assert none.point == pytest.approx([0.0], abs=1e-5)


def test_walls(write: Write) -> None:
    """Walls bulge where noise grows towards them, and not where it falls."""
    loss = "[loss]\nexpression = 'x**2 + y**2'\n[noise]\ndiffusion = "
    assert curvature(field(write, loss + "'1 + 0.1*(x**2 + y**2)'\n")).walls is not None
    assert curvature(field(write, loss + "'3 - 0.1*(x**2 + y**2)'\n")).walls is None
    assert curvature(field(write, loss + "['1 + x**2', '1 + y**2']\n")).walls is None  # a product of two lines


@pytest.mark.parametrize(("a", "bulges"), [(0.1, False), (-0.1, True), (0.0, False)])
def test_walls_of_a_lens(write: Write, a: float, bulges: bool) -> None:
    """y = (x (1 - a y²), y) makes of D a unit matrix and of the box a barrel: two straight walls and two parabolas."""
    g, slope = f"(1 - {a}*y**2)", f"(-2*{a}*x*y)"
    matrix = [[f"(1 + {slope}**2)/{g}**2", f"-{slope}/{g}"], [f"-{slope}/{g}", "1"]]
    there = field(write, f"[loss]\nexpression = 'x**2 + y**2'\n[noise]\ndiffusion = {matrix}\n")
    assert (bulging(there) is not None) == bulges


def test_discs_and_rings(write: Write) -> None:
    """The lowest curvature of a disc is on its rim; walls of a ring are not convex."""
    case = write("[loss]\nexpression = '2*(x**2 + y**2) - (x + y/2)**3/6'\n[noise]\ndiffusion = 0.1\n")
    disc = Ball((0.0, 0.0), 2.0, 0.1, ("x", "y"))
    found = curvature(Field(build(case), disc))
    assert found.value == pytest.approx(4.0 - 2.0 * 1.25**1.5, rel=1e-6)  # 4 - |a|² (a·x) with a = (1, 1/2)
    assert found.point == pytest.approx(np.array([4.0, 2.0]) / np.sqrt(5.0), abs=1e-2)
    assert found.walls is None
    ring = Field(build(case), replace(disc, hole=1.0))
    assert bulging(ring) == oblique(ring) == "the domain is not convex"
    assert envelope(ring).rate is None
    assert oblique(Field(build(case), disc)) is None
    tilted = build(write("[loss]\nexpression = 'x**2 + y**2'\n[noise]\ndiffusion = [0.1, 0.2]\n"))
    assert oblique(Field(tilted, disc)) is not None
    assert bulging(Field(tilted, disc)) is None
    assert envelope(Field(tilted, disc)).why == "the stationary density is not known before it is solved for"


def test_noise_of_samples(write: Write) -> None:
    """Derivatives of a covariance over data by differences, against those of kinds.py by other differences."""
    text = SAMPLES_2 + "[noise]\nlearning_rate = 0.5\nbatch_size = 2\ncovariance = 'samples'\nregularization = 0.5\n"
    there = field(write, text, 2, table())
    points = random_points(10, 2)
    found = there.at(points)

    def diffusion(at: Array) -> Array:
        return there.model(at).diffusion

    slopes = difference(diffusion, points)
    np.testing.assert_allclose(found.slope, slopes, atol=1e-8)
    bends = difference(lambda at: difference(diffusion, at, 4e-3), points, 4e-3)
    np.testing.assert_allclose(found.bend, bends, atol=1e-6)
    np.testing.assert_allclose(np.einsum("nijj->ni", found.slope), there.model(points).divergence, atol=1e-9)
    jacobian = difference(lambda at: -there.model(at).gradient, points)
    np.testing.assert_allclose(found.jacobian, jacobian, atol=1e-8)


def test_gaussians_decay_as_promised(write: Write) -> None:
    """KL of a Gaussian to the stationary one, by the equations of its mean and covariance: never slower than 2κ."""
    b = np.array([[-1.0, -2.0], [0.5, -1.5]])
    d = np.array([[0.5, 0.2], [0.2, 0.3]])
    found = curvature(field(write, linear_text(b, d)))
    assert found.value > 0.3
    stationary = solve_continuous_lyapunov(b, -2.0 * d)
    times = np.linspace(0.0, 6.0, 121)
    start = np.array([1.5, -0.5]), np.diag([0.05, 0.9])
    entropies = [entropy(*gaussian(b, stationary, *start, time), stationary) for time in times]
    rates = -np.diff(np.log(entropies)) / np.diff(times)
    assert rates.min() >= 2.0 * found.value * (1.0 - 1e-6)
    assert rates.min() < 4.0 * found.value  # and the promise is not an empty one
