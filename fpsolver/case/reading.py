"""Reads the tables of a case by the schema: unknown keys, missing keys, values by kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path
from fpsolver.case.schema import FREE, LISTS, SECTIONS, TOP
from fpsolver.case.scope import Scope
from fpsolver.case.suggest import instead, nearest
from fpsolver.case.values import Converter
from fpsolver.case.wording import shown

Values = dict[str, Any]  # key -> typed value; absent where the key is absent or wrong

MOST = 1000
"""Parameters, regions, or sections of one kind in a case."""


class Reader:
    """Reads one case. Keys that are absent or wrong are absent from what it returns; wrong ones have been noted."""

    def __init__(self, raw: Mapping[str, Any], scope: Scope, ledger: Ledger) -> None:
        self.raw = raw
        self.scope = scope
        self.ledger = ledger

    def section(self, name: str) -> Values | None:
        """A section such as ``[noise]``; None where it is absent or no table."""
        if name not in self.raw:
            return None
        table = self.raw[name]
        if isinstance(table, dict):
            return self.table(name, table, (name,))
        self.ledger.add((name,), f"{shown(table)} is not a section", f"write [{name}] once, and its keys below")
        return None

    def entries(self, name: str) -> list[tuple[Path, Values]]:
        """A list of sections such as ``[[exit]]``, with their paths; those that are no table are left out."""
        found = self.raw.get(name, [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            self.ledger.add((name,), f"[[{name}]] is a list of sections", f"write [[{name}]] with two brackets")
            return []
        if self._too_many(name, len(found)):
            return []
        return [((name, index), self.table(name, entry, (name, index))) for index, entry in enumerate(found)]

    def _too_many(self, name: str, count: int) -> bool:
        if count > MOST:
            self.ledger.add((name,), f"{count} entries", f"write at most {MOST}, or several cases")
        return count > MOST

    def table(self, section: str, table: Mapping[str, Any], path: Path) -> Values:
        """The typed values of a table whose keys are those of a schema section."""
        keys = SECTIONS[section]
        values: Values = {}
        for name, value in table.items():
            if name not in keys:
                self.ledger.add((*path, name), "unknown key", _where(name, section))
                continue
            typed = Converter(keys[name], self.ledger, self.scope).convert(value, (*path, name))
            if typed is not None:
                values[name] = typed
        for name, key in keys.items():
            if key.required and name not in table:
                advice = f"write {name} = {key.example}" if key.example else f"write {name}"
                self.ledger.add((*path, name), "missing", advice)
        return values

    def top(self) -> str:
        """Checks the headings of the case; returns the title."""
        known = (*TOP, *SECTIONS[""])
        for name, value in self.raw.items():
            if name in SECTIONS[""]:
                continue
            if name not in TOP:
                what = "unknown section" if _tables(value) else "unknown key"
                self.ledger.add((name,), what, _where(name, "", known))
        title = self.raw.get("title", "")
        converted = Converter(SECTIONS[""]["title"], self.ledger, self.scope).convert(title, ("title",))
        return str(converted or "")

    def free(self, name: str) -> dict[str, Any]:
        """A table with names of the user's choice: ``[parameters]`` or ``[regions]``."""
        assert name in FREE
        table = self.raw.get(name, {})
        if isinstance(table, dict):
            return {} if self._too_many(name, len(table)) else table
        self.ledger.add((name,), f"{shown(table)} is not a section", f"write [{name}] once, and its keys below")
        return {}


def exactly_one(ledger: Ledger, path: Path, given: Mapping[str, Any], names: tuple[str, ...], least: int = 1) -> bool:
    """Notes where none (or more than one) of ``names`` is given; True where it is right."""
    found = [name for name in names if name in given]
    if len(found) > 1:
        ledger.add(
            (*path, found[-1]), f"does not go with {' and '.join(found[:-1])}", f"write one of {', '.join(found)}"
        )
    elif len(found) < least:
        ledger.add(path, f"none of {', '.join(names)} is given", "write exactly one of them")
    return least <= len(found) <= 1


def _tables(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(entry, dict) for entry in value))


def _where(name: str, section: str, known: tuple[str, ...] = ()) -> str:
    """What to write instead of an unknown key."""
    known = known or tuple(SECTIONS[section])
    if nearest(name, known) is None:
        home = next((other for other, keys in SECTIONS.items() if name in keys and other != section), None)
        if home:
            return f"it belongs to [[{home}]]" if home in LISTS else f"it belongs to [{home}]"
    return instead(name, known)
