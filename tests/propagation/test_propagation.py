"""Densities in time: exact solutions, dense exponentials, and what any propagator must keep."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from petsc4py import PETSc
from scipy.linalg import eigh, expm

from fpsolver.case.sections import Initial
from fpsolver.errors import SolverFailed, Stopped
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.weight import Weight
from fpsolver.propagation import PROPAGATORS, Settings, krylov
from fpsolver.propagation.sdirk import _Stepper
from tests import exact
from tests.equations import (
    COMM,
    NO_WEIGHT,
    Array,
    Equation,
    box,
    carried,
    constant,
    dense,
    double_well,
    evolved,
    gathered,
    gibbs,
    interpolated,
    l1_error,
    linear,
    started,
)

parallel = pytest.mark.parallel
"""Some of these: many small solves on more ranks than cores take minutes and show nothing new."""

METHODS = list(PROPAGATORS)
FEW_SOLVES_IN_PARALLEL = [pytest.param("krylov", marks=parallel), "sdirk"]


def heat(d: float = 1.0, cells: int = 12, degree: int = 4) -> Generator:
    """No drift, on the unit interval."""
    return weighted_generator(box([0.0], [1.0], (cells,)), Equation(1, np.zeros_like, constant(d)), degree, NO_WEIGHT)


def spiral(degree: int = 4, cells: int = 4, weight: Weight = NO_WEIGHT) -> Generator:
    """A rotation with friction and noise in one direction only: K is far from symmetric, D singular."""
    equation = linear([[1.0, 2.0], [-2.0, 0.5]], [[0.3, 0.0], [0.0, 0.0]])
    return weighted_generator(box([-2.0, -2.0], [2.0, 2.0], (cells, cells)), equation, degree, weight)


def well(d: float = 0.3, cells: int = 12) -> Generator:
    equation = double_well(d, 1)
    return weighted_generator(box([-2.0], [2.0], (cells,)), equation, 4, equation.weight)


def dense_states(generator: Generator, start: PETSc.Vec, times: list[float]) -> list[Array]:
    """h(t) of the semi-discrete system without any time stepping: by eigenvectors, or scaling and squaring."""
    k, m, h = dense(generator.stiffness), dense(generator.mass), gathered(start)
    if generator.reversible:
        rates, vectors = eigh(k, m)
        return [vectors @ (np.exp(-t * np.maximum(rates, 0)) * (vectors.T @ m @ h)) for t in times]
    return [expm(-t * np.linalg.solve(m, k.T)) @ h for t in times]


def time_error(generator: Generator, states: list[Array], reference: list[Array]) -> float:
    """Largest error in the norm that bounds L1 of the density: |M^1/2 (h - h_ref)| sqrt(integral of w)."""
    m = dense(generator.mass)
    size = np.sqrt(m.sum())
    return max(float(np.sqrt(max((a - b) @ m @ (a - b), 0.0)) * size) for a, b in zip(states, reference, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_heat_decays_mode_by_mode(method: str) -> None:
    """rho = 1 + sum of a_n cos(n pi x) e^{-n^2 pi^2 t}."""
    generator = heat(cells=16)
    start = interpolated(generator, lambda p: 1 + 0.5 * np.cos(np.pi * p[:, 0]) + 0.3 * np.cos(3 * np.pi * p[:, 0]))
    for state in carried(generator, start, [0.01, 0.1, 0.3], method, 1e-6):

        def rho(p: Array, t: float = state.time) -> Array:
            x = np.pi * p[:, 0]
            return 1 + 0.5 * np.cos(x) * np.exp(-(np.pi**2) * t) + 0.3 * np.cos(3 * x) * np.exp(-9 * np.pi**2 * t)

        assert l1_error(generator, state.vector, rho) < 3e-6


@parallel
def test_an_ornstein_uhlenbeck_gaussian_stays_one() -> None:
    """f = x^2/2: mean m e^{-t}, variance d + (s^2 - d) e^{-2t}."""
    equation = gibbs(1, lambda p: 0.5 * p[:, 0] ** 2, np.copy, 0.2)
    generator, states = evolved(
        equation, box([-4.0], [4.0], (80,)), 4, equation.weight, Initial("gaussian", mean=(1.0,), std=0.3), [0.2, 1, 30]
    )
    for state in states:
        mean, variance = exact.linear_moments([[1.0]], [[0.2]], [1.0], [[0.09]], state.time)
        assert l1_error(generator, state.vector, exact.gaussian(mean, variance)) < 1e-7


@parallel
def test_a_rotating_cloud_follows_the_exact_gaussian() -> None:
    """Rotation, friction, noise in both directions: no gradient, no symmetry, a known moving Gaussian."""
    drift, noise = [[0.5, 2.0], [-2.0, 0.5]], [[0.1, 0.02], [0.02, 0.05]]
    generator, states = evolved(
        linear(drift, noise),
        box([-3.0, -3.0], [3.0, 3.0], (20, 20)),
        4,
        NO_WEIGHT,
        Initial("gaussian", mean=(1.0, 0.0), std=0.3),
        [0.4, 1.5],
        tolerance=1e-8,
    )
    for state in states:
        mean, covariance = exact.linear_moments(drift, noise, [1.0, 0.0], 0.09 * np.eye(2), state.time)
        assert l1_error(generator, state.vector, exact.gaussian(mean, covariance)) < 2e-4


@pytest.mark.parametrize("make", [well, heat, spiral])
@pytest.mark.parametrize(("method", "tolerance"), [("krylov", 1e-6), ("krylov", 1e-10), ("sdirk", 1e-4)])
def test_the_tolerance_is_kept(make: object, method: str, tolerance: float) -> None:
    """Against a dense exponential of the same matrices, over three decades of time; krylov and sdirk thus agree."""
    generator: Generator = make()  # type: ignore[operator]
    start = started(generator, Initial("gaussian", mean=(0.5,) * generator.space.mesh.geometry.dim, std=0.25))
    times = [0.01, 0.1, 2.0]
    settings = Settings(tolerance)
    states = carried(generator, start, times, method, settings=settings)
    error = time_error(generator, [gathered(s.vector) for s in states], dense_states(generator, start, times))
    assert error < 3 * tolerance + 1e-11
    assert settings.time_error <= 1e-8


def test_a_looser_tolerance_costs_less() -> None:
    generator = spiral()
    start = started(generator, Initial("gaussian", mean=(0.5, 0.0), std=0.25))
    solves = []
    for tolerance in (1e-4, 1e-7, 1e-11):
        settings = Settings(tolerance)
        carried(generator, start, [1.0], settings=settings)
        solves.append(settings.count.solves)
    assert solves[0] < solves[1] < solves[2]


@pytest.mark.parametrize("make", [well, spiral])
@pytest.mark.parametrize("method", METHODS)
def test_two_times_in_one_go_are_two_goes(make: object, method: str) -> None:
    """The semigroup property, up to the tolerance of each go."""
    generator: Generator = make()  # type: ignore[operator]
    start = started(generator, Initial("gaussian", mean=(0.5,) * generator.space.mesh.geometry.dim, std=0.25))
    tolerance = 1e-9 if method == "krylov" else 1e-4
    at_once = carried(generator, start, [1.7], method, tolerance)[0].vector
    first = carried(generator, start, [0.6], method, tolerance)[0].vector
    chained = carried(generator, first, [1.1], method, tolerance)[0].vector
    assert time_error(generator, [gathered(at_once)], [gathered(chained)]) < 5 * tolerance


@pytest.mark.parametrize("method", FEW_SOLVES_IN_PARALLEL)
def test_output_times_are_hit_exactly_and_in_order(method: str) -> None:
    """Times that no binary fraction meets, close together and far apart; steps in between belong to no output."""
    times = [0.1, 0.1 + 1e-9, 0.3, 0.7, 1.1, 11.3, 1000.1]
    generator = well()
    start = started(generator, Initial("gaussian", mean=(-1.0,), std=0.3))
    states = list(PROPAGATORS[method](generator, start, times, Settings(1e-5)))
    assert [state.time for state in states if state.is_output] == times
    assert all(a.time < b.time for a, b in pairwise(states))
    assert all(a.step <= b.step for a, b in pairwise(states))


@pytest.mark.parametrize("make", [well, heat, spiral])
@pytest.mark.parametrize("method", FEW_SOLVES_IN_PARALLEL)
def test_mass_is_kept_to_round_off(make: object, method: str) -> None:
    """Whatever the tolerance. Krylov never touches it; sdirk adds round-off of K times the length of its steps."""
    generator: Generator = make()  # type: ignore[operator]
    start = started(generator, Initial("gaussian", mean=(0.4,) * generator.space.mesh.geometry.dim, std=0.3))
    for state in carried(generator, start, [0.1, 1.0, 10.0], method, 1e-3):
        assert state.vector.dot(generator.total) == pytest.approx(1.0, abs=1e-13 if method == "krylov" else 1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_the_start_is_not_changed_and_states_may_be_kept(method: str) -> None:
    generator = well()
    start = started(generator, Initial("gaussian", mean=(-1.0,), std=0.3))
    before = gathered(start)
    states, copies = [], []
    for state in PROPAGATORS[method](generator, start, [0.1, 0.2, 5.0], Settings(1e-5)):
        states.append(state)
        copies.append(gathered(state.vector))
    np.testing.assert_array_equal(gathered(start), before)
    for state, copy in zip(states, copies, strict=True):
        np.testing.assert_array_equal(gathered(state.vector), copy)


@parallel
def test_a_stationary_density_stays() -> None:
    generator = well()
    start = generator.one.copy()
    start.scale(1.0 / generator.total.dot(generator.one))
    settings = Settings(1e-10)
    states = carried(generator, start, [1.0, 1e3, 1e6], settings=settings)
    for state in states:
        np.testing.assert_allclose(gathered(state.vector), gathered(start), rtol=1e-12)
    assert settings.count.solves < 10


def halves_without_contact(d: float = 0.0) -> Generator:
    """Noise and drift on x > 0 only: every density on x < 0 stays as it is; many stationary states."""
    equation = Equation(
        1,
        gradient=lambda p: np.where(p > 0.0, p - 1.0, 0.0),
        diffusion=lambda p: np.where(p[:, 0] > 0.0, 0.2, d),
    )
    return weighted_generator(box([-1.0], [2.0], (24,)), equation, 4, NO_WEIGHT)


@pytest.mark.parametrize("method", FEW_SOLVES_IN_PARALLEL)
def test_more_than_one_stationary_state_breaks_nothing(method: str) -> None:
    generator = halves_without_contact()
    start = started(generator, Initial("gaussian", mean=(0.2,), std=0.25))
    times = [0.1, 1.0, 10.0]
    tolerance = 1e-9 if method == "krylov" else 1e-5
    states = carried(generator, start, times, method, tolerance)
    error = time_error(generator, [gathered(s.vector) for s in states], dense_states(generator, start, times))
    assert error < 5 * tolerance
    assert states[-1].vector.dot(generator.total) == pytest.approx(1.0, abs=1e-12)


def test_no_dynamics_at_all_is_no_change() -> None:
    """D = 0 and no drift: K = 0."""
    equation = Equation(1, np.zeros_like, constant(0.0))
    generator = weighted_generator(box([0.0], [1.0], (8,)), equation, 2, NO_WEIGHT)
    start = started(generator, Initial("gaussian", mean=(0.3,), std=0.2))
    for method in METHODS:
        state = carried(generator, start, [1.0, 100.0], method, 1e-6)[-1]
        np.testing.assert_allclose(gathered(state.vector), gathered(start), rtol=1e-12)


def test_sdirk_has_order_four() -> None:
    """Fixed steps on a smooth start against the dense exponential."""
    generator = spiral(degree=2, cells=8)
    start = started(generator, Initial("gaussian", mean=(0.5, 0.0), std=0.6))
    reference = dense_states(generator, start, [1.0])
    errors = []
    for steps in (8, 16, 32):
        stepper, vector = _Stepper(generator, Settings(1.0)), start
        for _ in range(steps):
            vector, _ = stepper.step(vector, 1.0 / steps)
        errors.append(time_error(generator, [gathered(vector)], reference))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.4)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(4.0, abs=0.3)


@parallel
def test_the_error_estimate_of_sdirk_is_of_the_size_of_the_error() -> None:
    """One step: the estimate is that of the embedded third order method, so it lies above the error, not far."""
    generator = spiral(degree=2, cells=8)
    start = started(generator, Initial("gaussian", mean=(0.5, 0.0), std=0.6))
    for size in (0.2, 0.05):
        vector, estimate = _Stepper(generator, Settings(1.0)).step(start, size)
        error = time_error(generator, [gathered(vector)], dense_states(generator, start, [size]))
        assert error < estimate < 1e3 * error


def test_sdirk_takes_few_factorisations_and_counts_rejections() -> None:
    generator = well()
    start = started(generator, Initial("gaussian", mean=(-1.0,), std=0.3))
    settings = Settings(1e-6)
    states = list(PROPAGATORS["sdirk"](generator, start, [1.0, 10.0], settings))
    assert settings.count.factorizations < 60
    assert settings.count.solves >= 6 * len(states)


def test_krylov_needs_one_basis_for_a_decade() -> None:
    """Outputs within ten times the first share one factorisation."""
    generator = well()
    start = started(generator, Initial("gaussian", mean=(-1.0,), std=0.3))
    settings = Settings(1e-8)
    carried(generator, start, np.linspace(1.0, 10.0, 50).tolist(), settings=settings)
    assert settings.count.factorizations <= 2
    assert settings.count.solves < 80


@parallel
@pytest.mark.parametrize("method", METHODS)
def test_the_heartbeat_may_stop_a_run(method: str) -> None:
    """On all ranks after the same solve."""
    calls = 0

    def heartbeat() -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise Stopped("enough")

    generator = spiral()
    start = started(generator, Initial("gaussian", mean=(0.5, 0.0), std=0.25))
    with pytest.raises(Stopped):
        carried(generator, start, [1.0], method, settings=Settings(1e-10, heartbeat))
    assert set(COMM.allgather(calls)) == {7}


def test_a_basis_that_is_too_small_is_used_for_shorter_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for twelve vectors the way is cut into pieces, and the tolerance is still kept."""
    module = __import__("fpsolver.propagation.krylov", fromlist=["krylov"])
    monkeypatch.setattr(module, "LARGEST_BASIS", 12)
    generator = well()
    start = started(generator, Initial("gaussian", mean=(-1.0,), std=0.3))
    times, settings = [0.5, 2.0], Settings(1e-7)
    states = carried(generator, start, times, settings=settings)
    assert settings.rejected > 0
    error = time_error(generator, [gathered(s.vector) for s in states], dense_states(generator, start, times))
    assert error < 1e-5


