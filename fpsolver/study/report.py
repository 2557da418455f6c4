"""The last words of a run on the terminal: answers and certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fpsolver.problems import Answer
from fpsolver.runtime import Console


def report(
    console: Console, answers: Sequence[Answer], verdict: Mapping[str, Any], folder: Path, seconds: float
) -> None:
    """Print the answers and the certificate as tables, and where the files are."""
    for answer in answers:
        console.table(answer.name, ("quantity", "value"), answer.summary)
    rows = [
        (check["name"], f"{check['value']:.2g}", f"{check['limit']:.2g}", "ok" if check["passed"] else "FAILED")
        for check in verdict["checks"]
    ]
    console.table("certificate", ("check", "value", "limit", ""), rows)
    outcome = "certificate passed" if verdict["passed"] else "CERTIFICATE FAILED: do not trust the numbers above"
    console.say(f"{outcome}; {seconds:.1f} s; results in {folder}")
