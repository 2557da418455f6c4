"""Coordinates that close upon themselves: circles and tori in closed form, and answers that know of no seam."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from fpsolver import load
from fpsolver.case import BadCase
from tests.problems.answers import solved
from tests.problems.cases import evolved
from tests.problems.texts import leave, regions, settle

parallel = pytest.mark.parallel
D, FORCE = 0.3, 0.5


def circle(rest: str, begin: float = 0.0, cells: int = 24, loss: str = "-cos(phi)", force: float = FORCE) -> str:
    """An angle that is driven round."""
    return (
        f'[domain]\nshape = "box"\nlower = [{begin}]\nupper = [{begin + 2 * math.pi}]\ncells = [{cells}]\n'
        f'coordinates = ["phi"]\nperiodic = ["phi"]\n[loss]\nexpression = "{loss}"\n'
        f'[drift]\nextra = ["{force}"]\n[noise]\ndiffusion = {D}\n{rest}'
    )


def torus(rest: str, begin: tuple[float, float] = (0.0, 0.0), cells: tuple[int, int] = (14, 12)) -> str:
    """Two angles, of which the first is driven; the second does not know of the first."""
    upper = [start + 2 * math.pi for start in begin]
    return (
        f'[domain]\nshape = "box"\nlower = {list(begin)}\nupper = {upper}\ncells = {list(cells)}\n'
        'coordinates = ["phi", "theta"]\nperiodic = ["phi", "theta"]\n'
        f'[loss]\nexpression = "-cos(phi) - cos(theta)"\n[drift]\nextra = ["{FORCE}", "0"]\n'
        f"[noise]\ndiffusion = {D}\n{rest}"
    )


def tilted(angle: float, force: float = FORCE) -> float:
    """e^(-V(x)/D) times the integral of e^(V/D) over a turn from x on, V = -cos x - force x."""
    inner = quad(
        lambda y: math.exp((math.cos(angle) - math.cos(y) - force * (y - angle)) / D), angle, angle + 2 * np.pi
    )
    return float(inner[0])


def turns(force: float = FORCE) -> tuple[float, float]:
    """The norm of the density, and its current times the length of the circle."""
    norm = quad(tilted, 0.0, 2.0 * np.pi, args=(force,), epsabs=0.0, epsrel=1e-12)[0]
    return norm, 2.0 * np.pi * D * (1.0 - math.exp(-2.0 * np.pi * force / D)) / norm


@parallel
def test_a_driven_angle_has_the_current_of_its_quadrature(shared_folder: Path) -> None:
    """Stratonovich's formula for a tilted periodic potential."""
    norm, current = turns()
    run = solved(shared_folder, circle(regions(half="cos(phi) > 0") + settle()))
    inside = quad(tilted, -np.pi / 2, np.pi / 2, epsabs=0.0, epsrel=1e-12)[0] / norm
    assert run.stationary["current"]["value"] == pytest.approx(current, rel=1e-9)
    assert run.mass("half") == pytest.approx(inside, rel=1e-8)
    assert run.passed


@parallel
def test_free_rotation_has_the_spectrum_of_waves(shared_folder: Path) -> None:
    """d rho/dt = D rho'' - F rho': uniform in the end, e^(i k phi) decays at D k^2 and turns at F k."""
    run = solved(shared_folder, circle(settle(5), loss="0"))
    assert run.eigenvalues[0] == pytest.approx(D + 1j * FORCE, rel=1e-8)
    assert run.eigenvalues[1] == pytest.approx(D - 1j * FORCE, rel=1e-8)
    assert run.eigenvalues[2] == pytest.approx(4 * D + 2j * FORCE, rel=1e-6)
    assert run.stationary["current"]["value"] == pytest.approx(FORCE, rel=1e-10)
    _, density = run.field("stationary_density")
    assert density == pytest.approx(0.5 / np.pi, rel=1e-10)


