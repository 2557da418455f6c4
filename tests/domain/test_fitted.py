"""Meshes fitted to regions: volumes against exact ones, and what must hold for any level function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import ufl
from dolfinx import fem
from mpi4py import MPI

from fpsolver.domain.anchors import anchored
from fpsolver.domain.cells import Cells
from fpsolver.domain.conform import conform, inside
from fpsolver.domain.curved import curved_edges
from fpsolver.domain.fitted import FittedMesh, fitted_box_mesh
from fpsolver.domain.levelset import LevelUndefined
from fpsolver.domain.smoothing import smoothed
from fpsolver.domain.triangulation import box_triangulation
from fpsolver.errors import BadUsage, SolverFailed

pytestmark = pytest.mark.parallel

Array = npt.NDArray[np.float64]
Level = Callable[[Array], Array]
COMM = MPI.COMM_WORLD


def ball(center: npt.ArrayLike, radius: float) -> Level:
    return lambda points: np.asarray(np.linalg.norm(points - np.asarray(center), axis=1) - radius)


def plane(point: npt.ArrayLike, normal: npt.ArrayLike) -> Level:
    return lambda points: np.asarray((points - np.asarray(point)) @ np.asarray(normal))


def strip(level: Level, width: float) -> Level:
    return lambda points: np.abs(level(points)) - width


def ellipse(points: Array) -> Array:
    x, y = points[:, 0] - 0.07, points[:, 1] + 0.03
    return np.asarray((x + 0.5 * y) ** 2 / 0.9**2 + (y - 0.2 * x) ** 2 / 0.5**2 - 1)


def annulus(points: Array) -> Array:
    radius = np.linalg.norm(points - np.array([0.05, -0.02]), axis=1)
    return np.asarray(np.maximum(radius - 1.13, 0.52 - radius))


def square(lower: float, upper: float, cells: int, levels: Sequence[Level], diagonal: str = "right") -> FittedMesh:
    return fitted_box_mesh(COMM, [lower] * 2, [upper] * 2, [cells] * 2, diagonal, levels)


def volume(fitted: FittedMesh, chosen: npt.NDArray[np.integer] | None = None) -> float:
    """Volume of local cells, of the whole mesh without them, measured by DOLFINx."""
    domain = fitted.mesh
    cells = np.arange(domain.topology.index_map(domain.topology.dim).size_local) if chosen is None else chosen
    owned = cells[cells < domain.topology.index_map(domain.topology.dim).size_local].astype(np.int32)
    make: Any = ufl.Measure
    measure = make("dx", domain=domain, subdomain_data=[(1, owned)], metadata={"quadrature_degree": 6})
    form = fem.form(fem.Constant(domain, 1.0) * measure(1))
    return float(domain.comm.allreduce(fem.assemble_scalar(form), MPI.SUM))


def orders(errors: Sequence[float]) -> Array:
    return np.asarray(np.log2(np.abs(errors[:-1]) / np.abs(errors[1:])))


@pytest.mark.parametrize(
    ("level", "exact"),
    [
        (ball([0.1, -0.05], 0.83), np.pi * 0.83**2),
        (ellipse, np.pi * 0.9 * 0.5 / 1.1),
        (annulus, np.pi * (1.13**2 - 0.52**2)),
    ],
    ids=["circle", "ellipse", "annulus"],
)
def test_areas_converge_at_fourth_order_when_curved_and_second_when_straight(level: Level, exact: float) -> None:
    curved, straight = [], []
    for cells in (16, 32, 64, 128):
        fitted = square(-1.5, 1.5, cells, [level])
        curved.append(volume(fitted, fitted.inside[0]) - exact)
        geometry = fitted.mesh.geometry
        corners = geometry.x[geometry.dofmaps[0]][:, :3, :2]
        areas = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 2
        owned = fitted.inside[0][fitted.inside[0] < fitted.mesh.topology.index_map(2).size_local]
        straight.append(COMM.allreduce(float(areas[owned].sum()), MPI.SUM) - exact)
        assert geometry.cmaps[0].degree == 2
        assert fitted.limited == 0
        assert volume(fitted) == pytest.approx(9.0, rel=1e-11)
    # the vertices lie differently on each mesh, so the order is that of the whole series
    assert orders(curved).mean() == pytest.approx(4.0, abs=0.3)
    if level is not annulus:  # what is lost along its outer circle is won along the inner one
        assert orders(straight).mean() == pytest.approx(2.0, abs=0.15)


def test_overlapping_regions_meet_where_their_boundaries_cross() -> None:
    """The lens of two discs of radius 1 at distance 1; fails at order 2 if the two corners are cut off."""
    levels = [ball([-0.5, 0.03], 1.0), ball([0.5, 0.03], 1.0)]
    exact = 2 * np.pi / 3 - np.sqrt(3) / 2
    errors = []
    for cells in (16, 32, 64, 128):
        fitted = square(-1.7, 1.7, cells, levels)
        errors.append(volume(fitted, np.intersect1d(fitted.inside[0], fitted.inside[1])) - exact)
    assert orders(errors).mean() > 3.4


@pytest.mark.parametrize("diagonal", ["right", "left", "crossed"])
@pytest.mark.parametrize(("normal", "offset"), [((1.0, 0.0), 0.013), ((1.0, 0.7), 0.1), ((1.0, 1.0), 0.0)])
def test_straight_boundaries_are_exact_and_cells_stay_affine(
    diagonal: str, normal: tuple[float, float], offset: float
) -> None:
    fitted = square(-1.5, 1.5, 9, [plane([offset, 0.0], normal)], diagonal)
    assert volume(fitted, fitted.inside[0]) == pytest.approx(3 * (1.5 + offset), rel=1e-13)
    assert fitted.mesh.geometry.cmaps[0].degree == 1
    assert volume(fitted) == pytest.approx(9.0, rel=1e-13)


def test_a_boundary_along_a_line_of_vertices_changes_nothing() -> None:
    fitted = square(-1.0, 1.0, 10, [lambda points: points[:, 0], lambda points: -points[:, 0]])
    assert (fitted.moved, fitted.added, fitted.curved) == (0, 0, 0)
    assert volume(fitted, fitted.inside[0]) == pytest.approx(2.0, rel=1e-13)
    assert volume(fitted, fitted.inside[1]) == pytest.approx(2.0, rel=1e-13)


def test_the_ends_of_intervals_are_vertices() -> None:
    roots = [-0.71234, 0.1, 0.1 + 1e-3, 0.98765]
    for cells in (2, 7, 100):
        levels = [lambda points, root=root: np.tanh(points[:, 0] - root) for root in roots]
        fitted = fitted_box_mesh(COMM, [-1.0], [1.0], [cells], "right", levels)
        points = np.concatenate(COMM.allgather(fitted.mesh.geometry.x[:, 0]))
        for root, chosen in zip(roots, fitted.inside, strict=True):
            assert np.abs(points - root).min() < 1e-15
            assert volume(fitted, chosen) == pytest.approx(root + 1.0, rel=1e-13)


def test_planes_and_spheres_in_three_dimensions() -> None:
    flat = fitted_box_mesh(COMM, [-1.0] * 3, [1.0] * 3, [5] * 3, "right", [plane([0.0] * 3, [1.0, 0.4, 0.3])])
    assert volume(flat, flat.inside[0]) == pytest.approx(4.0, rel=1e-12)
    assert flat.mesh.geometry.cmaps[0].degree == 1
    exact = 4 / 3 * np.pi * 0.83**3
    errors = []
    for cells in (12, 24):
        fitted = fitted_box_mesh(COMM, [-1.5] * 3, [1.5] * 3, [cells] * 3, "right", [ball([0.05, 0.03, -0.02], 0.83)])
        errors.append(volume(fitted, fitted.inside[0]) / exact - 1)
        assert volume(fitted) == pytest.approx(27.0, rel=1e-11)
    assert abs(errors[0]) < 3e-3
    assert abs(errors[1]) < 3e-5


def random_level(random: np.random.Generator, dimension: int) -> Level:
    """A half-space, a ball, an ellipsoid or a cube, anywhere: also reaching out of the box, or within a cell."""
    center = random.uniform(-1, 1, dimension)
    size = random.uniform(0.1, 0.9)
    kind = random.integers(4)
    if kind == 0:
        return plane(center, random.normal(size=dimension))
    if kind == 1:
        return lambda points: np.asarray(((points - center) ** 2).sum(axis=1) - size**2)
    if kind == 2:
        axes = np.linalg.qr(random.normal(size=(dimension, dimension)))[0] / random.uniform(0.3, 1.0, dimension)
        return lambda points: np.linalg.norm((points - center) @ axes, axis=1) - size
    return lambda points: np.abs(points - center).max(axis=1) - size


@pytest.mark.parametrize(
    ("dimension", "diagonal", "cells", "count"),
    [
        (1, "right", (3, 8), 60),
        (2, "right", (4, 9, 17), 70),
        (2, "left", (4, 9, 17), 70),
        (2, "crossed", (4, 9), 60),
        (3, "right", (3, 6), 20),
    ],
)
def test_no_cell_is_cut_or_turned_over_whatever_the_regions(
    dimension: int, diagonal: str, cells: tuple[int, ...], count: int
) -> None:
    """280 random cases, every third of them with two regions that may cross, touch or lie in each other."""
    worst = []
    for case in range(COMM.rank, count, COMM.size):  # each rank its share: nothing here is distributed
        random = np.random.default_rng([dimension, case])
        levels = [random_level(random, dimension) for _ in range(2 if case % 3 == 0 else 1)]
        box = [-1.2] * dimension, [1.3] * dimension, [cells[case % len(cells)]] * dimension
        background = box_triangulation(*box, diagonal)
        fitted = smoothed(conform(background, levels), levels, 0.4 * background.quality().min())
        corners = fitted.points[fitted.cells]
        volumes = np.linalg.det(corners[:, 1:] - corners[:, :1])
        assert volumes.min() > 0
        assert volumes.sum() == pytest.approx(2.5**dimension * [1, 1, 2, 6][dimension], rel=1e-12)
        sides = fitted.sides[fitted.cells]
        assert not ((sides.min(axis=1) < 0) & (sides.max(axis=1) > 0)).any()
        assert sides.any(axis=1).all()  # none has all its corners on a set
        bent = curved_edges(fitted, levels, inside(fitted, levels))
        assert np.isfinite(bent.middles).all()
        if len(levels) == 1:
            worst.append(fitted.quality().min() / background.quality().min())
    worst = [quality for share in COMM.allgather(worst) for quality in share]
    # many of these regions are narrower than a cell
    assert np.quantile(worst, 0.1) > (0.1 if dimension < 3 else 0.01)
    assert np.median(worst) > (0.35 if dimension < 3 else 0.1)


def test_curved_cells_are_not_turned_over() -> None:
    random = np.random.default_rng(5)
    reference = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0], [0, 0.5], [0.5, 0.5], [1 / 3, 1 / 3]], dtype=float)
    for case in range(12):
        fitted = square(-1.2, 1.3, 5 + case, [random_level(random, 2) for _ in range(2)])
        cells = Cells.of(fitted.mesh)
        element: Any = cells.element
        slopes = element.tabulate(1, reference)[1:, :, :, 0]
        determinants = np.linalg.det(np.einsum("dqa,cai->cqid", slopes, cells.nodes))
        assert (determinants * np.sign(determinants[:, -1:])).min(initial=1.0) > 0
        assert volume(fitted) == pytest.approx(2.5**2, rel=1e-12)


def test_cells_inside_are_those_with_a_negative_level() -> None:
    level = ball([0.1, 0.2], 0.7)
    fitted = square(-1.0, 1.0, 24, [level])
    points = Cells.of(fitted.mesh).points(np.array([[1 / 3, 1 / 3]]))[:, 0]
    assert np.array_equal(np.flatnonzero(level(points) < 0), fitted.inside[0])


def test_a_disc_much_smaller_than_a_cell_is_found_if_an_edge_passes_through_it() -> None:
    exact = np.pi * 0.05**2
    fitted = square(-1.0, 1.0, 6, [ball([1 / 6, 0.0], 0.05)])
    assert 0.5 * exact < volume(fitted, fitted.inside[0]) < 1.05 * exact


def test_a_strip_narrower_than_a_cell_is_not_lost() -> None:
    """Along a line of vertices, where moving the only vertices inside would empty it, and across the cells."""
    for normal, offset, exact in (((1.0, 0.0), 0.01, 0.2), ((1.0, 0.4), 0.0, 0.2 * np.hypot(1.0, 0.4))):
        line = plane([offset, 0.0], np.array(normal) / np.hypot(*normal))
        fitted = square(-1.0, 1.0, 8, [strip(line, 0.05)])
        assert volume(fitted, fitted.inside[0]) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_anchors_are_vertices(dimension: int) -> None:
    anchors = np.array([[0.1, 0.2, 0.3], [0.11, 0.2, 0.3], [1.0, 0.3, -1.0], [-0.5, -0.45, 0.77]])[:, :dimension]
    level = ball([0.0] * dimension, 0.6)
    fitted = fitted_box_mesh(
        COMM, [-1.0] * dimension, [1.0] * dimension, [6] * dimension, "right", [level], list(anchors)
    )
    points = np.concatenate(COMM.allgather(fitted.mesh.geometry.x[:, :dimension]))
    for anchor in anchors:
        assert (points == anchor).all(axis=1).any()
    assert fitted.quality_after > 0


def test_an_anchor_on_the_boundary_of_a_region_stays_there() -> None:
    anchor = [0.6 * np.cos(1.0), 0.6 * np.sin(1.0)]
    background = anchored(box_triangulation([-1, -1], [1, 1], [7, 7]), [anchor])
    fitted = conform(background, [ball([0.0, 0.0], 0.6)])
    vertex = np.flatnonzero((fitted.points == anchor).all(axis=1))
    assert fitted.sides[vertex, 0] == 0


def test_the_mesh_does_not_depend_on_the_number_of_ranks() -> None:
    levels = [ball([0.1, -0.05], 0.83), plane([0.2, 0.0], [1.0, 0.3])]
    serial, shared = (
        fitted_box_mesh(comm, [-1.5] * 2, [1.5] * 2, [14, 11], "right", levels, [[0.3, 0.4]])
        for comm in (MPI.COMM_SELF, COMM)
    )
    alone = np.unique(serial.mesh.geometry.x, axis=0)
    together = np.unique(np.concatenate(COMM.allgather(shared.mesh.geometry.x)), axis=0)
    assert np.array_equal(alone, together)
    reference = np.array([[1 / 3, 1 / 3]])
    for mine, ours in zip(serial.inside, shared.inside, strict=True):
        centers = [Cells.of(fitted.mesh).points(reference)[:, 0] for fitted in (serial, shared)]
        expected = {tuple(center) for center in np.round(centers[0][mine], 12)}
        found = {tuple(center) for center in np.round(centers[1][ours], 12)}  # ghosts included
        missed = {tuple(center) for center in np.round(np.delete(centers[1], ours, axis=0), 12)}
        assert found <= expected
        assert not missed & expected
    assert [shared.moved, shared.added, shared.curved] == [serial.moved, serial.added, serial.curved]


def test_a_level_without_a_value_is_refused_on_all_ranks() -> None:
    def level(points: Array) -> Array:
        return np.where(points[:, 0] > 0.9, np.nan, points[:, 0])

    with pytest.raises(LevelUndefined, match=r"no value at \(1, -1\)"):
        square(-1.0, 1.0, 4, [level])


def test_an_error_within_a_level_is_raised_on_all_ranks() -> None:
    def level(points: Array) -> Array:
        raise ZeroDivisionError("by the user")

    with pytest.raises((ZeroDivisionError, SolverFailed), match="by the user"):
        square(-1.0, 1.0, 4, [level])


def test_an_anchor_outside_the_box_is_refused_on_all_ranks() -> None:
    with pytest.raises(BadUsage, match=r"\(2, 0\) lies outside"):
        fitted_box_mesh(COMM, [-1.0] * 2, [1.0] * 2, [4] * 2, "right", [], [[2.0, 0.0]])
