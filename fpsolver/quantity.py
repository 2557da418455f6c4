"""A computed number with its error estimate. A leaf: imports nothing of the project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Quantity:
    """A physical quantity of ``results.json``.

    Attributes:
        value: The computed number; None where it is infinite or undefined (then ``why`` says so).
        error: Estimate of the discretisation error, in the unit of ``value``; None only with a ``why``.
        why: The reason for a missing error or value.
        infinite: True for a time that is infinite, never a number.
        scale: How its error is estimated: as it is, or in the logarithm (times, rates, small masses). Not written.
        imag: Imaginary part of an eigenvalue that is not real.
        floor: Errors known otherwise, such as that of the time integration, added to the estimate. Not written.
        size: A relative error refers to this where the value is smaller, so that a mean or a covariance that is 0 by
            symmetry counts as well resolved. Not written.
    """

    value: float | None
    error: float | None = None
    why: str | None = None
    infinite: bool = False
    scale: Literal["linear", "log"] = "linear"
    imag: float | None = None
    floor: float = 0.0
    size: float = 0.0

    def as_json(self) -> dict[str, object]:
        """The entry of ``results.json``: ``infinite`` and ``why`` are present only where they say something."""
        entry: dict[str, object] = {"value": self.value, "error": self.error}
        if self.imag is not None:
            entry["imag"] = self.imag
        if self.infinite:
            entry["infinite"] = True
        if self.why is not None:
            entry["why"] = self.why
        return entry
