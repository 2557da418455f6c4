"""The verb ``doctor``."""

from __future__ import annotations

import argparse
import json
from collections import Counter

from fpsolver.errors import ExitCode
from fpsolver.runtime import is_root, say


def arguments(parser: argparse.ArgumentParser) -> None:
    """Those of ``fpsolver doctor``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")


def run(args: argparse.Namespace) -> ExitCode:
    """Say what is installed, what works, and what a run would use; a problem is told by the exit code too."""
    if not is_root():
        return ExitCode.DONE
    from fpsolver.doctor.checks import findings
    from fpsolver.doctor.finding import Verdict
    from fpsolver.doctor.surroundings import Surroundings

    found = []
    for finding in findings(Surroundings()):
        found.append(finding)
        if not args.json:
            say(str(finding))
    counts = Counter(finding.verdict for finding in found)
    problems, warnings = counts[Verdict.PROBLEM], counts[Verdict.WARNING]
    if args.json:
        entry = {"schema": 1, "problems": problems, "warnings": warnings}
        say(json.dumps(entry | {"findings": [finding.as_json() for finding in found]}, indent=1))
    else:
        say(f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}")
    return ExitCode.SOLVER_FAILED if problems else ExitCode.DONE


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'s' * (number != 1)}"
