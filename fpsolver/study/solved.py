"""Answers that are found, as plain trees: what a run that is taken up again need not solve again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from fpsolver.certificate import Check
from fpsolver.problems import Answer
from fpsolver.problems.packing import packed, packed_summary, unpacked, unpacked_summary
from fpsolver.study.trees import quantities


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
        return {
            "name": answer.name,
            "results": packed(answer.results),
            "checks": [asdict(check) for check in answer.checks],
            "probes": packed(answer.probes),
            "warnings": list(answer.warnings),
            "summary": packed_summary(answer.summary, quantities(answer)),
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
        answer = replace(answer, summary=unpacked_summary(facts["summary"], quantities(answer)))
        return cls(answer, facts["about"], facts["work"], facts["seconds"], facts["curved"])
