"""Error bars end to end: filled in everywhere, above the true error, honest where a companion fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from fpsolver import load
from fpsolver.errors import SolverFailed, Stopped
from fpsolver.problems import PROBLEMS, Answer, Problem, Setting
from fpsolver.quantity import Quantity
from fpsolver.study import api
from fpsolver.study.beats import Beats
from fpsolver.study.errors import SWITCHED_OFF, TOO_COARSE, by_weight, with_errors
from fpsolver.study.trees import Place, quantities
from tests.equations import COMM

WELLS = """title = "two wells"
[domain]
shape = "box"
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [{cells}]
[loss]
expression = "(x**2 - 1)**2/4 + 2*y**2"
[noise]
diffusion = 0.1
[regions]
left = "x < 0"
right = "x > 0"
{asked}
"""
EVOLUTION = """[evolution]
initial = { gaussian = { mean = [-1.0, 0.0], std = 0.1 } }
end_time = 10.0
output_times = [1.0, 10.0]
[[probe]]
point = [-0.5, 0.1]
"""
SETTLED = """[stationary]
eigenvalues = 2
[[exit]]
region = "left"
start = [[-1.0, 0.0]]
"""

# references: one-dimensional quadrature and spectral solutions, see benchmarks/references/values.csv
EVOLVED: dict[Place, float] = {
    ("evolution", "regions", "right"): 0.13074964878954254,
    ("evolution", "mean", 0): -0.6827360198400289,
    ("probes", 0, "density"): 0.6765753124598973,
}
SETTLES: dict[Place, float] = {
    ("exit", 0, "starts", 0, "mean"): 30.82130247251996,
    ("exit", 0, "starts", 0, "variance"): 889.0078662963832,
    ("stationary", "spectral_gap"): 0.03354528730817036,
}


def solved(folder: Path, asked: str, cells: str = "12, 9", overrides: Sequence[str] = ()) -> api.Solution:
    path = folder / "case.toml"
    if COMM.rank == 0:
        path.write_text(WELLS.format(cells=cells, asked=asked), encoding="utf-8")
    COMM.barrier()
    return api.solve(load(path, overrides))


def found(solution: api.Solution) -> dict[Place, Quantity]:
    return {place: quantity for answer in solution.answers.values() for place, quantity in quantities(answer).items()}


@pytest.mark.parallel
@pytest.mark.parametrize(("asked", "expected"), [(EVOLUTION, EVOLVED), (SETTLED, SETTLES)], ids=["evolved", "settled"])
@pytest.mark.parametrize("degree", [2, 3, 4])
def test_every_number_has_an_error_of_the_right_size(
    shared_folder: Path, asked: str, expected: dict[Place, float], degree: int
) -> None:
    """One in twenty may be a little too small (test_calibration.py counts them)."""
    everything = found(solved(shared_folder, asked, overrides=[f"discretization.degree={degree}"]))
    for place, quantity in everything.items():
        assert quantity.error is not None or quantity.why, place
    for place, value in expected.items():
        quantity = everything[place]
        assert quantity.value is not None
        assert quantity.error is not None
        assert abs(quantity.value - value) <= 2.0 * quantity.error < 0.05 * abs(value), place


@pytest.mark.parallel
def test_the_time_integration_is_part_of_the_error(shared_folder: Path) -> None:
    loose = found(solved(shared_folder, EVOLUTION + "", overrides=["evolution.tolerance=1e-4"]))
    for place in EVOLVED:
        error = loose[place].error
        assert error is not None
        assert error > 1e-6, place


def test_switched_off_they_are_null_with_a_reason(shared_folder: Path) -> None:
    for place, quantity in found(solved(shared_folder, EVOLUTION, overrides=["run.errors=false"])).items():
        assert (quantity.error, quantity.why) == (None, SWITCHED_OFF), place


@pytest.mark.parallel
def test_an_under_resolved_run_says_so_and_what_to_change(shared_folder: Path) -> None:
    solution = solved(shared_folder, EVOLUTION, cells="4, 3", overrides=["discretization.degree=1"])
    first = solution.answers["evolution"].warnings[0]
    assert first.startswith(TOO_COARSE)
    assert "evolution." in first or "probes." in first
    assert "domain.cells = [8, 6] (now [4, 3]) or discretization.degree = 3 (now 1)" in first


@pytest.mark.parallel
def test_a_resolved_run_does_not(shared_folder: Path) -> None:
    """Means and covariances that are 0 by symmetry are no reason."""
    solution = solved(shared_folder, EVOLUTION + SETTLED, cells="16, 12")
    assert [w for answer in solution.answers.values() for w in answer.warnings if w.startswith(TOO_COARSE)] == []


def test_the_warning_comes_first() -> None:
    assert by_weight(["a", f"{TOO_COARSE}: b", "c"]) == [f"{TOO_COARSE}: b", "a", "c"]


def answered(solution: api.Solution) -> tuple[Setting, Answer]:
    """A setting without files and the answer of its evolution without errors."""
    from fpsolver.domain.box import box_mesh
    from fpsolver.model import build
    from fpsolver.problems.base import Silent

    case = solution.case
    box = case.domain
    mesh = box_mesh(COMM, box.lower, box.upper, box.cells, box.diagonal)
    beats = Beats(lambda: None)
    setting = Setting(
        case, mesh, build(case), Silent(), lambda share, text: None, beats, lambda text: None, api.earlier_run
    )
    answer = solution.answers["evolution"]
    return setting, answer


def failing(answer: Answer, when: Callable[[Setting], bool], error: Exception) -> Problem:
    """A problem whose companions fail, or give the same answer."""

    def solve(setting: Setting) -> Answer:
        if when(setting):
            raise error
        return answer

    return Problem(lambda case: True, solve)


def test_a_companion_that_fails_is_done_without(shared_folder: Path) -> None:
    setting, answer = answered(solved(shared_folder, EVOLUTION, overrides=["run.errors=false"]))
    failed = SolverFailed("no convergence\nsecond line")
    progress = setting.progress
    for when in (lambda s: s.case.discretization.degree < 4, lambda s: s.case.domain.cells != (12, 9)):
        one = quantities(with_errors(failing(answer, when, failed), setting, answer, 10, progress))
        assert all(quantity.error is not None for quantity in one.values())
    none = quantities(with_errors(failing(answer, lambda s: True, failed), setting, answer, 10, progress))
    for quantity in none.values():
        assert quantity.error is None
        assert "no convergence" in str(quantity.why)
        assert "second line" not in str(quantity.why)
    with pytest.raises(Stopped):
        with_errors(failing(answer, lambda s: True, Stopped("enough")), setting, answer, 10, progress)


def test_what_a_companion_does_not_have_has_no_error_but_a_reason(shared_folder: Path) -> None:
    """Another number of states, so that nobody knows which belongs to which."""
    setting, answer = answered(solved(shared_folder, EVOLUTION, overrides=["run.errors=false"]))
    states = {"states": [{"mass": Quantity(0.5)}, {"mass": Quantity(0.5)}], "gap": Quantity(1.0)}
    more = {"states": [*states["states"], {"mass": Quantity(0.1)}], "gap": Quantity(1.1)}  # type: ignore[misc]
    mine = replace(answer, results=states, probes=(), summary=())
    theirs = replace(mine, results=more)
    done = quantities(
        with_errors(failing(theirs, lambda s: False, SolverFailed("")), setting, mine, 10, setting.progress)
    )
    assert done["evolution", "gap"].error is not None
    lost = done["evolution", "states", 0, "mass"]
    assert lost.error is None
    assert "found 3 of evolution.states instead of 2" in str(lost.why)


def test_a_companion_that_never_ends_is_given_up() -> None:
    beats = Beats(lambda: None).limited(5)
    for _ in range(5):
        beats()
    with pytest.raises(SolverFailed, match="does not resolve"):
        beats()


def test_every_problem_has_error_bars_in_its_summary_too(shared_folder: Path) -> None:
    solution = solved(shared_folder, SETTLED)
    assert set(solution.answers) <= set(PROBLEMS)
    for answer in solution.answers.values():
        for text, value in answer.summary:
            assert not isinstance(value, Quantity) or value.error is not None or value.why, text
