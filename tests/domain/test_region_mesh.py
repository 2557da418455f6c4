"""Meshes of regions: exact volumes and corners, what belongs to the exit set, and how fine cells become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import ufl
from dolfinx import fem
from mpi4py import MPI

from fpsolver.case import Box, Region
from fpsolver.case.expressions import level, smooth_parts
from fpsolver.domain.cells import Cells
from fpsolver.domain.fitted import fit
from fpsolver.domain.grading import Grading, graded
from fpsolver.domain.refinement import refined
from fpsolver.domain.region_mesh import RegionMesh, region_mesh
from fpsolver.domain.regions import at_points
from fpsolver.domain.singular import Leaving
from fpsolver.domain.surface import exit_surface
from fpsolver.domain.triangulation import Triangulation, box_triangulation
from fpsolver.errors import BadUsage

pytestmark = pytest.mark.parallel

Array = npt.NDArray[np.float64]
COMM = MPI.COMM_WORLD
NAMES = ("x", "y", "z")


def box(lower: float, upper: float, cells: int, dimension: int = 2, diagonal: Any = "right") -> Box:
    return Box((lower,) * dimension, (upper,) * dimension, (cells,) * dimension, NAMES[:dimension], diagonal)


def region(text: str, dimension: int = 2) -> Region:
    return Region("here", level(text, NAMES[:dimension]), text)


def made(text: str, domain: Box, absorbing: str | None = None, grading: Grading | None = None) -> RegionMesh:
    walls = None if absorbing is None else at_points(level(absorbing, domain.coordinates), domain.coordinates)
    return region_mesh(COMM, domain, region(text, domain.dimension), walls, grading)


def cells_inside(text: str, domain: Box) -> tuple[Triangulation, list[Any]]:
    """The triangulation of a region on this rank alone, and its levels."""
    parts = smooth_parts(level(text, domain.coordinates))
    levels = [at_points(leaf, domain.coordinates) for leaf in parts.leaves]
    fitted = fit(box_triangulation(domain.lower, domain.upper, domain.cells, domain.diagonal), levels)
    return fitted.triangulation.restricted(parts.inside(fitted.marks)), levels


def volume(found: RegionMesh) -> float:
    dx: Any = ufl.dx(metadata={"quadrature_degree": 6})
    form = fem.form(fem.Constant(found.mesh, 1.0) * dx)
    return float(COMM.allreduce(fem.assemble_scalar(form), MPI.SUM))


def exit_middles(found: RegionMesh) -> Array:
    """Middles of the vertices of all exit facets, over all ranks."""
    cells, facets = found.exit_facets()
    d = found.mesh.topology.dim
    corners = Cells.of(found.mesh).nodes[cells][:, : d + 1]
    # facet i of a simplex is the one without vertex i; in one dimension it is vertex i itself
    kept = np.arange(d + 1) == facets[:, None] if d == 1 else np.arange(d + 1) != facets[:, None]
    middles = corners[kept].reshape(len(cells), d, d).mean(axis=1)
    return np.concatenate(COMM.allgather(middles))


def noise(d: float = 1.0) -> Leaving:
    """The same noise in all directions, no drift."""
    return lambda points, normals: (np.ones(len(points)), np.zeros(len(points)), np.full(len(points), d))


def flat(points: Array) -> Array:
    return np.zeros(len(points))


def kinetic(points: Array, normals: Array) -> tuple[Array, Array, Array]:
    """dx = p dt, noise 0.2 in p only."""
    return normals[:, 1] ** 2, points[:, 1] * normals[:, 0], np.full(len(points), 0.2)


def test_the_area_around_a_disc_converges_at_fourth_order() -> None:
    errors = []
    for cells in (8, 16, 32):
        errors.append(volume(made("x**2 + y**2 > 0.49", box(-1, 1, cells))) - (4 - np.pi * 0.49))
    assert np.log2(np.abs(errors[0] / errors[2])) / 2 > 3.5
    assert abs(errors[2]) < 1e-6


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("x < 0.13 and y > 0.21", 1.13 * 0.79),
        ("not (x > 0.13 and y > 0.21)", 4 - 0.87 * 0.79),
        ("abs(x) + abs(y) < 0.77", 2 * 0.77**2),
        ("max(abs(x), 2*abs(y)) < 0.71 or x > 0.83", 0.5 * 1.42**2 + 2 * 0.17),
    ],
)
@pytest.mark.parametrize("diagonal", ["right", "left", "crossed"])
def test_corners_are_met(text: str, area: float, diagonal: str) -> None:
    """Straight sides: the area is exact only if no corner is cut off."""
    assert volume(made(text, box(-1, 1, 11, diagonal=diagonal))) == pytest.approx(area, rel=1e-11)


def test_corners_between_curved_sides_are_met() -> None:
    """The lens of two discs, as one region."""
    exact = 2 * np.pi / 3 - np.sqrt(3) / 2
    text = "(x - 0.5)**2 + (y - 0.03)**2 < 1 and (x + 0.5)**2 + (y - 0.03)**2 < 1"
    errors = [volume(made(text, box(-1.7, 1.7, cells))) - exact for cells in (16, 32, 64)]
    assert np.log2(np.abs(errors[0] / errors[2])) / 2 > 3.3


def test_one_and_three_dimensions() -> None:
    ends = np.sort(exit_middles(made("abs(x - 0.1) < 0.37", box(-1, 1, 7, 1)))[:, 0])
    np.testing.assert_allclose(ends, [-0.27, 0.47], atol=1e-15)
    ball = made("x**2 + y**2 + z**2 < 0.49", box(-1, 1, 10, 3))
    assert volume(ball) == pytest.approx(4 / 3 * np.pi * 0.343, rel=2e-3)
    wedge = made("x < 0.13 and y > 0.21", box(-1, 1, 5, 3))
    assert volume(wedge) == pytest.approx(1.13 * 0.79 * 2, rel=1e-11)
    assert np.abs(exit_middles(wedge)[:, :2] - [0.13, 0.21]).min(axis=1).max() < 1e-12


def test_walls_do_not_belong_to_the_exit_set_unless_they_absorb() -> None:
    domain = box(-1, 1, 9)
    assert len(exit_middles(made("x < 5", domain))) == 0
    np.testing.assert_array_equal(exit_middles(made("x < 0.13", domain))[:, 0], 0.13)
    absorbing = exit_middles(made("x < 5", domain, "x > 0.99"))
    assert (absorbing[:, 0] > 0.99).all()
    assert len(exit_middles(made("x < 5", domain, "x < 5"))) == 36


@pytest.mark.parametrize("grading", [None, Grading(flat, noise())], ids=["plain", "graded"])
def test_the_absorbing_part_of_a_wall_ends_where_it_should(grading: Grading | None) -> None:
    """In the middle of a background facet; fails if its length is rounded to whole facets."""
    found = made("x < 5", box(-1, 1, 8), "x > 0.999 and y > 0.033 and y < 0.61", grading)
    cells, facets = found.exit_facets()
    corners = Cells.of(found.mesh).nodes[cells][:, :3]
    heights = corners[np.arange(3) != facets[:, None]].reshape(-1, 2, 2)[:, :, 1]
    length = COMM.allreduce(float(np.ptp(heights, axis=1).sum()), MPI.SUM)
    assert length == pytest.approx(0.61 - 0.033, rel=1e-12)


def test_an_empty_region_is_refused_by_name() -> None:
    with pytest.raises(BadUsage, match=r'region "here" \(x > 5\) holds no cell'):
        made("x > 5", box(-1, 1, 4))


def test_anchors_are_vertices() -> None:
    found = region_mesh(COMM, box(-1, 1, 7), region("x < 0.3"), anchors=[[-0.51, 0.123]])
    points = np.concatenate(COMM.allgather(found.mesh.geometry.x[:, :2]))
    assert (points == [-0.51, 0.123]).all(axis=1).any()


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_the_mesh_does_not_depend_on_the_number_of_ranks(dimension: int) -> None:
    grading = Grading(lambda points: 9 * points[:, 0] ** 2, noise())
    text = {1: "abs(x) < 0.7", 2: "x**2 + y**2 < 0.5 or x > 0.4", 3: "x**2 + y**2 < 0.5"}[dimension]
    alone, shared = (
        region_mesh(comm, box(-1, 1, 5, dimension), region(text, dimension), None, grading)
        for comm in (MPI.COMM_SELF, COMM)
    )
    serial = np.unique(alone.mesh.geometry.x, axis=0)
    together = np.unique(np.concatenate(COMM.allgather(shared.mesh.geometry.x)), axis=0)
    np.testing.assert_array_equal(serial, together)
    np.testing.assert_array_equal(alone.leaving, shared.leaving)
    np.testing.assert_array_equal(alone.of_walls, shared.of_walls)
    nothing: dict[str, Any] = dict.fromkeys(("mesh", "numbers", "leaving", "of_walls"))
    assert replace(alone, **nothing) == replace(shared, **nothing)
    assert COMM.allreduce(len(shared.exit_facets()[0]), MPI.SUM) == len(alone.exit_facets()[0])


def test_no_cell_has_all_its_vertices_on_the_exit_set() -> None:
    """There would be nothing to solve for in it; a corner of the box with both walls absorbing makes one."""
    for text, absorbing in (("x < 5", "x < 5"), ("x < 0.2 and y < 0.2", None)):
        found = made(text, box(-1, 1, 5), absorbing)
        cells, facets = found.exit_facets()
        vertices = found.mesh.geometry.dofmaps[0][:, :3]
        on = np.zeros(len(found.mesh.geometry.x))
        on[vertices[cells[:, None], np.array([[1, 2], [0, 2], [0, 1]])[facets]]] = 1
        assert not (on[vertices] == 1).all(axis=1).any()


def spans(t: Triangulation, potential: Any) -> Array:
    values = potential(t.points)[t.cells]
    return np.ptp(values, axis=1)


@pytest.mark.parametrize(("dimension", "cells"), [(1, 6), (2, 8), (3, 4)])
def test_cells_at_the_exit_set_become_as_fine_as_asked(dimension: int, cells: int) -> None:
    """A slope of 8 nats per cell towards the exit: at most 2 there and 10 elsewhere."""

    def slope(points: Array) -> Array:
        return 4.0 * cells * points[:, 0]

    domain = box(-1, 1, cells, dimension)
    t, levels = cells_inside("x < 0.21", domain)
    fine = graded(t, levels, None, Grading(slope, noise()))
    surface = exit_surface(fine, levels, None)
    on = np.zeros(len(fine.points), dtype=bool)
    on[surface.facets] = True
    touching = on[fine.cells].any(axis=1)
    assert spans(t, slope)[on[: len(t.points)][t.cells].any(axis=1)].max() > 4
    assert spans(fine, slope)[touching].max() <= 2 * (1 + 1e-12)
    assert spans(fine, slope).max() <= 10
    assert spans(fine, slope)[~touching].max() > 4  # not everywhere


def test_what_is_high_above_the_lowest_way_out_is_left_alone() -> None:
    """A well at the origin, ways out at x = 0.5 (low) and y = 0.9 (20 nats higher)."""

    def well(points: Array) -> Array:
        return 4 * points[:, 0] ** 2 + 40 * points[:, 1] ** 2

    domain = box(-1, 1, 10)
    t, levels = cells_inside("x < 0.5 and y < 0.9", domain)
    fine = graded(t, levels, None, Grading(well, noise()))
    low, high = (t.points[t.cells][:, :, 1].max(axis=1) < -0.7 for t in (t, fine))
    assert low.sum() == high.sum()


def test_growth_is_bounded() -> None:
    """A potential that no mesh resolves: the worst cells first, and an end."""

    def rough(points: Array) -> Array:
        return 5e3 * np.sin(40 * points[:, 0])

    t, levels = cells_inside("x < 0.2", box(-1, 1, 12))
    fine = graded(t, levels, None, Grading(rough, noise()))
    assert len(fine.cells) < 16000
    assert fine.quality().min() > 0.2


@pytest.mark.parametrize("dimension", [2, 3])
def test_shapes_survive_many_bisections_in_one_place(dimension: int) -> None:
    """Ten halvings at a point of a curved boundary, which the new vertices follow."""
    text = {2: "x**2 + y**2 < 0.49", 3: "x**2 + y**2 + z**2 < 0.49"}[dimension]
    t, levels = cells_inside(text, box(-1, 1, 8, dimension))
    surface = exit_surface(t, levels, None)
    vertex = surface.facets[0, 0]
    before = t.quality().min()
    for _ in range(10 * dimension if dimension == 2 else 12):
        t = refined(t, levels, (t.cells == vertex).any(axis=1))
    assert t.quality().min() > 0.2 * before
    surface = exit_surface(t, levels, None)
    assert (surface.level == 0).all()
    assert np.abs(levels[0](t.points[surface.facets.ravel()])).max() < 1e-10
    # conforming: facets that belong to one cell lie on the sphere, so nothing hangs
    corners = t.points[t.cells]
    assert (np.linalg.det(corners[:, 1:] - corners[:, :1]) > 0).all()


@pytest.mark.parametrize("cells", [8, 9])
@pytest.mark.parametrize("text", ["x < 0", "x < 0.1 + 0.1*y"])
def test_cells_become_thin_where_paths_graze_the_exit_set(cells: int, text: str) -> None:
    """The drift p n_x changes its sign at p = 0, where a vertex is put, also in the middle of a facet."""

    def leaving(points: Array, normals: Array) -> tuple[Array, Array, Array]:
        noisy, drift, trace = kinetic(points, normals)
        return np.zeros_like(noisy), drift, trace  # as if the noise were along both sets

    t, levels = cells_inside(text, box(-1, 1, cells))
    fine = graded(t, levels, None, Grading(flat, leaving))
    grazed = np.array([0.0 if text == "x < 0" else 0.1, 0.0])
    distance = np.linalg.norm(fine.points - grazed, axis=1)
    assert distance.min() < 1e-12
    near = (fine.cells == distance.argmin()).any(axis=1)
    width = np.ptp(fine.points[fine.cells][near][:, :, 0], axis=1)
    assert width.max() < 2 / cells / 8  # cells were wider than 2/cells
    assert len(fine.cells) < len(t.cells) + 700
    assert fine.quality().min() > 0.005


def count_near(t: Triangulation, point: Sequence[float], radius: float = 0.05) -> int:
    return int((np.linalg.norm(t.points[t.cells].mean(axis=1) - point, axis=1) < radius).sum())


def test_corners_inwards_are_graded_and_others_are_not() -> None:
    def grown(text: str, point: Sequence[float]) -> int:
        t, levels = cells_inside(text, box(-1, 1, 8))
        return count_near(graded(t, levels, None, Grading(flat, noise())), point) - count_near(t, point)

    assert grown("not (x > 0 and y > 0)", [0, 0]) > 50
    assert grown("x < 0 and y < 0", [0, 0]) == 0
    assert grown("x**2 + y**2 > 0.25", [0.5, 0]) == 0  # a polygon with angles above two right ones, but no corner


def test_the_end_of_an_absorbing_wall_is_graded() -> None:
    found = made("x < 5", box(-1, 1, 8), "x > 0.999 and y > 0.033", Grading(flat, noise()))
    nodes = np.unique(np.concatenate(COMM.allgather(found.mesh.geometry.x[:, :2])), axis=0)
    distance = np.sort(np.linalg.norm(nodes - [1.0, 0.033], axis=1))
    assert distance[0] < 1e-14
    assert 0 < distance[1] < 0.25 / 128
