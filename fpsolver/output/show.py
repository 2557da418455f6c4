"""``fpsolver show``: the results of a run as tables, or as the file that they are in. No MPI, no DOLFINx."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fpsolver.errors import BadUsage
from fpsolver.output.comparison import simulation_tables
from fpsolver.output.results import FILE, read_results
from fpsolver.output.tables import Table, certificate_table, footnotes, number, section_tables, verdict
from fpsolver.runtime import Console, say

FRAME = ("schema", "title", "status", "mesh", "generator", "certificate", "timing", "ranks", "load", "versions")
"""Entries that describe the run; all others are sections of results."""


def show(folder: Path, as_json: bool = False) -> None:
    """Print the results of a run on standard output.

    Args:
        folder: Its results folder.
        as_json: Print ``results.json`` as it is.

    Raises:
        BadUsage: The folder is not there, or holds no results (yet).
    """
    results = _read(folder)
    if as_json:
        say((folder / FILE).read_text(encoding="utf-8").rstrip("\n"))
        return
    reasons: list[str] = []
    certificate = results.get("certificate")
    try:
        tables = _tables(results, _coordinates(folder), reasons)
        last = [*footnotes(reasons), *([verdict(certificate)] if isinstance(certificate, dict) else [])]
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a file that others have written or changed
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        remedy = "run the case again with --fresh"
        raise BadUsage(f"{folder / FILE}: not the results of a run ({reason}); {remedy}") from None
    console = Console()
    console.say(str(results.get("title") or folder))
    for table in tables:
        console.table(table.title, table.columns, table.rows)
    for line in last:
        console.say(line)


def _tables(results: Mapping[str, Any], coordinates: Sequence[str], reasons: list[str]) -> list[Table]:
    """All tables; why numbers have no value or error is added to ``reasons``."""
    tables = [_run_table(results)]
    for name, entry in results.items():
        if name == "simulation":
            assert isinstance(entry, Mapping)
            tables += simulation_tables(entry, coordinates, reasons)
        elif name not in FRAME:
            tables += section_tables(name, entry, coordinates, reasons)
    certificate = results.get("certificate")
    return tables + ([certificate_table(certificate)] if isinstance(certificate, dict) else [])


def _read(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise BadUsage(f"{folder}: no such folder; give the folder of a finished run, such as results/double_well")
    if not (folder / FILE).exists() and (folder / "case.toml").exists():
        raise BadUsage(
            f"{folder}: the run has no results yet; see run.log there for how far it came, or start it again with "
            "the command that started it"
        )
    return read_results(folder)


def _run_table(results: Mapping[str, Any]) -> Table:
    """What was run and how long it took."""
    rows = [("status", str(results.get("status", "unknown")))]
    for section in ("mesh", "generator"):
        rows += [(f"{section} {name}", number(value)) for name, value in _entries(results, section)]
    if "ranks" in results:
        rows.append(("ranks", number(results["ranks"])))
    rows += [(f"timing {name}", f"{seconds:.2f} s") for name, seconds in _entries(results, "timing")]
    return Table("run", ("entry", "value"), rows)


def _entries(results: Mapping[str, Any], section: str) -> list[tuple[str, Any]]:
    entry = results.get(section)
    return list(entry.items()) if isinstance(entry, dict) else []


def _coordinates(folder: Path) -> tuple[str, ...]:
    """Names of the coordinates from the case beside the results; none where it is missing or unreadable."""
    try:
        domain = tomllib.loads((folder / "case.toml").read_text(encoding="utf-8")).get("domain", {})
    except (OSError, ValueError):
        return ()
    return tuple(str(name) for name in domain.get("coordinates", ()))
