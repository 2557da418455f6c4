"""What a run keeps in its folder while it is unfinished: problems that are solved, and evolutions on their way."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.output.checkpoint import Checkpoint, Entry, Located
from fpsolver.problems.keeper import Keeper
from fpsolver.study.beats import Beats

Array = npt.NDArray[np.float64]


@dataclass
class Clock:
    """When the next entry is due, by this rank's clock.

    Attributes:
        interval: Seconds between two entries.
        steps: States between two entries, None for no matter how many.
    """

    interval: float
    steps: int | None = None
    _last: float = field(default_factory=time.monotonic)
    _passed: int = 0

    def is_due(self) -> bool:
        """Whether it is time; called once per state."""
        self._passed += 1
        by_steps = self.steps is not None and self._passed >= self.steps
        return by_steps or time.monotonic() - self._last >= self.interval

    def start(self) -> None:
        """An entry has been written."""
        self._last, self._passed = time.monotonic(), 0


class Keeping:
    """A `Keeper` in a results folder. All methods are collective.

    Args:
        comm: All ranks.
        checkpoint: Where entries are written.
        clock: Of the whole run.
        beats: Counts the work of what is solved; an entry that is recalled brings its own.
        prefix: Of the names, different for each companion.
    """

    def __init__(
        self, comm: MPI.Intracomm, checkpoint: Checkpoint, clock: Clock, beats: Beats, prefix: str = ""
    ) -> None:
        self._comm, self._checkpoint, self._clock = comm, checkpoint, clock
        self._beats, self._prefix = beats, prefix
        self._began: dict[str, int] = {}

    @property
    def shared(self) -> Keeper:
        """See `Keeper`: what is common takes no heartbeats."""
        return self.within("shared", Beats(_still))

    def within(self, prefix: str, beats: Beats) -> Keeping:
        """The same for a companion."""
        return Keeping(self._comm, self._checkpoint, self._clock, beats, f"{prefix}_")

    def recall(self, name: str) -> Entry | None:
        """See `Keeper`."""
        entry = self._checkpoint.read(self._prefix + name)
        self._began[name] = self._beats.count
        if entry is not None:
            self._beats.advance(entry.facts["beats"])
        return entry

    def is_due(self) -> bool:
        """See `Keeper`: rank 0 decides."""
        return bool(self._comm.bcast(self._clock.is_due()))

    def keep(self, name: str, facts: Mapping[str, object], points: Array, values: Mapping[str, Array]) -> None:
        """See `Keeper`."""
        counted = {**facts, "beats": self._beats.count - self._began.get(name, self._beats.count)}
        self._checkpoint.write(self._prefix + name, counted, Located(points, values))
        self._clock.start()


def _still() -> None:
    """No beat."""
