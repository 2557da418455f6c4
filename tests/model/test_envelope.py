"""Inequalities by convex envelopes: exact where the envelope is known, and never above the spectral gap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh_tridiagonal

from fpsolver.model import Array, build
from fpsolver.model.curvature import curvature
from fpsolver.model.envelope import envelope
from fpsolver.model.field import Field
from tests.model.kinds import Write


def field(write: Write, text: str, dimension: int = 1) -> Field:
    case = write(text, dimension)
    return Field(build(case), case.domain)


def gap(potential: Array, noise: Array, step: float) -> float:
    """The spectral gap on a line, from e^(-Ψ) at nodes and D between them: the chain with reflecting ends."""
    middle = np.exp(-(potential[1:] + potential[:-1]) / 2.0) * noise / step**2
    mass = np.exp(-potential)
    diagonal = (np.append(middle, 0.0) + np.append(0.0, middle)) / mass
    off = -middle / np.sqrt(mass[1:] * mass[:-1])
    return float(eigh_tridiagonal(diagonal, off, select="i", select_range=(1, 1))[0][0])


def test_one_convex_well(write: Write) -> None:
    """The quadratic well is its own envelope: the constant is the curvature."""
    found = envelope(field(write, "[loss]\nexpression = '0.7*x**2/2'\n[noise]\ndiffusion = 0.01\n"))
    assert found.rate == pytest.approx(0.7, rel=2e-3)
    assert found.rate is not None
    assert found.rate <= 0.7


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.3, 1.0])
def test_double_well(write: Write, noise: float) -> None:
    """F = (x² - 1)²/4d - mx²/2d is flat between its minima, (1 + m)²/4d below the top; never above the gap."""
    there = field(write, f"[loss]\nexpression = '(x**2 - 1)**2/4'\n[noise]\ndiffusion = {noise}\n")
    found = envelope(there)
    x = np.linspace(-2.0, 2.0, 4001)
    exact = gap((x**2 - 1) ** 2 / 4 / noise, np.full(4000, noise), x[1] - x[0])
    assert found.rate is not None
    m = np.linspace(0.01, 2.0, 100001)
    assert found.rate == pytest.approx((m * np.exp(-((1 + m) ** 2) / 4 / noise)).max(), rel=1e-2)
    assert found.rate < exact
    assert curvature(there).value == pytest.approx(-1.0)


def test_the_gap_of_the_tests_is_right() -> None:
    x = np.linspace(-8.0, 8.0, 4001)
    assert gap(1.3 * x**2 / 2, np.ones(4000), x[1] - x[0]) == pytest.approx(1.3, rel=1e-4)


def test_noise_that_varies_on_a_line(write: Write) -> None:
    """In the coordinate asinh x the noise is constant and the well quadratic."""
    text = "[drift]\nextra = ['-0.7*sqrt(1+x**2)*log(x+sqrt(1+x**2)) + x']\n[noise]\ndiffusion = '1+x**2'\n"
    found = envelope(field(write, text))
    assert found.rate is not None
    end = np.arcsinh(2.0)  # where a wall is, so that m may be larger than the curvature: δ = (m - 0.7) end²/2
    assert found.rate == pytest.approx(2.0 / end**2 * np.exp(0.35 * end**2 - 1.0), rel=1e-3)
    straight = np.linspace(-end, end, 4001)
    assert found.rate < gap(0.7 * straight**2 / 2, np.ones(4000), straight[1] - straight[0])


def test_curvature_that_vanishes_at_the_bottom(write: Write) -> None:
    """x⁴ has no curvature at 0, and still a constant; the same beside a second coordinate."""
    line = envelope(field(write, "[loss]\nexpression = 'x**4/4'\n[noise]\ndiffusion = 0.1\n"))
    x = np.linspace(-2.0, 2.0, 4001)
    exact = gap(x**4 / 4 / 0.1, np.full(4000, 0.1), x[1] - x[0])
    assert line.rate is not None
    assert exact / 5 < line.rate < exact
    plane = envelope(field(write, "[loss]\nexpression = 'x**4/4 + 3*y**2'\n[noise]\ndiffusion = 0.1\n", 2))
    assert plane.rate == pytest.approx(line.rate, rel=0.05)
    assert plane.rate is not None
    assert plane.rate < exact


def test_constant_noise_of_any_shape(write: Write) -> None:
    """Stretched coordinates: D = diag(0.1, 0.4) with f = (x² - 1)²/4 · ... given as potential of a reversible drift."""
    text = (
        "[drift]\nextra = ['x - x**3', '-4*y']\n[noise]\ndiffusion = [0.1, 0.4]\n"
        "potential = '((x**2 - 1)**2/4 + y**2/2)/0.1'\n"
    )
    plane = envelope(field(write, text, 2))
    line = envelope(field(write, "[loss]\nexpression = '(x**2 - 1)**2/4'\n[noise]\ndiffusion = 0.1\n"))
    assert plane.rate == pytest.approx(line.rate, rel=0.05)


@pytest.mark.parametrize(
    ("text", "dimension", "why"),
    [
        ("[loss]\nexpression = 'x**2'\n[noise]\ndiffusion = 'x**2'\n", 1, "vanishes"),
        ("[loss]\nexpression = 'x**2 + y**2'\n[noise]\ndiffusion = '1 + x**2'\n", 2, "depends on the point"),
        ("[loss]\nexpression = 'x**2 + y**2'\n[noise]\ndiffusion = [1, 0]\n", 2, "singular"),
        ("[drift]\nextra = ['-x + y**3', '-y']\n[noise]\ndiffusion = [1, 2]\n", 2, "not known"),
    ],
)
def test_where_there_is_none(write: Write, text: str, dimension: int, why: str) -> None:
    found = envelope(field(write, text, dimension))
    assert found.rate is None
    assert why in str(found.why)
