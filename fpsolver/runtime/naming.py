"""Where results go."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fpsolver.errors import BadUsage


def results_folders(cases: Sequence[Path], output: str | None) -> list[Path]:
    """Where each case's results go: DIR for one case, DIR/name for several, results/name by default."""
    if output is not None and len(cases) == 1:
        return [Path(output)]
    base = Path("results") if output is None else Path(output)
    for case in cases:
        if not case.name.removesuffix(".toml").strip("."):
            raise BadUsage(f"{case}: no results folder can have this name; rename the file, or write -o DIR")
    folders = [base / case.name.removesuffix(".toml") for case in cases]
    if len(set(folders)) < len(folders):
        raise BadUsage("two cases have the same file name and would share a folder; run them one by one with -o DIR")
    return folders
