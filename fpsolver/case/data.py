"""Columns of a CSV or ``.npz`` file, as numbers; gaps and words are reported with the line of the CSV file."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.data_arrays import array_columns
from fpsolver.case.data_classes import ClassColumn, Classes
from fpsolver.case.ledger import Ledger
from fpsolver.case.sections import Data
from fpsolver.case.suggest import instead
from fpsolver.case.wording import printable, shown

MAX_BYTES = 200_000_000
MAX_REPORTS = 5  # bad values named per column

Array = NDArray[np.float64]


def read_data(
    file: Path, columns: Mapping[str, str], classes: Classes, standardize: bool, ledger: Ledger
) -> Data | None:
    """The named columns of ``file``.

    Args:
        file: CSV file in UTF-8 with a header line, separated by commas; or ``.npz``.
        columns: Name in expressions -> name in the header, or of an array.
        classes: Name in expressions -> numbers for the words of that column; rows with other words are left out.
        standardize: Subtract the mean, divide by the standard deviation of the population; not for classes.
        ledger: Receives what is wrong.

    Returns:
        The data, None where something is wrong.
    """
    if file.suffix == ".npz":
        found = array_columns(file, columns, ledger)
        for name in classes:
            ledger.add(("data", "classes", name), "arrays have numbers, no words", "remove it, or write a CSV file")
    else:
        found = _csv_columns(file, columns, classes, ledger)
    values: dict[str, Array] = {}
    for name, numbers in found.items():
        scales = standardize and name not in classes
        scaled = _standardized(name, columns[name], numbers, ledger) if scales else numbers
        if scaled is not None:
            scaled.setflags(write=False)
            values[name] = scaled
    return Data(file, values, standardize) if len(values) == len(columns) else None


def _csv_columns(file: Path, columns: Mapping[str, str], classes: Classes, ledger: Ledger) -> dict[str, Array]:
    here = ("data", "file")
    try:
        if file.stat().st_size > MAX_BYTES:
            ledger.add(here, f"{file.name} is larger than {MAX_BYTES} bytes", "write a smaller file, or .npz")
            return {}
        with open(file, newline="", encoding="utf-8-sig") as stream:
            return _read(stream, file.name, columns, classes, ledger)
    except UnicodeDecodeError:
        ledger.add(here, f"{file.name} is not UTF-8", "save it as UTF-8")
    except (OSError, csv.Error) as error:
        ledger.add(here, f"{file.name} cannot be read ({error})", "write a CSV file with a header line")
    return {}


def _read(stream: IO[str], file: str, columns: Mapping[str, str], classes: Classes, ledger: Ledger) -> dict[str, Array]:
    """The columns that are numbers throughout, row by row: a text takes ten times the memory of a number."""
    reader = csv.reader(stream, strict=True)
    rows = ((reader.line_num, row) for row in reader if row)
    header = [name.strip() for name in next(rows, (0, []))[1]]
    first = next(rows, None)
    if first is None:
        advice = "write a CSV file with a header line and rows"
        ledger.add(("data", "file"), f"{file} has no rows below its header", advice)
        return {}
    wanted = {name: _index(name, column, header, file, ledger) for name, column in columns.items()}
    there = {name: index for name, index in wanted.items() if index is not None}
    numbers = [_Column(name, index, header, file) for name, index in there.items() if name not in classes]
    words = [ClassColumn(name, index, classes[name], file) for name, index in there.items() if name in classes]
    taken: list[_Column | ClassColumn] = [*numbers, *words]
    long = 0
    for line, row in chain([first], rows):
        if len(row) > len(header):
            long += 1
            if long <= MAX_REPORTS:
                wrong = f"{file}:{line}: {len(row)} values, but the header has {len(header)} names"
                ledger.add(("data", "file"), wrong, "write as many values as names, with decimal points, not commas")
            continue
        kept = [column.keeps(row) for column in words]  # every column sees every word
        if not all(kept):
            continue
        for column in taken:
            column.take(line, row, ledger)
    if long > MAX_REPORTS:
        ledger.add(("data", "file"), f"{file}: {long} lines in all are too long", "write commas between values only")
    found = {column.name: np.array(column.numbers) for column in taken if column.sound(ledger) and not long}
    if words and found and not len(next(iter(found.values()))):
        ledger.add(("data", "classes"), f"no row of {file} has one of these words in each column", "write other words")
        return {}
    return found


def _index(name: str, column: str, header: list[str], file: str, ledger: Ledger) -> int | None:
    path = ("data", "columns", name)
    count = header.count(column)
    if count == 1:
        return header.index(column)
    if count:
        ledger.add(path, f'{file} has {count} columns named "{column}"', "write a header with distinct names")
    elif len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        ledger.add(path, f'{file} has no column "{column}"', "write commas between the values, not ; or tabs")
    else:
        ledger.add(path, f'{file} has no column "{printable(column, 60)}"', instead(column, header))
    return None


class _Column:
    """The numbers of one column."""

    def __init__(self, name: str, index: int, header: list[str], file: str) -> None:
        self.name = name
        self.numbers = array("d")
        self._index = index
        self._heading = printable(header[index], 60)
        self._file = file
        self._bad = 0

    def take(self, line: int, row: list[str], ledger: Ledger) -> None:
        """The number in a row; a gap or a word is noted."""
        text = row[self._index].strip() if self._index < len(row) else ""
        number = _number(text)
        self.numbers.append(number)
        if math.isfinite(number):
            return
        self._bad += 1
        if self._bad <= MAX_REPORTS:
            what = f"{shown(text)} is not a finite number" if text else "a value is missing"
            wrong = f"{self._file}:{line}: {self._heading}: {what}"
            ledger.add(("data", "columns", self.name), wrong, "write a number there, or remove the row")

    def sound(self, ledger: Ledger) -> bool:
        """Whether all are numbers."""
        if self._bad > MAX_REPORTS:
            wrong = f"{self._file}: {self._heading}: {self._bad} values in all are no numbers"
            ledger.add(("data", "columns", self.name), wrong, "choose another column")
        return not self._bad


def _number(text: str) -> float:
    """The number that a text is; not a number for all else, such as 1_000 and digits of other scripts."""
    try:
        return float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return math.nan


def _standardized(name: str, column: str, numbers: Array, ledger: Ledger) -> Array | None:
    largest = float(np.abs(numbers).max())
    # by a power of two, which costs no digits: squares of large numbers overflow
    numbers = numbers / math.ldexp(1.0, math.frexp(largest)[1] - 1) if largest > 0 else numbers
    mean, deviation = numbers.mean(), numbers.std()
    if not deviation > 2e-14:
        advice = "write standardize = false, or choose another column"
        ledger.add(("data", "columns", name), f'the column "{column}" is constant and cannot be standardised', advice)
        return None
    return np.asarray((numbers - mean) / deviation)
