"""Every shipped case loads, has a finite model on its box, and a semidefinite D."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fpsolver.case import load
from fpsolver.model import MODELS, build

CASES = sorted((Path(__file__).parents[2] / "cases").glob("*.toml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_shipped_cases_have_models(path: Path) -> None:
    case = load(path)
    model = build(case)
    points = np.random.default_rng(0).uniform(case.domain.lower, case.domain.upper, (200, case.dimension))
    found = model(points)
    for field in (found.loss, found.advection, found.diffusion):
        assert np.all(np.isfinite(field))
    values = np.linalg.eigvalsh(found.diffusion)
    assert np.all(values[:, 0] >= -1e-14 * values[:, -1])


def test_every_kind_of_loss_has_a_model() -> None:
    assert set(MODELS) == {"none", "expression", "per_sample", "table", "python"}


def test_output_times_of_the_iris_case_hold_the_published_ones() -> None:
    case = load(CASES[0].parent / "iris_neuron.toml")
    assert case.evolution is not None
    assert {0.5, 2.0, 10.0} <= set(case.evolution.output_times)
