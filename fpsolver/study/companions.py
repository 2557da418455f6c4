"""Cruder answers to the same questions, for estimates of errors; each is kept as soon as it is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from fpsolver.case import Case
from fpsolver.errors import BadUsage, SolverFailed
from fpsolver.problems import Problem, Setting
from fpsolver.problems.packing import Place
from fpsolver.quantity import Quantity
from fpsolver.study.beats import Beats
from fpsolver.study.keeping import Keeping
from fpsolver.study.trees import lengths, quantities


@dataclass(frozen=True)
class Companion:
    """A cruder answer.

    Attributes:
        name: What is cruder.
        quantities: By place.
        lengths: Of its lists, by place.
        why: Why there is none.
    """

    name: str
    quantities: Mapping[Place, Quantity] = field(default_factory=dict)
    lengths: Mapping[Place, int] = field(default_factory=dict)
    why: str | None = None

    def as_facts(self) -> dict[str, object]:
        """A tree of plain numbers and words."""
        return {
            "name": self.name,
            "quantities": [[list(place), asdict(quantity)] for place, quantity in self.quantities.items()],
            "lengths": [[list(place), length] for place, length in self.lengths.items()],
            "why": self.why,
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Companion:
        """The opposite."""
        found = {tuple(place): Quantity(**parts) for place, parts in facts["quantities"]}
        return cls(facts["name"], found, {tuple(place): count for place, count in facts["lengths"]}, facts["why"])


def solved_companion(
    problem: Problem,
    name: str,
    setting: Setting,
    companion: Callable[[], Setting],
    answer: str,
    limit: int,
) -> Companion:
    """A cruder answer, or why there is none. Collective.

    Args:
        problem: What was asked.
        name: What is cruder.
        setting: Of the run.
        companion: Makes the setting of the companion.
        answer: The name of the answer.
        limit: So many heartbeats it may take.

    Raises:
        Stopped: The heartbeat said so.
    """
    heartbeat, keeper = setting.heartbeat, setting.keeper
    if isinstance(heartbeat, Beats):
        heartbeat = heartbeat.limited(limit)
        if isinstance(keeper, Keeping):
            keeper = keeper.within(name.replace(" ", "_"), heartbeat)
    kept = keeper.recall(f"answer_{answer}")
    if kept is not None:
        return Companion.of_facts(kept.facts["companion"])
    try:
        # one for all problems of the run, so that they share what it has solved
        twin = setting.of_degree.once(("companion", name), companion)
        solved = problem.solve(replace(twin, heartbeat=heartbeat, progress=setting.progress, keeper=keeper))
        found = Companion(name, quantities(solved), lengths(solved))
    except (SolverFailed, BadUsage) as failure:  # on all ranks
        found = Companion(name, why=f"the companion {name}: {str(failure).splitlines()[0]}")
    keeper.keep(f"answer_{answer}", {"companion": found.as_facts()}, np.zeros((0, setting.case.dimension)), {})
    return found


def coarse(case: Case, factor: int = 2) -> Case | None:
    """The case on cells so many times as large; None where there are none."""
    domain = case.domain.coarser(factor)
    return None if domain is None else replace(case, domain=domain)
