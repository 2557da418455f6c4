"""The table of a convergence study, as a file for programs, a file for spreadsheets, and text for the eye."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fpsolver.output.results import as_json
from fpsolver.study.orders import Trend

NO_NUMBER = "–"


@dataclass(frozen=True)
class Line:
    """A quantity at all levels.

    Attributes:
        name: Its place in ``results.json``.
        values: One per level, None where there is no number.
        expected: Order that theory says, None where it says nothing.
        trend: Where the values go, None where they are not all numbers.
        note: Said where there is no trend.
    """

    name: str
    values: Sequence[float | None]
    expected: float | None
    trend: Trend | None = None
    note: str = ""

    def as_json(self) -> dict[str, object]:
        """The entry of ``convergence.json``."""
        found = self.trend
        return {
            "name": self.name,
            "values": list(self.values),
            "differences": [] if found is None else list(found.differences),
            "order": None if found is None else found.order,
            "expected_order": self.expected,
            "extrapolated": None if found is None else found.extrapolated,
            "uncertainty": None if found is None else found.uncertainty,
            "asymptotic": found is not None and found.asymptotic,
            "note": self.note if found is None else found.note,
        }


@dataclass(frozen=True)
class Table:
    """A convergence study.

    Attributes:
        by: ``h`` or ``degree``.
        levels: ``unknowns``, ``cells`` and ``degree`` of each.
        lines: The quantities.
    """

    by: str
    levels: Sequence[Mapping[str, object]]
    lines: Sequence[Line]

    def as_json(self, certificate: Mapping[str, object]) -> str:
        """The content of ``convergence.json``."""
        content = {
            "by": self.by,
            "levels": list(self.levels),
            "quantities": [line.as_json() for line in self.lines],
            "certificate": dict(certificate),
        }
        return json.dumps(as_json(content, "convergence"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def as_csv(self) -> str:
        """The content of ``convergence.csv``: a line per quantity, values by level, full precision."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        values = [f"value_{level}" for level in range(1, len(self.levels) + 1)]
        writer.writerow(
            ["quantity", *values, "order", "expected_order", "extrapolated", "uncertainty", "asymptotic", "note"]
        )
        for line in self.lines:
            entry = line.as_json()
            numbers = [
                *line.values,
                *(entry[key] for key in ("order", "expected_order", "extrapolated", "uncertainty")),
            ]
            cells = ["" if number is None else repr(number) for number in numbers]
            writer.writerow([line.name, *cells, "yes" if entry["asymptotic"] else "no", entry["note"]])
        return text.getvalue()

    def shown(self) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Columns and rows for the terminal; numbers to as many digits as mean something."""
        columns = ["quantity", *map(self._heading, self.levels), "order", "expected", "limit", "±", ""]
        rows = []
        for line in self.lines:
            entry = line.as_json()
            rows.append(
                [
                    line.name,
                    *(_number(value, 8) for value in line.values),
                    _number(entry["order"], 2),
                    _number(entry["expected_order"], 2),
                    _number(entry["extrapolated"], 10),
                    _number(entry["uncertainty"], 2),
                    "" if entry["asymptotic"] else str(entry["note"]),
                ]
            )
        return columns, rows

    def warnings(self) -> list[str]:
        """One warning for all quantities outside the asymptotic range, with what to do."""
        outside = [line for line in self.lines if line.trend is not None and not line.trend.asymptotic]
        if not outside:
            return []
        first = "; ".join(f"{line.name}: {line.trend.note}" for line in outside[:3] if line.trend is not None)
        more = f"; and {len(outside) - 3} more" if len(outside) > 3 else ""
        advice = "use smaller cells (domain.cells) or more levels" if self.by == "h" else "use smaller cells"
        return [
            f"outside the asymptotic range, so their limits are not extrapolated: {first}{more}. To reach it, {advice}"
        ]

    def _heading(self, level: Mapping[str, object]) -> str:
        if self.by == "degree":
            return f"degree {level['degree']}"
        cells = level["cells"]
        return "x".join(map(str, cells)) if isinstance(cells, list) else str(cells)


def _number(value: object, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float | int) else NO_NUMBER
