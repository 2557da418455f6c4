"""``--set KEY=VALUE``: values given on the command line replace those of the file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from fpsolver.case.mistakes import OVERRIDE, Mistake
from fpsolver.case.positions import Path
from fpsolver.case.schema import FREE, LISTS, SECTIONS, TOP, Key, Kind
from fpsolver.case.source import has_long_name
from fpsolver.case.suggest import instead


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> tuple[dict[str, Any], list[Path], list[Mistake]]:
    """The case with the overrides in it, their paths, and those that could not be applied.

    Args:
        raw: Tables of the case file; changed in place.
        overrides: Texts such as ``noise.diffusion=0.05`` or ``exit.0.start=[[0.0]]``. A value is TOML if it can be
            read as such, else text.
    """
    paths: list[Path] = []
    mistakes: list[Mistake] = []
    for override in overrides:
        dotted, equals, text = override.partition("=")
        dotted = dotted.strip()
        parts = [part.strip() for part in dotted.split(".")]
        if not equals or not all(parts):
            wrong = "this is not KEY=VALUE"
            mistakes.append(Mistake(OVERRIDE, 0, override[:80] or "(empty)", wrong, "write --set noise.diffusion=0.05"))
            continue
        if not override.isascii() and _is_broken(override):
            mistakes.append(Mistake(OVERRIDE, 0, dotted, "this is not UTF-8", "write it in a terminal that uses UTF-8"))
            continue
        problem, path = _place(raw, parts, text.strip())
        if problem is None:
            paths.append(path)
        else:
            mistakes.append(Mistake(OVERRIDE, 0, dotted, *problem))
    return raw, paths, mistakes


def _place(raw: dict[str, Any], parts: list[str], text: str) -> tuple[tuple[str, str] | None, Path]:
    """Puts the value where the key says; returns what is wrong, or None and the path."""
    here: Any = raw
    path: Path = ()
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(here, list):
            if not (part.isascii() and part.isdecimal() and len(part) < 10 and int(part) < len(here)):
                named = ".".join(parts[:depth])
                if not here:
                    return (f"{named} has no entries", "write the whole list"), path
                return (f"{named} has entries 0 to {len(here) - 1}", f"write {named}.0"), path
            index: int | str = int(part)
        elif isinstance(here, dict):
            index = part
            if depth == 0 and not last and part not in TOP:
                return (f"unknown section {part}", instead(part, TOP)), path
            if not last and part not in here:
                if part in LISTS:
                    return (f"the case has no [[{part}]]", "write it in the case file"), path
                here[part] = {}
        else:
            return (f"{'.'.join(parts[:depth])} is a single value", f"write {'.'.join(parts[:depth])}=VALUE"), path
        path = (*path, index)
        if last:
            here[index] = _value(text, _key(path))
        else:
            here = here[index]
    return None, path


def _key(path: Path) -> Key | None:
    """The schema entry of a path, list indices left out."""
    names = [part for part in path if isinstance(part, str)]
    if names[0] in FREE:
        return None
    return SECTIONS.get(".".join(names[:-1]), {}).get(names[-1])


def _is_broken(text: str) -> bool:
    """Whether bytes that are no text came from the command line."""
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def toml_value(text: str) -> object:
    """A value of the command line: TOML if it can be read as such, else text."""
    if has_long_name(text):
        return text
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # TOMLDecodeError is a ValueError
        return text
    return found["value"] if set(found) == {"value"} else text


def _value(text: str, key: Key | None) -> object:
    value = toml_value(text)
    if key is not None and key.kind in (Kind.TEXT, Kind.FILE) and not isinstance(value, str):
        return text  # --set title=2 is the title "2"
    return value
