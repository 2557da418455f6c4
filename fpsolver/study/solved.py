"""Answers that are found, as plain trees: what a run that is taken up again need not solve again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fpsolver.certificate import Check
from fpsolver.problems import Answer
from fpsolver.quantity import Quantity
from fpsolver.study.trees import quantities

QUANTITY, PLACE = "quantity of", "place of"
"""Mark a quantity in a tree, and one that stands elsewhere in it; no key of the results has these names."""


@dataclass(frozen=True)
class Solved:
    """An answer and what it took.

    Attributes:
        answer: What was found.
        about: Of the generator, for ``results.json``.
        beats: Heartbeats that it took.
        seconds: Time that it took, by stage.
        curved: How many edges of the meshes of regions were bent, by the name of the region.
    """

    answer: Answer
    about: Mapping[str, object]
    beats: int
    seconds: Mapping[str, float]
    curved: Mapping[str, int]

    def as_facts(self) -> dict[str, object]:
        """A tree of plain numbers and words."""
        answer = self.answer
        places = {id(quantity): {PLACE: list(place)} for place, quantity in quantities(answer).items()}
        return {
            "name": answer.name,
            "results": packed(answer.results),
            "checks": [asdict(check) for check in answer.checks],
            "probes": packed(answer.probes),
            "warnings": list(answer.warnings),
            "summary": [[what, places.get(id(value), packed(value))] for what, value in answer.summary],
            "about": self.about,
            "work": self.beats,
            "seconds": self.seconds,
            "curved": self.curved,
        }

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Solved:
        """What was packed."""
        checks = [Check(**check) for check in facts["checks"]]
        results, probes = unpacked(facts["results"]), unpacked(facts["probes"])
        answer = Answer(facts["name"], results, None, checks, probes, facts["warnings"])
        known = quantities(answer)
        lines = [
            (what, known[tuple(value[PLACE])] if isinstance(value, dict) and PLACE in value else unpacked(value))
            for what, value in facts["summary"]
        ]
        answer = replace(answer, summary=lines)
        return cls(answer, facts["about"], facts["work"], facts["seconds"], facts["curved"])


def about(answer: Answer) -> dict[str, object]:
    """What ``results.json`` says of the generator of an answer."""
    generator = answer.generator
    if generator is None:  # walkers have none
        return {}
    return {
        "degree": generator.degree,
        "unknowns": generator.unknowns,
        "weight": generator.weight.kind,
        "monotone": generator.monotone,
        "reversible": generator.reversible,
    }


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
