"""The first and the last words of a run on the terminal: advice; answers with their errors, and the certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fpsolver.case import Case, advise
from fpsolver.output.comparison import comparison_table
from fpsolver.output.results import as_json
from fpsolver.output.tables import COLUMNS, cells, certificate_table, footnotes, verdict
from fpsolver.problems import Answer
from fpsolver.quantity import Quantity
from fpsolver.runtime import Console, is_root

TOLD = ("cells", "table", "time")
"""Advice that is told when a run begins, beside all warnings."""


def report(
    console: Console, answers: Sequence[Answer], certificate: Mapping[str, Any], folder: Path, seconds: float
) -> None:
    """Print the answers and the certificate as tables, and where the files are."""
    reasons: list[str] = []
    for answer in answers:
        if answer.name == "simulation":
            told(console, as_json(answer.results))
            continue
        console.table(answer.name, COLUMNS, [(what, *_cells(value, reasons)) for what, value in answer.summary])
    checks = certificate_table(certificate)
    console.table(checks.title, checks.columns, checks.rows)
    for line in footnotes(reasons):
        console.say(line)
    console.say(f"{verdict(certificate)}; {seconds:.1f} s; results in {folder}")


def told(console: Console, simulation: Any) -> None:
    """Print the table of a simulation, with what its numbers lack below."""
    reasons: list[str] = []
    table = comparison_table(simulation["rows"], reasons)
    console.table(table.title, table.columns, table.rows)
    for line in footnotes(reasons):
        console.say(line)


def tell_advice(console: Console, case: Case) -> None:
    """Say how long the run may take, which cells were chosen, and what ``fpsolver validate`` would warn of."""
    if not is_root():
        return
    for advice in advise(case):
        if advice.warning:
            console.warn(advice.text)
        elif advice.what in TOLD:
            console.say(advice.text)


def _cells(value: object, reasons: list[str]) -> tuple[str, str]:
    """A value of a summary, a quantity or text, with its error where it has one."""
    return cells(value.as_json() if isinstance(value, Quantity) else value, reasons)
