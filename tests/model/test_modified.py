"""Entropies with a metric of their own: rates known from the literature, inequalities on exact Gaussian solutions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import solve_continuous_lyapunov
from scipy.optimize import minimize

from fpsolver.model import Array, build
from fpsolver.model.curvature import curvature
from fpsolver.model.field import Field
from fpsolver.model.metric import best_metric, contraction_rates, spectral_bound
from fpsolver.model.modified import contraction_of, modified_entropy
from tests.model.gaussians import entropy, gaussian, information
from tests.model.kinds import Write

ONE_DIRECTION = np.array([[0.2, 0.0], [0.0, 0.0]])
DEFECTIVE = [[1.0, 0.0], [1.0, 1.0]]
TIMES = np.linspace(0.0, 8.0, 81)


def field(write: Write, text: str, dimension: int = 2) -> Field:
    case = write(text, dimension)
    return Field(build(case), case.domain)


def linear(write: Write, c: list[list[float]], d: Array) -> Field:
    names = "xyz"[: len(c)]
    extra = [" + ".join(f"({-entry})*{name}" for entry, name in zip(row, names, strict=True)) for row in c]
    return field(write, f"[drift]\nextra = {extra}\n[noise]\ndiffusion = {d.tolist()}\n", len(c))


@pytest.mark.parametrize(
    ("c", "rate"),
    [([[1.0, 1.0], [-1.0, 0.5]], 0.75), ([[2.0, 1.0], [1.0, 2.0]], 1.0), (DEFECTIVE, 0.99)],
)
def test_linear_drift_with_noise_in_one_direction(write: Write, c: list[list[float]], rate: float) -> None:
    """The slowest eigenvalue is the rate, whatever D is; S falls by it from the first moment, and bounds KL."""
    there = linear(write, c, ONE_DIRECTION)
    found = modified_entropy(there)
    best = found.contraction
    assert best.rate == pytest.approx(rate, rel=1e-9)
    assert best.rate is not None
    assert best.metric is not None
    assert found.drift == "reversed"
    assert found.reached == 2
    assert best.defective == (c is DEFECTIVE)
    assert curvature(there).value == -np.inf
    b = -np.array(c)
    stationary = solve_continuous_lyapunov(b, -2.0 * ONE_DIRECTION)
    assert np.linalg.eigvalsh(best.metric - ONE_DIRECTION).min() > -1e-12
    for mean, covariance in [([1.0, -0.5], [0.3, 0.02]), ([0.0, 2.0], [1.0, 1.0]), ([-1.0, 1.0], [1e-3, 0.5])]:
        states = [gaussian(b, stationary, np.array(mean), np.diag(covariance), time) for time in TIMES]
        s = np.array([information(best.metric, *state, stationary) for state in states])
        kl = np.array([entropy(*state, stationary) for state in states])
        assert (np.diff(np.log(s)) <= -2.0 * best.rate * np.diff(TIMES) + 1e-9).all()
        assert (kl <= s / (2.0 * best.rate)).all()


def test_the_rate_is_sharp(write: Write) -> None:
    """No larger rate would be true: along the slowest eigenvector S falls exactly like that."""
    found = modified_entropy(linear(write, [[2.0, 1.0], [1.0, 2.0]], ONE_DIRECTION)).contraction
    b = -np.array([[2.0, 1.0], [1.0, 2.0]])
    stationary = solve_continuous_lyapunov(b, -2.0 * ONE_DIRECTION)
    assert found.metric is not None
    s = [
        information(found.metric, *gaussian(b, stationary, np.array([1.0, -1.0]), stationary, t), stationary)
        for t in (0, 1)
    ]
    assert np.log(s[0] / s[1]) == pytest.approx(2.0, rel=1e-9)


@pytest.mark.parametrize(
    ("c", "d", "reached"),
    [
        ([[1.0, 0.0], [0.0, 2.0]], [[0.2, 0.0], [0.0, 0.0]], 1),
        ([[1.0, 0.5], [0.0, 2.0]], [[0.2, 0.0], [0.0, 0.0]], 1),
        ([[1.0, 0.5], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.2]], 2),
        ([[2.0, 1.0], [1.0, 2.0]], [[0.2, 0.2], [0.2, 0.2]], 1),
        ([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], [[0.1, 0, 0], [0, 0, 0], [0, 0, 0]], 3),
        ([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]], [[0, 0, 0], [0, 0.1, 0], [0, 0, 0]], 2),
    ],
)
def test_directions_that_noise_reaches(write: Write, c: list[list[float]], d: list[list[float]], reached: int) -> None:
    """Kalman's rank, by the rank of [D, CD, CCD]."""
    there = linear(write, c, np.array(d, dtype=float))
    powers = [np.array(d, dtype=float)]
    for _ in c[1:]:
        powers.append(np.array(c) @ powers[-1])
    assert np.linalg.matrix_rank(np.hstack(powers)) == reached
    assert modified_entropy(there).reached == reached


def test_directions_reached_by_a_drift_that_is_not_linear(write: Write) -> None:
    noise = "\n[noise]\ndiffusion = [[0.1, 0], [0, 0]]\n"
    assert modified_entropy(field(write, "[drift]\nextra = ['-x', '-y + x**2']" + noise)).reached == 2
    assert modified_entropy(field(write, "[drift]\nextra = ['-x + y**2', '-y - y**3']" + noise)).reached == 1


