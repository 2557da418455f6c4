"""Where problems leave what they find on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fpsolver.domain.lattice import Lattice
from fpsolver.problems.observables import Moments
from fpsolver.state import FinalState

Array = npt.NDArray[np.float64]


class Recorder(Protocol):
    """Where a problem leaves fields and rows while it works. All calls are collective."""

    @property
    def static(self) -> Mapping[str, Array]:
        """The fields so far that do not depend on time, at this rank's points of the lattice."""
        ...

    def frame(self, time: float, lattice: Lattice, density: Array) -> None:
        """The projected density at the points of the lattice."""
        ...

    def fields(self, lattice: Lattice, fields: Mapping[str, Array]) -> None:
        """Fields that do not depend on time, at this rank's points of the lattice: scalars (n,) or vectors (n, d)."""
        ...

    def resume(self, time: float | None) -> None:
        """Frames and rows up to a time are there from an earlier part of the run; later ones go. None: all go."""
        ...

    def state(self, state: FinalState) -> None:
        """What the evolution ended with: this rank's nodes and values."""
        ...

    def row(self, time: float, step: int, moments: Moments, min_density: float, more: Mapping[str, float]) -> None:
        """One row of the curves; what watchers of the evolution add comes by the names of its columns."""
        ...

    def table(self, name: str, columns: Sequence[str], rows: Array) -> None:
        """A whole table, such as ``survival_left.csv``: rows (n, columns), the same on all ranks."""
        ...


class Silent:
    """A recorder that keeps nothing: companions only give numbers."""

    static: Mapping[str, Array] = MappingProxyType({})

    def frame(self, time: float, lattice: Lattice, density: Array) -> None:
        """Nothing."""

    def fields(self, lattice: Lattice, fields: Mapping[str, Array]) -> None:
        """Nothing."""

    def resume(self, time: float | None) -> None:
        """Nothing."""

    def state(self, state: FinalState) -> None:
        """Nothing."""

    def row(self, time: float, step: int, moments: Moments, min_density: float, more: Mapping[str, float]) -> None:
        """Nothing."""

    def table(self, name: str, columns: Sequence[str], rows: Array) -> None:
        """Nothing."""
