"""The last words of a run on the terminal: answers and certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fpsolver.output.tables import certificate_table, verdict
from fpsolver.problems import Answer
from fpsolver.runtime import Console


def report(
    console: Console, answers: Sequence[Answer], certificate: Mapping[str, Any], folder: Path, seconds: float
) -> None:
    """Print the answers and the certificate as tables, and where the files are."""
    for answer in answers:
        console.table(answer.name, ("quantity", "value"), answer.summary)
    checks = certificate_table(certificate)
    console.table(checks.title, checks.columns, checks.rows)
    console.say(f"{verdict(certificate)}; {seconds:.1f} s; results in {folder}")
