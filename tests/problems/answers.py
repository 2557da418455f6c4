"""Stationary states and exit times of cases from text, by the names of results.json."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpsolver import load
from fpsolver.output.results import as_json
from fpsolver.study.api import Solution, solve
from tests.equations import COMM, Array
from tests.problems.cases import PROJECT

NO_ERRORS = "[run]\nerrors = false\n"


@dataclass(frozen=True)
class Solved:
    """What a case gave."""

    solution: Solution

    @property
    def stationary(self) -> Any:
        """The entry of results.json."""
        return as_json(self.solution.answers["stationary"].results)

    @property
    def exits(self) -> Any:
        """The entries of results.json."""
        return as_json(self.solution.answers["exit"].results)

    @property
    def passed(self) -> bool:
        return self.solution.certificate["passed"] is True

    @property
    def warnings(self) -> list[str]:
        return [warning for answer in self.solution.answers.values() for warning in answer.warnings]

    @property
    def gap(self) -> float:
        return float(self.stationary["spectral_gap"]["value"])

    @property
    def eigenvalues(self) -> list[complex]:
        """Zero not among them."""
        return [complex(entry["value"], entry.get("imag", 0.0)) for entry in self.stationary["eigenvalues"][1:]]

    @property
    def mean(self) -> Array:
        """Of the stationary density."""
        return np.array([entry["value"] for entry in self.stationary["mean"]])

    @property
    def covariance(self) -> Array:
        return np.array([[entry["value"] for entry in row] for row in self.stationary["covariance"]])

    def mass(self, region: str) -> float:
        """Stationary mass of a region."""
        return float(self.stationary["regions"][region]["value"])

    def means(self, exit_number: int = 0) -> Array:
        """Mean exit times from all starts."""
        return np.array([start["mean"]["value"] for start in self.exits[exit_number]["starts"]])

    def variances(self, exit_number: int = 0) -> Array:
        """Variances of the exit time from all starts."""
        return np.array([start["variance"]["value"] for start in self.exits[exit_number]["starts"]])

    def rate(self, exit_number: int = 0) -> float:
        """The escape rate."""
        return float(self.exits[exit_number]["escape_rate"]["value"])

    def field(self, name: str) -> tuple[Array, Array]:
        """Points (n, d) of all ranks and the values there, (n,) or (n, d)."""
        record = self.solution.record
        lattice = record.lattice
        assert lattice is not None
        here = (lattice.points[:, : lattice.dimension], record.static[name])
        points, values = zip(*COMM.allgather(here), strict=True)
        return np.concatenate(points), np.concatenate(values)


def solved(folder: Path, text: str, overrides: Sequence[str] = (), *, errors: bool = False) -> Solved:
    """Solve the text of a case; the folder is the same on all ranks. Collective."""
    path = folder / "case.toml"
    if COMM.rank == 0:
        path.write_text(text if errors else text + NO_ERRORS, encoding="utf-8")
    COMM.barrier()
    case = load(path, overrides)
    COMM.barrier()
    return Solved(solve(case))


def reference(case: str, quantity: str, chosen: str = "") -> float:
    """A number of benchmarks/references/values.csv, found by other methods than ours."""
    with (PROJECT / "benchmarks" / "references" / "values.csv").open(encoding="utf-8", newline="") as lines:
        found = [
            float(row["value"])
            for row in csv.DictReader(lines)
            if (row["case"], row["set"], row["quantity"]) == (case, chosen, quantity)
        ]
    (value,) = found
    return value