@parallel
@pytest.mark.parametrize("method", ["krylov", "sdirk"])
def test_a_cloud_is_carried_across_the_seam(shared_folder: Path, method: str) -> None:
    """From 1 + cos(phi) by its Fourier series, over a turn and more, with all of the mass."""
    time = 15.0
    text = circle(
        "[evolution]\n"
        f'initial = {{ expression = "1 + cos(phi)" }}\nend_time = {time}\nmethod = "{method}"\ntolerance = 1e-9\n'
        "[run]\nerrors = false\n",
        loss="0",
    ) + regions(right="sin(phi) > 0")
    run = evolved(shared_folder, text)

    def exact(points: np.ndarray) -> np.ndarray:
        wave = np.cos(points[:, 0] - FORCE * time)
        return (1.0 + math.exp(-D * time) * wave) / (2.0 * np.pi)

    assert run.l1_error(exact) < 3e-8
    assert run.results["mass"]["value"] == pytest.approx(1.0, abs=1e-12)
    share = 0.5 + math.exp(-D * time) * math.sin(FORCE * time) / np.pi
    assert run.region("right") == pytest.approx(share, abs=1e-8)
    assert run.passed


@parallel
@pytest.mark.parametrize("begin", [0.0, -np.pi, 1.234])
def test_an_arc_is_left_alike_wherever_the_seam_is(shared_folder: Path, begin: float) -> None:
    """Noise alone out of |phi| < 1 takes (1 - x^2)/2D, also where the arc lies across the seam."""
    text = circle(
        regions(arc=f"cos(phi) > {math.cos(1.0)!r}") + leave("arc", [0.0], [0.5], [0.5 - 4 * math.pi]),
        begin,
        loss="0",
        force=0.0,
    )
    run = solved(shared_folder, text)
    assert run.means() == pytest.approx([0.5 / D, 0.375 / D, 0.375 / D], rel=1e-9)
    assert run.passed


@parallel
def test_angles_that_do_not_meet_are_solved_apart(shared_folder: Path) -> None:
    """Product densities on a torus, of which one angle carries the current; an exit across both seams."""
    rest = regions(front="cos(phi) > 0", down="cos(theta) > 0") + settle(4) + leave("down", [0.3, 0.0])
    run = solved(shared_folder, torus(rest))
    norm, current = turns()
    inside = quad(tilted, -np.pi / 2, np.pi / 2, epsabs=0.0, epsrel=1e-12)[0] / norm
    assert run.mass("front") == pytest.approx(inside, rel=1e-6)
    assert run.stationary["current"]["value"] == pytest.approx(current, rel=3e-5)

    def inner(y: float) -> float:
        return quad(lambda z: math.exp(math.cos(z) / D), 0.0, y)[0] * math.exp(-math.cos(y) / D) / D

    assert run.means() == pytest.approx([quad(inner, 0.0, np.pi / 2)[0]], rel=1e-5)
    assert run.passed


@parallel
def test_a_torus_has_no_place_where_it_begins(shared_folder: Path) -> None:
    """The same answers from boxes that begin elsewhere; the cells are others, and the degree is high."""
    rest = regions(part="cos(phi) + sin(theta) > 0.5") + settle(3) + leave("part", [0.2, 1.3])
    one = solved(shared_folder, torus(rest))
    two = solved(shared_folder, torus(rest, begin=(-2.0, 1.0)))
    assert two.mass("part") == pytest.approx(one.mass("part"), rel=1e-6)
    assert two.means() == pytest.approx(one.means(), rel=2e-4)  # its edge is curved, by parabolas
    assert two.eigenvalues == pytest.approx(one.eigenvalues, rel=1e-5)


def test_formulas_that_do_not_close_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    path.write_text(circle("[stationary]\n", loss="phi**2"), encoding="utf-8")
    with pytest.raises(BadCase, match=r"loss\.expression: the value is .* one turn of phi from there.*cos\(phi\)"):
        load(path)
