"""A computed number with its error estimate. A leaf: imports nothing of the project."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quantity:
    """A physical quantity of ``results.json``.

    Attributes:
        value: The computed number; None where it is infinite or undefined (then ``why`` says so).
        error: Estimate of the discretisation error, in the unit of ``value``; None only with a ``why``.
        why: The reason for a missing error or value.
        infinite: True for a time that is infinite, never a number.
    """

    value: float | None
    error: float | None = None
    why: str | None = None
    infinite: bool = False

    def as_json(self) -> dict[str, object]:
        """The entry of ``results.json``: ``infinite`` and ``why`` are present only where they say something."""
        entry: dict[str, object] = {"value": self.value, "error": self.error}
        if self.infinite:
            entry["infinite"] = True
        if self.why is not None:
            entry["why"] = self.why
        return entry
