"""The questions that a case can ask of a generator: one file each, and one line each in PROBLEMS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpsolver.case import Case
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.committor.problem import solve_committors
from fpsolver.problems.concentration.problem import solve_concentration
from fpsolver.problems.entropy.problem import solve_entropy
from fpsolver.problems.evolution.problem import solve_evolution
from fpsolver.problems.exit.problem import solve_exits
from fpsolver.problems.noisy.problem import solve_noisy_sgd
from fpsolver.problems.simulation.problem import solve_simulation
from fpsolver.problems.splitting.problem import solve_splitting
from fpsolver.problems.stationary.problem import solve_stationary

__all__ = ["PROBLEMS", "Answer", "Problem", "Setting"]


@dataclass(frozen=True)
class Problem:
    """When a case asks for it, and what answers."""

    wanted: Callable[[Case], bool]
    solve: Callable[[Setting], Answer]


PROBLEMS: dict[str, Problem] = {
    "evolution": Problem(lambda case: case.evolution is not None, solve_evolution),
    "stationary": Problem(lambda case: case.stationary is not None, solve_stationary),
    "noisy_sgd": Problem(
        lambda case: case.stationary is not None and bool(case.stationary.regularizations), solve_noisy_sgd
    ),
    "entropy": Problem(lambda case: case.entropy is not None, solve_entropy),
    "exit": Problem(lambda case: bool(case.exits), solve_exits),
    "committor": Problem(lambda case: bool(case.committors), solve_committors),
    "splitting": Problem(lambda case: case.splitting is not None, solve_splitting),
    "concentration": Problem(lambda case: case.concentration is not None, solve_concentration),
    "simulation": Problem(lambda case: case.simulation is not None, solve_simulation),
}
