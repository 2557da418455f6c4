"""The questions that a case can ask of a generator: one file each, and one line each in PROBLEMS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpsolver.case import Case
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.committor import solve_committors
from fpsolver.problems.evolution import solve_evolution
from fpsolver.problems.exit_time import solve_exits
from fpsolver.problems.stationary import solve_stationary

__all__ = ["PROBLEMS", "Answer", "Problem", "Setting"]


@dataclass(frozen=True)
class Problem:
    """When a case asks for it, and what answers."""

    wanted: Callable[[Case], bool]
    solve: Callable[[Setting], Answer]


PROBLEMS: dict[str, Problem] = {
    "evolution": Problem(lambda case: case.evolution is not None, solve_evolution),
    "stationary": Problem(lambda case: case.stationary is not None, solve_stationary),
    "exit": Problem(lambda case: bool(case.exits), solve_exits),
    "committor": Problem(lambda case: bool(case.committors), solve_committors),
}
