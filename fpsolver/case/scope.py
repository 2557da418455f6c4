"""What the values of a case may refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath


@dataclass(frozen=True)
class Scope:
    """What values may refer to.

    Attributes:
        parameters: Values by name.
        coordinates: Names; x, y, z where the dimension is not known.
        dimension: None where the domain does not tell.
        columns: Names of data columns; allowed in ``loss.per_sample``.
        folder: Of the case file; file paths are relative to it.
    """

    parameters: Mapping[str, float]
    coordinates: tuple[str, ...]
    dimension: int | None
    columns: tuple[str, ...]
    folder: FilePath
