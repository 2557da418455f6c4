"""Wall-clock time of named stages, for ``timing`` in ``results.json``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Timing:
    """Adds up the seconds spent in named stages; the clock of the total starts with the object.

    A stage that is entered again continues its sum. Stages may be nested; the outer one then
    contains the inner one.
    """

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time of the ``with`` block for ``name``, also if the block raises."""
        if name == "total":
            raise ValueError("'total' is the time of the whole run; give the stage another name")
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - begin

    def add(self, name: str, seconds: float) -> None:
        """Count seconds that were spent on a stage in an earlier part of the run; the total does not know of them."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds

    @property
    def total(self) -> float:
        """Seconds since this object was made."""
        return time.perf_counter() - self._start

    def as_json(self) -> dict[str, float]:
        """``{"total": s, stage: s, ...}`` in seconds, stages in the order of their first end."""
        return {"total": self.total, **self._seconds}
