"""Where problems keep what took long, so that a run that was stopped need not begin again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Kept(Protocol):
    """What was kept by this run, or by an earlier part of it on any number of ranks."""

    @property
    def facts(self) -> dict[str, Any]:
        """Numbers, words, and lists and tables of them; the same on all ranks."""
        ...

    def at(self, points: Array) -> dict[str, Array] | None:
        """Values at this rank's points (n, d), by name; None where they are other points. Collective."""
        ...


class Keeper(Protocol):
    """Keeps entries by name, the last one of each. All methods are collective."""

    @property
    def shared(self) -> Keeper:
        """Of what a run and its companions have in common."""
        ...

    def recall(self, name: str) -> Kept | None:
        """What was kept last under a name; None if there is nothing."""
        ...

    def is_due(self) -> bool:
        """Whether so much work has been done since the last entry that the next one should be kept."""
        ...

    def keep(self, name: str, facts: Mapping[str, object], points: Array, values: Mapping[str, Array]) -> None:
        """Keep facts, and values (n,) or (n, k) by name at this rank's points (n, d)."""
        ...


class Forgetful:
    """Keeps nothing: for runs without a folder, and for what is solved faster than read."""

    @property
    def shared(self) -> Keeper:
        """Nothing in common."""
        return self

    def recall(self, name: str) -> Kept | None:
        """Nothing."""
        return None

    def is_due(self) -> bool:
        """Never."""
        return False

    def keep(self, name: str, facts: Mapping[str, object], points: Array, values: Mapping[str, Array]) -> None:
        """Nothing."""
