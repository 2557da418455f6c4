"""Which share of the mass each minimum receives: exact in one dimension, and mirrored where the case is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import integrate, special

from fpsolver.problems.splitting.problem import solve_splitting
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel

MEAN, SPREAD, NOISE, TILT = 0.15, 0.3, 0.03, 0.05

CASE = """[domain]
lower = [-2.0]
upper = [2.0]
cells = [40]
[loss]
expression = "(x**2 - 1)**2/4 + {tilt}*x"
[noise]
diffusion = 0.03
[evolution]
initial = {{ gaussian = {{ mean = [{mean}], std = 0.3 }} }}
output_times = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
[splitting]
radius = 0.1
"""


def results(folder: Path, mean: float, tilt: float) -> Any:
    return solve_splitting(setting(folder, CASE.format(mean=mean, tilt=tilt))).results


def loss(x: Any) -> Any:
    return (x**2 - 1) ** 2 / 4 + TILT * x


def minima() -> list[float]:
    return sorted(float(root.real) for root in np.roots([1.0, 0.0, -1.0, TILT]))


def by_place(found: Any) -> list[Any]:
    return sorted(found["basins"], key=lambda basin: basin["minimum"][0])


def test_shares_in_one_dimension_are_integrals(shared_folder: Path) -> None:
    """q(x) = integral of exp(f/D) from the left ball over that between both balls; the basin ends at the saddle."""
    left, saddle, right = minima()
    basins = by_place(results(shared_folder, MEAN, TILT))
    cut = special.ndtr((saddle - MEAN) / SPREAD)
    assert basins[0]["deterministic"].value == pytest.approx(cut, abs=1e-4)
    x = np.linspace(left + 0.1, right - 0.1, 4001)
    rising = integrate.cumulative_simpson(np.exp((loss(x) - loss(saddle)) / NOISE), x=x, initial=0.0)
    q = np.concatenate([[0.0], rising / rising[-1], [1.0]])
    points = np.concatenate([[-9.0], x, [9.0]])
    fine = np.linspace(MEAN - 8 * SPREAD, MEAN + 8 * SPREAD, 20001)
    density = np.exp(-(((fine - MEAN) / SPREAD) ** 2) / 2) / (SPREAD * np.sqrt(2 * np.pi))
    exact = float(integrate.simpson(density * np.interp(fine, points, q), x=fine))
    assert basins[1]["committor"].value == pytest.approx(exact, abs=2e-4)
    assert basins[0]["committor"].value + basins[1]["committor"].value == pytest.approx(1.0, abs=1e-9)


def test_a_mirror_image_has_the_shares_exchanged(shared_folder: Path) -> None:
    one = by_place(results(shared_folder, MEAN, TILT))
    other = by_place(results(shared_folder, -MEAN, -TILT))
    for name in ("deterministic", "committor", "plateau", "final", "stationary"):
        assert one[0][name].value == pytest.approx(other[1][name].value, abs=1e-5), name
