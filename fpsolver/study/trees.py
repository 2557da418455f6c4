"""Results as trees of mappings and lists with quantities as leaves: what stands where, and the same place elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fpsolver.problems import Answer
from fpsolver.problems.packing import Place
from fpsolver.quantity import Quantity


def quantities(answer: Answer) -> dict[Place, Quantity]:
    """All quantities of an answer by their place in ``results.json``."""
    found: dict[Place, Quantity] = {}

    def keep(place: Place, quantity: Quantity) -> Quantity:
        found[place] = quantity
        return quantity

    changed(answer, keep)
    return found


def changed(answer: Answer, change: Callable[[Place, Quantity], Quantity]) -> Answer:
    """The answer with every quantity of its results and probes exchanged; in its summary by the same objects."""
    exchanged: dict[int, Quantity] = {}

    def visit(place: Place, entry: object) -> Any:
        match entry:
            case Quantity():
                exchanged[id(entry)] = change(place, entry)
                return exchanged[id(entry)]
            case Mapping():
                return {key: visit((*place, key), part) for key, part in entry.items()}
            case list() | tuple():
                return [visit((*place, index), part) for index, part in enumerate(entry)]
        return entry

    results = visit((answer.name,), answer.results)
    probes = [{name: visit(("probes", i, name), value) for name, value in row.items()} for i, row in _rows(answer)]
    summary = [(text, exchanged.get(id(value), value)) for text, value in answer.summary]
    return replace(answer, results=results, probes=probes, summary=summary)


def lengths(answer: Answer) -> dict[Place, int]:
    """The length of every list of the results, by its place."""
    found: dict[Place, int] = {}

    def visit(place: Place, entry: object) -> None:
        if isinstance(entry, Mapping):
            for key, part in entry.items():
                visit((*place, key), part)
        elif isinstance(entry, Sequence) and not isinstance(entry, str):
            found[place] = len(entry)
            for index, part in enumerate(entry):
                visit((*place, index), part)

    visit((answer.name,), answer.results)
    return found


def dotted(place: Place) -> str:
    """A place as text."""
    return ".".join(str(part) for part in place)


def _rows(answer: Answer) -> list[tuple[int, Mapping[str, Quantity]]]:
    return list(enumerate(answer.probes))
