"""SGD with momentum: its drift and noise, its Gibbs state, heavy ball itself, and the same dynamics written by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solve_continuous_lyapunov

from fpsolver import load
from fpsolver.case import BadCase, Case
from fpsolver.model import Array, build
from fpsolver.output.results import as_json
from fpsolver.study.api import Solution, solve
from tests.model.kinds import difference, random_points

WELLS = '[loss]\nexpression = "(x**2 - 1)**2/4"\n'
FRICTION = "[noise]\ndiffusion = 0.2\n[momentum]\nfriction = 1.5\n"
BY_HAND = (
    '[drift]\nextra = ["v", "-(x**3 - x) - 1.5*v"]\n[noise]\ndiffusion = [["0", "0"], ["0", "0.2"]]\n'
    'potential = "1.5*((x**2 - 1)**2/4 + v**2/2)/0.2"\n'
)
Read = Callable[[str], Case]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Loads a case from its text but for the domain."""

    def case(text: str, coordinates: str = '["x", "v"]', cells: int = 14) -> Case:
        box = "[domain]\nlower = [-2.5, -3.0]\nupper = [2.5, 3.0]\n"
        (tmp_path / "data.csv").write_text("a\n-1.0\n0.2\n0.3\n0.5\n", encoding="utf-8")
        path = tmp_path / "case.toml"
        head = f'title = "a test"\n{box}cells = [{cells}, {cells}]\ncoordinates = {coordinates}\n'
        path.write_text(head + text, encoding="utf-8")
        return load(path)

    return case


def test_drift_and_noise_are_those_of_the_equation(read: Read) -> None:
    """dx = v dt,  dv = (-γ v - f' + extra) dt + √(2 D(x)) dW, and the energy is what the gradient belongs to."""
    noise = '[drift]\nextra = ["sin(x)"]\n[noise]\ndiffusion = "0.2 + x**2"\nregularization = 0.1\n'
    model = build(read(WELLS + noise + "[momentum]\nfriction = 1.5\n"))
    points = 2.0 * random_points(30, 2)
    x, v = points.T
    found = model(points)
    drift = np.stack([v, -1.5 * v - (x**3 - x) + np.sin(x)], axis=1)
    np.testing.assert_allclose(-found.advection, drift, rtol=0, atol=1e-13)  # D does not depend on v: no div D
    np.testing.assert_allclose(found.divergence, 0.0, rtol=0, atol=0)
    np.testing.assert_allclose(found.loss, (x**2 - 1) ** 2 / 4 + v**2 / 2, rtol=1e-13)
    np.testing.assert_allclose(model.loss(points), found.loss, rtol=1e-13)
    np.testing.assert_allclose(difference(model.loss, points), found.gradient, rtol=0, atol=1e-9)
    expected = np.zeros((30, 2, 2))
    expected[:, 1, 1] = 0.3 + x**2
    np.testing.assert_allclose(found.diffusion, expected, rtol=1e-13, atol=0)


def test_the_gibbs_state_is_stationary(read: Read) -> None:
    """J = -(D ∇ρ + a ρ) of ρ = e^(-γ H/D) has no divergence: div (D ∇Ψ - a) = (D ∇Ψ - a) . ∇Ψ, with current left."""
    model = build(read(WELLS + FRICTION))
    assert model.potential is not None
    potential = model.potential
    points = 2.0 * random_points(30, 2)
    np.testing.assert_allclose(
        difference(lambda at: potential(at)[0], points), potential(points)[1], rtol=1e-9, atol=1e-8
    )

    def current(at: Array) -> Array:
        found = model(at)
        return np.asarray(np.einsum("nij,nj->ni", found.diffusion, potential(at)[1]) - found.advection)

    divergence = np.trace(difference(current, points), axis1=1, axis2=2)
    np.testing.assert_allclose(divergence, (current(points) * potential(points)[1]).sum(axis=1), rtol=0, atol=1e-7)
    assert np.abs(current(points)).max() > 1.0  # positions and velocities exchange: no detailed balance


