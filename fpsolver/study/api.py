"""The same problems from Python: a case in, answers and fields out, no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.case import Case, load
from fpsolver.certificate import certificate
from fpsolver.domain.lattice import Lattice
from fpsolver.domain.region_mesh import domain_mesh
from fpsolver.model import build
from fpsolver.output.state import read_state
from fpsolver.problems import PROBLEMS, Answer, Setting
from fpsolver.problems.observables import Moments
from fpsolver.state import FinalState
from fpsolver.study.beats import Beats
from fpsolver.study.errors import SWITCHED_OFF, with_errors, without_errors

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The projected density at one time, on this rank's piece of the lattice."""

    time: float
    lattice: Lattice
    density: Array


@dataclass
class Memory:
    """A recorder that keeps what a run would write.

    Attributes:
        frames: Densities in time.
        curves: (time, moments) in time.
        more: Further columns of the curves by name, such as entropies, in time.
        tables: By file name their columns and rows (n, columns).
        static: Fields that do not depend on time, at this rank's points of ``lattice``: (n,) or, of vectors, (n, d).
        lattice: Where they are, None where there are none.
        final: What the evolution ended with, this rank's part.
    """

    frames: list[Frame] = field(default_factory=list)
    curves: list[tuple[float, Moments]] = field(default_factory=list)
    more: list[Mapping[str, float]] = field(default_factory=list)
    tables: dict[str, tuple[Sequence[str], Array]] = field(default_factory=dict)
    final: FinalState | None = None
    static: dict[str, Array] = field(default_factory=dict)
    lattice: Lattice | None = None

    def frame(self, time: float, lattice: Lattice, density: Array) -> None:
        """Keep a frame."""
        self.frames.append(Frame(time, lattice, density))

    def fields(self, lattice: Lattice, fields: Mapping[str, Array]) -> None:
        """Keep the fields beside those of earlier calls."""
        self.static |= fields
        self.lattice = lattice

    def row(self, time: float, step: int, moments: Moments, min_density: float, more: Mapping[str, float]) -> None:
        """Keep a row of the curves."""
        self.curves.append((time, moments))
        self.more.append(more)

    def table(self, name: str, columns: Sequence[str], rows: Array) -> None:
        """Keep a table."""
        self.tables[name] = columns, rows

    def resume(self, time: float | None) -> None:
        """Nothing: there is no earlier part."""

    def state(self, state: FinalState) -> None:
        """Keep the last state."""
        self.final = state


@dataclass(frozen=True)
class Solution:
    """Everything that a case asked for.

    Attributes:
        case: The case.
        answers: By problem, with the generator that it was computed with.
        certificate: As in ``results.json``.
        record: Fields and curves.
    """

    case: Case
    answers: Mapping[str, Answer]
    certificate: Mapping[str, object]
    record: Memory


def solve(case: Case, comm: MPI.Comm = MPI.COMM_WORLD) -> Solution:
    """Solve all that a case asks for. Collective.

    Args:
        case: From `fpsolver.load`.
        comm: The ranks that work on it.

    Raises:
        SolverFailed: A solver failed.
    """
    domain = domain_mesh(comm, case.domain)
    memory = Memory()
    beats = Beats(lambda: None)
    setting = Setting(
        case,
        domain,
        build(case),
        memory,
        progress=lambda share, text: None,
        heartbeat=beats,
        announce=lambda text: None,
        earlier=earlier_run,
    )
    answers = {}
    for name, problem in PROBLEMS.items():
        if problem.wanted(case):
            began = beats.count
            answers[name] = without_errors(problem.solve(setting), SWITCHED_OFF)
            if case.run.errors:
                answers[name] = with_errors(problem, setting, answers[name], beats.count - began, setting.progress)
    checks = [check for answer in answers.values() for check in answer.checks]
    return Solution(case, answers, certificate(checks), memory)


def earlier_run(folder: Path) -> tuple[Case, FinalState]:
    """The case and the final state in the results folder of a finished run; read by every rank."""
    return load(folder / "case.toml"), read_state(folder)
