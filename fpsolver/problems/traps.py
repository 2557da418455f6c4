"""Whether a process can stay in a region for ever, and why."""

from __future__ import annotations

from dataclasses import dataclass

from petsc4py import PETSc

from fpsolver.case import Exit
from fpsolver.problems.base import Setting


@dataclass(frozen=True)
class Trapped:
    """What keeps a process inside.

    Attributes:
        everywhere: Nothing ever leaves.
        reason: Why, where nothing ever leaves.
        probability: p(x), the probability never to leave; None where it is 0 everywhere, or 1.
    """

    everywhere: bool
    reason: str | None
    probability: PETSc.Vec | None

    def reason_at(self, start: PETSc.Vec) -> str | None:
        """Why the time from a start (a functional of unit mass) is infinite; None where it is finite. Collective."""
        return None


def trapped(setting: Setting, wanted: Exit, problem: object) -> Trapped:
    """What keeps a process in the region of an exit. Collective."""
    return Trapped(False, None, None)
