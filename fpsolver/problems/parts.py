"""Answers that consist of parts, one for each exit or committor; each part is kept as soon as it is found."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from fpsolver.certificate import Check
from fpsolver.generator.generator import Generator
from fpsolver.problems.base import Answer, Setting
from fpsolver.problems.keeper import Kept
from fpsolver.problems.packing import leaves, packed, packed_summary, unpacked, unpacked_summary
from fpsolver.quantity import Quantity

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """What one exit, or one committor, contributes to the answer.

    Attributes: as those of `Answer`, but one entry of its list of results.
    """

    results: dict[str, object]
    generator: Generator | None
    checks: Sequence[Check]
    probes: Sequence[dict[str, Quantity]]
    warnings: Sequence[str]
    summary: Sequence[tuple[str, object]]
    about: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """A part that is wanted.

    Attributes:
        key: Tells it from other parts, for files.
        title: Its name for the user.
        region: The name of the region whose mesh it is solved on.
        solve: Finds it. Collective.
    """

    key: str
    title: str
    region: str
    solve: Callable[[Setting], Part]


def about(generator: Generator) -> dict[str, object]:
    """What ``results.json`` says of a generator."""
    return {
        "degree": generator.degree,
        "unknowns": generator.unknowns,
        "weight": generator.weight.kind,
        "monotone": generator.monotone,
        "reversible": generator.reversible,
    }


def solved_parts(name: str, setting: Setting, wanted: Sequence[Wanted]) -> Answer:
    """The answer that consists of parts, one at least. Collective.

    Parts that were found before the run was taken up are not solved again.

    Args:
        name: Of the answer.
        setting: The case and the outside world.
        wanted: The parts.

    Raises:
        BadUsage: A part cannot be asked for.
        SolverFailed: A solve failed.
        Stopped: The heartbeat said so.
    """
    parts = []
    for number, each in enumerate(wanted, start=1):
        setting.heartbeat()
        if len(wanted) == 1:  # the whole is kept right after it
            parts.append(each.solve(setting))
        else:
            parts.append(_recalled(setting, each) or _found(setting, each))
        setting.progress(number / len(wanted), each.title)
    rows = range(len(parts[0].probes))
    return Answer(
        name,
        [part.results for part in parts],
        parts[0].generator,
        checks=[check for part in parts for check in part.checks],
        probes=[{name: value for part in parts for name, value in part.probes[i].items()} for i in rows],
        warnings=[warning for part in parts for warning in part.warnings],
        summary=[line for part in parts for line in part.summary],
        about=parts[0].about,
    )


def _found(setting: Setting, wanted: Wanted) -> Part:
    before = set(setting.recorder.static)
    part = wanted.solve(setting)
    if part.generator is not None:
        part = replace(part, about=about(part.generator))
    facts = {
        "results": packed(part.results),
        "checks": [asdict(check) for check in part.checks],
        "probes": packed(part.probes),
        "warnings": list(part.warnings),
        "summary": packed_summary(part.summary, leaves(part.results)),
        "about": part.about,
        "curved": setting.of_mesh.get(("curved", wanted.region)),
    }
    points, fields = fields_since(setting, before)
    setting.keeper.keep(wanted.key, facts | {"has_fields": bool(fields)}, points, fields)
    return part


def _recalled(setting: Setting, wanted: Wanted) -> Part | None:
    kept = setting.keeper.recall(wanted.key)
    if kept is None or not fields_recalled(setting, kept):
        return None
    facts: dict[str, Any] = kept.facts
    if facts["curved"] is not None:
        setting.of_mesh.once(("curved", wanted.region), partial(int, facts["curved"]))
    setting.announce(f"{wanted.title}: solved before")
    results = unpacked(facts["results"])
    checks = [Check(**check) for check in facts["checks"]]
    summary = unpacked_summary(facts["summary"], leaves(results))
    return Part(results, None, checks, unpacked(facts["probes"]), facts["warnings"], summary, facts["about"])


def fields_since(setting: Setting, before: Collection[str]) -> tuple[Array, Mapping[str, Array]]:
    """The static fields beside those named, and this rank's points (n, d) of them, none without fields. Collective."""
    fields = {name: values for name, values in setting.recorder.static.items() if name not in before}
    if not fields:
        return np.zeros((0, setting.case.dimension)), fields
    lattice = setting.lattice[0]
    return lattice.points[:, : lattice.dimension], fields


def fields_recalled(setting: Setting, kept: Kept) -> bool:
    """Whether the fields that were kept are there again; not where they belong to another lattice. Collective."""
    if not kept.facts["has_fields"]:
        return True
    lattice = setting.lattice[0]
    fields = kept.at(lattice.points[:, : lattice.dimension])
    if fields is not None:
        setting.recorder.fields(lattice, fields)
    return fields is not None
