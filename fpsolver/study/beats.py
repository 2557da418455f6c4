"""Heartbeats: a run looks up at each to see whether it should end, and their number measures its work."""

from __future__ import annotations

from collections.abc import Callable

from fpsolver.errors import SolverFailed


class Beats:
    """A heartbeat that counts, the same on all ranks, so that no companion works longer than the run itself."""

    def __init__(self, beat: Callable[[], None]) -> None:
        self._beat = beat
        self._limit: int | None = None
        self.count = 0

    def __call__(self) -> None:
        """One beat."""
        self.count += 1
        if self._limit is not None and self.count > self._limit:
            raise SolverFailed(
                "takes far more solves than the run itself: its mesh or degree does not resolve the case"
            )
        self._beat()

    def advance(self, beats: int) -> None:
        """Count the beats of an earlier part of the run."""
        self.count += beats

    def limited(self, limit: int) -> Beats:
        """A heartbeat of its own that raises SolverFailed after so many."""
        other = Beats(self._beat)
        other._limit = limit
        return other
