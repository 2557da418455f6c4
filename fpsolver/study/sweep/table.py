"""The table of a family: a row per member, for spreadsheets and for the eye."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpsolver.case.overrides import toml_value
from fpsolver.runtime import Console
from fpsolver.study.sweep.family import labels
from fpsolver.study.sweep.findings import Findings, Number, chosen, findings, main_ones
from fpsolver.study.sweep.place import CSV, member_folder
from fpsolver.study.sweep.record import SOLVED, Entry, Record

NO_NUMBER = "–"
MOST_ROWS = 20
MOST_COLUMNS = 3  # of quantities, on the terminal
_ABOUT = ("status", "exit_code", "seconds", "ranks", "member", "message")


@dataclass(frozen=True)
class Row:
    """A member and what it has found."""

    name: str
    entry: Entry
    findings: Findings


class Table:
    """All members of a record with their numbers; those of a member are read once, when it is solved.

    Args:
        root: The folder of the sweep.
        record: It may change; the table follows.
    """

    def __init__(self, root: Path, record: Record) -> None:
        self.root = root
        self.record = record
        self._read: dict[str, Findings] = {}

    def rows(self) -> list[Row]:
        """In the order of the record."""
        for name, entry in self.record.entries.items():
            if entry.status in SOLVED and name not in self._read:
                self._read[name] = findings(member_folder(self.root, name))
        nothing = Findings({})
        return [Row(name, entry, self._read.get(name, nothing)) for name, entry in self.record.entries.items()]

    def names(self) -> list[str]:
        """Of all quantities that any member has."""
        return list(dict.fromkeys(name for row in self.rows() for name in row.findings.numbers))

    def chosen(self) -> list[str]:
        """Names of the quantities that the user has asked for, else of the main ones that differ between members.

        Raises:
            BadUsage: No member has what was asked for.
        """
        if self.record.plot:
            return chosen(self.names(), self.record.plot)
        main = main_ones(self.names())
        return [name for name in main if _differs(self.column(name))] or main

    def column(self, name: str) -> list[Number]:
        """A quantity of all members."""
        unknown = Number(math.nan)
        return [row.findings.numbers.get(name, unknown) for row in self.rows()]

    def as_csv(self) -> str:
        """The content of ``sweep.csv``, in full precision; what is not known is empty."""
        names, text = self.names(), io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.record.keys, *_ABOUT, *(each for name in names for each in (name, f"{name}_error"))])
        for row in self.rows():
            about = _about(row)
            numbers = (row.findings.numbers.get(name) for name in names)
            cells = (cell for number in numbers for cell in _cells(number))
            writer.writerow([*map(plain, row.entry.values), *(about[key] for key in _ABOUT), *cells])
        return text.getvalue()

    def tell(self, console: Console) -> None:
        """Print the family, of a large one some members, and where the others are."""
        rows, names = self.rows(), self.chosen()[:MOST_COLUMNS]
        shown = _some(rows)
        columns = [*labels(self.record.keys), *names, "status"]
        console.table(
            self.record.title,
            columns,
            [[*map(plain, row.entry.values), *self._numbers(row, names), _state(row.entry)] for row in shown],
        )
        if len(shown) < len(rows):
            console.say(f"{len(shown)} of {len(rows)} members; all are in {self.root / CSV}")

    def _numbers(self, row: Row, names: Sequence[str]) -> list[str]:
        return [_short(row.findings.numbers.get(name)) for name in names]


def counts(record: Record) -> str:
    """How many members are how far, in words."""
    parts: list[tuple[int, str]] = [
        (record.count("done"), "done"),
        (record.count("uncertain"), "with a certificate that failed"),
        (record.count("failed"), "failed"),
        (record.count("stopped"), "stopped"),
        (record.count("waiting", "running"), "waiting"),
    ]
    return ", ".join(f"{count} {words}" for count, words in parts if count)


def plain(text: str) -> str:
    """A value of the command line without the quotes of TOML."""
    value = toml_value(text)
    return value if isinstance(value, str) else text


def _about(row: Row) -> Mapping[str, object]:
    entry = row.entry
    return {
        "status": entry.status,
        "exit_code": entry.exit_code,
        "seconds": None if entry.seconds is None else f"{entry.seconds:.2f}",
        "ranks": row.findings.ranks,
        "member": row.name,
        "message": entry.message,
    }


def _cells(number: Number | None) -> tuple[str, str]:
    if number is None:
        return "", ""
    return _full(number.value), _full(number.error)


def _full(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def _short(number: Number | None) -> str:
    if number is None or math.isnan(number.value):
        return NO_NUMBER
    return f"{number.value:.6g}" + ("" if math.isnan(number.error) else f" ± {number.error:.1g}")


def _state(entry: Entry) -> str:
    code = f" ({entry.exit_code})" if entry.status == "failed" else ""
    return f"{entry.status}{code}"


def _differs(column: Sequence[Number]) -> bool:
    """Whether a quantity is more than a constant with noise of round-off; one value alone may be anything."""
    values = [number.value for number in column if math.isfinite(number.value)]
    return len(values) == 1 or (bool(values) and max(values) - min(values) > 1e-9 * max(map(abs, values)))


def _some(rows: Sequence[Row]) -> list[Row]:
    """All rows of a short table; of a long one the failed (half of it at most) and others at even distances."""
    if len(rows) <= MOST_ROWS:
        return list(rows)
    failed = [place for place, row in enumerate(rows) if row.entry.status == "failed"][: MOST_ROWS // 2]
    others = [place for place in range(len(rows)) if place not in failed]
    left = MOST_ROWS - len(failed)
    even = {others[round(number * (len(others) - 1) / (left - 1))] for number in range(left)}
    return [rows[place] for place in sorted(even | set(failed))]
