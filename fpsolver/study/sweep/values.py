"""The values of ``--over KEY=V1,V2,...``: split at commas, ranges written out, each in one spelling."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from fpsolver.errors import BadUsage

MOST = 10_000
"""Values of a list, and members of a family."""

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER}):({_NUMBER}):(\d+)(:log)?")
_OPENING = {"[": "]", "{": "}", "(": ")"}
_DIGITS = 12  # of the values of a range, so that 0.1, 0.2, 0.3 look like that


def values(text: str) -> list[str]:
    """All values that a list stands for.

    Args:
        text: Values as ``--set`` takes them, between commas. ``0.1:0.5:5`` stands for five numbers, evenly spaced, the
            ends included; ``0.01:1:5:log`` for five with even ratios.

    Raises:
        BadUsage: The list is empty, has an empty entry, or a bracket or quote that is not closed.
    """
    return [value for part in split(text) for value in _written_out(part)]


def split(text: str) -> list[str]:
    """The parts between commas, but for commas inside brackets, braces and quotes.

    Raises:
        BadUsage: As `values`.
    """
    parts, begin = [], 0
    for place in [*_commas(text), len(text)]:
        parts.append(text[begin:place].strip())
        begin = place + 1
    if not all(parts):
        raise BadUsage(f"{text!r}: a value is missing; write V1,V2,... with something between all commas")
    return parts


def _commas(text: str) -> Iterator[int]:
    """Places of the commas that separate values."""
    closing: list[str] = []
    place = 0
    while place < len(text):
        sign = text[place]
        if sign in "\"'":
            place = _end_of_quote(text, place)
        elif sign in _OPENING:
            closing.append(_OPENING[sign])
        elif sign in _OPENING.values():
            if not closing or closing.pop() != sign:
                raise BadUsage(f"{text!r}: {sign} closes nothing; write it in quotes if it is part of a text")
        elif sign == "," and not closing:
            yield place
        place += 1
    if closing:
        raise BadUsage(f"{text!r}: {closing[-1]} is missing; write lists as [8,6],[16,12]")


def _end_of_quote(text: str, begin: int) -> int:
    """Place of the quote that ends the text which begins with one; a backslash protects only within double quotes."""
    pattern = r'"(?:[^"\\]|\\.)*"' if text[begin] == '"' else r"'[^']*'"
    found = re.compile(pattern, re.DOTALL).match(text, begin)
    if found is None:
        raise BadUsage(f"{text!r}: a quote is not closed; write the whole value in quotes of the other kind")
    return found.end() - 1


def _written_out(part: str) -> list[str]:
    """The values of a range, or the one value that it is."""
    found = _RANGE.fullmatch(part)
    if found is None:
        return [part]
    first, last, count, is_log = float(found[1]), float(found[2]), int(found[3][:9]), found[4] is not None
    if not 2 <= count <= MOST:
        raise BadUsage(f"{part}: a range has 2 to {MOST} values; write {found[1]}:{found[2]}:10")
    if not math.isfinite(first) or not math.isfinite(last) or first == last:
        raise BadUsage(f"{part}: a range needs two different numbers; write 0.1:0.5:5")
    if is_log and not (first > 0 and last > 0):
        raise BadUsage(f"{part}: even ratios need positive ends; write {found[1]}:{found[2]}:{count} for even steps")
    ratio = last / first if is_log else math.nan
    shares = [place / (count - 1) for place in range(count)]
    numbers = [first * ratio**share if is_log else first + (last - first) * share for share in shares]
    numbers[-1] = last
    whole = not is_log and all(re.fullmatch(r"[+-]?\d+", end) for end in found.group(1, 2))
    return [_spelled(number, whole) for number in numbers]


def _spelled(number: float, whole: bool) -> str:
    """A number of a range; a whole one without a point where both ends are written so."""
    short = float(f"{number:.{_DIGITS}g}")
    return str(int(short)) if whole and short.is_integer() else repr(short)
