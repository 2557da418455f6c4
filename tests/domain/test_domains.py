"""Balls, shells and meshes from files: volumes, boundaries, what is refused, the same on any number of ranks."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import meshio
import numpy as np
import numpy.typing as npt
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from fpsolver.case import Ball, Domain, MeshFile, Region
from fpsolver.case.expressions import level
from fpsolver.case.mesh_file import MeshTrouble, read_mesh
from fpsolver.domain.ground import group_level
from fpsolver.domain.outline import boundary_of
from fpsolver.domain.region_mesh import domain_mesh, region_mesh

Array = npt.NDArray[np.float64]
COMM = MPI.COMM_WORLD
NAMES = ("x", "y", "z")
RING = Path(__file__).parents[2] / "meshes" / "ring.msh"


def ball(dimension: int, size: float, hole: float = 0.0) -> Ball:
    return Ball((0.1, -0.2, 0.3)[:dimension], 1.3, size, NAMES[:dimension], hole)


def integral(found: mesh.Mesh[Any], facets: bool = False) -> float:
    measure: Any = (ufl.ds if facets else ufl.dx)(domain=found, metadata={"quadrature_degree": 8})
    return float(COMM.allreduce(fem.assemble_scalar(fem.form(fem.Constant(found, 1.0) * measure))))


@pytest.mark.parallel
@pytest.mark.parametrize(("dimension", "hole"), [(1, 0.0), (2, 0.0), (2, 0.5), (3, 0.0), (3, 0.6)])
def test_volume_and_surface_converge_with_the_fourth_power_of_the_cells(dimension: int, hole: float) -> None:
    size = {1: 0.3, 2: 0.2, 3: 0.3}[dimension]
    errors = []
    for h in (size, size / 2):
        domain = ball(dimension, h, hole)
        found = domain_mesh(COMM, domain)
        sphere = {1: 2.0, 2: 2 * math.pi, 3: 4 * math.pi}[dimension]
        surface = sphere * (1.3 ** (dimension - 1) + (hole ** (dimension - 1) if hole else 0.0))
        errors.append([abs(integral(found) / domain.volume - 1), abs(integral(found, facets=True) / surface - 1)])
        assert max(errors[-1]) < 20 * (h / 1.3) ** 4
    assert dimension == 1 or (np.array(errors[1]) < np.array(errors[0]) / 6).all()


@pytest.mark.parallel
def test_reflecting_walls_of_a_ball_are_no_exits_and_absorbing_ones_are() -> None:
    domain = ball(2, 0.2)
    everything = Region("all", level("x < 9", NAMES[:2]), "x < 9")

    def right(points: Array) -> Array:
        return 0.1 - points[:, 0]

    closed = region_mesh(COMM, domain, everything)
    assert not len(closed.leaving)
    half = region_mesh(COMM, domain, everything, right)
    assert half.of_walls.all()
    cells, _ = half.exit_facets()
    whole = region_mesh(COMM, domain, everything, lambda points: -np.ones(len(points)))
    all_cells, _ = whole.exit_facets()
    ratio = COMM.allreduce(len(cells)) / COMM.allreduce(len(all_cells))
    assert ratio == pytest.approx(0.5, abs=0.05)
    assert not len(half.without_walls().leaving)


@pytest.mark.parallel
def test_a_region_that_cuts_the_wall_has_both_kinds_of_boundary() -> None:
    found = region_mesh(COMM, ball(2, 0.15), Region("r", level("x < 0.1", NAMES[:2]), "x < 0.1"))
    assert integral(found.mesh) == pytest.approx(math.pi * 1.3**2 / 2, rel=1e-5)
    assert not found.of_walls.any()
    cells, local = found.exit_facets()
    d = 2
    corners = np.array([[1, 2], [0, 2], [0, 1]])[local]
    x = found.mesh.geometry.x[found.mesh.geometry.dofmaps[0][cells[:, None], corners]][:, :, :d]
    assert np.abs(x[:, :, 0] - 0.1).max(initial=0.0) < 1e-12


@pytest.mark.parallel
@pytest.mark.parametrize("halvings", [0, 1, 2])
def test_a_mesh_from_a_file_keeps_its_area_and_its_groups(halvings: int) -> None:
    data = read_mesh(RING)
    domain = MeshFile(RING, NAMES[:2], data, halvings)
    found = region_mesh(COMM, domain, None, group_level(domain, "inner"))
    assert found.cells == len(data.cells) * 4**halvings
    assert integral(found.mesh) == pytest.approx(math.pi * (1.5**2 - 0.5**2), rel=2e-5)
    assert len(found.leaving) == len(data.facet_groups["inner"]) * 2**halvings
    assert found.of_walls.all()


@pytest.mark.parallel
def test_a_region_can_be_cut_out_of_a_mesh_from_a_file() -> None:
    domain = MeshFile(RING, NAMES[:2], read_mesh(RING))
    area = 0.0
    for text in ("x + 0.3*y < 0.123", "x + 0.3*y > 0.123"):
        found = region_mesh(COMM, domain, Region("cut", level(text, NAMES[:2]), text))
        assert found.quality > 0.05
        assert not found.of_walls.any()
        area += integral(found.mesh)
    # where the cut ends, curved edges become straight
    assert area == pytest.approx(math.pi * (1.5**2 - 0.5**2), rel=2e-3)


def quadratic(path: Path) -> None:
    """The unit disc as six triangles with quadratic edges."""
    turn = np.linspace(0, 2 * np.pi, 7)[:-1]
    rim = np.column_stack([np.cos(turn), np.sin(turn)])
    between = np.column_stack([np.cos(turn + np.pi / 6), np.sin(turn + np.pi / 6)])
    points = np.vstack([[[0.0, 0.0]], rim, between, rim / 2])
    cells = [[0, 1 + i, 1 + (i + 1) % 6, 13 + i, 7 + i, 13 + (i + 1) % 6] for i in range(6)]
    made = meshio.Mesh(np.column_stack([points, np.zeros(len(points))]), {"triangle6": cells})
    meshio.write(path, made, file_format="gmsh22" if path.suffix == ".msh" else "xdmf")


@pytest.mark.parametrize("name", ["disc.msh", "disc.xdmf"])
def test_quadratic_edges_are_kept_and_halved_on_their_curves(tmp_path: Path, name: str) -> None:
    """Halving does not change the area, and that of six sectors with parabolas is known."""
    quadratic(tmp_path / name)
    data = read_mesh(tmp_path / name)
    assert len(data.bent_edges) == 6
    sagitta = 1 - math.cos(math.pi / 6)
    exact = 6 * (math.sqrt(3) / 4 + 2 / 3 * sagitta)
    for halvings in (0, 1, 2):
        domain = MeshFile(tmp_path / name, NAMES[:2], data, halvings)
        found = domain_mesh(MPI.COMM_SELF, domain)
        dx: Any = ufl.dx(metadata={"quadrature_degree": 8})
        assert fem.assemble_scalar(fem.form(fem.Constant(found, 1.0) * dx)) == pytest.approx(exact, rel=1e-10)


def test_which_points_a_mesh_holds_is_exact() -> None:
    data = read_mesh(RING)
    points = np.random.default_rng(3).uniform(-1.7, 1.7, (5000, 2))
    r = np.hypot(*points.T)
    sure = (np.abs(r - 0.5) > 0.01) & (np.abs(r - 1.5) > 0.01)
    np.testing.assert_array_equal(data.holds(points)[sure], ((r > 0.5) & (r < 1.5))[sure])
    inside = data.cells_at(data.points[data.cells].mean(axis=1))
    np.testing.assert_array_equal(inside, np.arange(len(data.cells)))
    assert not data.holds(np.array([[np.nan, 0.0], [np.inf, 0.0]])).any()


def box_file(path: Path, cells: list[list[int]], kind: str = "triangle") -> None:
    points = [[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0.5, 0]]
    meshio.write(path, meshio.Mesh(points, {kind: cells}), file_format="gmsh22")


@pytest.mark.parametrize(
    ("cells", "kind", "words"),
    [
        ([[0, 1, 2, 3]], "quad", "quad"),
        ([[0, 1, 2], [0, 1, 1]], "triangle", "flat"),
        ([[0, 1, 2], [0, 1, 3]], "triangle", "same side"),
        ([[0, 1, 2], [0, 2, 3], [0, 2, 4]], "triangle", "more than two"),
    ],
)
def test_what_no_solver_could_use_is_refused(tmp_path: Path, cells: list[list[int]], kind: str, words: str) -> None:
    path = tmp_path / "bad.msh"
    box_file(path, cells, kind)
    with pytest.raises(MeshTrouble, match=words):
        read_mesh(path)


@pytest.mark.parametrize("text", [b"", b"$MeshFormat\n4.1 0 8\n", b"\x00\xff\xfe" * 50, b"<Xdmf><Domain/>"])
@pytest.mark.parametrize("suffix", [".msh", ".xdmf"])
def test_broken_files_are_one_message(tmp_path: Path, text: bytes, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(text)
    with pytest.raises(MeshTrouble):
        read_mesh(path)


def test_entities_of_xml_are_not_expanded(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xdmf"
    path.write_text('<!DOCTYPE Xdmf [<!ENTITY a "aaaa">]><Xdmf>&a;</Xdmf>')
    with pytest.raises(MeshTrouble, match="entities"):
        read_mesh(path)


def domains() -> list[Domain]:
    return [ball(2, 0.2), ball(2, 0.2, 0.5), ball(3, 0.3), MeshFile(RING, NAMES[:2], read_mesh(RING))]


@pytest.mark.parametrize("domain", domains(), ids=lambda domain: type(domain).__name__)
def test_normals_point_outward(domain: Domain) -> None:
    points, normals = boundary_of(domain)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0)
    step = 1e-3 * (np.array(domain.upper) - np.array(domain.lower)).max()
    assert domain.inside(points - step * normals).all()
    assert not domain.inside(points + step * normals).any()
