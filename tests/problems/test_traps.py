"""Infinite exit times: who is caught, with what probability by the scale function, and what the user is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from petsc4py import PETSc
from scipy import integrate

from fpsolver.generator.pinned import Pinned
from fpsolver.linalg import SolveCount
from fpsolver.problems.exit.killed import Killed, killed
from fpsolver.problems.exit.starts import starts_of
from fpsolver.problems.reach.traps import Trapped, trapped
from tests.equations import COMM
from tests.problems.cases import PROJECT, box
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel


@dataclass(frozen=True)
class Fate:
    """What is said of one exit."""

    problem: Killed
    trapped: Trapped
    starts: Sequence[PETSc.Vec]
    reasons: Sequence[str | None]
    probabilities: Sequence[float]


def fates(folder: Path, text: str) -> list[Fate]:
    given = setting(folder, text)
    found = []
    for wanted in given.case.exits:
        problem = killed(given, wanted)
        fate = trapped(given, wanted, problem)
        starts = [start.functional for start in starts_of(given, wanted, problem)]
        chances = [0.0 if fate.probability is None else float(fate.probability.dot(start)) for start in starts]
        found.append(Fate(problem, fate, starts, [fate.reason_at(start) for start in starts], chances))
    return found


def on_line(
    folder: Path,
    loss: str,
    noise: str,
    region: str,
    starts: Sequence[float],
    ends: tuple[float, float] = (-1.5, 1.5),
    more: str = "",
) -> Fate:
    text = box([ends[0]], [ends[1]], [60]) + more
    text += f'[loss]\nexpression = "{loss}"\n[noise]\ndiffusion = "{noise}"\n[regions]\nr = "{region}"\n'
    return fates(folder, text + f'[[exit]]\nregion = "r"\nstart = {[[x] for x in starts]}\n')[0]


def in_plane(
    folder: Path, drift: str, noise: str, region: str, starts: Sequence[Sequence[float]], cells: int = 12
) -> Fate:
    text = box([-1.2, -1.2], [1.2, 1.2], [cells, cells])
    text += f'{drift}\n[noise]\ndiffusion = {noise}\n[regions]\nr = "{region}"\n'
    return fates(folder, text + f'[[exit]]\nregion = "r"\nstart = {[list(x) for x in starts]}\n')[0]


def loss(expression: str) -> str:
    return f'[loss]\nexpression = "{expression}"'


def slope_integral(rate: float, lower: float, upper: float) -> float:
    """Of exp(rate / u)."""
    return float(integrate.quad(lambda u: np.exp(rate / u), lower, upper, epsabs=1e-14)[0])


INFINITE = (
    box([-1.0], [1.0], [100])
    + """
