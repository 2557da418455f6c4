"""The limit of Noisy SGD where it is known: noise along a line collapses onto it, noise everywhere does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpsolver.problems.noisy.problem import solve_noisy_sgd
from tests.problems.settings import setting

pytestmark = pytest.mark.parallel

CASE = """[domain]
lower = [-1.5, -1.2]
upper = [1.5, 1.2]
cells = [10, 10]
[loss]
expression = "x**2 + y**2"
[noise]
diffusion = {noise}
[stationary]
regularizations = [4e-2, 2e-2, 1e-2]
"""


def results(folder: Path, noise: str) -> Any:
    return solve_noisy_sgd(setting(folder, CASE.format(noise=noise))).results


def test_noise_along_a_line_collapses_onto_it(shared_folder: Path) -> None:
    """Across the line a Gaussian of variance eps/2: W1 of two of them is sqrt(2/pi) times what their widths differ."""
    found = results(shared_folder, '[["0.2", "0"], ["0", "0"]]')
    for level in found["levels"]:
        assert level["covariance"][1][1].value == pytest.approx(level["regularization"] / 2, rel=1e-3)
    for one in found["differences"]:
        widths = np.sqrt(one["from"] / 2), np.sqrt(one["to"] / 2)
        # along the line the widths differ too, by less
        assert one["wasserstein1"].value == pytest.approx(np.sqrt(2 / np.pi) * (widths[0] - widths[1]), rel=0.15)
    assert "singular" in found["verdict"]


def test_noise_everywhere_has_a_density_for_its_limit(shared_folder: Path) -> None:
    """Variances d/2 + eps/2: all differences are of order eps."""
    found = results(shared_folder, '[["0.2", "0"], ["0", "0.3"]]')
    for level in found["levels"]:
        epsilon = level["regularization"]
        assert level["covariance"][0][0].value == pytest.approx((0.2 + epsilon) / 2, rel=2e-2)
    assert "density" in found["verdict"]
    assert found["orders"]["l1"]["last"].value == pytest.approx(1.0, abs=0.2)
