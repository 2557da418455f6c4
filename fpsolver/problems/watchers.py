"""Who looks on while a density evolves: a line for each problem that measures every state on the way."""

from __future__ import annotations

from collections.abc import Callable

from fpsolver.case import Case
from fpsolver.problems.base import Setting, Watcher

WATCHERS: dict[str, tuple[Callable[[Case], bool], Callable[[Setting], Watcher]]] = {}
"""Problem -> whether a case asks for it, and what looks on for it."""
