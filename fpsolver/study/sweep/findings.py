"""What members have found: the quantities of their ``results.json`` by dotted name, and which of them matter most."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from fpsolver.case.suggest import instead
from fpsolver.errors import BadUsage
from fpsolver.output.results import read_results

MAIN = (
    "exit.*.escape_rate",
    "exit.*.starts.*.mean",
    "stationary.spectral_gap",
    "committor.*.rate",
    "committor.*.reverse_rate",
    "entropy.kl.rate",
    "entropy.chi2.rate",
    "evolution.regions.*",
    "stationary.regions.*",
    "splitting.basins.*.final",
)
"""Names of the main numbers, the most important first; a * stands for one part of a name."""


@dataclass(frozen=True)
class Number:
    """A quantity of a member; what is not known is not a number."""

    value: float
    error: float = math.nan


@dataclass(frozen=True)
class Findings:
    """What is taken from ``results.json``.

    Attributes:
        numbers: By dotted name, in the order of the file.
        ranks: That it was found with.
    """

    numbers: Mapping[str, Number]
    ranks: int | None = None


def findings(folder: Path) -> Findings:
    """The numbers in the folder of a finished member; none where the file cannot be read."""
    try:
        results = read_results(folder)
    except BadUsage:
        return Findings({})
    ranks = results.get("ranks")
    return Findings(dict(_quantities("", results)), ranks if isinstance(ranks, int) else None)


def completed(folder: Path) -> tuple[bool, float | None]:
    """Whether the certificate of a finished member passed, and how many seconds it took."""
    try:
        results = read_results(folder)
    except BadUsage:
        return False, None
    certificate, timing = results.get("certificate"), results.get("timing")
    seconds = timing.get("total") if isinstance(timing, Mapping) else None
    passed = isinstance(certificate, Mapping) and certificate.get("passed") is True
    return passed, float(seconds) if isinstance(seconds, int | float) else None


def chosen(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The names that patterns ask for, in the order of the patterns.

    Raises:
        BadUsage: A pattern fits none.
    """
    found: list[str] = []
    for pattern in patterns:
        fitting = [name for name in names if _fits(name, pattern)]
        if not fitting:
            raise BadUsage(f"no member has a quantity {pattern}; {instead(pattern, names)}")
        found += [name for name in fitting if name not in found]
    return found


def main_ones(names: Iterable[str]) -> list[str]:
    """Those that matter most, in that order; the first few of all where none of them is known."""
    known = list(names)
    return [name for pattern in MAIN for name in known if _fits(name, pattern)] or known[:4]


def _fits(name: str, pattern: str) -> bool:
    parts, wanted = name.split("."), pattern.split(".")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _quantities(name: str, entry: object) -> Iterator[tuple[str, Number]]:
    if isinstance(entry, Mapping) and "value" in entry and "error" in entry:
        yield name, Number(_value(entry), _number(entry["error"]))
        if entry.get("imag") is not None:
            yield f"{name}.imag", Number(_number(entry["imag"]))
    elif isinstance(entry, Mapping | list):
        parts = entry.items() if isinstance(entry, Mapping) else enumerate(entry)
        for key, part in parts:
            yield from _quantities(f"{name}.{key}" if name else str(key), part)


def _value(entry: Mapping[str, Any]) -> float:
    return math.inf if entry.get("infinite") else _number(entry["value"])


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
