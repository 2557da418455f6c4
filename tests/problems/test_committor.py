"""Committors, reactive flux and rates against quadrature, independent solutions, and each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpsolver.linalg import SolveCount
from fpsolver.output.results import as_json
from fpsolver.problems.base import Setting
from fpsolver.problems.committor.between import between
from fpsolver.problems.committor.problem import _transitions
from fpsolver.problems.committor.reactive import Transitions, committors
from fpsolver.problems.stationary.whole import whole
from tests.equations import Array, gathered
from tests.problems.answers import Solved, solved
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel

LINE = """
title = "line"
[domain]
shape = "box"
lower = [-2.2]
upper = [2.2]
cells = [60]
[loss]
expression = "(x**2 - 1)**2/4 + 0.1*x"
[noise]
diffusion = "{noise}"
[regions]
a = "x < -0.9"
b = "x > 0.8"
[[committor]]
source = "a"
target = "b"
[[probe]]
point = [-0.2]
[[probe]]
point = [-1.5]
[[probe]]
point = [1.5]
"""

KINETIC = """
title = "kinetic"
[parameters]
beta = {beta}
gamma = 0.5
[domain]
shape = "box"
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = {cells}
coordinates = ["x", "p"]
[drift]
extra = ["p", "-(x**3 - x) - gamma*p"]
[noise]
diffusion = [["0", "0"], ["0", "gamma/beta"]]
potential = "beta*((x**2 - 1)**2/4 + p**2/2)"
[regions]
{regions}
[[committor]]
source = "a"
target = "b"
"""

PLANE = """
title = "plane"
[parameters]
turn = 1.0
[domain]
shape = "box"
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [20, 16]
[drift]
extra = ["-(x**3 - x) + turn*4*y", "-4*y - turn*(x**3 - x)"]
[noise]
diffusion = 0.15
[regions]
a = "(x + 1)**2 + y**2 < 0.09"
b = "(x - 1)**2 + y**2 < 0.09"
[[committor]]
source = "a"
target = "b"
"""


def entry(run: Solved, number: int = 0) -> Any:
    """The entry of results.json."""
    return as_json(run.solution.answers["committor"].results)[number]


def number(run: Solved, name: str) -> float:
    return float(entry(run)[name]["value"])


def probes(run: Solved) -> Array:
    """The committor at the probes."""
    return np.array([row["committor_a_b"].value for row in run.solution.answers["committor"].probes])


def by_quadrature(noise: str, x: float) -> dict[str, float]:
    """Committor at x, flux and rates on the line: with s = exp of the integral of f'/D, q' = s/S, pi = 1/(Z D s)."""
    points, weights = np.polynomial.legendre.leggauss(40)

    def cumulated(low: float, high: float, values: Any) -> float:
        edges = np.linspace(low, high, 241)
        middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
        return float((values(middle[:, None] + half[:, None] * points) * half[:, None] * weights).sum())

    def diffusion(x: Array) -> Array:
        return np.asarray(eval(noise, {"x": x}) + 0.0 * x)

    fine = np.linspace(-2.2, 2.2, 40001)
    slope = (fine**3 - fine + 0.1) / diffusion(fine)
    middle = (fine[1:] + fine[:-1]) / 2
    inner = (middle**3 - middle + 0.1) / diffusion(middle)
    height = np.concatenate([[0.0], np.cumsum((slope[1:] + 4 * inner + slope[:-1]) / 6 * np.diff(fine))])
    height -= height.min()

    def s(x: Array) -> Array:
        return np.asarray(np.exp(np.interp(x, fine, height)))

    def density(x: Array) -> Array:
        return 1.0 / (diffusion(x) * s(x))

    across, mass = cumulated(-0.9, 0.8, s), cumulated(-2.2, 2.2, density)
    table = np.linspace(-0.9, 0.8, 4001)
    half = (s(table[1:]) + 4 * s((table[1:] + table[:-1]) / 2) + s(table[:-1])) / 6 * np.diff(table)
    q = np.concatenate([[0.0], np.cumsum(half)]) / across
    target = cumulated(-0.9, 0.8, lambda x: density(x) * np.interp(x, table, q)) + cumulated(0.8, 2.2, density)
    flux = 1.0 / (mass * across)
    share = target / mass
    return {"q": cumulated(-0.9, x, s) / across, "flux": flux, "rate": flux / (1 - share), "reverse_rate": flux / share}


@pytest.mark.parametrize("noise", ["0.1", "0.03", "0.1*(1 + 0.5*x**2)"])
def test_on_a_line_all_numbers_are_those_of_the_quadrature(shared_folder: Path, noise: str) -> None:
    """Catches a wrong sign, a missing Ito term, a wrong normalisation of the density, rates that are exchanged, and a
    share that leaves out what lies within the sets."""
    run, exact = solved(shared_folder, LINE.format(noise=noise)), by_quadrature(noise, -0.2)
    assert run.passed
    np.testing.assert_allclose(probes(run), [exact["q"], 0.0, 1.0], rtol=2e-5)
    for name in ("flux", "rate", "reverse_rate"):
        assert number(run, name) == pytest.approx(exact[name], rel=1e-5)
    assert number(run, "mean_passage_time") == pytest.approx(1.0 / exact["rate"], rel=1e-5)
    assert number(run, "share_from_source") + number(run, "share_from_target") == pytest.approx(1.0, rel=1e-10)


@pytest.mark.parametrize("text", [LINE.format(noise="0.1").replace("[60]", "[16]"), PLANE], ids=["line", "plane"])
def test_both_formulas_of_the_flux_agree_within_their_error_bars(shared_folder: Path, text: str) -> None:
    """As an energy and through cuts between the sets. On the line the exact flux is within them, too."""
    run = solved(shared_folder, text, errors=True)
    energy, cuts = entry(run)["flux"], entry(run)["flux_through_cuts"]
    bars = energy["error"] + cuts["error"]
    assert abs(energy["value"] - cuts["value"]) <= bars < 1e-2 * energy["value"]
    if "line" in text:
        assert abs(energy["value"] - by_quadrature("0.1", -0.2)["flux"]) <= energy["error"]


def test_a_flux_of_1e_minus_37_keeps_its_digits(shared_folder: Path) -> None:
    """Catches round-off of the committor in the wells, where the density is 1e36 times larger than on the pass."""
    text = LINE.format(noise="0.003").replace("+ 0.1*x", "")
    run = solved(shared_folder, text)
    x, w = np.polynomial.legendre.leggauss(600)
    f = lambda x: (x**2 - 1) ** 2 / 4 / 0.003  # noqa: E731
    across = (0.85 * w * np.exp(f(-0.05 + 0.85 * x) - f(0.0))).sum() * np.exp(f(0.0))
    exact = 0.003 / (across * (2.2 * w * np.exp(-f(2.2 * x))).sum())
    assert run.passed
    assert number(run, "flux") == pytest.approx(exact, rel=1e-4)
    assert entry(run)["mean_transition_time"]["why"] is not None


def transitions(folder: Path, text: str) -> tuple[Setting, Transitions]:
    """The committors of a case, forward and backward."""
    given = setting(folder, text)
    count = SolveCount()
    state, problem = whole(given).state, between(given, given.case.committors[0])
    assert state is not None
    forward = committors(problem.generator, problem.forward, problem.pins, count)
    return given, _transitions(problem, state, forward, count)


def test_backward_in_time_a_rotation_turns_the_other_way(shared_folder: Path) -> None:
    """With drift -grad f + c, c a rotation that leaves exp(-f/D) alone, the process backward in time has -c: where it
    came from is where it would go. Catches a backward committor taken as 1 - q, or with the current of wrong sign."""
    _, one = transitions(shared_folder, PLANE)
    _, other = transitions(shared_folder, PLANE.replace("turn = 1.0", "turn = -1.0"))
    assert not one.settled.balanced
    behind, ahead = one.values(one.backward.source), other.values(other.forward.source)
    density = one.settled.density * one.settled.generator.quadrature.measure
    comm = one.settled.generator.comm
    assert comm.allreduce(float((density * np.abs(behind - ahead)).sum())) < 1e-4
    naive = 1.0 - one.values(one.forward.target)
    assert comm.allreduce(float((density * np.abs(naive - ahead)).sum())) > 1e-2
    assert one.energy == pytest.approx(one.through_cuts, rel=2e-4)
    assert one.energy == pytest.approx(other.energy, rel=2e-4)


def test_the_reactive_current_carries_the_flux_through_the_ridge(shared_folder: Path) -> None:
    """Catches a current without the stationary one, of wrong sign, or left out within a wall."""
    _, found = transitions(shared_folder, PLANE)
    generator = found.settled.generator
    across = gathered(found.current()[0])
    points = np.concatenate(
        generator.comm.allgather(generator.space.tabulate_dof_coordinates()[: len(found.problem.forward.all), :2])
    )
    order = np.argsort(points[np.abs(points[:, 0]) < 1e-9, 1])
    on_ridge = np.abs(points[:, 0]) < 1e-9
    y, j = points[on_ridge, 1][order], across[on_ridge][order]
    assert np.trapezoid(j, y) == pytest.approx(found.energy, rel=1e-2)


ELLIPSES = 'a = "((x + 1)/0.3)**2 + (p/0.4)**2 < 1"\nb = "((x - 1)/0.3)**2 + (p/0.4)**2 < 1"'


def test_flux_of_the_kinetic_duffing_oscillator(shared_folder: Path) -> None:
    """R9, whose noise acts on the momentum alone, and the symmetry of its rates."""
    text = KINETIC.format(beta=20, cells="[40, 30]", regions=ELLIPSES)
    run = solved(shared_folder, text + "[[probe]]\npoint = [0.0, 0.0]\n")
    assert run.passed
    assert entry(run)["unknowns"] <= 40_000
    assert number(run, "flux") == pytest.approx(5.49074e-4, rel=1e-4)
    assert number(run, "flux_through_cuts") == pytest.approx(number(run, "flux"), rel=1e-5)
    assert number(run, "reverse_rate") == pytest.approx(number(run, "rate"), rel=1e-6)
    assert probes(run)[0] == pytest.approx(0.5, abs=1e-8)


def test_sets_that_are_entered_by_the_drift_alone(shared_folder: Path) -> None:
    """Half planes of position: paths leave A with p > 0, and of those the committor's share goes on to B. Catches
    conditions imposed where the process comes in, and the energy formula where it does not hold."""
    beta = 8.0
    momenta, weights = np.polynomial.legendre.leggauss(16)
    momenta, weights = 0.75 * (momenta + 1.0), 0.75 * weights
    text = KINETIC.format(beta=beta, cells="[32, 24]", regions='a = "x < -0.5"\nb = "x > 0.5"')
    run = solved(shared_folder, text + "".join(f"[[probe]]\npoint = [-0.4999999, {p!r}]\n" for p in momenta.tolist()))
    assert run.passed
    x, w = np.polynomial.legendre.leggauss(200)
    mass = (2.0 * w * np.exp(-beta * ((4 * x**2 - 1) ** 2 / 4))).sum() * (
        1.5 * w * np.exp(-beta * (1.5 * x) ** 2 / 2)
    ).sum()
    going = np.exp(-beta * ((0.25 - 1) ** 2 / 4 + momenta**2 / 2)) * momenta * probes(run)
    assert number(run, "flux") == pytest.approx((weights * going).sum() / mass, rel=5e-3)
    assert number(run, "reverse_rate") == pytest.approx(number(run, "rate"), rel=1e-3)


def test_absorbing_walls_leave_only_the_committor(shared_folder: Path) -> None:
    """Paths that end at a wall reach neither set; there is no stationary process, so no rate. From (0, 1.4) across the
    valley so many climb to the wall first as on a line: the integrals of exp(2 y^2/D) up to 1.4 and up to 1.5."""
    wall = '[boundary]\nabsorbing = "y > 1.49"\n[[probe]]\npoint = [0.0, 1.4]\n'
    run = solved(shared_folder, PLANE.replace("turn = 1.0", "turn = 0.0").replace("[20, 16]", "[14, 44]") + wall)
    y = np.linspace(0.0, 1.5, 30001)
    steep = np.exp(2 * (y**2 - 2.25) / 0.15)
    assert run.passed
    assert 1.0 - 2.0 * probes(run)[0] == pytest.approx(steep[y < 1.4].sum() / steep.sum(), rel=1e-2)
    assert entry(run)["rate"]["value"] is None
    assert "absorbing" in entry(run)["rate"]["why"]
