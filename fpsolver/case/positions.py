"""The line of each key of a TOML file. ``tomllib`` reads values and forgets where they stood.

The text has already been accepted by ``tomllib``, so this scanner only has to find its way: table headers, dotted and
quoted keys, inline tables, arrays (each element has its own place) and strings of all four kinds.
"""

from __future__ import annotations

import re
from bisect import bisect_right

Path = tuple[str | int, ...]

DEEPEST = 30
"""Places of longer paths are not kept: no key of a case is that deep, and n prefixes of n parts are n^2 parts."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[^\s,\]}#]+(?: \d[^\s,\]}#]*)?")  # numbers, booleans, dates (which may hold one blank)
_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BASIC_LONG = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL)
_LITERAL_LONG = re.compile(r"'''.*?'{3,5}", re.DOTALL)
_BASIC = re.compile(r'"(?:\\.|[^"\\])*"')
_LITERAL = re.compile(r"'[^']*'")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_NAMED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def scan(text: str) -> dict[Path, int]:
    """The line, counted from 1, of each key, table and array element of valid TOML ``text``.

    Keys of the result are paths such as ``("exit", 0, "start", 1)``.
    """
    return _Scanner(text).whole()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.lines: dict[Path, int] = {}
        self.counts: dict[Path, int] = {}

    def line(self) -> int:
        return bisect_right(self.starts, self.place)

    def skip(self) -> None:
        found = _SKIP.match(self.text, self.place)
        self.place = found.end() if found else self.place

    def take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.place)
        if found is None:  # cannot happen in valid TOML; never loop for ever
            self.place += 1
            return ""
        self.place = found.end()
        return found[0]

    def ahead(self, sign: str) -> bool:
        return self.text.startswith(sign, self.place)

    def note(self, path: Path) -> None:
        if len(path) <= DEEPEST:
            self.lines.setdefault(path, self.line())

    def whole(self) -> dict[Path, int]:
        table: Path = ()
        self.skip()
        while self.place < len(self.text):
            if self.ahead("["):
                table = self.header()
            else:
                self.pair(table)
            self.skip()
        return self.lines

    def header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``; parts that are arrays of tables mean their last element."""
        double = self.ahead("[[")
        self.place += 2 if double else 1
        parts = self.key()
        path: Path = ()
        for part in parts[:-1]:
            path = (*path, part)
            self.note(path)
            path = self.current(path)
        path = (*path, parts[-1])
        self.note(path)
        if double:
            self.counts[path] = self.counts.get(path, -1) + 1
            path = (*path, self.counts[path])
            self.note(path)
        self.skip()
        self.place += 2 if double else 1
        return path

    def current(self, path: Path) -> Path:
        return (*path, self.counts[path]) if path in self.counts else path

    def key(self) -> list[str]:
        parts: list[str] = []
        while True:
            self.skip()
            if self.ahead('"'):
                parts.append(_ESCAPE.sub(_unescaped, self.take(_BASIC)[1:-1]))
            elif self.ahead("'"):
                parts.append(self.take(_LITERAL)[1:-1])
            else:
                parts.append(self.take(_BARE))
            self.skip()
            if not self.ahead("."):
                return parts
            self.place += 1

    def pair(self, table: Path) -> None:
        start = self.place
        parts = self.key()
        after, self.place = self.place, start
        for length in range(1, len(parts) + 1):
            self.note((*table, *parts[:length]))
        self.place = after + 1  # past the =
        self.value((*table, *parts))

    def value(self, path: Path) -> None:
        self.skip()
        if self.ahead("["):
            self.place += 1
            self.skip()
            index = 0
            while not self.ahead("]") and self.place < len(self.text):
                self.note((*path, index))
                self.value((*path, index))
                index += 1
                self.comma()
            self.place += 1
        elif self.ahead("{"):
            self.place += 1
            self.skip()
            while not self.ahead("}") and self.place < len(self.text):
                self.pair(path)
                self.comma()
            self.place += 1
        elif self.ahead('"""'):
            self.take(_BASIC_LONG)
        elif self.ahead("'''"):
            self.take(_LITERAL_LONG)
        elif self.ahead('"'):
            self.take(_BASIC)
        elif self.ahead("'"):
            self.take(_LITERAL)
        else:
            self.take(_PLAIN)

    def comma(self) -> None:
        self.skip()
        if self.ahead(","):
            self.place += 1
            self.skip()


def _unescaped(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _NAMED.get(found[3], found[3])
