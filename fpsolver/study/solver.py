"""One problem after the other, each with its errors; what an earlier part of the run has solved is not solved again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np
import numpy.typing as npt

from fpsolver.problems import Problem, Setting
from fpsolver.problems.parts import about, fields_recalled, fields_since
from fpsolver.runtime import Console, Timing
from fpsolver.study.beats import Beats
from fpsolver.study.errors import INTERRUPTED, SWITCHED_OFF, parts_of, with_errors, without_errors
from fpsolver.study.keeping import Keeping
from fpsolver.study.records import Records
from fpsolver.study.solved import Solved

Array = npt.NDArray[np.float64]


class Solver:
    """Solves the problems of a case in turn. All methods are collective.

    Args:
        setting: The case and the outside world.
        records: Where fields and rows go.
        keeper: Keeps what is solved.
        heartbeat: Counts work.
        console: Shows progress.
        timing: Of the stages.

    Attributes:
        solved: What was found so far.
    """

    def __init__(
        self, setting: Setting, records: Records, keeper: Keeping, heartbeat: Beats, console: Console, timing: Timing
    ) -> None:
        self._setting, self._records, self._keeper = setting, records, keeper
        self._heartbeat, self._console, self._timing = heartbeat, console, timing
        self.solved: list[Solved] = []

    def solve(self, name: str, problem: Problem) -> None:
        """Solve a problem, estimate its errors, and keep both.

        Raises:
            SolverFailed: A solver failed.
            Stopped: The heartbeat said so.
        """
        before = set(self._records.static)
        known = self._recalled(name)
        if known is None:
            found, judged = self._found(name, problem), False
            if self._setting.case.run.errors:  # what comes next may take as long again
                self._keep(name, found, before, judged=False)
        else:
            found, judged = known
        self.solved.append(found)  # what is known is reported even if the errors are interrupted
        if judged:
            return
        self.solved[-1] = self._judged(name, problem, found)
        self._keep(name, self.solved[-1], before, judged=True)

    def _found(self, name: str, problem: Problem) -> Solved:
        self._heartbeat()
        began, begin = self._heartbeat.count, perf_counter()
        with self._timing.stage(name), self._console.progress(name) as progress:
            answer = without_errors(problem.solve(replace(self._setting, progress=progress)), INTERRUPTED)
        curved = {part: self._setting.of_mesh.get(("curved", part)) for part in parts_of(self._setting.case, name)}
        bent = {part: count for part, count in curved.items() if isinstance(count, int)}
        generator = answer.generator
        known = (answer.about or {}) if generator is None else about(generator)
        return Solved(answer, known, self._heartbeat.count - began, {name: perf_counter() - begin}, bent)

    def _judged(self, name: str, problem: Problem, found: Solved) -> Solved:
        if not self._setting.case.run.errors:
            return replace(found, answer=without_errors(found.answer, SWITCHED_OFF))
        begin = perf_counter()
        with self._timing.stage("errors"), self._console.progress(f"errors of {name}") as progress:
            answer = with_errors(problem, self._setting, found.answer, found.beats, progress)
        return replace(found, answer=answer, seconds={**found.seconds, "errors": perf_counter() - begin})

    def _recalled(self, name: str) -> tuple[Solved, bool] | None:
        """What an earlier part of the run found, and whether its errors were estimated."""
        entry = self._keeper.recall(_entry(name))
        if entry is None or not fields_recalled(self._setting, entry):
            return None
        found = Solved.of_facts(entry.facts["solved"])
        for part, count in found.curved.items():
            self._setting.of_mesh.once(("curved", part), partial(int, count))
        for stage, seconds in found.seconds.items():
            self._timing.add(stage, seconds)
        if self._records.time is None and entry.facts["time"] is not None:
            self._records.resume(entry.facts["time"])
        self._console.say(f"{name}: solved before" + ("" if entry.facts["judged"] else ", but for its errors"))
        return found, entry.facts["judged"]

    def _keep(self, name: str, found: Solved, before: set[str], *, judged: bool) -> None:
        points, fields = fields_since(self._setting, before)
        facts = {
            "solved": found.as_facts(),
            "judged": judged,
            "has_fields": bool(fields),
            "time": self._records.time,
        }
        self._keeper.keep(_entry(name), facts, points, fields)


def _entry(name: str) -> str:
    return f"answer_{name}"
