"""Walls that a density leans on: the share behind them against exact integrals, independent of the mesh, told once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from fpsolver.case import Ball, Box
from fpsolver.problems.walls import numbered, walls_of
from tests.problems.answers import Solved, solved
from tests.problems.cases import box
from tests.problems.texts import line, plane, settle

parallel = pytest.mark.parallel


def entries(run: Solved, name: str = "stationary") -> dict[str, Any]:
    return run.solution.answers[name].results["walls"]


@parallel
@pytest.mark.parametrize("cells", [6, 40])
def test_a_gaussian_behind_a_wall(shared_folder: Path, cells: int) -> None:
    """f = x^2/2 on [-a, b]: rho(b) d/b behind the wall at b, the leading term of the tail of the Gaussian there.

    The mass in one layer of cells would be 40 times larger on the coarse mesh.
    """
    d, a, b = 0.1, 1.2, 0.9
    run = solved(shared_folder, line("x**2/2", d, cells, (-a, b)) + settle())
    spread = np.sqrt(2 * d)
    normaliser = np.sqrt(np.pi) * spread / 2 * (special.erf(a / spread) + special.erf(b / spread))
    found = entries(run)
    (warning,) = (text for text in run.warnings if "leans on" in text)
    for name, wall, end in (("x_lower", "x = -1.2", a), ("x_upper", "x = 0.9", b)):
        behind = np.exp(-(end**2) / (2 * d)) / normaliser * d / end
        tail = special.erfc(end / spread) * np.sqrt(np.pi) * spread / 2 / normaliser
        assert found[name]["mass_behind"] == pytest.approx(behind, rel=1e-3)
        assert found[name]["mass_behind"] == pytest.approx(tail, rel=0.15)
        assert found[name]["pressed"] == 0.0
        assert f"{wall} (about {behind:.1e} of the mass would be behind it)" in warning


@parallel
def test_drift_that_presses_mass_against_a_wall(shared_folder: Path) -> None:
    """f = -s x on [0, 1]: rho(1) = s/(d (1 - e^(-s/d))), and s rho(1) of the mass per time would leave."""
    s, d = 0.5, 0.2
    run = solved(shared_folder, line(f"-{s}*x", d, 20, (0.0, 1.0)) + settle())
    at_wall = s / (d * (1 - np.exp(-s / d)))
    found = entries(run)
    assert found["x_upper"]["pressed"] == pytest.approx(s * at_wall, rel=1e-6)
    assert found["x_upper"]["mass_behind"] == pytest.approx(at_wall, rel=1e-6)
    assert found["x_lower"]["pressed"] == 0.0
    assert any("x = 1 (more than all of the mass" in text and "presses 1." in text for text in run.warnings)


@parallel
def test_nothing_is_said_of_walls_that_do_not_matter(shared_folder: Path) -> None:
    run = solved(shared_folder, plane("x**2/2 + y**2/2", 0.02, (8, 8), (1.5, 1.5)) + settle())
    assert max(entry["mass_behind"] for entry in entries(run).values()) < 1e-6
    assert not any("leans on" in text for text in run.warnings)


@parallel
def test_an_evolution_remembers_the_worst_moment_and_walls_are_told_once(shared_folder: Path) -> None:
    """A density that starts at the wall and drifts away: what counts was early. The other walls are the stationary
    state's to tell; those that were told are not told again."""
    start = "[evolution]\ninitial = { gaussian = { mean = [-0.8, 0.0], std = 0.1 } }\noutput_times = [0.05, 6.0]\n"
    run = solved(shared_folder, plane("x**2/2 + y**2/2", 0.1, (12, 12), (1.0, 1.0)) + settle() + start)
    early, late = entries(run, "evolution"), entries(run)
    assert early["x_lower"]["mass_behind"] > 10 * late["x_lower"]["mass_behind"]
    assert early["x_upper"]["mass_behind"] == pytest.approx(late["x_upper"]["mass_behind"], rel=0.05)
    texts = [text for text in run.warnings if "leans on" in text]
    assert [text.count(" = ") for text in texts] == [4]


@parallel
def test_the_walls_of_a_disc(shared_folder: Path) -> None:
    """f = r^2/2: 2 pi R rho(R) d/R behind the circle."""
    d, radius = 0.05, 0.8
    text = (
        f'[domain]\nshape = "ball"\ncenter = [0.3, 0.0]\nradius = {radius}\ncell_size = 0.3\n'
        f'[loss]\nexpression = "((x - 0.3)**2 + y**2)/2"\n[noise]\ndiffusion = {d}\n[discretization]\ndegree = 4\n'
    )
    run = solved(shared_folder, text + settle())
    weight = np.exp(-(radius**2) / (2 * d))
    exact = 2 * np.pi * d * weight / (2 * np.pi * d * (1 - weight))
    assert entries(run)["outer"]["mass_behind"] == pytest.approx(exact, rel=1e-2)


def test_walls_have_names_and_places() -> None:
    three = Box((0.0, -1.0, 2.0), (1.0, 1.0, 3.0), (1, 1, 1), ("a", "b", "c"))
    walls = walls_of(three)
    assert [wall.name for wall in walls] == ["a_lower", "a_upper", "b_lower", "b_upper", "c_lower", "c_upper"]
    assert walls[4].text == "c = 2"
    normals = np.concatenate([np.array([-np.eye(3)[i], np.eye(3)[i]]) for i in range(3)])
    assert numbered(three, np.zeros((6, 3)), normals).tolist() == [0, 1, 2, 3, 4, 5]
    ring = Ball((0.0, 0.0), 2.0, 0.5, ("x", "y"), 1.0)
    assert [wall.name for wall in walls_of(ring)] == ["outer", "inner"]
    assert numbered(ring, np.array([[2.0, 0], [0, 1.0]]), np.array([[1.0, 0], [0, -1.0]])).tolist() == [0, 1]


def test_the_size_of_a_companion_does_not_matter(shared_folder: Path) -> None:
    """Estimates of errors neither look at walls nor warn of them again."""
    text = box([-1.0], [1.0], [12]) + '[loss]\nexpression = "x**2/2"\n[noise]\ndiffusion = 0.2\n'
    run = solved(shared_folder, text + settle(), errors=True)
    assert len([warning for warning in run.warnings if "leans on" in warning]) == 1
