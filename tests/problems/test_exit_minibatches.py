"""A few walkers of SGD beside every mean exit time: they say where the diffusion is no model of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import fpsolver
from tests.equations import COMM

TEXT = """
[domain]
lower = [-2.2]
upper = [2.2]
cells = [40]
[data]
file = "data.csv"
columns = {{ t = "t" }}
[loss]
per_sample = "(x**2 - 1)**2/4 + t*x"
[noise]
learning_rate = {rate}
batch_size = {batch}
covariance = "{covariance}"
[regions]
left = "x < {edge}"
[[exit]]
region = "left"
start = [[-1.0]]
[run]
errors = false
"""


def solved(folder: Path, text: str, data: tuple[float, ...]) -> tuple[dict[str, Any], list[str]]:
    if COMM.rank == 0:
        (folder / "data.csv").write_text("t\n" + "".join(f"{value}\n" for value in data))
        (folder / "case.toml").write_text(text)
    COMM.barrier()
    answer = fpsolver.solve(fpsolver.load(folder / "case.toml")).answers["exit"]
    return answer.results[0]["starts"][0], list(answer.warnings)  # type: ignore[index,call-overload]


@pytest.mark.parallel
def test_a_well_that_sgd_cannot_leave(shared_folder: Path) -> None:
    """Gradients of rows are too small to lead over the pass; the same numbers and one warning on all ranks."""
    text = TEXT.format(rate=0.65, batch=1, covariance="samples", edge=0)
    entry, warnings = solved(shared_folder, text, (-0.38, 0.38))
    assert entry["sgd"].value is None
    assert "nobody left" in entry["sgd"].why
    assert entry["sgd_above"] > 4.0 * entry["mean"].value > 1000.0
    (told,) = (text for text in warnings if "the diffusion approximation breaks" in text)
    assert f"more than {entry['sgd_above']:.3g} for SGD and {entry['mean'].value:.3g}" in told
    assert COMM.allgather(entry["sgd_above"]) == [entry["sgd_above"]] * COMM.size


def test_a_random_walk_is_its_diffusion(shared_folder: Path) -> None:
    """Nothing rare: 1/(2D) out of |x| < 1, where SGD is late by its last step of some hundred."""
    text = TEXT.format(rate=0.1, batch=8, covariance="samples", edge=0).replace("(x**2 - 1)**2/4 + t*x", "t*x")
    text = text.replace("x < 0", "x**2 < 1").replace("[[-1.0]]", "[[0.0]]")
    entry, warnings = solved(shared_folder, text, (-2.0, -0.7, 0.0, 0.7, 2.0))
    assert entry["mean"].value == pytest.approx(1.0 / (2.0 * 0.1 / 16.0 * 8.98 / 5.0), rel=1e-6)
    assert entry["mean"].value < entry["sgd"].value + entry["sgd"].error
    assert entry["sgd"].value - entry["sgd"].error < 1.15 * entry["mean"].value
    assert entry["sgd"].error < 0.25 * entry["mean"].value
    assert not any("breaks" in text for text in warnings)


def test_other_noise_than_that_of_rows_is_not_followed(shared_folder: Path) -> None:
    text = TEXT.format(rate=0.1, batch=1, covariance="samples", edge=0).replace('"samples"', "[[0.5]]")
    entry, _ = solved(shared_folder, text, (-0.5, 0.5))
    assert "sgd" not in entry


def test_the_interval_of_walkers_is_no_error_of_the_mesh(shared_folder: Path) -> None:
    """Finer cells would not help it, so no warning asks for them."""
    text = TEXT.format(rate=0.65, batch=1, covariance="samples", edge=0).replace("errors = false", "errors = true")
    text = text.replace("start = [[-1.0]]", 'start = [[-1.0]]\ninitial = { uniform = "left" }')
    if COMM.rank == 0:
        (shared_folder / "data.csv").write_text("t\n-0.38\n0.38\n")
        (shared_folder / "case.toml").write_text(text)
    COMM.barrier()
    answer = fpsolver.solve(fpsolver.load(shared_folder / "case.toml")).answers["exit"]
    time = answer.results[0]["starts"][1]["sgd"]  # type: ignore[index,call-overload]
    assert time.error > 0.1 * time.value
    assert not any("under-resolved" in text for text in answer.warnings)
