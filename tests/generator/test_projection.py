"""The projection to positive densities: positive, of the same mass, idle where nothing is negative, honest about it."""

from __future__ import annotations

import numpy as np
import pytest
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.projection import Projection, project
from tests.equations import COMM, NO_WEIGHT, Array, box, double_well, interpolated, total

pytestmark = pytest.mark.parallel


@pytest.fixture
def generator() -> Generator:
    equation = double_well(0.2)
    return weighted_generator(box([-2.0, -1.5], [2.0, 1.5], (9, 8)), equation, 4, equation.weight)


@pytest.fixture
def flat() -> Generator:
    """w = 1 on the unit interval, degree 1."""
    return weighted_generator(box([0.0], [1.0], (64,)), double_well(0.2, 1), 1, NO_WEIGHT)


def mass(generator: Generator, vector: PETSc.Vec, projection: Projection | None = None) -> float:
    values, masses, _ = generator.samples(vector)
    return total((masses * (values if projection is None else projection.values)).sum())


def lowest(values: Array) -> float:
    return float(COMM.allreduce(float(values.min(initial=np.inf)), MPI.MIN))


def test_a_positive_density_is_left_as_it_is(generator: Generator) -> None:
    vector = interpolated(generator, lambda p: 1.0 + 0.9 * np.sin(3 * p[:, 0]) * np.cos(2 * p[:, 1]))
    projection = project(generator, vector)
    values, _, weight = generator.samples(vector)
    assert (projection.shift, projection.moved) == (0.0, 0.0)
    np.testing.assert_array_equal(projection.values, values)
    assert projection.minimum == lowest(values * weight) > 0.0


@pytest.mark.parametrize("depth", [0.01, 0.3, 3.0])
def test_a_density_with_negative_parts_becomes_positive_with_the_same_mass(generator: Generator, depth: float) -> None:
    vector = interpolated(generator, lambda p: 1.0 + (1 + depth) * np.sin(5 * p[:, 0]) * np.cos(4 * p[:, 1]))
    projection = project(generator, vector)
    assert lowest(generator.samples(vector)[0]) < 0.0
    assert lowest(projection.values) >= 0.0
    assert projection.minimum >= 0.0
    assert projection.shift > 0.0
    assert mass(generator, vector, projection) == pytest.approx(mass(generator, vector), rel=1e-14)


def test_the_moved_mass_of_a_known_density(flat: Generator) -> None:
    """h = 1 - a on the left half and 1 + a on the right, a = 1.2, smeared over one cell: with lambda = 0.2 the left
    half becomes 0 and the right one 2, so that half of 0.2 + 0.2 moves, relative to a mass of 1: 0.1."""
    vector = interpolated(flat, lambda p: 1.0 + 1.2 * np.clip(64 * (p[:, 0] - 0.5), -1.0, 1.0))
    projection = project(flat, vector)
    cell = 1.0 / 64
    assert projection.shift == pytest.approx(0.2, abs=4 * cell)
    assert projection.moved == pytest.approx(0.1, abs=4 * cell)


def test_the_projection_is_the_nearest_in_form(generator: Generator) -> None:
    """It is max(h - lambda, 0), nothing else."""
    vector = interpolated(generator, lambda p: np.sin(5 * p[:, 0]) + 0.5)
    projection = project(generator, vector)
    expected = np.maximum(generator.samples(vector)[0] - projection.shift, 0.0)
    np.testing.assert_array_equal(projection.values, expected)


def test_one_negative_entry_on_the_last_rank_is_seen_by_all(generator: Generator) -> None:
    vector = interpolated(generator, lambda p: np.ones(len(p)))
    if COMM.rank == COMM.size - 1:
        vector.array[-1] = -10.0
    projection = project(generator, vector)
    seen = COMM.allgather((projection.shift, projection.moved, projection.minimum))
    assert len(set(seen)) == 1
    assert projection.shift > 0.0
    assert projection.moved > 0.0
    assert projection.minimum == 0.0
    assert lowest(projection.values) == 0.0


def test_nothing_negative_is_hidden_between_the_nodes() -> None:
    """Positive at every node of degree 4 and yet negative in between: the samples are the quadrature points."""
    generator = weighted_generator(box([0.0], [1.0], (1 if COMM.size == 1 else 2 * COMM.size,)), double_well(0.2, 1), 4,
                                   NO_WEIGHT)  # fmt: skip
    # the polynomial through these values on each cell dips below zero beside the peak
    cell_nodes = generator.space.dofmap.list
    function = fem.Function(generator.space)
    function.x.array[:] = 1e-6
    for nodes in cell_nodes:
        function.x.array[nodes[2]] = 1.0  # an inner node
    vector = generator.total.duplicate()
    vector.array[:] = function.x.array[: vector.getLocalSize()]
    assert vector.min()[1] > 0.0
    assert project(generator, vector).moved > 1e-3


def test_a_spike_beside_a_vast_tail_converges(generator: Generator) -> None:
    """h over fourteen orders of magnitude, with noise around zero in the tail."""
    vector = interpolated(
        generator, lambda p: np.exp(-200 * ((p - [-1.0, 0.2]) ** 2).sum(axis=1)) + 1e-14 * np.sin(40 * p[:, 0])
    )
    projection = project(generator, vector)
    assert lowest(projection.values) >= 0.0
    assert mass(generator, vector, projection) == pytest.approx(mass(generator, vector), rel=1e-13)
