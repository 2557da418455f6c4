"""From a file to a TOML dictionary; a file that is none is explained by one mistake."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from fpsolver.case.mistakes import BadCase, Mistake
from fpsolver.case.suggest import nearest

MAX_BYTES = 1_000_000
MAX_PARTS = 50  # of a dotted name; reading one of n parts takes n^2 steps

_LONG_NAME = re.compile(
    r"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')(?:[ \t]*+\.[ \t]*+"""
    rf"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')){{{MAX_PARTS}}}"""
)


def has_long_name(text: str) -> re.Match[str] | None:
    """Where a dotted name has more than `MAX_PARTS` parts."""
    return _LONG_NAME.search(text)


def read_toml(file: str) -> tuple[dict[str, Any], str]:
    """The tables of a case file, and its text.

    Raises:
        BadCase: The file cannot be read, or is not TOML.
    """
    text = _text(file)
    if (found := has_long_name(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise _bad(
            file, line, f"a name has more than {MAX_PARTS} parts", "write section.key, or the key under [section]"
        )
    try:
        return tomllib.loads(text), text
    except tomllib.TOMLDecodeError as error:
        raise BadCase([_explained(file, text, str(error))]) from None
    except RecursionError:
        raise _bad(file, 1, "brackets are nested too deeply", "write plain tables and lists") from None
    except ValueError as error:  # numbers of thousands of digits
        raise _bad(file, 1, f"the file cannot be read as TOML ({error})", "write ordinary numbers") from None


def _bad(file: str, line: int, wrong: str, write: str) -> BadCase:
    return BadCase([Mistake(file, line, "file", wrong, write)])


def _text(file: str) -> str:
    path = Path(file)
    try:
        mode = os.stat(file).st_mode
        if stat.S_ISDIR(mode):
            raise _bad(file, 1, "this is a folder", "write the path of a case file (.toml)")
        if not stat.S_ISREG(mode):
            raise _bad(file, 1, "this is not an ordinary file", "write the path of a case file (.toml)")
        with open(file, "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise _bad(file, 1, "there is no such file", _other_file(path)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _bad(file, 1, f"the file cannot be read ({reason})", "write the path of a readable case file") from None
    if not data.strip():
        raise _bad(file, 1, "the file is empty", "write at least [domain], [loss] and [noise]")
    if len(data) > MAX_BYTES:
        raise _bad(file, 1, f"the file is larger than {MAX_BYTES} bytes", "write a case file; data belongs elsewhere")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _bad(file, 1, "the file is UTF-16", "save it as UTF-8")
    if data[:3] == b"\xef\xbb\xbf":
        raise _bad(file, 1, "the file starts with a byte order mark", "save it as UTF-8 without BOM")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = data[error.start]
        raise _bad(file, line, f"byte 0x{found:02x} is not UTF-8", "save the file as UTF-8") from None


def _other_file(path: Path) -> str:
    try:
        close = nearest(path.name, (entry.name for entry in path.parent.iterdir() if entry.suffix == ".toml"))
    except (OSError, ValueError):
        close = None
    return f"did you mean {path.parent / close}?" if close else "write the path of a case file (.toml)"


def _explained(file: str, text: str, message: str) -> Mistake:
    """The message of ``tomllib`` with the key it belongs to and a remedy."""
    lines = text.splitlines() or [""]
    found = re.search(r" \(at line (\d+), column (\d+)\)$| \(at end of document\)$", message)
    reason = message[: found.start()] if found else message
    line = int(found[1]) if found and found[1] else len(lines)
    row = lines[line - 1] if line <= len(lines) else ""
    key = re.match(r"\s*([A-Za-z0-9_.-]+)\s*=", row)
    headings = re.findall(r"^\s*\[+([A-Za-z0-9_.-]+)\]+", "\n".join(lines[: line - 1]), re.MULTILINE)
    dotted = ".".join([*headings[-1:], key[1]]) if key else "TOML"
    reason = reason[:1].lower() + reason[1:]
    return Mistake(file, line, dotted, f"not TOML: {reason}", _remedy(reason, row))


def _remedy(reason: str, row: str) -> str:
    value = row.partition("=")[2].split("#")[0].strip()
    if reason.startswith(("cannot overwrite", "cannot declare", "duplicate", "cannot mutate")):
        return "write each key and each [section] once; lists of sections are [[exit]], [[committor]], [[probe]]"
    if value in ("True", "False"):
        return f"write {value.lower()}"
    if row.count("{") > row.count("}"):
        return "write a table { ... } on one line, or give it a heading of its own"
    if reason.startswith("invalid value") and re.match(r"[A-Za-z_(\-+.]", value):
        return f'write expressions in quotes: "{value}"'
    if reason.startswith("expected newline") and value and '"' not in value and "'" not in value:
        return f'write expressions in quotes: "{value}"'
    if "=" not in row and row.strip() and not row.lstrip().startswith("["):
        return "write key = value"
    if reason.startswith(("unterminated", "unclosed", "illegal character '\\n'")):
        return "write the missing closing quote or bracket"
    return "write TOML: key = value, texts in quotes, lists in [ ]"
