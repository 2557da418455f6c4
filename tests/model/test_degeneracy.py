"""Places where noise vanishes: traps in space, gates and closed intervals on a line, each against what theory says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpsolver.case import load
from fpsolver.model import build
from fpsolver.model.coefficients import Array, Model
from fpsolver.model.degeneracy import traps
from fpsolver.model.line import line
from tests.model.kinds import Write

PROJECT = Path(__file__).parents[2]
EVERYWHERE = -2.0, 2.0


def model(write: Write, loss: str, noise: str, dimension: int = 1) -> Model:
    return build(write(f'[loss]\nexpression = "{loss}"\n[noise]\ndiffusion = {noise}\n', dimension))


def on_line(write: Write, loss: str, noise: str) -> Model:
    return model(write, loss, f'"{noise}"')


@pytest.mark.parametrize(
    ("rate", "attracting"),
    [(-1.0, True), (0.0, True), (0.2, True), (0.29, True), (0.31, False), (1.0, False), (0.3, None)],
)
def test_a_trap_attracts_if_noise_or_drift_pull(write: Write, rate: float, attracting: bool | None) -> None:
    """dX = k X dt + sqrt(2 c) X dW goes to 0 exactly if k < c; at k = c it returns, after infinite mean times."""
    (trap,) = traps(on_line(write, f"-{rate}*(x - 0.3)**2/2", "0.3*(x - 0.3)**2"), [-2.0], [2.0])
    assert trap.point == pytest.approx([0.3], abs=1e-12)
    assert trap.attracting is attracting


@pytest.mark.parametrize(("power", "attracting"), [(2, True), (4, True), (1, True)])
def test_zeros_of_any_order_are_found(write: Write, power: int, attracting: bool) -> None:
    (trap,) = traps(on_line(write, "(x - 0.123)**2/2", f"abs(x - 0.123)**{power}"), [-2.0], [2.0])
    assert trap.point == pytest.approx([0.123], abs=1e-9)
    assert trap.attracting is attracting


def test_paths_may_linger_at_a_trap_of_higher_order(write: Write) -> None:
    """D = y^4, b = y^3: neither the scale function nor the speed measure is finite at 0."""
    found = line(on_line(write, "-x**4/4", "x**4"), *EVERYWHERE)
    trap = found.part_at(0.0)
    assert found.lingers[:, trap].sum() == 2
    assert found.attracts(trap) is None


def test_a_little_regularization_is_no_trap(write: Write) -> None:
    assert traps(on_line(write, "x**2/2", "0.3*x**2 + 1e-9"), [-2.0], [2.0]) == []
    assert traps(model(write, "(x**2 + y**2)/2", '"0.3*(x**2 + y**2) + 1e-9"', 2), [-2.0] * 2, [2.0] * 2) == []


def test_drift_makes_a_gate_of_a_zero_of_the_noise(write: Write) -> None:
    """Crossed to the right only: the right part is the one that is never left."""
    gate = line(on_line(write, "-x", "(x - 0.3)**2"), *EVERYWHERE)
    assert [place.x for place in gate.places] == pytest.approx([-2.0, 0.3, 2.0])
    left, right = gate.part_at(0.0), gate.part_at(0.5)
    assert gate.reachable[left, right]
    assert not gate.reachable[right, left]
    assert gate.closed == ((right,),)
    assert gate.traps == ()
    back = line(on_line(write, "x", "(x - 0.3)**2"), *EVERYWHERE)
    assert back.closed == ((left,),)


def test_gates_enclose_what_drift_fills(write: Write) -> None:
    """b = -cos 2x at the zeros of sin(2x)^2 alternates: inwards around pi/4 + k pi with -cos falling."""
    found = line(on_line(write, "sin(2*x)/2", "sin(2*x)**2"), *EVERYWHERE)
    zeros = [place.x for place in found.places[1:-1]]
    assert zeros == pytest.approx([-np.pi / 2, 0.0, np.pi / 2], abs=1e-12)
    # drift +1, -1, +1: out of (-pi/2, 0) nothing leads, nor out of (pi/2, 2)
    assert found.closed == ((found.part_at(-1.0),), (found.part_at(1.9),))


def test_repelling_trap_splits_the_line(write: Write) -> None:
    found = line(on_line(write, "(x**2 - 1)**2/4", "0.3*x**2"), *EVERYWHERE)
    left, trap, right = (found.part_at(x) for x in (-1.0, 0.0, 1.0))
    assert found.attracts(trap) is False
    assert found.closed == ((left,), (trap,), (right,))


def test_both_minima_catch_where_noise_vanishes_there(write: Write) -> None:
    found = line(on_line(write, "(x**2 - 1)**2/4", "0.3*(x**2 - 1)**2"), *EVERYWHERE)
    assert found.closed == ((found.part_at(-1.0),), (found.part_at(1.0),))
    assert [found.attracts(part) for part in found.traps] == [True, True]


def test_motion_without_noise_follows_the_drift(write: Write) -> None:
    quiet = "max(abs(x) - 0.5, 0)**2"
    found = line(on_line(write, "x**2/2", quiet), *EVERYWHERE)
    assert found.closed == ((found.part_at(0.0),),)
    assert not found.stretches[found.part_at(0.2) // 2].noise
    through = line(on_line(write, "-x", quiet), *EVERYWHERE)
    assert through.closed == ((through.part_at(1.0),),)
    assert through.reachable[through.part_at(-1.0), through.part_at(0.0)]


def test_where_nothing_moves_every_point_is_a_trap(write: Write) -> None:
    rest = line(on_line(write, "max(abs(x) - 0.5, 0)**2", "max(abs(x) - 0.5, 0)**2"), *EVERYWHERE)
    (closed,) = rest.closed
    assert rest.rests(closed)
    assert rest.part_at(0.1) in closed
    assert rest.reachable[rest.part_at(1.0), closed[0]]


@pytest.mark.parametrize(("b", "leaves"), [(1.0, False), (0.5, False), (0.2, True), (-0.2, True)])
def test_an_end_without_noise_is_reached_by_fellers_rule(write: Write, b: float, leaves: bool) -> None:
    """dX = b dt + sqrt(2 c Y) dW hits Y = 0 exactly if b < c; here Y = X + 2, c = 0.5."""
    found = line(on_line(write, f"-({b})*x", "0.5*(x + 2)"), *EVERYWHERE, exits=(True, False))
    assert found.places[0].leaves is leaves
    assert found.reachable[found.part_at(1.0), 0] == leaves


def test_an_exit_that_is_a_trap_is_no_exit(write: Write) -> None:
    """0 is never reached, so out of x > 0 nothing leads, whether paths converge to 0 or not."""
    for loss in ("x**2/2", "-x**2/2"):
        found = line(on_line(write, loss, "0.3*x**2"), 0.0, 2.0, exits=(True, False))
        assert not any(place.leaves for place in found.places)


def test_a_wall_holds_what_drift_pushes_against_it(write: Write) -> None:
    found = line(on_line(write, "x", "0.5*x**2"), 0.0, 2.0)
    assert found.closed == ((0,),)
    assert found.places[0].drift == -1


ISOLATED = "((x - 0.1)**2 + (y - 0.07)**2)"


@pytest.mark.parametrize(("sign", "attracting"), [("", True), ("-", False)])
def test_a_trap_in_the_plane(write: Write, sign: str, attracting: bool) -> None:
    found = traps(model(write, f"{sign}{ISOLATED}/2", f'"0.2*{ISOLATED}"', 2), [-2.0] * 2, [2.0] * 2)
    assert [trap.point for trap in found] == [pytest.approx([0.1, 0.07], abs=1e-9)]
    assert found[0].attracting is attracting


def test_traps_outside_of_a_part_do_not_count(write: Write) -> None:
    given = model(write, f"{ISOLATED}/2", f'"0.2*{ISOLATED}"', 2)

    def right(points: Array) -> np.ndarray:
        return np.asarray(points[:, 0] > 0.2)

    assert traps(given, [-2.0] * 2, [2.0] * 2, right) == []


@pytest.mark.parametrize(
    ("loss", "noise"),
    [
        ("(x**2 - 1)**2/4 + 2*y**2", '[["0.1", "0.1"], ["0.1", "0.1"]]'),  # rank one
        ("(x**2 - 1)**2/4 + y**2/2", '["0", "0.2"]'),  # singular everywhere
        ("(x**2 - 1)**2/4 + y", '"x**2 + y**2"'),  # noise vanishes where the drift does not
        ("x**2 + y**2", '"0.1 + x**2"'),
    ],
)
def test_singular_noise_alone_is_no_trap(write: Write, loss: str, noise: str) -> None:
    assert traps(model(write, loss, noise, 2), [-2.0] * 2, [2.0] * 2) == []


def test_in_space_and_along_a_line_of_minima(write: Write) -> None:
    (trap,) = traps(model(write, "x**2 + y**2 + z**2", '"0.2*(x**2 + y**2 + z**2)"', 3), [-2.0] * 3, [2.0] * 3)
    assert trap.attracting
    assert np.abs(trap.point).max() < 1e-9
    # strong noise across a line: what it does along the line must not count as going away
    along = traps(model(write, "(x**2 + y**2)/2", '"5*(x**2 + y**2)"', 3), [-2.0] * 3, [2.0] * 3)
    assert len(along) > 10
    assert all(trap.attracting and np.abs(trap.point[:2]).max() < 1e-9 for trap in along)


def test_a_curve_of_minima(write: Write) -> None:
    found = traps(model(write, "(x*y - 1)**2", '"0.3*(x*y - 1)**2"', 2), [0.2] * 2, [2.0] * 2)
    assert len(found) > 10
    assert all(trap.attracting and abs(trap.point.prod() - 1.0) < 1e-9 for trap in found)


@pytest.mark.parametrize(("rate", "attracting"), [(-0.05, True), (0.05, False)])
def test_the_slower_direction_decides(write: Write, rate: float, attracting: bool) -> None:
    """x ~ exp((k - 1) t + noise), y = exp(k t): Q takes both signs, and the exponent is k."""
    (trap,) = traps(model(write, f"-({rate})*(x**2 + y**2)/2", '["x**2", "0"]', 2), [-2.0] * 2, [2.0] * 2)
    assert trap.attracting is attracting


@pytest.mark.parametrize(("step", "attracting"), [(0.5, False), (3.0, False), (4.0, True)])
def test_the_saddle_of_the_neuron(step: float, attracting: bool) -> None:
    """Directions disagree there, so the Lyapunov exponent decides: l - eta/(2B) s^2 with l / s^2 = 1.76."""
    given = build(load(PROJECT / "cases" / "iris_neuron.toml", [f"noise.learning_rate={step}"]))
    (trap,) = traps(given, [-3.0] * 2, [3.0] * 2)
    assert np.abs(trap.point).max() < 1e-9
    assert trap.attracting is attracting
