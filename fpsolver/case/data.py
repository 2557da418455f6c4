"""Columns of a CSV file, as numbers; gaps and words are reported with the line of the CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fpsolver.case.ledger import Ledger
from fpsolver.case.sections import Data
from fpsolver.case.suggest import instead
from fpsolver.case.wording import shown

MAX_BYTES = 200_000_000
MAX_REPORTS = 5  # bad values named per column


def read_data(file: Path, columns: Mapping[str, str], standardize: bool, ledger: Ledger) -> Data | None:
    """The named columns of ``file``.

    Args:
        file: CSV file in UTF-8 with a header line, separated by commas.
        columns: Name in expressions -> name in the header.
        standardize: Subtract the mean, divide by the standard deviation of the population.
        ledger: Receives what is wrong.

    Returns:
        The data, None where something is wrong.
    """
    here = ("data", "file")
    try:
        if file.stat().st_size > MAX_BYTES:
            ledger.add(here, f"{file.name} is larger than {MAX_BYTES} bytes", "write a smaller file")
            return None
        with open(file, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, strict=True)
            rows = [(reader.line_num, row) for row in reader if row]
    except UnicodeDecodeError:
        ledger.add(here, f"{file.name} is not UTF-8", "save it as UTF-8")
        return None
    except (OSError, csv.Error) as error:
        ledger.add(here, f"{file.name} cannot be read ({error})", "write a CSV file with a header line")
        return None
    if len(rows) < 2:
        ledger.add(here, f"{file.name} has no rows below its header", "write a CSV file with a header line and rows")
        return None
    header = [name.strip() for name in rows[0][1]]
    wanted = {name: _index(name, column, header, file, ledger) for name, column in columns.items()}
    values: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]] = {}
    for name, index in wanted.items():
        if index is None:
            continue
        numbers = _numbers(name, index, rows[1:], header, file, ledger)
        if numbers is not None and standardize:
            numbers = _standardized(name, columns[name], numbers, ledger)
        if numbers is not None:
            numbers.setflags(write=False)
            values[name] = numbers
    return Data(file, values, standardize) if len(values) == len(columns) else None


def _index(name: str, column: str, header: list[str], file: Path, ledger: Ledger) -> int | None:
    path = ("data", "columns", name)
    count = header.count(column)
    if count == 1:
        return header.index(column)
    if count:
        ledger.add(path, f'{file.name} has {count} columns named "{column}"', "write a header with distinct names")
    else:
        ledger.add(path, f'{file.name} has no column "{column}"', instead(column, header))
    return None


def _numbers(
    name: str, index: int, rows: list[tuple[int, list[str]]], header: list[str], file: Path, ledger: Ledger
) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    path = ("data", "columns", name)
    numbers = np.empty(len(rows))
    bad = 0
    for place, (line, row) in enumerate(rows):
        text = row[index].strip() if index < len(row) else ""
        try:
            numbers[place] = float(text)
        except ValueError:
            numbers[place] = math.nan
        if not math.isfinite(numbers[place]):
            bad += 1
            what = f"{shown(text)} is not a finite number" if text else "a value is missing"
            if bad <= MAX_REPORTS:
                ledger.add(
                    path, f"{file.name}:{line}: {header[index]}: {what}", "write a number there, or remove the row"
                )
    if bad > MAX_REPORTS:
        ledger.add(path, f"{file.name}: {header[index]}: {bad} values in all are no numbers", "choose another column")
    return None if bad else numbers


def _standardized(
    name: str, column: str, numbers: np.ndarray[tuple[int], np.dtype[np.float64]], ledger: Ledger
) -> np.ndarray[tuple[int], np.dtype[np.float64]] | None:
    mean, deviation = numbers.mean(), numbers.std()
    if not deviation > 1e-14 * max(1e-300, float(np.abs(numbers).max())):
        advice = "write standardize = false, or choose another column"
        ledger.add(("data", "columns", name), f'the column "{column}" is constant and cannot be standardised', advice)
        return None
    return (numbers - mean) / deviation