def test_a_basis_that_never_converges_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__("fpsolver.propagation.krylov", fromlist=["krylov"])
    monkeypatch.setattr(module._Basis, "grow", lambda self, elapsed: [])
    generator = spiral(degree=1)
    start = started(generator, Initial("gaussian", mean=(0.5, 0.0), std=0.25))
    with pytest.raises(SolverFailed, match=r'does not converge after time .*\nTry evolution.method = "sdirk"'):
        carried(generator, start, [1.0])


def test_projected_functions_agree_however_they_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """By eigenvectors, and by scaling and squaring where those are ill-conditioned."""
    module = __import__("fpsolver.propagation.krylov", fromlist=["krylov"])
    generator = spiral()
    start = started(generator, Initial("gaussian", mean=(0.5, 0.0), std=0.25))
    by_vectors = carried(generator, start, [0.5, 1.5])
    monkeypatch.setattr(module, "LARGEST_CONDITION", 0.0)
    by_squaring = carried(generator, start, [0.5, 1.5])
    for a, b in zip(by_vectors, by_squaring, strict=True):
        assert time_error(generator, [gathered(a.vector)], [gathered(b.vector)]) < 1e-9


@pytest.mark.parametrize("eigenvalues", [(0.0, 0.5), (-1e-4, 0.5)])
def test_a_basis_that_makes_no_sense_yet_is_no_error(eigenvalues: tuple[float, float]) -> None:
    """Far from convergence B's projection may be singular, or grow beyond all bounds: no warning, no state."""
    module = __import__("fpsolver.propagation.krylov", fromlist=["krylov"])
    projected = np.array([[eigenvalues[0], 0.0], [1.0, eigenvalues[1]]])
    found = module._Basis._function(SimpleNamespace(_gamma=0.01), projected, 1.0)
    assert module._distance(np.zeros(0), found) > 1e100


def test_both_methods_are_in_the_table() -> None:
    assert PROPAGATORS["krylov"] is krylov
    assert set(PROPAGATORS) == {"krylov", "sdirk"}


def test_the_exact_solution_that_tests_use_satisfies_what_it_must() -> None:
    """Mass one at all times, the start at t = 0, the Gibbs density for ever: the oracle itself is checked."""
    solution = exact.double_well(0.1)
    x, wx = np.polynomial.legendre.leggauss(200)
    points = np.stack(np.meshgrid(2 * x, 1.5 * x, indexing="ij"), -1).reshape(-1, 2)
    weights = 3.0 * np.outer(wx, wx).ravel()
    for time in (0.0, 0.1, 1.0, 1e4):
        assert weights @ solution(time, points) == pytest.approx(1.0, abs=1e-9)
    start = exact.gaussian([-1.0, 0.0], 0.01 * np.eye(2))
    assert weights @ np.abs(partial(solution, 0.0)(points) - start(points)) < 1e-6
    stationary = np.exp(-((points[:, 0] ** 2 - 1) ** 2 / 4 + 2 * points[:, 1] ** 2) / 0.1)
    assert weights @ np.abs(solution(1e4, points) - stationary / (weights @ stationary)) < 1e-7