@pytest.mark.parametrize(
    "text", [WELLS + FRICTION.replace("0.2", '"0.2 + x**2"'), WELLS + "[drift]\nextra = ['x']\n" + FRICTION]
)
def test_where_no_gibbs_state_is_known_none_is_claimed(read: Read, text: str) -> None:
    assert build(read(text)).potential is None


def heavy_ball(
    rate: float, coefficient: float, bend: float, noise: float, batch: int, steps: int
) -> tuple[Array, Array]:
    """Mean and covariance of (x, v/√η) after steps of v' = μ v - η g, x' = x + v', exactly, for f = bend x²/2.

    The gradient of a batch is bend x plus a noise of variance noise/batch, independent from step to step.
    """
    step = np.array([[1.0 - rate * bend, coefficient], [-rate * bend, coefficient]])
    kick = rate * np.array([1.0, 1.0])
    scale = np.diag([1.0, 1.0 / math.sqrt(rate)])
    mean, covariance = np.array([1.0, 0.0]), np.zeros((2, 2))
    for _ in range(steps):
        mean = step @ mean
        covariance = step @ covariance @ step.T + noise / batch * np.outer(kick, kick)
    return scale @ mean, scale @ covariance @ scale


def of_model(case: Case, time: float) -> tuple[Array, Array]:
    """Mean and covariance at a time of the linear equation that the model states, from (1, 0)."""
    model = build(case)
    origin = model(np.zeros((1, 2)))
    unit = model(np.eye(2))
    drift = -(unit.advection - origin.advection).T
    values, vectors = np.linalg.eig(drift)
    flow = (vectors @ np.diag(np.exp(time * values)) @ np.linalg.inv(vectors)).real
    late = solve_continuous_lyapunov(drift, -2.0 * origin.diffusion[0])
    return flow @ np.array([1.0, 0.0]), late - flow @ late @ flow.T


@pytest.mark.parametrize("time", [1.0, 4.0])
def test_heavy_ball_tends_to_it_as_the_step_tends_to_zero(read: Read, time: float) -> None:
    """γ = (1 - μ)/√η, D = √η/(2B) Σ and time = √η · iterations: with γ held, differences fall like √η."""
    friction, bend, batch = 0.8, 2.0, 3
    noise = bend**2 * float(np.var([-1.0, 0.2, 0.3, 0.5]))
    errors = []
    for root in (0.02, 0.01, 0.005):
        rate = root**2
        text = f'[loss]\nper_sample = "{bend}*(x - a)**2/2"\n[data]\nfile = "data.csv"\ncolumns = {{ a = "a" }}\n'
        text += f'[noise]\nlearning_rate = {rate!r}\nbatch_size = {batch}\ncovariance = "samples"\n'
        case = read(text + f"[momentum]\ncoefficient = {1.0 - friction * root!r}\n")
        assert case.step_time == pytest.approx(root, rel=1e-12)
        mean, covariance = heavy_ball(rate, 1.0 - friction * root, bend, noise, batch, round(time / root))
        expected_mean, expected = of_model(case, time)
        errors.append(
            [np.abs(mean - expected_mean).max(), np.abs(covariance - expected).max() / np.abs(expected).max()]
        )
    observed = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert errors[-1][0] < 0.02, errors
    assert errors[-1][1] < 0.03, errors
    np.testing.assert_allclose(observed, 1.0, rtol=0, atol=0.1)


def numbers(entry: Any) -> Any:
    """The values of a results entry, without text."""
    if isinstance(entry, dict):
        return {key: numbers(value) for key, value in entry.items() if key not in ("why", "critical_points")}
    return [numbers(value) for value in entry] if isinstance(entry, list) else entry


def answered(case: Case, name: str) -> Any:
    solution: Solution = solve(case)
    assert solution.certificate["passed"], solution.certificate
    return as_json(solution.answers[name].results)


