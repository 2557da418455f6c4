"""Did you mean ...? The nearest known name for a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name closest to ``word``, blind to upper and lower case; None where nothing is close."""
    by_lower: dict[str, str] = {}
    for name in known:
        by_lower.setdefault(name.lower(), name)
    found = get_close_matches(word.lower()[:80], by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def instead(word: str, known: Iterable[str], what: str = "one of") -> str:
    """What to write instead of ``word``: the nearest known name, or the list of all."""
    names = list(known)
    close = nearest(word, names)
    if close is not None:
        return f"did you mean {close}?"
    if not names:
        return f"there is no {what} to choose from"
    return f"write {what} {listed(names)}"


def listed(names: Iterable[str], most: int = 12) -> str:
    """``a, b, c``; long lists are cut."""
    items = list(names)
    return ", ".join(items[:most]) + (", ..." if len(items) > most else "")
