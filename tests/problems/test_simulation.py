"""Walkers beside the equation: the same numbers on any number of ranks, agreement, and where they have to disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

from fpsolver import load
from fpsolver.errors import SolverFailed, Stopped
from fpsolver.model import build
from fpsolver.problems.keeper import Forgetful
from fpsolver.problems.simulation.problem import Surroundings, simulated
from fpsolver.problems.simulation.rounds import shared
from fpsolver.quantity import Quantity
from fpsolver.simulation.blocks import Block, Work
from fpsolver.study.comparison import compared
from tests.equations import COMM

TEXT = """
[domain]
lower = [-2.0]
upper = [2.0]
cells = [40]
[loss]
expression = "(x**2 - 1)**2/4"
[noise]
diffusion = 0.2
[regions]
left = "x < 0"
[evolution]
initial = { point = [-1.0] }
output_times = [1.0, 2.0]
[[exit]]
region = "left"
start = [[-1.0]]
[simulation]
walkers = 12000
step = 0.05
max_time = 80.0
"""


def around(comm: MPI.Intracomm) -> Surroundings:
    return Surroundings(comm, lambda: None, lambda share, text: None, lambda line: None, Forgetful())


def case_of(folder: Path, *overrides: str) -> Any:
    path = folder / "case.toml"
    if COMM.rank == 0:
        path.write_text(TEXT)
    COMM.barrier()
    return load(path, overrides)


@pytest.mark.parallel
def test_numbers_do_not_depend_on_the_ranks(shared_folder: Path) -> None:
    """All ranks together find to the last bit what one of them finds alone; another seed finds something else."""
    case = case_of(shared_folder)
    together, alone = (simulated(case, build(case), around(comm)).results for comm in (COMM, MPI.COMM_SELF))
    assert together == alone
    other = case_of(shared_folder, "simulation.seed=2", "simulation.walkers=12000")
    assert simulated(other, build(other), around(COMM)).results != together


@pytest.mark.parallel
def test_an_error_of_one_block_ends_all_ranks() -> None:
    def begin(number: int) -> Work:
        yield
        if number == 2:
            raise SolverFailed("astray")
        return Block({}, {})

    with pytest.raises(SolverFailed, match="astray"):
        shared(COMM, "test", 5, begin, Forgetful(), lambda: None, lambda share: None)


@pytest.mark.parallel
def test_a_stop_is_heard_between_rounds() -> None:
    def begin(number: int) -> Work:
        while True:
            yield

    def stop() -> None:
        raise Stopped("now")

    with pytest.raises(Stopped):
        shared(COMM, "test", 3, begin, Forgetful(), stop, lambda share: None)


def rows_beside(folder: Path, mean: float) -> Any:
    case = case_of(folder)
    answer = simulated(case, build(case), around(COMM))
    starts = [{"mean": {"value": mean, "error": 0.0}}]
    found = compared(answer, {"exit": [{"starts": starts}]}, folder, COMM)
    assert isinstance(found.results, dict)
    rows = found.results["rows"]
    return next(row for row in rows if row["quantity"].startswith("mean time")), found.warnings  # type: ignore[union-attr]


def test_a_right_time_agrees_and_a_wrong_one_is_told(shared_folder: Path) -> None:
    """The right one by quadrature: E τ = ∫∫ e^((f(y) - f(v))/D)/D over -1 < y < 0, -2 < v < y."""
    from scipy.integrate import dblquad

    def inner(v: float, y: float) -> float:
        return float(np.exp(((y * y - 1) ** 2 - (v * v - 1) ** 2) / 0.8) / 0.2)

    exact = dblquad(inner, -1.0, 0.0, -2.0, lambda y: y)[0]
    row, warnings = rows_beside(shared_folder, exact)
    assert isinstance(row["pde"], Quantity)
    assert row["agrees"]
    assert not any("differ from those of the equation" in warning for warning in warnings)
    row, warnings = rows_beside(shared_folder, 1.5 * exact)
    assert not row["agrees"]
    assert any("1 of 1 numbers differ from those of the equation" in warning for warning in warnings)


def test_sgd_is_compared_at_its_iterations_alone(tmp_path: Path) -> None:
    """Catches a spread that SGD has not had the time for, taken for a failure of its diffusion."""
    (tmp_path / "data.csv").write_text("t\n-1.0\n0.5\n2.0\n")
    (tmp_path / "case.toml").write_text(
        "[domain]\nlower = [-3.0]\nupper = [3.0]\ncells = [8]\n"
        "[data]\nfile = 'data.csv'\ncolumns = { t = 't' }\n[loss]\nper_sample = '(x - t)**2/2'\n"
        "[noise]\nlearning_rate = 0.5\nbatch_size = 1\ncovariance = 'samples'\n"
        "[evolution]\ninitial = { point = [0.5] }\noutput_times = [0.2, 1.0, 1.004]\n"
        "[simulation]\nkind = 'sgd'\nwalkers = 100\nmax_time = 2.0\n"
    )
    case = load(tmp_path / "case.toml")
    answer = simulated(case, build(case), around(MPI.COMM_SELF))
    rows = {row["time"]: row["sgd"] for row in answer.results["rows"] if row["quantity"] == "mean of x"}
    assert rows[0.2].value is None
    assert "multiples of 0.5" in rows[0.2].why
    assert rows[1.0].value == rows[1.004].value is not None


def test_where_sgd_cannot_leave_the_run_says_that_the_approximation_breaks(tmp_path: Path) -> None:
    """Gradients of single rows are ±0.38 off that of the loss, which is up to 2/(3 sqrt(3)) = 0.385 on the way out.

    So SGD stays for ever between points that a step leads back between. Its diffusion leaves after some 450, half of
    Kramers' time over the pass.
    """
    (tmp_path / "data.csv").write_text("t\n-0.38\n0.38\n")
    (tmp_path / "case.toml").write_text(
        "[domain]\nlower = [-2.0]\nupper = [2.0]\ncells = [8]\n"
        "[data]\nfile = 'data.csv'\ncolumns = { t = 't' }\n[loss]\nper_sample = '(x**2 - 1)**2/4 + t*x'\n"
        "[noise]\nlearning_rate = 0.65\nbatch_size = 1\ncovariance = 'samples'\n[regions]\nleft = 'x < 0'\n"
        "[[exit]]\nregion = 'left'\nstart = [[-1.0]]\n"
        "[simulation]\nkind = 'sgd'\nwalkers = 200\nstep = 0.1\nmax_time = 1500.0\n"
    )
    case = load(tmp_path / "case.toml")
    answer = compared(simulated(case, build(case), around(MPI.COMM_SELF)), None, tmp_path, MPI.COMM_SELF)
    row = answer.results["rows"][0]  # type: ignore[index,call-overload]
    assert row["sgd"].value is None
    assert row["sgd_above"] == pytest.approx(200 * 1500.0 / np.log(100.0), rel=1e-3)
    x = np.linspace(-1.26, -0.53, 1001)
    step = x - 0.65 * (x**3 - x)
    assert step.min() - 0.65 * 0.38 >= x[0]
    assert step.max() + 0.65 * 0.38 <= x[-1]
    assert 350.0 < row["sde"].value < 700.0
    (told,) = (warning for warning in answer.warnings if "the diffusion approximation breaks" in warning)
    assert f"more than {row['sgd_above']:.3g} for SGD" in told