def test_it_is_the_same_as_the_dynamics_written_by_hand(read: Read) -> None:
    """The exit from a well, its iterations none without a learning rate, the spectrum, and the density in time."""
    ask = '[regions]\nleft = "x < 0"\n[stationary]\neigenvalues = 2\n[[exit]]\nregion = "left"\nstart = [[-1.0, 0.0]]\n'
    ask += "[evolution]\ninitial = { gaussian = { mean = [-1.0, 0.0], std = 0.5 } }\nend_time = 1.0\ntolerance = 1e-6\n"
    ask += "output_times = [1.0]\n[discretization]\ndegree = 3\n[run]\nerrors = false\n"
    one, other = (solve(read(text + ask)) for text in (WELLS + FRICTION, BY_HAND))
    for name, keys in {
        "stationary": ("regions", "covariance", "spectral_gap", "current"),
        "evolution": ("mass", "mean", "covariance", "regions"),
    }.items():
        for key in keys:
            left, right = (numbers(as_json(found.answers[name].results)[key]) for found in (one, other))
            assert left == pytest_approximately(right), (name, key)
    left, right = (as_json(found.answers["exit"].results)[0]["starts"][0] for found in (one, other))
    assert left["mean"]["value"] == pytest.approx(right["mean"]["value"], rel=1e-9)
    assert left["exit_point"]["mean"][1]["value"] == pytest.approx(right["exit_point"]["mean"][1]["value"], rel=1e-9)
    assert left["iterations"] is None


def pytest_approximately(entry: Any) -> Any:
    """The same numbers to round-off of two ways of writing them."""
    if isinstance(entry, dict):
        return {key: pytest_approximately(value) for key, value in entry.items()}
    if isinstance(entry, list):
        return [pytest_approximately(value) for value in entry]
    return pytest.approx(entry, rel=1e-8, abs=1e-9) if isinstance(entry, float) else entry


def test_iterations_count_steps_of_the_root_of_the_learning_rate(read: Read) -> None:
    text = (
        WELLS + '[noise]\nlearning_rate = 0.04\nbatch_size = 1\ncovariance = [["2.0"]]\n[momentum]\ncoefficient = 0.7\n'
    )
    text += (
        '[regions]\nleft = "x < 0"\n[[exit]]\nregion = "left"\nstart = [[-1.0, 0.0]]\n[discretization]\ndegree = 3\n'
    )
    case = read(text + "[run]\nerrors = false\n")
    assert case.momentum is not None
    assert case.momentum.friction == pytest.approx(0.3 / 0.2, rel=1e-14)
    assert build(case)(np.zeros((1, 2))).diffusion[0, 1, 1] == pytest.approx(0.2 / 2 * 2.0, rel=1e-14)
    start = answered(case, "exit")[0]["starts"][0]
    assert start["iterations"]["value"] == pytest.approx(start["mean"]["value"] / 0.2, rel=1e-13)


@pytest.mark.parametrize(
    ("text", "coordinates", "wrong"),
    [
        (WELLS + "[noise]\ndiffusion = 0.2\n[momentum]\ncoefficient = 0.9\n", '["x", "v"]', "momentum.friction"),
        (WELLS + "[noise]\ndiffusion = 0.2\n[momentum]\n", '["x", "v"]', "none of coefficient, friction"),
        (WELLS + FRICTION.replace("1.5", "0.0"), '["x", "v"]', "friction"),
        (WELLS + FRICTION + "coefficient = 0.9\n", '["x", "v"]', "does not go with"),
        (WELLS.replace("x**2", "x**2 + v**2") + FRICTION, '["x", "v"]', "v"),
        ("[drift]\nextra = ['-x']\n" + FRICTION, '["x", "v"]', "no loss that a force could come from"),
        (WELLS + FRICTION.replace("0.2", '[["0", "0"], ["0", "0.2"]]'), '["x", "v"]', "noise.diffusion"),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_write(read: Read, text: str, coordinates: str, wrong: str) -> None:
    with pytest.raises(BadCase) as caught:
        read(text)
    message = str(caught.value)
    assert wrong in message, message
    assert "write" in message


def test_a_domain_of_positions_alone_is_told_that_velocities_are_missing(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    box = "[domain]\nlower = [-2.5]\nupper = [2.5]\ncells = [10]\n"
    path.write_text(f'title = "a test"\n{box}{WELLS}{FRICTION}', encoding="utf-8")
    with pytest.raises(BadCase, match="a position and its velocity are two; write a domain with two coordinates"):
        load(path)
