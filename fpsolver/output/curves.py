"""Tables that grow by a row per step: ``curves.csv`` and ``survival_<region>.csv``.

The names of the columns are formed here, once, for those who write and those who read. A missing number is an empty
field. Growing files follow ``atomic``.
"""

from __future__ import annotations

import csv
import errno
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fpsolver.errors import BadUsage
from fpsolver.runtime import atomic

Array = npt.NDArray[np.float64]


def mean_column(coordinate: str) -> str:
    """Column of the mean of a coordinate."""
    return f"mean_{coordinate}"


def covariance_column(first: str, second: str) -> str:
    """Column of a covariance of two coordinates, in the order of the coordinates."""
    return f"covariance_{first}_{second}"


def region_column(region: str) -> str:
    """Column of the mass in a region."""
    return f"region_{region}"


def evolution_columns(coordinates: Sequence[str], regions: Sequence[str], entropies: Sequence[str] = ()) -> list[str]:
    """Columns of ``curves.csv``; ``entropies`` are ``kl``, ``chi2``, ``fisher`` as far as computed."""
    pairs = [(a, b) for i, a in enumerate(coordinates) for b in coordinates[i:]]
    return [
        *("time", "step", "mass", "min_density"),
        *entropies,
        *(mean_column(name) for name in coordinates),
        *(covariance_column(a, b) for a, b in pairs),
        *(region_column(name) for name in regions),
    ]


class CurveWriter:
    """A CSV table with a header, numbers in full precision. For one rank.

    Args:
        path: Final name; its folder must exist.
        columns: Names of the columns; the first ascends, as ``time`` does.
        keep_until: None starts afresh. A number continues the earlier table: rows whose first column is up to it stay.

    Raises:
        BadUsage: The table to be continued has other columns.
        OSError: The disk refuses.
    """

    def __init__(self, path: Path, columns: Sequence[str], keep_until: float | None = None) -> None:
        self._path, self._columns = Path(path), tuple(columns)
        rows = [] if keep_until is None else self._earlier(keep_until)
        self._rows = len(rows)
        self._closed = False
        atomic.write_text(atomic.part_of(self._path), _line(self._columns) + "".join(rows))

    def write(self, row: Mapping[str, float] | Sequence[float]) -> None:
        """Append a row: values by column name, or in the order of the columns; NaN leaves the field empty.

        Raises:
            ValueError: A column is missing or unknown.
            OSError: The disk refuses.
        """
        if isinstance(row, Mapping):
            if set(row) != set(self._columns):
                raise ValueError(f"{self._path.name}: columns {sorted(row)}, expected {sorted(self._columns)}")
            row = [row[name] for name in self._columns]
        if len(row) != len(self._columns):
            raise ValueError(f"{self._path.name}: {len(row)} values for {len(self._columns)} columns")
        self._append(_line([_number(value) for value in row]).encode())
        self._rows += 1
        if atomic.copy_due(self._rows):
            atomic.publish_copy(self._path)

    def close(self) -> None:
        """Give the table its final name; a second call does nothing."""
        if not self._closed:
            atomic.publish(self._path)
            self._closed = True

    def _append(self, line: bytes) -> None:
        """Add the whole line or, where the disk is full, nothing of it."""
        part = atomic.part_of(self._path)
        with open(part, "ab", buffering=0) as file:  # opened per row: what is written is out of our hands
            before = os.fstat(file.fileno()).st_size
            try:
                if file.write(line) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                file.truncate(before)
                raise

    def _earlier(self, keep_until: float) -> list[str]:
        """Whole lines of the earlier table up to a value of the first column."""
        part = atomic.part_of(self._path)
        source = part if part.exists() else self._path
        if not source.exists():
            return []
        lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
        lines = [line for line in lines if line.endswith("\n")]  # a run killed while writing leaves a torn last line
        if not lines:
            return []
        if lines[0] != _line(self._columns):
            raise BadUsage(f"{source}: columns differ from those of this run; use --fresh to start anew")
        latest = keep_until + 1e-12 * abs(keep_until)
        return [line for line in lines[1:] if float(line.split(",", 1)[0]) <= latest]


def read_curves(path: Path) -> dict[str, Array]:
    """Columns of a table, name -> (rows,); empty fields are NaN.

    Raises:
        BadUsage: The file is not there.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            header, *rows = list(csv.reader(file))
    except OSError:
        raise BadUsage(f"{path}: not there; a case with [evolution] writes it when it runs") from None
    except ValueError:
        raise BadUsage(f"{path}: empty; run the case again with --fresh") from None
    columns = np.array([[float(field) if field else math.nan for field in row] for row in rows], dtype=np.float64)
    return dict(zip(header, columns.reshape(len(rows), len(header)).T, strict=True))


def _number(value: float) -> str:
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(int(value))
    return "" if math.isnan(value) else repr(float(value))


def _line(fields: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(fields)
    return text.getvalue()
