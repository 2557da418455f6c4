"""The order at which SGD approaches its diffusion, from differences and their intervals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mpi4py import MPI

from fpsolver.case import load
from fpsolver.errors import BadUsage
from fpsolver.runtime import StopFlag
from fpsolver.study.learning_rates import Difference, order, parting
from fpsolver.study.sgd_limit import sgd_limit


def test_the_order_is_that_of_the_differences() -> None:
    """What is lost in its interval does not count; the interval of the order follows from theirs."""
    line = [Difference(rate, 0.3 * rate**1.5, 0.01 * rate**1.5) for rate in (0.5, 0.25, 0.125)]
    found = order([*line, Difference(0.01, 1.0, 2.0)])
    assert found is not None
    assert found[0] == pytest.approx(1.5)
    assert 0.0 < found[1] < 0.1
    assert order(line[:1]) is None


CASE = """
[domain]
lower = [-2.0]
upper = [2.0]
cells = [8]
[data]
file = "data.csv"
columns = { t = "t" }
[loss]
per_sample = "(x**2 - 1)**2/4 + t*x"
[noise]
learning_rate = 0.65
batch_size = 1
covariance = "samples"
[regions]
left = "x < 0"
[evolution]
initial = { point = [-1.0] }
output_times = [1.3]
[[exit]]
region = "left"
start = [[-1.0]]
[simulation]
kind = "sgd"
walkers = 100
step = 0.1
max_time = 900.0
"""


def case_in(folder: Path, text: str = CASE) -> Path:
    (folder / "data.csv").write_text("t\n-0.38\n0.38\n")
    (folder / "case.toml").write_text(text)
    return folder / "case.toml"


def test_exit_times_tell_where_sgd_parts_from_its_diffusion(tmp_path: Path) -> None:
    """Gradients of rows are too small to lead out of the well: SGD stays, its diffusion leaves after some 450."""
    folder = tmp_path / "found"
    sgd_limit(load(case_in(tmp_path)), folder, MPI.COMM_SELF, [0.65], 1.3, fresh=False, stop=StopFlag())
    found = json.loads((folder / "results.json").read_text())["sgd_limit"]
    ((name, entry),) = found["exits"].items()
    assert name == "mean time to leave left from (-1)"
    there = entry["at learning rate 0.65"]
    assert there["sgd"]["value"] is None
    assert there["sgd_above"] == pytest.approx(100 * 900.0 / 4.605, rel=1e-3)
    assert 300.0 < there["diffusion"]["value"] < 700.0
    assert any("breaks" in text for text in found["breaks"]["at learning rate 0.65"])
    assert found["differences"]["mean of x"]["at learning rate 0.65"]["error"] > 0.0
    assert (folder / "sgd_limit.png").exists()
    assert "breaks at learning rates 0.65" in (folder / "run.log").read_text()


def test_a_time_between_iterations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match=r"t = 1 is no whole number of iterations"):
        sgd_limit(load(case_in(tmp_path)), tmp_path / "x", MPI.COMM_SELF, [0.65], 1.0, fresh=False, stop=StopFlag())


def test_learning_rates_are_told_apart() -> None:
    assert parting({0.5: ["far"], 0.1: [], 1.0: ["far"]}) == (
        "the diffusion approximation breaks at learning rates 0.5, 1; at 0.1 nothing is clearly apart"
    )
    assert "no number" in parting({0.5: [], 0.1: []})
