"""Results as trees of plain numbers and words, and back, for what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fpsolver.quantity import Quantity

Place = tuple[str | int, ...]
"""Keys and indices from the top of a tree to a leaf, as in ``exit.0.starts.0.mean``."""

QUANTITY, PLACE = "quantity of", "place of"
"""Mark a quantity in a tree, and one that stands elsewhere in it; no key of the results has these names."""


def packed(entry: object) -> object:
    """A tree with quantities as a tree without."""
    match entry:
        case Quantity():
            return {QUANTITY: asdict(entry)}
        case Mapping():
            return {key: packed(part) for key, part in entry.items()}
        case list() | tuple():
            return [packed(part) for part in entry]
    return entry


def unpacked(entry: Any) -> Any:
    """The opposite of `packed`."""
    match entry:
        case {"quantity of": parts}:
            return Quantity(**parts)
        case Mapping():
            return {key: unpacked(part) for key, part in entry.items()}
        case list():
            return [unpacked(part) for part in entry]
    return entry


def packed_summary(summary: Sequence[tuple[str, object]], known: Mapping[Place, Quantity]) -> list[list[object]]:
    """Lines of the final table; quantities of the results by their places, so that they stay the same objects."""
    places = {id(quantity): {PLACE: list(place)} for place, quantity in known.items()}
    return [[what, places.get(id(value), packed(value))] for what, value in summary]


def unpacked_summary(lines: Sequence[Any], known: Mapping[Place, Quantity]) -> list[tuple[str, object]]:
    """The opposite of `packed_summary`."""
    return [
        (what, known[tuple(value[PLACE])] if isinstance(value, dict) and PLACE in value else unpacked(value))
        for what, value in lines
    ]


def leaves(entry: object, place: Place = ()) -> dict[Place, Quantity]:
    """The quantities of a tree by their places."""
    match entry:
        case Quantity():
            return {place: entry}
        case Mapping():
            return {key: leaf for name, part in entry.items() for key, leaf in leaves(part, (*place, name)).items()}
        case list() | tuple():
            return {key: leaf for i, part in enumerate(entry) for key, leaf in leaves(part, (*place, i)).items()}
    return {}
