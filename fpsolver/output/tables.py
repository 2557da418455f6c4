"""The entries of ``results.json`` as tables of text: for the end of a run and for ``fpsolver show``.

Nothing here knows which sections exist: quantities, numbers, points, nested tables and lists of tables are recognised
by their form, so a section that a later version adds is shown without a line of code. Names are those of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

COLUMNS = ("quantity", "value", "error")
NO_NUMBER = "–"

_AT_POINTS = {
    "starts": "from",
    "modes": "mode at",
    "sets": "set at",
    "classes": "class at",
    "critical_points": "critical point at",
    "fits": "fit from",
}
"""What an entry at a point is called, by the key of its list."""

PLACES = ("source", "target", "region")
"""Entries that say which one of several tables of a section this is."""


@dataclass(frozen=True)
class Table:
    """A titled table of text: as many texts per row as there are columns."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def certificate_table(certificate: Mapping[str, Any]) -> Table:
    """The checks of a certificate, with their limits."""
    rows = [
        (check["name"], f"{check['value']:.2g}", f"{check['limit']:.2g}", "ok" if check["passed"] else "FAILED")
        for check in certificate["checks"]
    ]
    return Table("certificate", ("check", "value", "limit", ""), rows)


def verdict(certificate: Mapping[str, Any]) -> str:
    """A certificate in a few words."""
    if certificate["passed"]:
        return "certificate passed"
    return "CERTIFICATE FAILED: do not trust the numbers above"


def section_tables(name: str, entry: object, coordinates: Sequence[str], reasons: list[str]) -> list[Table]:
    """A section of the results: one table, or one per entry of a list of tables.

    Args:
        name: Its key in ``results.json``.
        entry: What stands there.
        coordinates: Names of the coordinates, for means and covariances.
        reasons: Why numbers are missing; grows by those that are met, and the tables refer to them by number.
    """
    parts = [(name, entry)]
    if _is_list_of_tables(entry):
        assert isinstance(entry, list)
        parts = [(_title(name, place, part), _without(part, PLACES)) for place, part in enumerate(entry)]
    tables = []
    for title, part in parts:
        theorems = part.get("theory") if isinstance(part, Mapping) else None
        rest = _without(part, ("theory",)) if isinstance(part, Mapping) and theorems else part
        tables.append(Table(title, COLUMNS, list(_rows(rest, coordinates, reasons))))
        if theorems:
            tables.append(_theorem_table(f"{title}: theory", theorems, reasons))
    return tables


def _theorem_table(title: str, theorems: Sequence[Mapping[str, Any]], reasons: list[str]) -> Table:
    """What theory promises beside what was measured; why a theorem applies or does not is a footnote."""
    rows = []
    for each in theorems:
        if each["why"] not in reasons:
            reasons.append(each["why"])
        found = (NO_NUMBER, "", "", "", "")
        if each["applies"]:
            measured = number(None) if each["measured"] is None else _value(each["measured"])
            found = _value(each["promises"]), each["binds"], measured, each["concerns"], number(each["holds"])
        rows.append((each["theorem"], f"({reasons.index(each['why']) + 1})", *found))
    return Table(title, ("theorem", "", "promises", "", "measured", "of", "holds"), rows)


def number(value: object) -> str:
    """A plain entry as text: counts with thousands separated, other numbers to eight digits."""
    match value:
        case None:
            return NO_NUMBER
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:.8g}"
        case list():
            return f"({', '.join(number(part) for part in value)})"
    return str(value)


def _rows(entry: object, coordinates: Sequence[str], reasons: list[str]) -> Iterator[tuple[str, str, str]]:
    for label, part in _flat("", entry, coordinates):
        yield label, *cells(part, reasons)


def cells(entry: object, reasons: list[str]) -> tuple[str, str]:
    """An entry as the two texts below ``value`` and ``error``; ``reasons`` as in `section_tables`."""
    if not _is_quantity(entry):
        return number(entry), ""
    assert isinstance(entry, Mapping)
    error = NO_NUMBER if entry["error"] is None else f"{entry['error']:.1e}"
    if (why := entry.get("why")) is not None:
        if why not in reasons:
            reasons.append(why)
        error += f" ({reasons.index(why) + 1})"
    return _value(entry), error


def footnotes(reasons: Sequence[str]) -> list[str]:
    """The reasons, numbered as in the tables."""
    return [f"({place}) {why}" for place, why in enumerate(reasons, 1)]


def _flat(label: str, entry: object, coordinates: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """(label, quantity or plain value) of everything inside an entry."""
    if isinstance(entry, Mapping) and not _is_quantity(entry):
        for key, part in entry.items():
            words = "mass in" if key == "regions" else key
            yield from _flat(f"{label} {words}".strip(), part, coordinates)
    elif isinstance(entry, list) and any(isinstance(part, Mapping | list) for part in entry):
        for place, part in enumerate(entry):
            yield from _element(label, place, part, coordinates, len(entry))
    else:
        yield label, entry


def _element(
    label: str, place: int, entry: object, coordinates: Sequence[str], length: int
) -> Iterator[tuple[str, Any]]:
    """One element of a list: of a mean, a covariance (its upper half), of points, or of anything else."""
    key, named = label.rpartition(" ")[2], length == len(coordinates)
    before = label.removesuffix(key)
    if key == "covariance" and named and isinstance(entry, list) and len(entry) == length:
        for column in range(place, length):
            yield f"{label} of {coordinates[place]}, {coordinates[column]}", entry[column]
    elif key == "mean" and named:
        yield f"{label} of {coordinates[place]}", entry
    elif isinstance(entry, Mapping) and "point" in entry:
        where = _AT_POINTS.get(key, "at")
        yield from _flat(f"{before}{where} {number(entry['point'])}:", _without(entry, ("point",)), coordinates)
    elif key == "levels" and isinstance(entry, Mapping) and "level" in entry:
        yield from _flat(f"{before}at noise {number(entry['level'])}:", _without(entry, ("level",)), coordinates)
    elif key == "rates" and isinstance(entry, list) and len(entry) == length:
        for other in range(length):
            if other != place:
                yield f"{before}rate from {place + 1} to {other + 1}", entry[other]
    else:
        yield from _flat(f"{label} {place + 1}".strip(), entry, coordinates)


def _title(section: str, place: int, entry: Mapping[str, object]) -> str:
    """``exit: left``, ``committor: a, b``, else ``section 2``."""
    names = [str(entry[key]) for key in PLACES if key in entry]
    return f"{section}: {', '.join(names)}" if names else f"{section} {place + 1}"


def _without(entry: Mapping[str, object], keys: Sequence[str]) -> dict[str, object]:
    return {key: part for key, part in entry.items() if key not in keys}


def _value(entry: Mapping[str, Any]) -> str:
    if entry.get("infinite"):
        return "infinite"
    imag = entry.get("imag")
    return number(entry["value"]) + (f" {'-' if imag < 0 else '+'} {number(abs(imag))} i" if imag else "")


def _is_quantity(entry: object) -> bool:
    return isinstance(entry, Mapping) and "value" in entry and "error" in entry


def _is_list_of_tables(entry: object) -> bool:
    """Of tables that fill a screen each; what is known at points goes into one table."""
    return (
        isinstance(entry, list)
        and bool(entry)
        and all(isinstance(part, Mapping) and not _is_quantity(part) and "point" not in part for part in entry)
    )
