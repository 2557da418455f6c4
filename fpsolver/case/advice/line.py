"""A line of advice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """One line of advice.

    Attributes:
        what: Name of the quantity.
        text: The line.
        warning: True where something should be changed; the text says which key.
    """

    what: str
    text: str
    warning: bool = False

    def __str__(self) -> str:
        return f"warning: {self.text}" if self.warning else self.text
