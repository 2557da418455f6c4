"""From TOML values to typed ones, kind by kind; what does not fit is noted with its place."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from fpsolver.case.expressions import Expression, ExpressionError, constant_expression, level, parse
from fpsolver.case.files import existing
from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path
from fpsolver.case.schema import Key, Kind
from fpsolver.case.scope import Scope
from fpsolver.case.suggest import nearest
from fpsolver.case.wording import shown, toml

MOST_COLUMNS = 1000
OF_A_ROW = ("per_sample", "prediction", "target")
"""Keys whose expressions may use columns of data."""

LARGEST = 1e100
"""Of numbers in a case, and one over that is the smallest: so squares and products are numbers too."""


class Converter:
    """Converts the value at one key; every method returns None after noting what is wrong."""

    def __init__(self, key: Key, ledger: Ledger, scope: Scope) -> None:
        self.key = key
        self.ledger = ledger
        self.scope = scope

    def convert(self, value: object, path: Path) -> Any:
        """The typed value of the key's kind, None if it is wrong."""
        if self.key.kind is Kind.TEXT:
            return self.text(value, path)
        if isinstance(value, str) and value in self.key.choices and self.key.kind is not Kind.CHOICES:
            return value
        return CONVERTERS[self.key.kind](self, value, path)

    def wrong(self, value: object, path: Path, what: str | None = None) -> None:
        also = "".join(f' or "{choice}"' for choice in self.key.choices if self.key.kind is not Kind.TEXT)
        self.ledger.add(path, f"{shown(value)} is not {what or self.key.kind.value}{also}", self.advice())

    def advice(self) -> str:
        if self.key.example:
            return f"write {self.key.name} = {self.key.example}"
        return f"write {self.key.name} = {toml(self.key.default)}"

    def text(self, value: object, path: Path) -> str | None:
        choices = self.key.choices
        if isinstance(value, str) and (not choices or value in choices):
            return value
        if not choices:
            self.wrong(value, path)
        elif isinstance(value, str):
            quoted = ", ".join(f'"{choice}"' for choice in choices)
            close = nearest(value, choices)
            also = f" (did you mean {close}?)" if close else ""
            self.ledger.add(path, f"{shown(value)} is not known", f"write one of {quoted}{also}")
        else:
            self.ledger.add(path, f"{shown(value)} is not a text", f'write {self.key.name} = "{choices[0]}"')
        return None

    def boolean(self, value: object, path: Path) -> bool | None:
        if isinstance(value, bool):
            return value
        self.wrong(value, path)
        return None

    def number(self, value: object, path: Path) -> float | None:
        return self.in_range(self.any_number(value, path), value, path)

    def any_number(self, value: object, path: Path) -> float | None:
        """A finite number, or an expression of parameters that is one."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self.wrong(value, path, "a number")
            return None
        if isinstance(value, str):
            formula = self.parsed(value, path, ())
            if formula is None:
                return None
            result = formula.value
        else:
            try:
                result = float(value)
            except OverflowError:
                result = math.inf
        if result is None or not math.isfinite(result):
            self.ledger.add(path, f"{shown(value)} is not a finite number", self.advice())
            return None
        if abs(result) > LARGEST or 0.0 < abs(result) < 1.0 / LARGEST:
            limit = f"more than {LARGEST:g}" if abs(result) > 1.0 else f"less than {1.0 / LARGEST:g}"
            self.ledger.add(path, f"{shown(value)} is {limit}", "write it in other units: its square is no number")
            return None
        return result

    def in_range(self, number: float | None, value: object, path: Path) -> float | None:
        if number is None:
            return None
        key, text = self.key, shown(value)
        if isinstance(value, str):
            text = f"{text} = {number:g}"
        such = f", such as {key.example}" if key.example and not key.example.startswith("[") else ""
        unit = f" {key.unit}" if key.unit not in ("", "-") else ""
        if key.above is not None and not number > key.above:
            what = "is not positive" if key.above == 0 else f"is not > {key.above:g}"
            self.ledger.add(path, f"{text} {what}", f"write a number > {key.above:g}{such}")
        elif key.least is not None and number < key.least:
            self.ledger.add(path, f"{text} is less than {key.least:g}{unit}", f"write at least {key.least:g}{such}")
        elif key.most is not None and number > key.most:
            self.ledger.add(path, f"{text} is more than {key.most:g}{unit}", f"write at most {key.most:g}{such}")
        else:
            return number
        return None

    def integer(self, value: object, path: Path) -> int | None:
        if isinstance(value, str) and value.isalpha() and self.key.choices and value not in self.scope.parameters:
            self.wrong(value, path)
            return None
        number = self.any_number(value, path)
        if number is None:
            return None
        if number != math.floor(number):
            self.ledger.add(path, f"{shown(value)} is not a whole number", self.advice())
            return None
        if self.in_range(number, value, path) is None:
            return None
        return value if isinstance(value, int) else int(number)

    def expression(self, value: object, path: Path) -> Expression | None:
        if isinstance(value, str):
            columns = self.scope.columns if self.key.name in OF_A_ROW else ()
            return self.parsed(value, path, (*self.scope.coordinates, *columns))
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.wrong(value, path, "an expression")
            return None
        number = self.any_number(value, path)
        return None if number is None else constant_expression(number)

    def parsed(self, source: str, path: Path, allowed: tuple[str, ...]) -> Expression | None:
        """An expression over the allowed names; others that the case knows are told apart from unknown ones."""
        known = (*self.scope.coordinates, *self.scope.columns)
        try:
            try:
                formula = parse(source, known, self.scope.parameters)
            except ExpressionError:
                formula = parse(source, allowed, self.scope.parameters)  # its message lists what is allowed here
        except ExpressionError as error:
            self.ledger.add(path, error.wrong, error.write)
            return None
        for name in sorted(formula.names - set(allowed)):
            if name in self.scope.columns:
                self.ledger.add(
                    path,
                    f"the data column {name} is not known here",
                    "write it in loss.per_sample, prediction or target only",
                )
            else:
                wrong = f"{shown(source)} depends on the coordinate {name}"
                self.ledger.add(path, wrong, "write a number, or an expression of [parameters]")
            return None
        return formula

    def condition(self, value: object, path: Path) -> Expression | None:
        if not isinstance(value, str):
            self.wrong(value, path, Kind.CONDITION.value)
            return None
        if self.parsed(value, path, self.scope.coordinates) is None:
            return None
        try:
            return level(value, self.scope.coordinates, self.scope.parameters)
        except ExpressionError as error:
            self.ledger.add(path, error.wrong, error.write)
            return None

    def file(self, value: object, path: Path) -> FilePath | None:
        if not isinstance(value, str) or not value:
            self.wrong(value, path)
            return None
        return existing(value, path, self.ledger, self.scope.folder, folder=self.key.section == "evolution.initial")

    def sequence(self, value: object, path: Path, item: Callable[[object, Path], Any]) -> tuple[Any, ...] | None:
        """A list whose items are all right."""
        if not isinstance(value, list):
            self.wrong(value, path)
            return None
        items = [item(entry, (*path, index)) for index, entry in enumerate(value)]
        return None if any(entry is None for entry in items) else tuple(items)

    def per_coordinate(self, value: object, path: Path, item: Callable[[object, Path], Any]) -> tuple[Any, ...] | None:
        """A list with one right item per coordinate."""
        items = self.sequence(value, path, item)
        dimension = self.scope.dimension
        if isinstance(value, list) and dimension is not None and len(value) != dimension:
            count = "1 entry" if len(value) == 1 else f"{len(value)} entries"
            names = ", ".join(self.scope.coordinates)
            write = f"write {dimension}, one per coordinate ({names})"
            self.ledger.add(path, f"{shown(value)} has {count}", write)
            return None
        return items

    def numbers(self, value: object, path: Path) -> tuple[float, ...] | None:
        return self.per_coordinate(value, path, self.number)

    def integers(self, value: object, path: Path) -> tuple[int, ...] | None:
        return self.per_coordinate(value, path, self.integer)

    def scale(self, value: object, path: Path) -> float | tuple[float, ...] | None:
        return self.numbers(value, path) if isinstance(value, list) else self.number(value, path)

    def points(self, value: object, path: Path) -> tuple[tuple[float, ...], ...] | None:
        return self.sequence(value, path, self.point)

    def point(self, value: object, path: Path) -> tuple[float, ...] | None:
        if not isinstance(value, list):
            self.ledger.add(path, f"{shown(value)} is not a point", self.advice())
            return None
        return self.numbers(value, path)

    def times(self, value: object, path: Path) -> tuple[float, ...] | None:
        return self.sequence(value, path, self.number)

    def expressions(self, value: object, path: Path) -> tuple[Expression, ...] | None:
        return self.per_coordinate(value, path, self.expression)

    def name(self, value: object, path: Path) -> str | None:
        if isinstance(value, str):
            return value
        self.wrong(value, path, "a name in quotes")
        return None

    def names(self, value: object, path: Path) -> tuple[str, ...] | None:
        return self.per_coordinate(value, path, self.name)

    def words(self, value: object, path: Path) -> tuple[str, ...] | None:
        found = self.sequence(value, path, self.text)
        if found is not None and (not found or len(set(found)) < len(found)):
            self.ledger.add(path, "the list is empty" if not found else "the list repeats itself", self.advice())
            return None
        return found

    def tensor(self, value: object, path: Path) -> tuple[str, Any] | None:
        """("scalar", e), ("diagonal", (e, ...)) or ("matrix", ((e, ...), ...))."""
        if not isinstance(value, list):
            scalar = self.expression(value, path)
            return None if scalar is None else ("scalar", scalar)
        if value and all(isinstance(row, list) for row in value):
            rows = self.per_coordinate(value, path, self.expressions)
            return None if rows is None else ("matrix", rows)
        entries = self.per_coordinate(value, path, self.expression)
        return None if entries is None else ("diagonal", entries)

    def table(self, value: object, path: Path) -> dict[str, Any] | None:
        if isinstance(value, dict):
            return value
        self.wrong(value, path)
        return None

    def columns(self, value: object, path: Path) -> dict[str, str] | None:
        if not isinstance(value, dict) or not value:
            self.wrong(value, path)
            return None
        if len(value) > MOST_COLUMNS:
            self.ledger.add(path, f"{len(value)} columns", f"write at most {MOST_COLUMNS}")
            return None
        names = {name: self.name(column, (*path, name)) for name, column in value.items()}
        return {name: column for name, column in names.items() if column is not None} or None


CONVERTERS: dict[Kind, Callable[[Converter, object, Path], Any]] = {
    Kind.TEXT: Converter.text,
    Kind.BOOLEAN: Converter.boolean,
    Kind.INTEGER: Converter.integer,
    Kind.NUMBER: Converter.number,
    Kind.NUMBERS: Converter.numbers,
    Kind.INTEGERS: Converter.integers,
    Kind.SCALE: Converter.scale,
    Kind.POINTS: Converter.points,
    Kind.TIMES: Converter.times,
    Kind.SERIES: Converter.times,
    Kind.EXPRESSION: Converter.expression,
    Kind.EXPRESSIONS: Converter.expressions,
    Kind.TENSOR: Converter.tensor,
    Kind.CONDITION: Converter.condition,
    Kind.NAMES: Converter.names,
    Kind.CHOICES: Converter.words,
    Kind.FILE: Converter.file,
    Kind.COLUMNS: Converter.columns,
    Kind.TABLE: Converter.table,
    Kind.COURSE: lambda converter, value, path: value,  # read by schedule.py
    Kind.PAIRS: lambda converter, value, path: value,
}
