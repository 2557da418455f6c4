"""Where the loss comes from: a formula, the rows of data, a table, a class of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.expressions import Expression
from fpsolver.case.table import Table


@dataclass(frozen=True)
class Loss:
    """The source of f.

    Attributes:
        kind: ``expression`` and ``table``: f itself; ``per_sample``: f is the mean of the formula over the rows of the
            data; ``python``: a user's class, which only a run may load.
        formula: Over the coordinates, and the data columns for ``per_sample``; None for ``python``.
        table: Where a formula is the spline of a table.
        python: The class.
        name: Of a loss per sample that has one, such as ``logistic``.
    """

    kind: Literal["expression", "per_sample", "table", "python"]
    formula: Expression | None
    table: Table | None = None
    python: PythonClass | None = None
    name: str | None = None

    @property
    def key(self) -> str:
        """The key of ``[loss]`` where it is written."""
        return self.kind if self.name is None else "prediction"

    @property
    def expression(self) -> Expression:
        """The formula of a loss that has one."""
        if self.formula is None:
            raise ValueError("a loss in Python has no formula")
        return self.formula


@dataclass(frozen=True)
class PythonClass:
    """A class in a file of the user's: ``file.py:Class``."""

    file: Path
    name: str


@dataclass(frozen=True, eq=False)
class Data:
    """Columns of a file.

    Attributes:
        file: Absolute path.
        columns: Name in the expressions -> values, all of one length; standardised if asked for.
        standardize: Whether mean 0 and standard deviation 1 (of the population) were imposed.
    """

    file: Path
    columns: Mapping[str, NDArray[np.float64]]
    standardize: bool

    @property
    def samples(self) -> int:
        return len(next(iter(self.columns.values())))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Data)
            and (self.file, self.standardize, list(self.columns))
            == (other.file, other.standardize, list(other.columns))
            and all(np.array_equal(values, other.columns[name]) for name, values in self.columns.items())
        )

    def __hash__(self) -> int:
        return hash((self.file, self.standardize))
