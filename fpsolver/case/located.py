"""Mistakes that only a run can find, at their place in the case file."""

from __future__ import annotations

import os

from fpsolver.case.mistakes import BadCase, Mistake
from fpsolver.case.positions import scan
from fpsolver.case.sections import Case
from fpsolver.case.source import read_toml


def mistake_at(case: Case, section: str, wrong: str, write: str) -> Mistake:
    """A mistake in a section of a case that was loaded; at no line where the file is not there any more.

    Args:
        case: The case.
        section: Such as ``noise``.
        wrong: What is wrong.
        write: What to write instead.
    """
    file = os.fspath(case.path)
    try:
        lines = scan(read_toml(file)[1])
    except BadCase:
        lines = {}
    return Mistake(file, lines.get((section,), 0), section, wrong, write)
