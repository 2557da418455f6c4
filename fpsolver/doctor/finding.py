"""What a check says: one line with a verdict, and a remedy where it is not ok."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Runs work, but not as well as they could, or not in every way."""
    PROBLEM = "problem"
    """Runs fail, or some kinds of them."""


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    Attributes:
        name: What was looked at.
        verdict: How it is.
        text: What was found, one line.
        remedy: What to do about it, one line; empty where it is ok.
    """

    name: str
    verdict: Verdict
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<8} {self.name:<16} {self.text}"
        return f"{line}\n{'':<25} -> {self.remedy}" if self.remedy else line

    def as_json(self) -> dict[str, str]:
        """For machines."""
        return {"name": self.name, "verdict": str(self.verdict), "text": self.text, "remedy": self.remedy}


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name, Verdict.OK, text)


def warning(name: str, text: str, remedy: str) -> Finding:
    """Runs work, but."""
    return Finding(name, Verdict.WARNING, text, remedy)


def problem(name: str, text: str, remedy: str) -> Finding:
    """Runs fail."""
    return Finding(name, Verdict.PROBLEM, text, remedy)
