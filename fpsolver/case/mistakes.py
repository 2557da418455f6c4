"""What is wrong in a case, as data and as the user sees it: all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fpsolver.errors import ExitCode, FpsolverError

OVERRIDE = "--set"  # stands in place of FILE:LINE for what was given on the command line


@dataclass(frozen=True, order=True)
class Mistake:
    """One mistake of a case.

    Attributes:
        file: The case file as the user typed it, or ``--set``.
        line: Line in the file, counted from 1; 0 where there is none.
        key: Dotted key, such as ``noise.batch_size`` or ``exit.0.start``.
        wrong: What is wrong, with the value that is.
        write: What to write instead.
    """

    file: str
    line: int
    key: str
    wrong: str
    write: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return " ".join(f"{place}: {self.key}: {self.wrong}; {self.write}".split("\n"))


class BadCase(FpsolverError):
    """Every mistake of one or more cases at once: loading collects, and raises only when it is done."""

    exit_code = ExitCode.BAD_CASE

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        lines = [str(mistake) for mistake in self.mistakes]
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        super().__init__("\n".join([*lines, f"{count}; nothing was computed or written"]))