[loss]
expression = "x**2/2"
[noise]
diffusion = "0.3*x**2"
[boundary]
absorbing = "abs(x) > 0.999"
[regions]
all = "x**2 < 1"
slab = "(x - 0.1)*(x - 1) < 0"
[[exit]]
region = "all"
start = [[0.0], [0.5], [-0.25]]
[[exit]]
region = "slab"
start = [[0.5]]
"""
)


def test_a_minimum_without_noise_catches_with_the_exact_probability(shared_folder: Path) -> None:
    """The scale function of dX = -X dt + sqrt(0.6) X dW is x^(1 + 1/0.3): it is the chance to leave (-1, 1) from x."""
    everything, slab = fates(shared_folder, INFINITE)
    assert everything.trapped.everywhere
    assert everything.reasons[0] == "noise and drift both vanish at x = 0, so a path from 0 never moves"
    assert everything.reasons[1] == (
        "noise and drift both vanish at x = 0, so a path from 0.5 is caught there with probability 0.9504 "
        "(and leaves with probability 0.04961) and never leaves"
    )
    exact = [1.0, 1.0 - 0.5 ** (1 + 1 / 0.3), 1.0 - 0.25 ** (1 + 1 / 0.3)]
    assert everything.probabilities == pytest.approx(exact, abs=1e-8)
    assert slab.reasons == [None]
    assert not slab.trapped.everywhere
    assert slab.trapped.probability is None


def test_a_trap_that_throws_back_holds_only_who_starts_there(shared_folder: Path) -> None:
    fate = on_line(shared_folder, "-x**2/2", "0.3*x**2", "x**2 < 1", [0.0, 1e-3, -0.5])
    assert fate.reasons[0] is not None
    assert "never moves" in fate.reasons[0]
    assert fate.reasons[1:] == [None, None]
    assert not fate.trapped.everywhere


def test_at_the_threshold_paths_linger(shared_folder: Path) -> None:
    fate = on_line(shared_folder, "-0.15*x**2", "0.3*x**2", "x**2 < 1", [0.5])
    assert fate.reasons[0] is not None
    assert "stay near so long that the mean time is infinite" in fate.reasons[0]


def test_a_gate_leads_to_a_part_without_exit(shared_folder: Path) -> None:
    """b = 1, D = (x - 0.3)^2 / 2: with u = x - 0.3 the scale function has the slope exp(2/u) for u < 0."""
    noise = "0.5*(x - 0.3)**2"
    fate = on_line(shared_folder, "-x", noise, "x > -0.5", [0.5, -0.4, -0.1], (-1.0, 2.0))
    assert all(reason is not None for reason in fate.reasons)
    assert fate.reasons[0] == (
        "nothing leads out of 0.3 < x < 2 (at x = 0.3 noise vanishes and the drift points inwards, x = 2 reflects); "
        "a path from 0.5 stays there for ever with probability 1"
    )

    def through(x: float) -> float:
        return slope_integral(2.0, -0.8, x - 0.3) / slope_integral(2.0, -0.8, -1e-9)

    assert fate.probabilities == pytest.approx([1.0, through(-0.4), through(-0.1)], abs=1e-6)
    assert COMM.allreduce(int(fate.trapped.held.sum())) > 10


def test_a_gate_towards_the_exit_is_none_of_our_business(shared_folder: Path) -> None:
    fate = on_line(shared_folder, "x", "0.5*(x - 0.3)**2", "x > -0.5", [0.0, 0.5, 1.4], (-1.0, 2.0))
    assert fate.reasons == [None, None, None]
    assert fate.trapped.probability is None


def test_only_some_starts_are_caught(shared_folder: Path) -> None:
    """Noise vanishes at -0.4, 0 and 0.5, where the drift points left, right and left: (0, 0.5) is never left, what is
    left of -0.4 leaves through -1. Its mean time there, with u = 0 where paths are held, is that of quadrature."""

    def noise(x: float) -> float:
        return 5 * (x + 0.4) ** 2 * x**2 * (x - 0.5) ** 2

    def drift(x: float) -> float:
        return -(x**2 - 0.05 * x - 0.05)

    formula = "5*(x + 0.4)**2*x**2*(x - 0.5)**2"
    fate = on_line(shared_folder, "x**3/3 - 0.025*x**2 - 0.05*x", formula, "x**2 < 1", [-0.7, -0.2, 0.25, 0.8])
    assert [reason is None for reason in fate.reasons] == [True, False, False, False]
    assert fate.probabilities[0] == pytest.approx(0.0, abs=1e-6)
    assert 0.01 < fate.probabilities[1] < 0.99
    assert fate.probabilities[2] == pytest.approx(1.0)
    assert not fate.trapped.everywhere

    problem = fate.problem
    inverse = Pinned(problem.generator, problem.fixed | fate.trapped.held, problem.pins, "finite", SolveCount())
    mean = float(inverse.solve(problem.generator.total).dot(fate.starts[0]))
    x = np.linspace(-1.0, -0.4, 400001)[:-1]
    exponent = integrate.cumulative_trapezoid(drift(x) / noise(x), x, initial=0.0)
    inner = [
        integrate.trapezoid(np.exp(exponent[i:] - exponent[i]) / noise(x[i:]), x[i:]) for i in range(0, 200001, 1000)
    ]
    assert mean == pytest.approx(integrate.simpson(inner, x=x[0:200001:1000]), rel=1e-4)


def test_an_exit_that_cannot_be_reached(shared_folder: Path) -> None:
    """Noise and drift vanish at the saddle 0, so nothing ever leaves x > 0."""
    fate = on_line(shared_folder, "(x**2 - 1)**2/4", "0.3*x**2", "x > 0", [0.5], (-1.5, 1.5))
    assert fate.trapped.everywhere
    assert fate.reasons[0] is not None
    assert "nothing leads out of 0 < x < 1.5" in fate.reasons[0]


def test_a_region_without_exit(shared_folder: Path) -> None:
    fate = on_line(shared_folder, "x**2", "0.1", "x < 5", [0.5])
    assert fate.trapped.everywhere
    assert fate.trapped.reason == "nothing leads out of the region r: all of its boundary reflects"
    assert fate.reasons == [fate.trapped.reason]


def test_an_initial_density_is_caught_where_any_part_of_it_is(shared_folder: Path) -> None:
    text = INFINITE.replace("start = [[0.5]]", "initial = { gaussian = { mean = [0.5], std = 0.05 } }\nstart = [[0.5]]")
    everything, slab = fates(shared_folder, text.replace("start = [[0.0], [0.5], [-0.25]]", "start = [[0.5]]"))
    assert slab.reasons == [None] * len(slab.reasons)
    assert everything.reasons[0] is not None


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.1, 0.07)])
def test_a_trap_in_the_plane(shared_folder: Path, place: tuple[float, float]) -> None:
    """D = 0.2 r^2 I, drift -r: a path leaves the unit disk around the trap with probability r^5."""
    x, y = place
    square = f"((x - {x})**2 + (y - {y})**2)"
    fate = in_plane(
        shared_folder,
        loss(f"{square}/2"),
        f'"0.2*{square}"',
        f"{square} < 1",
        [(x + 0.5, y), (x + 0.6, y + 0.6), place],
    )
    radius = np.array([0.5, 0.6 * np.sqrt(2), 0.0])
    assert fate.probabilities == pytest.approx(1.0 - radius**5, abs=2e-4)
    assert fate.reasons[0] is not None
    where = "(0, 0)" if place == (0.0, 0.0) else "(0.1, 0.07)"
    assert fate.reasons[0].startswith(f"noise and drift both vanish at (x, y) = {where}, so a path from (")
    assert fate.reasons[2] is not None
    assert fate.reasons[2].endswith("never moves")
    assert fate.trapped.everywhere


def test_a_trap_in_the_plane_that_throws_back(shared_folder: Path) -> None:
    square = "(x**2 + y**2)"
    fate = in_plane(shared_folder, loss(f"-{square}/2"), f'"0.2*{square}"', f"{square} < 1", [(0.5, 0.0), (0.0, 0.0)])
    assert fate.reasons[0] is None
    assert fate.reasons[1] is not None
    assert not fate.trapped.everywhere


def test_a_trap_of_another_region_does_not_count(shared_folder: Path) -> None:
    square = "(x**2 + y**2)"
    fate = in_plane(shared_folder, loss(f"{square}/2"), f'"0.2*{square}"', "x > 0.3", [(0.5, 0.0)])
    assert fate.reasons == [None]


def test_a_trap_on_the_exit_set_does_not_count(shared_folder: Path) -> None:
    """The angle around it wanders, so paths hit the wall before they come near the trap in it."""
    square = "((x + 1.2)**2 + y**2)"
    drift = f'[boundary]\nabsorbing = "x < -1.199"\n{loss(f"{square}/2")}'
    fate = in_plane(shared_folder, drift, f'"0.2*{square}"', "x < 3", [(-0.5, 0.1)])
    assert fate.reasons == [None]
    assert not fate.trapped.everywhere


@pytest.mark.parametrize(
    ("drift", "noise"),
    [
        (loss("(x**2 - 1)**2/4 + 2*y**2"), '[["0.1", "0.1"], ["0.1", "0.1"]]'),
        ('[drift]\nextra = ["y", "x - x**3 - y"]', '["0", "0.2"]'),
        (loss("(x**2 - 1)**2/4 + 2*y**2"), '"0.1*(1 + x**2)"'),
    ],
)
def test_singular_noise_alone_traps_nobody(shared_folder: Path, drift: str, noise: str) -> None:
    fate = in_plane(shared_folder, drift, noise, "x < 0", [(-1.0, 0.0)])
    assert fate.reasons == [None]
    assert fate.trapped.probability is None
    assert not fate.trapped.everywhere


def test_the_saddle_of_the_neuron_lies_on_the_exit_set(shared_folder: Path) -> None:
    text = (PROJECT / "cases" / "iris_neuron.toml").read_text(encoding="utf-8").split("[evolution]")[0]
    text = text.replace("../data", str(PROJECT / "data")).replace("cells = [36, 36]", "cells = [12, 12]")
    (fate,) = fates(shared_folder, text + '[[exit]]\nregion = "a_negative"\nstart = [[-0.61648, -1.85942]]\n')
    assert fate.reasons == [None]
    assert not fate.trapped.everywhere


def test_walls_of_no_noise_in_the_plane(shared_folder: Path) -> None:
    """At x = 0 noise vanishes and the drift points left: who starts right of it leaves by chance, or never."""
    fate = in_plane(shared_folder, loss("0.2*x + y**2"), '"0.2*x**2"', "x < 0.5", [(0.2, 0.0), (-0.2, 0.0)])
    held = 1.0 - slope_integral(-1.0, 1e-9, 0.2) / slope_integral(-1.0, 1e-9, 0.5)
    assert fate.probabilities == pytest.approx([held, 1.0], abs=1e-3)
    assert fate.reasons[0] is not None
    assert "neither noise nor drift leads out of a part of the region (within -1.2 < x < 0" in fate.reasons[0]
    assert fate.reasons[1] is not None


def test_a_characteristic_boundary_that_is_never_reached(shared_folder: Path) -> None:
    fate = in_plane(shared_folder, loss("(x**2 - 1)**2 + y**2"), '"0.1*x**2"', "x < 0", [(-0.5, 0.0)])
    assert fate.trapped.everywhere
    assert fate.reasons == ["neither noise nor drift carries a path through the boundary of the region r"]
