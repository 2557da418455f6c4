"""Who looks on while a density evolves: a line for each problem that measures every state on the way."""

from __future__ import annotations

from collections.abc import Callable

from fpsolver.case import Case
from fpsolver.problems.base import Setting, Watcher
from fpsolver.problems.concentration.watcher import GatheringWatcher
from fpsolver.problems.entropy.watcher import EntropyWatcher
from fpsolver.problems.splitting.watcher import MassWatcher

WATCHERS: dict[str, tuple[Callable[[Case], bool], Callable[[Setting], Watcher]]] = {
    "entropy": (lambda case: case.entropy is not None, EntropyWatcher),
    "splitting": (lambda case: case.splitting is not None, MassWatcher),
    "concentration": (lambda case: case.concentration is not None, GatheringWatcher),
}
"""Problem -> whether a case asks for it, and what looks on for it."""
