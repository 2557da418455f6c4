"""Inverses through pins: exit times, stationary states and gaps at barriers where a direct solve is noise."""

from __future__ import annotations

import numpy as np
import pytest
from petsc4py import PETSc

from fpsolver.domain.box import box_mesh
from fpsolver.domain.locate import point_rules
from fpsolver.generator.generator import Generator, weighted_generator
from fpsolver.generator.pinned import Pinned
from fpsolver.generator.weight import Weight
from fpsolver.linalg import Factorization, SolveCount
from tests.equations import COMM, Equation

pytestmark = pytest.mark.parallel


def double_well(d: float, cells: int, upper: float) -> Generator:
    """f = (x^2 - 1)^2 / 4 on [-2, upper], noise d, degree 4."""
    model = Equation(1, lambda x: x**3 - x, lambda x: np.full(len(x), d))

    def potential(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return (x[:, 0] ** 2 - 1) ** 2 / (4 * d), (x**3 - x) / d

    domain = box_mesh(COMM, (-2.0,), (upper,), (cells,), "right")
    return weighted_generator(domain, model, 4, Weight(potential, ceiling=0.25 / d + 20.0))


def exact_time(d: float) -> float:
    """From -1 to 0, as a double integral with 0.25/d taken out of both exponents."""
    nodes, weights = np.polynomial.legendre.leggauss(20)

    def panels(a: float, b: float, n: int) -> tuple[np.ndarray, np.ndarray]:
        edges = np.linspace(a, b, n + 1)
        half = np.diff(edges) / 2
        return (edges[:-1, None] + half[:, None] * (nodes + 1)).ravel(), (half[:, None] * weights).ravel()

    y, wy = panels(-1.0, 0.0, 60)
    v, wv = panels(-2.0, 0.0, 4000)
    cumulative = np.concatenate([[0.0], np.cumsum(wv * np.exp(-((v**2 - 1) ** 2) / (4 * d)))])
    inner = cumulative[np.searchsorted(v, y)]
    return float(wy @ (np.exp(((y**2 - 1) ** 2 - 1.0) / (4 * d)) * inner) / d * np.exp(0.25 / d))


def on_the_line(generator: Generator, place: float) -> np.ndarray:
    nodes = generator.space.tabulate_dof_coordinates()[: generator.space.dofmap.index_map.size_local, 0]
    return np.abs(nodes - place) < 1e-12


def start(generator: Generator, place: float) -> PETSc.Vec:
    quadrature = generator.quadrature
    rule = point_rules(generator.space.mesh, quadrature.cells, [(place,)])[0]
    assert rule is not None
    return quadrature.functional_of_rule(rule, np.ones(len(rule.weights)))


@pytest.mark.parametrize("d", [0.1, 0.01, 0.002])
def test_exit_times_up_to_10_to_the_54_backward_and_forward(d: float) -> None:
    """Barrier 2.5, 25 and 125 nats; unpinned, the last two would be noise."""
    generator = double_well(d, 80, 0.0)
    exit_set, pins = on_the_line(generator, 0.0), np.array([[-1.0]])
    from_well = start(generator, -1.0)
    backward = from_well.dot(Pinned(generator, exit_set, pins, "exit", SolveCount()).solve(generator.total))
    other = Pinned(generator, exit_set, pins, "exit", SolveCount(), transposed=True)
    forward = generator.total.dot(other.solve_transposed(from_well))
    assert backward == pytest.approx(exact_time(d), rel=1e-3 if d == 0.002 else 1e-7)
    assert forward == pytest.approx(backward, rel=1e-8)


def test_a_direct_solve_fails_where_pins_do_not() -> None:
    """The reason for pins: at 125 nats the direct solution has not one digit."""
    generator = double_well(0.002, 80, 0.0)
    free = np.flatnonzero(~on_the_line(generator, 0.0)) + generator.space.dofmap.index_map.local_range[0]
    nodes = PETSc.IS().createGeneral(free.astype(PETSc.IntType), comm=COMM)
    matrix = generator.stiffness.createSubMatrix(nodes, nodes)
    direct = Factorization(matrix, "direct", symmetric=generator.reversible, count=SolveCount())
    solution = direct.solve(generator.total.getSubVector(nodes))
    assert solution.max()[1] != pytest.approx(exact_time(0.002), rel=0.5)


def test_any_pins_give_the_same_answer() -> None:
    """Pins change the arithmetic, not the problem: here one in the well, one on its slope, one at the wall."""
    generator = double_well(0.02, 60, 0.0)
    exit_set, from_well = on_the_line(generator, 0.0), start(generator, -0.7)
    times = [
        from_well.dot(Pinned(generator, exit_set, np.array(pins), "exit", SolveCount()).solve(generator.total))
        for pins in ([[-1.0]], [[-1.0], [-0.4], [-2.0]])
    ]
    assert times[1] == pytest.approx(times[0], rel=1e-10)


def test_the_stationary_state_of_both_wells_is_the_weight() -> None:
    """h is constant, although the wells exchange mass at a rate of 1e-11."""
    generator = double_well(0.01, 80, 2.0)
    nobody = np.zeros(generator.space.dofmap.index_map.size_local, dtype=bool)
    inverse = Pinned(generator, nobody, np.array([[-1.0], [1.0]]), "stationary", SolveCount())
    h = inverse.stationary()
    heights = inverse.at_pins(h)
    assert heights[1] == pytest.approx(heights[0], rel=1e-9)
    # in the bulk, where the weight is within 20 nats
    values = generator.quadrature.values(generator.function(h))[generator.weight_at_points > np.exp(-20.0)]
    np.testing.assert_allclose(values, heights[0], rtol=1e-6)
