"""Cases from text, solved without files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpsolver import load
from fpsolver.output.results import as_json
from fpsolver.study.api import Solution, solve
from tests.equations import COMM, Array, l1_error

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Evolved:
    """The evolution of a case, by the names of results.json."""

    solution: Solution

    @property
    def results(self) -> Any:
        """The entry of results.json."""
        return as_json(self.solution.answers["evolution"].results)

    @property
    def passed(self) -> bool:
        return self.solution.certificate["passed"] is True

    @property
    def unknowns(self) -> int:
        return self.solution.answers["evolution"].generator.unknowns

    @property
    def mean(self) -> Array:
        return np.array([entry["value"] for entry in self.results["mean"]])

    @property
    def covariance(self) -> Array:
        return np.array([[entry["value"] for entry in row] for row in self.results["covariance"]])

    def region(self, name: str) -> float:
        """Its mass at the end time."""
        return float(self.results["regions"][name]["value"])

    def course(self, name: str) -> dict[float, float]:
        """Time -> mass of a region."""
        return {time: moments.regions[name] for time, moments in self.solution.record.curves}

    def l1_error(self, exact: Callable[[Array], Array]) -> float:
        """L1 norm of the error of the density at the end time."""
        generator, final = self.solution.answers["evolution"].generator, self.solution.record.final
        assert final is not None
        vector = generator.total.duplicate()
        vector.array[:] = final.values
        return l1_error(generator, vector, exact)


def evolved(folder: Path, text: str, overrides: Sequence[str] = ()) -> Evolved:
    """Solve the text of a case; the folder is the same on all ranks."""
    path = folder / "case.toml"
    if COMM.rank == 0:
        path.write_text(text, encoding="utf-8")
    COMM.barrier()
    return Evolved(solve(load(path, overrides)))


def box(lower: Sequence[float], upper: Sequence[float], cells: Sequence[int], diagonal: str | None = None) -> str:
    """The section [domain]."""
    last = "" if diagonal is None else f'diagonal = "{diagonal}"\n'
    return (
        f'title = "a test"\n[domain]\nshape = "box"\nlower = {list(lower)}\nupper = {list(upper)}\n'
        f"cells = {list(cells)}\n{last}"
    )
