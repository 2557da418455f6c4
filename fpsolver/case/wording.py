"""Values as they are quoted in messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def shown(value: object) -> str:
    """A value as it looks in the file, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        text = f'"{value}"'
    elif isinstance(value, dict):
        text = "{ " + ", ".join(f"{name} = ..." for name in value) + " }" if value else "{ }"
    elif isinstance(value, list):
        text = "[" + ", ".join(shown(item) for item in value[:6]) + (", ...]" if len(value) > 6 else "]")
    elif isinstance(value, int) and abs(value) >= 10**30:
        text = "a number of more than 30 digits"
    else:
        text = str(value)
    return printable(text, 60)


def printable(text: str, most: int) -> str:
    """The text on one line without signs that a terminal would obey, shortened."""
    text = "".join(sign if sign.isprintable() else " " for sign in text[: most + 1])
    return text if len(text) <= most else text[: most - 3] + "..."


def toml(value: object) -> str:
    """A default as it would be written."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return str(value)


def named(coordinates: Sequence[str], point: Iterable[float]) -> str:
    """A point as ``x = 0.5, y = -1``."""
    return ", ".join(f"{name} = {number:.6g}" for name, number in zip(coordinates, point, strict=True))
