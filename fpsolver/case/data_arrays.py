"""Columns of data from the arrays of a ``.npz`` file: ``"y"``, or ``"x[3]"`` for a column of a two-dimensional one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.arrays import array_names, read_arrays
from fpsolver.case.ledger import Ledger
from fpsolver.case.suggest import instead
from fpsolver.case.wording import named, printable

Array = NDArray[np.float64]

_COLUMN = re.compile(r"(?P<array>.+)\[(?P<index>\d+)\]\Z")


def array_columns(file: Path, columns: Mapping[str, str], ledger: Ledger) -> dict[str, Array]:
    """The columns that are right, all of one length.

    Args:
        file: The ``.npz`` file.
        columns: Name in expressions -> array of n numbers, or column of an array (n, m).
        ledger: Receives what is wrong.
    """
    wanted = {name: _parsed(column) for name, column in columns.items()}
    arrays = read_arrays(file, sorted({array for array, _ in wanted.values()}), ("data", "file"), ledger)
    if arrays is None:
        return {}
    found: dict[str, Array] = {}
    for name, (array, index) in wanted.items():
        path = ("data", "columns", name)
        if array not in arrays:
            there = instead(array, array_names(file))
            ledger.add(path, f'{file.name} has no array "{printable(array, 60)}"', there)
            continue
        column = _column(arrays[array], index)
        if isinstance(column, str):
            ledger.add(path, f"{array} has the shape {arrays[array].shape}", column.format(array=array))
        elif not len(column):
            ledger.add(path, f"{array} is empty", "save at least one row")
        elif not np.isfinite(column).all():
            row = int(np.argmin(np.isfinite(column)))
            ledger.add(path, f"{columns[name]} is {column[row]:g} in row {row + 1}", "save finite numbers")
        else:
            found[name] = column
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        wrong = f"the arrays have different lengths ({named(list(lengths), lengths.values())})"
        ledger.add(("data", "columns"), wrong, "write arrays with one number per sample")
        return {}
    return found


def _parsed(column: str) -> tuple[str, int | None]:
    match = _COLUMN.match(column)
    return (column, None) if match is None else (match["array"], int(match["index"][:9]))


def _column(array: Array, index: int | None) -> Array | str:
    """A column, or what to write instead."""
    if array.ndim == 1 and index is None:
        return array.copy()
    if array.ndim == 2 and index is not None and index < array.shape[1]:
        return array[:, index].copy()
    if array.ndim == 2 and array.shape[1]:
        return f'write "{{array}}[0]" to "{{array}}[{array.shape[1] - 1}]" for its columns'
    return 'write "{array}"' if array.ndim == 1 else "save an array of one or two dimensions"
