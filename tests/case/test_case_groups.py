"""Groups of cells of a mesh file as regions: distances, signs, slopes, names, and what is said when they are wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from fpsolver import load
from fpsolver.case.group_level import distances, level_of_group
from fpsolver.case.mesh_file import read_mesh
from fpsolver.case.mistakes import BadCase

MESH = Path(__file__).parents[2] / "meshes" / "rooms.msh"
CASE = f"""
[domain]
shape = "mesh"
file = "{MESH}"
[loss]
expression = "0*x"
[noise]
diffusion = 0.1
[stationary]
"""


@pytest.mark.parametrize("count", [1, 2, 3])
def test_distances_to_points_segments_and_triangles(count: int) -> None:
    """Against minimisation over the simplex. Catches a foot of the perpendicular that lies outside a face."""
    chance = np.random.default_rng(count)
    simplices = chance.normal(size=(12, count, 3))
    points = 1.5 * chance.normal(size=(12, 3))
    found = distances(points, simplices)
    for point, simplex, distance in zip(points, simplices, found, strict=True):
        best = minimize(
            lambda share, s=simplex, p=point: float(((share @ s - p) ** 2).sum()),
            np.full(count, 1.0 / count),
            bounds=[(0.0, 1.0)] * count,
            constraints={"type": "eq", "fun": lambda share: share.sum() - 1.0},
            options={"ftol": 1e-15},
        )
        assert distance == pytest.approx(np.sqrt(best.fun), abs=1e-6)


def test_the_level_is_the_distance_to_the_door() -> None:
    """Of the left room: its door is the segment x = -0.3, |y| < 0.1; walls bound nothing within the mesh."""
    level = level_of_group(read_mesh(MESH), "left")
    x, y = np.array([-1.6, -0.35, -0.3, -0.2, 1.4]), np.array([0.2, 0.05, 0.02, 0.0, 0.1])
    away = np.hypot(x + 0.3, np.maximum(np.abs(y) - 0.1, 0.0))
    assert level(x, y) == pytest.approx(np.sign(x + 0.3) * away, abs=1e-12)
    assert level.slope(0)(x[1:4], y[1:4]) == pytest.approx(1.0)
    assert level.slope(1)(x[1:4], y[1:4]) == pytest.approx(0.0, abs=1e-6)
    assert level(np.array([np.nan]), np.array([0.0]))[0] != 0.0  # nowhere is on no door


def test_groups_are_regions_under_their_own_names(tmp_path: Path) -> None:
    """And others, where the case says so; the resolved case gives the same ones again, in other processes too."""
    path = tmp_path / "case.toml"
    path.write_text(CASE + '[regions]\nneck = "x < 0"\nroom = { group = "left" }\n')
    case = load(path)
    assert list(case.regions) == ["neck", "room", "left", "right"]
    assert case.regions["neck"].source == "x < 0"
    assert case.regions["room"].level == case.regions["left"].level != case.regions["right"].level
    assert pickle.loads(pickle.dumps(case.regions["room"].level)) == case.regions["room"].level


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('a = { group = "lft" }', "no group of cells 'lft'; did you mean left?"),
        ('a = { group = "kitchen" }', "write a group of cells: left, neck, right"),
        ("a = { group = 3 }", "is no region; write a = "),
        ('a = { group = "left", more = 1 }', "is no region; write a = "),
    ],
)
def test_wrong_groups_are_told(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "case.toml"
    path.write_text(f"{CASE}[regions]\n{line}\n")
    with pytest.raises(BadCase) as caught:
        load(path)
    (mistake,) = caught.value.mistakes
    assert words in str(mistake).replace('"', "'")
    assert "case.toml:11: regions.a" in str(mistake)


def test_boxes_have_no_groups(tmp_path: Path) -> None:
    path = tmp_path / "case.toml"
    box = CASE.replace(f'shape = "mesh"\nfile = "{MESH}"', "lower = [0, 0]\nupper = [1, 1]\ncells = [4, 4]")
    path.write_text(f'{box}[regions]\na = {{ group = "left" }}\n')
    with pytest.raises(BadCase, match="only a mesh file has named groups"):
        load(path)
