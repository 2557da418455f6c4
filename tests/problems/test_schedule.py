"""Noise and learning rates that change with time, against moments that follow from ordinary differential equations."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from petsc4py import PETSc
from scipy.integrate import solve_ivp

from fpsolver import load
from fpsolver.case import Case
from fpsolver.domain.region_mesh import domain_mesh
from fpsolver.generator.affine import affine_generator
from fpsolver.model import build
from fpsolver.output.state import NAME, write_state
from fpsolver.propagation import Settings
from fpsolver.propagation.varying import VaryingStepper
from tests.equations import COMM, NO_WEIGHT
from tests.problems.cases import Evolved, box, evolved

parallel = pytest.mark.parallel
Rate = Callable[[float], float]

RATE, BATCH, COVARIANCE = 0.4, 2.0, 1.0
NOISE = f"[noise]\nlearning_rate = {RATE}\nbatch_size = {BATCH}\ncovariance = [['{COVARIANCE}']]\n"
START = "initial = { gaussian = { mean = [1.0], std = 0.5 } }\n"


def bowl(schedule: str, end: float = 2.0, more: str = "tolerance = 1e-7\n", cells: int = 24, noise: str = NOISE) -> str:
    """f = x^2/2 from a Gaussian, on an interval whose walls are ten deviations away."""
    text = box([-5.0], [5.0], [cells]) + f'[loss]\nexpression = "x**2/2"\n{noise}{schedule}'
    return text + f"[evolution]\n{START}end_time = {end}\noutput_times = [{end}]\n{more}[run]\nerrors = false\n"


def moments(rate: Rate, batch: Rate, switches: list[float], end: float) -> tuple[float, float]:
    """Mean and variance at the end: m' = -u m, s' = -2 u s + 2 u^2 (B0/B) D with u = rate(t)/RATE."""
    noise = RATE / (2.0 * BATCH) * COVARIANCE
    state = np.array([1.0, 0.25])
    for begin, until in pairwise([0.0, *switches, end]):
        inside = 1e-12 * (until - begin)

        def slope(
            time: float, now: np.ndarray, begin: float = begin + inside, until: float = until - inside
        ) -> list[float]:
            at = min(max(time, begin), until)
            u = rate(at) / RATE
            return [-u * now[0], -2.0 * u * now[1] + 2.0 * u**2 * BATCH / batch(at) * noise]

        state = solve_ivp(slope, (begin, until), state, rtol=1e-11, atol=1e-13).y[:, -1]
    return float(state[0]), float(state[1])


def same(value: float) -> Rate:
    return lambda time: value


def triangle(time: float) -> float:
    """From 0.1 at 0 to 0.5 at 0.4 and back, over and over."""
    part = time / 0.8 % 1.0
    return 0.1 + 0.4 * (2.0 * part if part < 0.5 else 2.0 - 2.0 * part)


TABLE = "[schedule.learning_rate]\n"
SCHEDULES: dict[str, tuple[str, Rate, Rate, list[float]]] = {
    "constant": ("[schedule]\nlearning_rate = 0.1\n", same(0.1), same(BATCH), []),
    "piecewise": (
        TABLE + "piecewise = [[0.0, 0.4], [0.7, 0.1], [1.3, 0.6]]\n",
        lambda time: 0.4 if time < 0.7 else 0.1 if time < 1.3 else 0.6,
        same(BATCH),
        [0.7, 1.3],
    ),
    "linear": (
        TABLE + "linear = [[0.0, 0.4], [0.9, 0.1]]\n",
        lambda time: 0.4 - 0.3 * min(time / 0.9, 1.0),
        same(BATCH),
        [0.9],
    ),
    "exponential": (
        TABLE + "decay = { from = 0.4, to = 0.05, time = 0.8 }\n",
        lambda time: 0.05 + 0.35 * math.exp(-time / 0.8),
        same(BATCH),
        [],
    ),
    "inverse": (
        TABLE + 'decay = { from = 0.4, to = 0.0, time = 0.8, shape = "inverse" }\n',
        lambda time: 0.4 / (1.0 + time / 0.8),
        same(BATCH),
        [],
    ),
    "cosine": (
        TABLE + 'decay = { from = 0.4, to = 0.1, time = 1.5, shape = "cosine" }\n',
        lambda time: 0.1 + 0.15 * (1.0 + math.cos(math.pi * min(time / 1.5, 1.0))),
        same(BATCH),
        [1.5],
    ),
    "triangles": (
        TABLE + "cyclic = { low = 0.1, high = 0.5, period = 0.8 }\n",
        triangle,
        same(BATCH),
        [0.4, 0.8, 1.2, 1.6],
    ),
    "restarts": (
        TABLE + 'cyclic = { low = 0.1, high = 0.5, period = 0.8, shape = "restart" }\n',
        lambda time: 0.1 + 0.2 * (1.0 + math.cos(math.pi * (time / 0.8 % 1.0))),
        same(BATCH),
        [0.8, 1.6],
    ),
    "warm-up": (
        TABLE + "warmup = 0.5\ndecay = { from = 0.4, to = 0.1, time = 0.8 }\n",
        lambda time: 0.8 * time if time < 0.5 else 0.1 + 0.3 * math.exp(-(time - 0.5) / 0.8),
        same(BATCH),
        [0.5],
    ),
    "growing batch": ('[schedule]\nbatch_size = "2*(1 + t)"\n', same(RATE), lambda time: 2.0 * (1.0 + time), []),
    "both": (
        '[schedule]\nlearning_rate = "0.2 + 0.2*(t < 0.6)"\nbatch_size = "2 + t**2"\n',
        lambda time: 0.4 if time < 0.6 else 0.2,
        lambda time: 2.0 + time**2,
        [0.6],
    ),
}


def of(folder: Path, text: str) -> tuple[float, float, Evolved]:
    run = evolved(folder, text)
    assert run.passed
    return float(run.mean[0]), float(run.covariance[0, 0]), run


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_gaussian_keeps_the_moments_of_its_equations(shared_folder: Path, name: str) -> None:
    schedule, rate, batch, switches = SCHEDULES[name]
    mean, variance, run = of(shared_folder, bowl(schedule))
    expected = moments(rate, batch, switches, 2.0)
    assert mean == pytest.approx(expected[0], abs=1e-6)
    assert variance == pytest.approx(expected[1], abs=1e-6)
    assert run.results["mass"]["value"] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_switches_and_values_are_met_exactly(tmp_path: Path, name: str) -> None:
    """The times of all jumps and kinks; and on both sides of each, and between, the values of the formula."""
    schedule, rate, batch, switches = SCHEDULES[name]
    case = read(tmp_path, bowl(schedule))
    assert case.schedule is not None
    assert case.schedule.switches == pytest.approx((0.0, *switches, 2.0), abs=1e-12)
    for begin, end in case.schedule.legs():
        times = begin + (end - begin) * np.array([1e-9, 0.3, 0.5, 0.8, 1.0 - 1e-9])
        noise, drift = case.schedule.factors(begin, end)(times)
        u = np.array([rate(float(time)) / RATE for time in times])
        np.testing.assert_allclose(drift, u, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(noise, u**2 * [BATCH / batch(float(time)) for time in times], rtol=1e-9, atol=1e-12)


def read(folder: Path, text: str) -> Case:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return load(path)


@parallel
@pytest.mark.parametrize("name", ["piecewise", "warm-up"])
def test_all_ranks_agree_with_the_equations(shared_folder: Path, name: str) -> None:
    schedule, rate, batch, switches = SCHEDULES[name]
    mean, variance, _ = of(shared_folder, bowl(schedule))
    expected = moments(rate, batch, switches, 2.0)
    assert (mean, variance) == pytest.approx(expected, abs=1e-6)


WELLS = '[loss]\nexpression = "(x**2 - 1)**2/4"\n'


def wells(schedule: str, end: float, start: str = "initial = { gaussian = { mean = [-0.3], std = 0.3 } }") -> str:
    """Two wells on an interval, D = 0.1 where the schedule says nothing, drift and noise not linear."""
    text = box([-2.0], [2.0], [24]) + WELLS + "[noise]\nlearning_rate = 0.2\nbatch_size = 1\ncovariance = [['1.0']]\n"
    return (
        text + f'[regions]\nright = "x > 0"\n{schedule}[evolution]\n{start}\nend_time = {end}\noutput_times = [{end}]\n'
    )


def test_a_constant_schedule_is_none(shared_folder: Path) -> None:
    """Also where the constant is written as a function that the program cannot know to be constant."""
    plain = evolved(shared_folder, wells("", 3.0) + "[run]\nerrors = false\n").region("right")
    for rate in ("0.2", '"0.2"', '"0.2 + 1e-12*sin(t)"'):
        run = evolved(shared_folder, wells(f"[schedule]\nlearning_rate = {rate}\n", 3.0) + "[run]\nerrors = false\n")
        assert run.region("right") == pytest.approx(plain, abs=1e-6 if "sin" in rate else 1e-12)


def test_learning_rate_and_time_scale_together(shared_folder: Path) -> None:
    """Half of the learning rate all along, and noise kept by half of the batch: everything takes twice as long."""
    half = "[schedule]\nlearning_rate = 0.1\nbatch_size = 0.5\n"
    slow = evolved(shared_folder, wells(half, 4.0) + "[run]\nerrors = false\n")
    fast = evolved(shared_folder, wells("", 2.0) + "[run]\nerrors = false\n")
    assert slow.region("right") == pytest.approx(fast.region("right"), abs=1e-9)


def test_two_steps_are_two_runs_in_a_row(shared_folder: Path) -> None:
    """The second one with its own learning rate and batch, in its own time, from where the first one ended.

    One step of t at the rate 0.05 takes 0.05/0.2 of the time that [noise] counts with.
    """
    both = evolved(
        shared_folder,
        wells("[schedule]\nlearning_rate = { piecewise = [[0.0, 0.2], [1.0, 0.05]] }\n", 3.0)
        + "[run]\nerrors = false\n",
    )
    first = shared_folder / "first"
    if COMM.rank == 0:
        first.mkdir()
        (first / "case.toml").write_text(wells("", 1.0), encoding="utf-8")
        (first / "results.json").write_text('{"status": "completed"}', encoding="utf-8")
    COMM.barrier()
    state = evolved(shared_folder, wells("", 1.0) + "[run]\nerrors = false\n").solution.record.final
    assert state is not None
    write_state(COMM, first / NAME, state)
    later = wells("", 0.5, 'initial = { file = "first" }').replace("learning_rate = 0.2", "learning_rate = 0.05")
    chained = evolved(shared_folder, later + "[run]\nerrors = false\n")
    assert chained.region("right") == pytest.approx(both.region("right"), abs=1e-8)
    assert chained.mean[0] == pytest.approx(both.mean[0], abs=1e-8)
    assert abs(both.region("right") - evolved(shared_folder, wells("", 3.0)).region("right")) > 1e-3


def test_steps_in_time_are_of_order_four(tmp_path: Path) -> None:
    """Fixed steps of the same length through coefficients that vary: halving them divides the error by 16."""
    case = read(tmp_path, bowl(SCHEDULES["exponential"][0]))
    assert case.schedule is not None
    affine = affine_generator(domain_mesh(COMM, case.domain), build(case), 4, NO_WEIGHT)
    stepper = VaryingStepper(affine, case.schedule.factors(0.0, 2.0), Settings(1e-13))
    x = affine.whole.space.tabulate_dof_coordinates()[: affine.whole.one.getLocalSize(), 0]

    def after(steps: int) -> PETSc.Vec:
        vector = affine.whole.one.copy()
        vector.array[:] = np.exp(-2.0 * (x - 1.0) ** 2)
        for number in range(steps):
            vector, _ = stepper.step(vector, 2.0 / steps, 2.0 * number / steps)
        return vector

    exact, errors = after(128), []
    for steps in (8, 16, 32):
        apart = after(steps)
        apart.axpy(-1.0, exact)
        errors.append(float(apart.norm()))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(4.0, abs=0.4), errors
    assert np.log2(errors[1] / errors[2]) == pytest.approx(4.0, abs=0.3), errors


@pytest.mark.parametrize("name", ["piecewise", "warm-up", "growing batch"])
def test_stated_errors_cover_the_true_ones(shared_folder: Path, name: str) -> None:
    """On cells that are much too large, and with a tolerance that is."""
    schedule, rate, batch, switches = SCHEDULES[name]
    text = bowl(schedule, cells=10, more="tolerance = 1e-4\n").replace("errors = false", "errors = true")
    run = evolved(shared_folder, text)
    mean, variance = moments(rate, batch, switches, 2.0)
    for entry, exact in ((run.results["mean"][0], mean), (run.results["covariance"][0][0], variance)):
        assert entry["error"] is not None
        assert abs(entry["value"] - exact) <= entry["error"] + 1e-9, (name, entry, exact)
        assert entry["error"] < 0.1


def test_noise_that_stops_freezes_the_shares(shared_folder: Path) -> None:
    """Learning rates that fall to 0 keep every density; that of D alone lets drift go on and mass stay in its well."""
    frozen = "[schedule]\nlearning_rate = { piecewise = [[0.0, 0.2], [1.0, 0.0]] }\n"
    until = evolved(shared_folder, wells("", 1.0) + "[run]\nerrors = false\n")
    run = evolved(shared_folder, wells(frozen, 50.0) + "[run]\nerrors = false\n")
    assert run.region("right") == pytest.approx(until.region("right"), abs=1e-9)
    assert run.covariance[0, 0] == pytest.approx(until.covariance[0, 0], abs=1e-8)
