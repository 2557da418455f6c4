"""What a run checks about itself. A leaf: imports nothing of the project."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One line of the certificate: a measured value and the limit it must not pass.

    Attributes:
        name: What was measured.
        value: The worst value of the run.
        limit: Largest (or, with ``at_least``, smallest) value that passes.
        at_least: The limit is a lower one.
    """

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        """False also for a value that is not a number."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def as_json(self) -> dict[str, object]:
        """The entry of ``results.json``."""
        return {"name": self.name, "value": self.value, "limit": self.limit, "passed": self.passed}


def _better(known: Check, check: Check) -> bool:
    """Whether the check is nearer to passing than the known one; a value that is not a number never is."""
    return check.value >= known.value if check.at_least else check.value <= known.value


def certificate(checks: Iterable[Check]) -> dict[str, object]:
    """The certificate of ``results.json``; it passes if every check does. Of checks of one name the worst counts."""
    worst: dict[str, Check] = {}
    for check in checks:
        known = worst.get(check.name)
        if known is None or not _better(known, check):
            worst[check.name] = check
    entries = [check.as_json() for check in worst.values()]
    return {"passed": all(entry["passed"] for entry in entries), "checks": entries}
