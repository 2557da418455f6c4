"""Collects mistakes while a case is read, and knows the place of each key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fpsolver.case.mistakes import OVERRIDE, Mistake
from fpsolver.case.positions import Path

MOST = 200
"""After so many mistakes the rest of the case is not looked at."""


class Enough(Exception):
    """There are so many mistakes that nobody would read more of them."""


class Ledger:
    """The mistakes of one case so far.

    Args:
        file: The case file as the user typed it.
        lines: Line of each key.
        overridden: Keys whose values were given by ``--set``.
    """

    def __init__(self, file: str, lines: Mapping[Path, int], overridden: Iterable[Path] = ()) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self._lines = lines
        self._overridden = frozenset(overridden)
        self._wrong: set[Path] = set()

    def add(self, path: Path, wrong: str, write: str) -> None:
        """Note a mistake at a key; a missing key is placed at the nearest table around it.

        Raises:
            Enough: There are `MOST` of them.
        """
        self._wrong.update(path[:length] for length in range(len(path) + 1))
        key = ".".join(str(part) for part in path) or "case"
        line = self._line(path)
        self.mistakes.append(Mistake(self.file if line else OVERRIDE, line, key, wrong, write))
        if len(self.mistakes) >= MOST:
            raise Enough

    def clean(self, *path: str | int) -> bool:
        """True where nothing is wrong at ``path`` or below it."""
        return path not in self._wrong

    def _line(self, path: Path) -> int:
        """The line of a key or of the nearest table around it; 0 where ``--set`` wrote it."""
        if any(path[:length] in self._overridden for length in range(1, len(path) + 1)):
            return 0
        while path:
            if path in self._lines:
                return self._lines[path]
            if any(other[: len(path)] == path for other in self._overridden):
                return 0  # the table itself exists only by --set
            path = path[:-1]
        return 1