def kinetic(friction: float, bend: float) -> str:
    """V'' between 1 and 1 + bend: V = x^2/2 + bend (1 - cos x)/... with V'' = 1 + bend (1 + cos x)/2."""
    force = f"(x + {bend}/2*(x + sin(x)))"
    energy = f"(y**2/2 + x**2/2 + {bend}/2*(x**2/2 - cos(x)))/0.3"
    return (
        f"[drift]\nextra = ['y', '-{force} - {friction}*y']\n"
        f"[noise]\ndiffusion = [[0, 0], [0, {0.3 * friction}]]\npotential = '{energy}'\n"
    )


def test_kinetic_dynamics_in_a_convex_well(write: Write) -> None:
    """Contraction exists for friction above √Λ - √λ and not below; reversing time turns the velocities round."""
    there = field(write, kinetic(2.0, 0.8))
    found = modified_entropy(there)
    assert found.drift == "reversed"
    best, own = found.contraction, contraction_of(there, lambda at: at.jacobian)
    assert best.rate is not None
    assert best.rate > 0.2
    assert best.rate == pytest.approx(own.rate, rel=1e-4)
    assert best.metric is not None
    assert own.metric is not None
    turned = best.metric * [[1.0, -1.0], [-1.0, 1.0]]
    np.testing.assert_allclose(turned / turned[0, 0], own.metric / own.metric[0, 0], rtol=2e-2, atol=1e-3)
    assert curvature(there).value == -np.inf
    none = modified_entropy(field(write, kinetic(0.1, 0.8))).contraction
    assert none.rate is None
    assert "no constant metric" in str(none.why)


def test_paths_contract_in_the_metric(write: Write) -> None:
    """Two paths with the same noise differ by a solution of an ordinary equation; here without noise at all."""
    there = field(write, kinetic(2.0, 0.8))
    found = contraction_of(there, lambda at: at.jacobian)
    assert found.rate is not None
    assert found.metric is not None
    inverse = np.linalg.inv(found.metric)

    def both(time: float, state: Array) -> Array:
        del time
        values = there.model(state.reshape(2, 2))
        return np.asarray(values.extra - values.gradient).ravel()

    times = np.linspace(0.0, 5.0, 51)
    for start in ([1.5, -1.0, -1.0, 1.0], [0.5, 1.5, 0.4, 1.5], [-1.9, 0.0, -1.0, 0.5]):
        paths = solve_ivp(both, (0.0, 5.0), start, t_eval=times, rtol=1e-10, atol=1e-12).y.T.reshape(-1, 2, 2)
        apart = paths[:, 0] - paths[:, 1]
        length = np.sqrt(np.einsum("ni,ij,nj->n", apart, inverse, apart))
        assert (np.diff(np.log(length)) <= -found.rate * np.diff(times) + 1e-6).all()


def test_wells_and_noise_that_varies_have_none(write: Write) -> None:
    wells = modified_entropy(field(write, "[loss]\nexpression = '(x**2 - 1)**2/4 + y**2'\n[noise]\ndiffusion = 0.1\n"))
    assert wells.contraction.rate is None
    assert wells.contraction.point == pytest.approx([0.0, 0.0])
    assert str(wells.contraction.why).endswith("real part 1")
    varies = modified_entropy(field(write, "[loss]\nexpression = 'x**2 + y**2'\n[noise]\ndiffusion = '1 + x**2'\n"))
    assert varies.contraction.why == "D depends on the point"


def test_never_slower_than_the_curvature(write: Write) -> None:
    """P = D is among the candidates. A rotation makes the difference: it is in the curvature, not in the metric."""
    text = "[loss]\nexpression = 'x**2 + y**2/2 + x**4/4'\n[drift]\nextra = ['3*y', '-x']\n"
    there = field(write, text + "[noise]\ndiffusion = [[0.4, 0.1], [0.1, 0.3]]\n")
    found = modified_entropy(there)
    assert found.drift == "own"
    assert found.contraction.rate is not None
    assert found.contraction.rate > curvature(there).value + 0.1
    convex = field(write, "[loss]\nexpression = 'x**2 + y**2/2 + x**4/4'\n[noise]\ndiffusion = 0.1\n")
    best = modified_entropy(convex)
    assert best.drift == "reversible"
    assert best.contraction.rate == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(("dimension", "seed"), [(2, 0), (2, 1), (3, 0), (3, 1)])
def test_no_other_search_finds_a_better_metric(dimension: int, seed: int) -> None:
    """The ellipsoid method against a direct search among triangular factors; never above the spectral bound."""
    random = np.random.default_rng(seed)
    middle = -np.eye(dimension) + 0.5 * random.normal(size=(dimension, dimension))
    jacobians = middle + 0.15 * random.normal(size=(60, dimension, dimension))
    found = contraction_rates(best_metric(jacobians, [np.eye(dimension)]), jacobians)[0].min()
    assert found <= spectral_bound(jacobians).min() + 1e-9
    entries = np.tril_indices(dimension)

    def slowest(values: Array) -> float:
        factor = np.zeros((dimension, dimension))
        factor[entries] = values
        return -float(contraction_rates(factor @ factor.T + 1e-9 * np.eye(dimension), jacobians)[0].min())

    tried = minimize(
        slowest, np.eye(dimension)[entries], method="Nelder-Mead", options={"maxiter": 1500, "fatol": 1e-9}
    )
    assert found >= -tried.fun - 1e-5
