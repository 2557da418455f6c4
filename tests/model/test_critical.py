"""Critical points of the loss against those known by hand or from the literature."""

from __future__ import annotations

import time

import numpy as np
import pytest

from fpsolver.model import build
from fpsolver.model.critical import critical_points
from tests.model.kinds import SAMPLES_2, Write, table

NOISE = "[noise]\ndiffusion = 0.1\n"
MUELLER_BROWN = (
    "-200*exp(-(x-1)**2-10*y**2) - 100*exp(-x**2-10*(y-0.5)**2)"
    " - 170*exp(-6.5*(x+0.5)**2+11*(x+0.5)*(y-1.5)-6.5*(y-1.5)**2)"
    " + 15*exp(0.7*(x+1)**2+0.6*(x+1)*(y-1)+0.7*(y-1)**2)"
)


def loss(expression: str) -> str:
    return f"[loss]\nexpression = '{expression}'\n{NOISE}"


def test_double_well_in_one_dimension(write: Write) -> None:
    found = critical_points(build(write(loss("(x**2 - 1)**2/4"), 1)), [-2.0], [2.0])
    assert [each.kind for each in found] == ["minimum", "minimum", "maximum"]
    assert np.allclose([each.point[0] for each in found], [-1.0, 1.0, 0.0], atol=1e-10)
    assert np.allclose([each.eigenvalues[0] for each in found], [2.0, 2.0, -1.0], rtol=1e-8)
    assert [each.minima for each in found] == [(0,), (1,), (0, 1)]


def test_double_well_in_two_dimensions(write: Write) -> None:
    text = "[loss]\nexpression = '(x**2 - 1)**2/4 + 2*(y - x/2)**2'\n[noise]\ndiffusion = '0.1 + x**2'\n"
    found = critical_points(build(write(text)), [-2.0, -2.0], [2.0, 2.0])
    assert [each.index for each in found] == [0, 0, 1]
    assert np.allclose([each.point for each in found], [[-1.0, -0.5], [1.0, 0.5], [0.0, 0.0]], atol=1e-9)
    assert np.allclose([each.trace for each in found], [2.2, 2.2, 0.2])
    assert np.allclose([each.value for each in found], [0.0, 0.0, 0.25], atol=1e-12)
    bend = np.array([[0.0, -2.0], [-2.0, 4.0]])
    assert np.allclose(found[2].hessian, bend, atol=1e-7)
    assert np.allclose(found[2].eigenvalues, np.linalg.eigvalsh(bend))
    assert found[2].minima == (0, 1)


def test_mueller_brown(write: Write) -> None:
    model = build(write(loss(MUELLER_BROWN)))
    critical_points(model, [-1.5, -0.2], [1.2, 2.0])  # compiles what there is to compile
    begun = time.perf_counter()
    found = critical_points(model, [-1.5, -0.2], [1.2, 2.0])
    assert time.perf_counter() - begun < 2.0  # a tenth of that on an idle machine
    known = [[-0.558, 1.442], [0.623, 0.028], [-0.050, 0.467], [0.212, 0.293], [-0.822, 0.624]]
    assert [each.index for each in found] == [0, 0, 0, 1, 1]
    assert np.allclose([each.point for each in found], known, atol=1e-3)
    assert np.allclose([each.value for each in found], [-146.70, -108.17, -80.77, -72.25, -40.66], atol=1e-2)
    assert [each.minima for each in found[3:]] == [(1, 2), (0, 2)]
    slope = model(np.array([each.point for each in found])).gradient
    assert np.abs(slope).max() < 1e-7


def test_three_dimensions(write: Write) -> None:
    text = loss("(x**2 - 1)**2/4 + (y + 0.5*(x**2 - 1))**2 + (z - 0.5*x*y)**2")
    found = critical_points(build(write(text, 3)), [-2.0, -1.5, -1.5], [2.0, 1.5, 1.5])
    assert [each.index for each in found] == [0, 0, 1]
    assert np.allclose([each.point for each in found], [[-1, 0, 0], [1, 0, 0], [0, 0.5, 0]], atol=1e-8)
    assert found[2].minima == (0, 1)


@pytest.mark.parametrize(
    "text",
    [loss("0*x"), loss("x + 2*y"), "[drift]\nextra = ['y', '-x - y']\n" + NOISE],
    ids=["constant", "a slope", "no loss"],
)
def test_nothing_to_find(write: Write, text: str) -> None:
    assert critical_points(build(write(text)), [-2.0, -2.0], [2.0, 2.0]) == []


def test_a_valley_of_minima_is_no_list_of_points(write: Write) -> None:
    """A circle of minima: the maximum in its middle is isolated, they are not."""
    found = critical_points(build(write(loss("(x**2 + y**2 - 1)**2"))), [-2.0, -2.0], [2.0, 2.0])
    assert [each.kind for each in found] == ["maximum"]


def test_saddles_above_a_wall_lead_to_the_minima_there_are(write: Write) -> None:
    """x**3/3 - x falls beyond its minimum's barrier to the wall, where there is no minimum."""
    found = critical_points(build(write(loss("x - x**3/3 + y**2"))), [-2.0, -2.0], [2.0, 2.0])
    assert [(each.index, each.minima) for each in found] == [(0, (0,)), (1, (0,))]


def test_losses_of_samples(write: Write) -> None:
    """Of a sum over data too: the gradient vanishes, and the Hessian is that of the loss."""
    model = build(write(SAMPLES_2 + NOISE, 2, table()))
    found = critical_points(model, [-2.0, -2.0], [2.0, 2.0])
    assert found
    points = np.array([each.point for each in found])
    assert np.abs(model(points).gradient).max() < 1e-8
    step = 1e-4 * np.eye(2)
    for each in found:
        second = [
            [
                model.loss((each.point + a + b)[None])[0]
                - model.loss((each.point + a - b)[None])[0]
                - model.loss((each.point - a + b)[None])[0]
                + model.loss((each.point - a - b)[None])[0]
                for b in step
            ]
            for a in step
        ]
        assert np.allclose(each.hessian, np.array(second) / 4e-8, atol=1e-5)
