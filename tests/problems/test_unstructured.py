"""Meshes from files against those of the program: the same problem, the same answers, and orders that do not suffer."""

from __future__ import annotations

from pathlib import Path

import meshio
import numpy as np
import pytest
from scipy.spatial import Delaunay

from tests.equations import COMM, orders
from tests.problems.answers import Solved, solved
from tests.problems.texts import leave, regions, settle

CORNER = np.array([2.0, 1.5])
WELLS = "(x**2 - 1)**2/4 + 2*y**2 + 0.1*x*y"
MEAN, GAP = 31.14190657, 0.033179497119  # of elements of degree 6 on boxes of 16 x 12 and 24 x 18 cells
ASKED = (
    f'[loss]\nexpression = "{WELLS}"\n[noise]\ndiffusion = 0.1\n'
    + regions(left="x < 0", east="x > 0.3")
    + settle()
    + leave("left", [-1, 0])
)


def scattered(file: Path, count: int) -> None:
    """A Gmsh file of a rectangle cut into triangles between points of no order; its right part, x > 0.3, has a name."""
    chance = np.random.default_rng(3)
    edges = [np.linspace(-c, c, n) for c, n in zip(CORNER, (count, round(0.75 * count)), strict=True)]
    grid = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1).reshape(-1, 2)
    inner = (np.abs(grid) < CORNER * (1 - 1e-9)).all(axis=1)
    grid[inner] += chance.uniform(-0.3, 0.3, (int(inner.sum()), 2)) * [edges[0][1] - edges[0][0]] * 2
    door = np.abs(grid[:, 0] - 0.3) < 0.6 * (edges[0][1] - edges[0][0])
    grid[door & inner, 0] = 0.3
    grid[:, 1] = np.clip(grid[:, 1], -CORNER[1], CORNER[1])
    ends = np.array([[0.3, -CORNER[1]], [0.3, CORNER[1]]])
    points = np.unique(np.concatenate([grid[~(door & ~inner)], ends]).round(12), axis=0)
    cells = Delaunay(points).simplices
    a, b = (points[cells[:, i]] - points[cells[:, 0]] for i in (1, 2))
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    cells = np.where((area < 0)[:, None], cells[:, [0, 2, 1]], cells)[np.abs(area) > 1e-9]
    right = points[cells].mean(axis=1)[:, 0] > 0.3
    tags = np.where(right, 1, 2)
    made = meshio.Mesh(
        np.column_stack([points, np.zeros(len(points))]),
        [("triangle", cells)],
        cell_data={"gmsh:physical": [tags], "gmsh:geometrical": [tags]},
        field_data={"beyond": np.array([1, 2])},
    )
    meshio.write(file, made, file_format="gmsh22", binary=False)


def of_file(
    folder: Path, count: int, degree: int, halvings: int = 0, more: str = ASKED, *, errors: bool = False
) -> Solved:
    if COMM.rank == 0:
        scattered(folder / "scattered.msh", count)
    COMM.barrier()
    domain = f'[domain]\nshape = "mesh"\nfile = "scattered.msh"\nhalvings = {halvings}\n'
    return solved(folder, f"{domain}[discretization]\ndegree = {degree}\n{more}", errors=errors)


def of_box(folder: Path, cells: int, degree: int) -> Solved:
    domain = f"[domain]\nlower = [-2.0, -1.5]\nupper = [2.0, 1.5]\ncells = [{cells}, {cells * 3 // 4}]\n"
    return solved(folder, f"{domain}[discretization]\ndegree = {degree}\n{ASKED}", errors=True)


def test_a_mesh_from_a_file_and_a_box_agree_within_their_error_bars(shared_folder: Path) -> None:
    """Exit time, escape rate, spectral gap. Catches cells of a file that lie the other way round."""
    file, box = of_file(shared_folder, 15, 4, errors=True), of_box(shared_folder, 12, 4)
    for read in (
        lambda run: run.exits[0]["starts"][0]["mean"],
        lambda run: run.exits[0]["escape_rate"],
        lambda run: run.stationary["spectral_gap"],
        lambda run: run.stationary["regions"]["left"],
    ):
        one, other = read(file), read(box)
        assert abs(one["value"] - other["value"]) <= one["error"] + other["error"]
        assert one["error"] < 1e-3 * one["value"]


@pytest.mark.parametrize("degree", [2, 3])
def test_orders_on_triangles_of_all_shapes(shared_folder: Path, degree: int) -> None:
    """Of the spectral gap, h^(2k), under halving. Catches neighbours that are joined wrongly, which costs all of it."""
    asked = ASKED.split("[[exit]]")[0]
    found = [abs(of_file(shared_folder, 15, degree, halvings, asked).gap - GAP) for halvings in (1, 2)]
    assert orders(found)[0] > 2 * degree - 0.5, found


@pytest.mark.parametrize("degree", [4, 6])
def test_the_exit_set_keeps_all_its_facets_when_cells_are_made_smaller(shared_folder: Path, degree: int) -> None:
    """Half of the cells here come from bisection. Catches new facets of the exit set that count as walls: 1.6 % off."""
    assert of_file(shared_folder, 15, degree).means() == pytest.approx([MEAN], rel=1e-5)


@pytest.mark.parallel
def test_a_group_of_cells_is_the_region_that_it_covers(shared_folder: Path) -> None:
    """The group is what lies beyond x = 0.3, which its cells follow: masses and times are those of the condition."""
    asked = ASKED + leave("east", [1, 0]) + leave("beyond", [1, 0])
    run = of_file(shared_folder, 15, 3, more=asked)
    assert run.mass("beyond") == pytest.approx(run.mass("east"), rel=1e-11)
    assert run.means(2) == pytest.approx(run.means(1), rel=1e-9)
    assert run.rate(2) == pytest.approx(run.rate(1), rel=1e-9)
    assert run.passed
