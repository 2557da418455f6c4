"""What is wrong in a case, as data and as the user sees it: all of it at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fpsolver.case.wording import printable
from fpsolver.errors import ExitCode, FpsolverError

OVERRIDE = "--set"  # stands in place of FILE:LINE for what was given on the command line
LONGEST = {"file": 4096, "key": 160, "wrong": 320, "write": 320}  # signs of each part of a message


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
        file, key, wrong, write = (printable(getattr(self, part), most) for part, most in LONGEST.items())
        place = f"{file}:{self.line}" if self.line else file
        return f"{place}: {key}: {wrong}; {write}"


class BadCase(FpsolverError):
    """Every mistake of one or more cases at once: loading collects, and raises only when it is done."""

    exit_code = ExitCode.BAD_CASE

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(sorted(set(mistakes)))
        lines = [str(mistake) for mistake in self.mistakes]
        count = "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"
        super().__init__("\n".join([*lines, f"{count}; nothing was computed or written"]))
