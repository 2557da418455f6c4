"""Columns, fields and files are named after what the case names: no two of them may be the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement

from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path
from fpsolver.case.sections import Committor


def check_outputs(
    coordinates: Sequence[str],
    committors: Iterable[tuple[Path, Committor]],
    ledger: Ledger,
) -> None:
    """Notes names that make the same name when they are joined."""
    joined: dict[str, Committor] = {}
    for path, pair in committors:
        other = joined.setdefault(f"{pair.source}_{pair.target}", pair)
        if other is pair:
            continue
        if other == pair:
            ledger.add((*path, "target"), f"{pair.source} and {pair.target} have a committor already", "remove it")
        else:
            wrong = f"committor_{pair.source}_{pair.target} is the name of another committor too"
            ledger.add((*path, "target"), wrong, f"write another name for the region {pair.target}")
    covariances: set[str] = set()
    for one, two in combinations_with_replacement(coordinates, 2):
        name = f"{one}_{two}"
        if name in covariances:
            wrong = f"covariance_{name} is the name of two columns"
            ledger.add(("domain", "coordinates"), wrong, f"write another name for {two}")
        covariances.add(name)
