"""SGD against its exact law for a quadratic loss, and how batches are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes import case_of, moments

from fpsolver.case import BadCase
from fpsolver.model import build
from fpsolver.simulation.minibatch import drawn
from fpsolver.simulation.moments import Z99

VALUES = (0.0, 1.0, 2.0, 3.0, 9.0)
TEXT = """
[domain]
lower = [-90.0]
upper = [90.0]
cells = [20]
[loss]
per_sample = "(t - x)**2/2"
[data]
file = "data.csv"
columns = { t = "t" }
[noise]
learning_rate = 0.25
batch_size = 3
[evolution]
initial = { point = [5.0] }
output_times = [1.0, 5.0]
[simulation]
kind = "sgd"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data.csv").write_text("t\n" + "\n".join(str(value) for value in VALUES) + "\n")
    return tmp_path


@pytest.mark.parametrize("replacement", [True, False])
def test_sgd_has_its_exact_mean_and_variance(folder: Path, replacement: bool) -> None:
    """x ← (1 - η) x + η (mean of a batch), whose variance without replacement has the factor (N - B)/(N - 1)."""
    case = case_of(folder, TEXT, f"noise.replacement={str(replacement).lower()}")
    eta, batch, rows = 0.25, 3, len(VALUES)
    spread = np.var(VALUES) / batch * (1.0 if replacement else (rows - batch) / (rows - 1))
    for found, steps in zip(moments(case, 1.0, 40_000, "sgd"), (4, 20), strict=True):
        mean = np.mean(VALUES) + (1 - eta) ** steps * (5.0 - np.mean(VALUES))
        variance = eta**2 * spread * sum((1 - eta) ** (2 * k) for k in range(steps))
        assert abs(found.mean[0].value - mean) < 4.5 / Z99 * found.mean[0].half
        assert abs(found.covariance[0][0].value - variance) < 4.5 / Z99 * found.covariance[0][0].half


def test_a_loss_by_name_is_that_loss_per_sample(folder: Path) -> None:
    """The same formula, so the same walkers to the last bit."""
    named = TEXT.replace('per_sample = "(t - x)**2/2"', 'name = "squared"\nprediction = "x"\ntarget = "t"')
    one, other = (moments(case_of(folder, text), 1.0, 1_000, "sgd") for text in (TEXT, named))
    assert one == other


def test_the_noise_of_the_equation_is_that_of_the_batches(folder: Path) -> None:
    """D = η/(2B) Σ (N - B)/(N - 1); a batch of all rows has none."""
    point, full = np.array([[1.0]]), np.var(VALUES)
    for size in (1, 3, 5):
        case = case_of(folder, TEXT, "noise.replacement=false", f"noise.batch_size={size}")
        expected = 0.25 / (2 * size) * full * (5 - size) / 4
        assert build(case)(point).diffusion[0, 0, 0] == pytest.approx(expected, abs=1e-15)


def test_momentum_is_the_heavy_ball(folder: Path) -> None:
    """Its mean position after each step, by the recursion itself, with full batches."""
    text = TEXT.replace("batch_size = 3", "batch_size = 5\nreplacement = false").replace("[5.0]", "[5.0, 0.0]")
    text = text.replace("lower = [-90.0]", "lower = [-90.0, -90.0]").replace("upper = [90.0]", "upper = [90.0, 90.0]")
    text = (
        text.replace("cells = [20]", 'cells = [20, 20]\ncoordinates = ["x", "v"]') + "[momentum]\ncoefficient = 0.8\n"
    )
    x, v = 5.0, 0.0
    found = moments(case_of(folder, text), 1.0, 2_000, "sgd")
    for step in range(1, 11):
        v = 0.8 * v - 0.25 * (x - np.mean(VALUES))
        x += v
        if step in (2, 10):
            assert found[0 if step == 2 else 1].mean[0].value == pytest.approx(x, rel=1e-12)


@pytest.mark.parametrize(("population", "size"), [(7, 1), (7, 3), (7, 5), (7, 7)])
def test_batches_without_replacement_are_even_subsets(population: int, size: int) -> None:
    """All rows are different, and every row, and every pair of rows, is as likely as any other."""
    rows = drawn(np.random.default_rng(1), population, size, 40_000, replacement=False)
    marks = np.zeros((population, 40_000))
    np.add.at(marks, (rows, np.arange(40_000)[None, :]), 1.0)
    assert marks.max() == 1.0
    together = marks @ marks.T / 40_000
    pairs = size * (size - 1) / (population * (population - 1))
    expected = np.where(np.eye(population) > 0, size / population, pairs)
    assert np.abs(together - expected).max() < 0.015


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("noise.batch_size=2.5", "a minibatch of 2.5 rows cannot be drawn"),
        ("noise.batch_size=9", "9 rows cannot be drawn from 5 without replacement"),
        ("schedule.learning_rate=0.1", "minibatches with a schedule are not simulated"),
    ],
)
def test_what_cannot_be_drawn_is_refused(folder: Path, override: str, message: str) -> None:
    with pytest.raises(BadCase, match=message):
        case_of(folder, TEXT, override, "noise.replacement=false")
