"""The table of a simulation: what walkers say beside what the equation for the density says, as text and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from fpsolver.output.tables import NO_NUMBER, Table, number, section_tables

CSV = "simulation.csv"
METHODS = ("pde", "sde", "sgd")


def comparison_table(rows: Sequence[Mapping[str, Any]], reasons: list[str]) -> Table:
    """One line per quantity; ``reasons`` as in `fpsolver.output.tables.section_tables`.

    Args:
        rows: As in ``results.json``.
        reasons: Why numbers are missing.
    """
    with_sgd = any("sgd" in row for row in rows)
    columns = ["quantity", "time", "equation", "+-", "diffusion", "+-", "step error"]
    columns += ["SGD", "+-"] * with_sgd + ["agrees"]
    lines = []
    for row in rows:
        line = [row["quantity"], f"{row['time']:.4g}" if row.get("time") is not None else ""]
        line += _cells(row.get("pde"), reasons) + _cells(row.get("sde"), reasons)
        line.append(NO_NUMBER if row.get("step_bias") is None else f"{row['step_bias']:+.1e}")
        line += _cells(row.get("sgd"), reasons) if with_sgd else []
        lines.append([*line, number(row.get("agrees"))])
    return Table("simulation: 99 % intervals; step error: at 2h less at h", columns, lines)


def simulation_tables(entry: Mapping[str, Any], coordinates: Sequence[str], reasons: list[str]) -> list[Table]:
    """The section of a simulation: how it was done, and the table."""
    about = {key: value for key, value in entry.items() if key != "rows"}
    return [*section_tables("simulation", about, coordinates, reasons), comparison_table(entry["rows"], reasons)]


def _cells(entry: Mapping[str, Any] | None, reasons: list[str]) -> list[str]:
    if entry is None:
        return [NO_NUMBER, ""]
    note = ""
    if (why := entry.get("why")) is not None:
        if why not in reasons:
            reasons.append(why)
        note = f"({reasons.index(why) + 1})"
    value = "infinite" if entry.get("infinite") else NO_NUMBER if entry["value"] is None else f"{entry['value']:.6g}"
    error = "" if entry["error"] is None else f"{entry['error']:.1e}"
    return [value, f"{error} {note}".strip()]


def comparison_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """The same with all digits; an empty field is no number."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    pairs = [name for method in METHODS for name in (method, f"{method}_error")]
    writer.writerow(["quantity", "time", *pairs, "step_error", "agrees"])
    for row in rows:
        found = [row.get(method) or {} for method in METHODS]
        numbers = [entry.get(key) for entry in found for key in ("value", "error")]
        fields = [row.get("time"), *numbers, row.get("step_bias")]
        agrees = {True: "yes", False: "no", None: ""}[row.get("agrees")]
        writer.writerow([row["quantity"], *("" if field is None else repr(field) for field in fields), agrees])
    return text.getvalue()
