"""Nodes where a process can leave, and exit times on meshes of regions against exact values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.case import Box, Region
from fpsolver.case.expressions import level
from fpsolver.domain.cells import Cells
from fpsolver.domain.locate import point_rules
from fpsolver.domain.region_mesh import RegionMesh, region_mesh
from fpsolver.domain.regions import at_points
from fpsolver.generator.boundary import exit_nodes, grading_for
from fpsolver.generator.generator import weighted_generator
from fpsolver.generator.weight import Weight
from fpsolver.linalg import Factorization, SolveCount
from tests.equations import COMM, NO_WEIGHT, Equation, constant, double_well

pytestmark = pytest.mark.parallel

Array = npt.NDArray[np.float64]
NAMES = ("x", "y", "z")


def rectangle(lower: tuple[float, ...], upper: tuple[float, ...], cells: tuple[int, ...]) -> Box:
    return Box(lower, upper, cells, NAMES[: len(cells)])


def region(text: str, box: Box) -> Region:
    return Region("here", level(text, box.coordinates), text)


def brownian(dimension: int) -> Equation:
    return Equation(dimension, np.zeros_like, constant(0.5))


def kinetic(temperature: float) -> Equation:
    """dx = p dt, dp = -(x^3 - x) dt - p dt + (2 T)^(1/2) dW."""

    def drift(points: Array) -> Array:
        x, p = points[:, 0], points[:, 1]
        return np.stack([p, x - x**3 - p], axis=1)

    def potential(points: Array) -> tuple[Array, Array]:
        x, p = points[:, 0], points[:, 1]
        height = (x**2 - 1) ** 2 / 4 + p**2 / 2
        return height / temperature, np.stack([x**3 - x, p], axis=1) / temperature

    noise = constant([[0.0, 0.0], [0.0, temperature]])
    return Equation(2, np.zeros_like, noise, extra=drift, potential=potential)


def exit_points(found: RegionMesh, model: Equation, degree: int) -> Array:
    """The exit nodes of all ranks."""
    space = fem.functionspace(found.mesh, ("Lagrange", degree))
    fixed = exit_nodes(space, found, model)
    mine = space.tabulate_dof_coordinates()[: len(fixed)][fixed][:, : found.mesh.geometry.dim]
    return np.concatenate(COMM.allgather(mine))


def mean_exit_time(found: RegionMesh, model: Equation, degree: int, weight: Weight, start: tuple[float, ...]) -> float:
    """K u = M 1 with u = 0 at the exit nodes, at one point."""
    generator = weighted_generator(found.mesh, model, degree, weight)
    free = np.flatnonzero(~exit_nodes(generator.space, found, model))
    rows = PETSc.IS().createGeneral((free + generator.stiffness.getOwnershipRange()[0]).astype(np.int32), comm=COMM)
    matrix = generator.stiffness.createSubMatrix(rows, rows)
    solution = Factorization(matrix, "exit", symmetric=False, count=SolveCount()).solve(
        generator.total.getSubVector(rows)
    )
    everywhere = generator.one.duplicate()
    everywhere.set(0.0)
    everywhere.array[free] = solution.array_r
    time = generator.function(everywhere)
    (rule,) = point_rules(found.mesh, Cells.of(found.mesh), [start])
    assert rule is not None
    basis = generator.space.element.basix_element.tabulate(0, rule.reference)[0, :, :, 0]
    here = float((basis * time.x.array[generator.space.dofmap.list[rule.cell]]).sum())
    return float(COMM.allreduce(here, MPI.SUM))


@pytest.mark.parametrize(
    ("dimension", "degree", "cells", "limit"), [(1, 2, 7, 1e-13), (2, 4, 12, 1e-5), (3, 2, 8, 1e-3)]
)
def test_brownian_motion_leaves_a_ball_after_the_known_time(
    dimension: int, degree: int, cells: int, limit: float
) -> None:
    box = rectangle((-1.0,) * dimension, (1.0,) * dimension, (cells,) * dimension)
    text = " + ".join(f"{name}**2" for name in box.coordinates) + " < 0.49"
    found = region_mesh(COMM, box, region(text, box))
    time = mean_exit_time(found, brownian(dimension), degree, NO_WEIGHT, (0.0,) * dimension)
    assert time == pytest.approx(0.49 / dimension, rel=limit)


def test_brownian_motion_leaves_a_square_with_absorbing_walls_after_the_known_time() -> None:
    box = rectangle((-1.0, -1.0), (1.0, 1.0), (8, 8))
    found = region_mesh(COMM, box, region("x < 5", box), at_points(level("x < 5", box.coordinates), box.coordinates))
    n = np.arange(1, 60, 2)
    series = 1 - (32 / np.pi**3) * (np.sin(n * np.pi / 2) / n**3 / np.cosh(n * np.pi / 2)).sum()
    assert mean_exit_time(found, brownian(2), 4, NO_WEIGHT, (0.0, 0.0)) == pytest.approx(series, rel=1e-6)


def test_a_corner_inwards_does_not_spoil_the_time() -> None:
    """Self-converged value; without grading this mesh has an error of 1.6e-3."""
    box = rectangle((-1.0, -1.0), (1.0, 1.0), (8, 8))
    model = brownian(2)
    grading = grading_for(model, NO_WEIGHT, 4)
    found = region_mesh(COMM, box, region("not (x > 0 and y > 0)", box), None, grading)
    assert mean_exit_time(found, model, 4, NO_WEIGHT, (-0.5, -0.5)) == pytest.approx(1.6291808, rel=5e-6)


def test_an_exit_on_a_slope_is_resolved() -> None:
    """A layer of one eighth of a cell; without grading the time is too small by 15 %."""
    model = double_well(0.02)
    box = rectangle((-2.0, -1.5), (2.0, 1.5), (12, 8))
    weight = replace(model.weight, ceiling=40.0)
    found = region_mesh(COMM, box, region("x < -0.5", box), None, grading_for(model, weight, 4))
    # one-dimensional: the mean time is the double integral of e^(f/d) and e^(-f/d)
    x = np.linspace(-2.0, -0.5, 200001)
    f = (x**2 - 1) ** 2 / 4 / 0.02
    below = np.concatenate([[0.0], np.cumsum((np.exp(-f[1:]) + np.exp(-f[:-1])) / 2 * np.diff(x))])
    inner = np.where(x >= -1.0, np.exp(f) * below / 0.02, 0.0)
    exact = float(((inner[1:] + inner[:-1]) / 2 * np.diff(x)).sum())
    assert mean_exit_time(found, model, 4, weight, (-1.0, 0.0)) == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("cells", [(12, 12), (13, 13), (24, 24)])
def test_a_kinetic_exit_with_a_grazing_point(cells: tuple[int, int]) -> None:
    """Reference value of an independent method; a uniform mesh of 24 x 24 cells has an error of 6e-3."""
    model = kinetic(0.2)
    box = rectangle((-2.5, -3.0), (2.5, 3.0), cells)
    weight = replace(model.weight, ceiling=25.0)
    found = region_mesh(COMM, box, region("x < 0", box), None, grading_for(model, weight, 4))
    assert mean_exit_time(found, model, 4, weight, (-1.0, 0.0)) == pytest.approx(21.864444948673974, rel=3e-4)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_noise_along_an_exit_set_leaves_only_where_the_drift_does(degree: int) -> None:
    """dx = p dt: out through x = 0 where p >= 0; the walls p = +-2 and x = -2 never, although noise hits them."""
    box = rectangle((-2.0, -2.0), (2.0, 2.0), (8, 8))
    nodes = exit_points(region_mesh(COMM, box, region("x < 0", box)), kinetic(0.2), degree)
    assert np.abs(nodes[:, 0]).max() < 1e-15
    assert nodes[:, 1].min() == pytest.approx(0.0, abs=1e-15)
    assert nodes[:, 1].max() == pytest.approx(2.0)
    assert len(np.unique(nodes[:, 1].round(9))) == len(nodes) == 4 * degree + 1  # each has one owner


def test_noise_across_an_exit_set_leaves_everywhere() -> None:
    """A tilted line: n . D n > 0 though D is singular."""
    box = rectangle((-2.0, -2.0), (2.0, 2.0), (8, 8))
    nodes = exit_points(region_mesh(COMM, box, region("x + 0.1*y < 0", box)), kinetic(0.2), 3)
    assert nodes[:, 1].min() == pytest.approx(-2.0)
    assert nodes[:, 1].max() == pytest.approx(2.0)
    assert len(nodes) == 25


def test_the_normal_of_a_curved_facet_is_that_at_the_node() -> None:
    """No noise, drift to the right: out of a disc where x >= 0, up to the bend of the elements."""
    wind = Equation(2, np.zeros_like, constant([[0.0, 0.0], [0.0, 0.0]]), extra=constant([1.0, 0.0]))
    box = rectangle((-1.0, -1.0), (1.0, 1.0), (20, 20))
    found = region_mesh(COMM, box, region("x**2 + y**2 < 0.49", box))
    out = exit_points(found, wind, 4)
    still = Equation(2, np.zeros_like, constant(0.5))
    all_nodes = exit_points(found, still, 4)
    assert out[:, 0].min() > -1e-3
    assert len(out) >= (all_nodes[:, 0] > 1e-3).sum()
    np.testing.assert_allclose(np.linalg.norm(all_nodes, axis=1), 0.7, atol=1e-5)


def test_the_nodes_do_not_depend_on_the_number_of_ranks() -> None:
    model = kinetic(0.2)
    box = rectangle((-2.0, -2.0, -1.0), (2.0, 2.0, 1.0), (4, 4, 3))
    flat = Equation(3, np.zeros_like, constant(0.5))
    cases = [(box, "x**2 + y**2 < 1.7", flat), (rectangle((-2.5, -3.0), (2.5, 3.0), (9, 9)), "x < 0", model)]
    for domain, text, equation in cases:
        alone = region_mesh(MPI.COMM_SELF, domain, region(text, domain))
        space = fem.functionspace(alone.mesh, ("Lagrange", 3))
        fixed = exit_nodes(space, alone, equation)
        serial = space.tabulate_dof_coordinates()[: len(fixed)][fixed][:, : domain.dimension]
        together = exit_points(region_mesh(COMM, domain, region(text, domain)), equation, 3)
        assert len(serial) == len(together)
        order = [points[np.lexsort(points.round(9).T)] for points in (serial, together)]
        np.testing.assert_allclose(*order, atol=1e-9)
