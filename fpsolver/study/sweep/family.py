"""Who belongs to a family: all combinations of values, or lists side by side; all checked before one runs."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fpsolver.case import BadCase, Case, Mistake, load
from fpsolver.case.mistakes import OVERRIDE
from fpsolver.case.overrides import toml_value
from fpsolver.errors import BadUsage
from fpsolver.study.sweep.values import MOST, values

_OVER = "--over"  # stands in place of FILE:LINE for what was given there
_LONGEST = 40  # signs of a value in the name of a member
_NAMED = 3  # members that a message about several names


@dataclass(frozen=True)
class Member:
    """One case of the family.

    Attributes:
        name: Of its folder, such as ``d=0.1,batch_size=8``.
        values: As the command line takes them, one per key of the family.
        digest: Of all that its results depend on.
    """

    name: str
    values: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Family:
    """A case and the values that it is run with.

    Attributes:
        case: The file.
        title: Of the case.
        keys: What is varied.
        settings: What is the same for all, as after ``--set``.
        members: In the order of the values; the last key runs fastest.
    """

    case: Path
    title: str
    keys: tuple[str, ...]
    settings: tuple[str, ...]
    members: tuple[Member, ...]

    def overrides(self, chosen: Sequence[str]) -> list[str]:
        """All ``KEY=VALUE`` of a member with these values."""
        return [*self.settings, *(f"{key}={value}" for key, value in zip(self.keys, chosen, strict=True))]


def read_family(case: Path, over: Sequence[str], settings: Sequence[str] = (), *, together: bool = False) -> Family:
    """The family of a case, every member checked.

    Args:
        case: The file.
        over: Texts such as ``parameters.d=0.1,0.2``.
        settings: ``KEY=VALUE`` that hold for all members.
        together: The first values of all lists belong together, then the second ones, and so on.

    Raises:
        BadUsage: The lists make no sense.
        BadCase: With the mistakes of all members, each named.
    """
    lists = _lists(over, settings)
    keys = tuple(lists)
    if together:
        lengths = {key: len(found) for key, found in lists.items()}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{key} has {count}" for key, count in lengths.items())
            raise BadUsage(f"--together: the lists have different lengths ({counts}); write as many values for each")
        rows = list(zip(*lists.values(), strict=True))
    else:
        _refuse_too_many([len(found) for found in lists.values()])
        rows = list(itertools.product(*lists.values()))
    family = Family(case, "", keys, tuple(settings), ())
    cases = _loaded(family, rows)
    members = tuple(Member(member_name(keys, row), row, digest(found)) for row, found in zip(rows, cases, strict=True))
    return replace(family, title=cases[0].title, members=members)


def digest(case: Case) -> str:
    """A hash of all that the results of a case depend on: what it says, and the contents of the files that it reads."""
    told = {**case.resolved, "run": case.run.errors}  # all else under [run] says how, not what
    found = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    initial = case.evolution.initial.file if case.evolution is not None else None
    for file in (*case.files, initial):
        if file is not None and file.is_file():
            found.update(file.read_bytes())
    return found.hexdigest()


def _lists(over: Sequence[str], settings: Sequence[str]) -> dict[str, list[str]]:
    """The values of each key, no value twice."""
    if not over:
        raise BadUsage("--over is missing; write for example --over parameters.d=0.05,0.1,0.2")
    fixed = {setting.partition("=")[0].strip() for setting in settings}
    lists: dict[str, list[str]] = {}
    for text in over:
        key, equals, given = text.partition("=")
        key = ".".join(part.strip() for part in key.split("."))
        if not equals or not key.strip("."):
            raise BadUsage(f"--over {text}: this is not KEY=V1,V2,...; write --over parameters.d=0.05,0.1,0.2")
        if key in lists:
            raise BadUsage(f"--over {key}: given twice; write all of its values in one list")
        if key in fixed:
            raise BadUsage(f"--over {key}: --set gives it one value for all members; leave one of the two out")
        lists[key] = values(given)
        _refuse_too_many([len(lists[key])])
        _refuse_repeated(key, lists[key])
    return lists


def _refuse_repeated(key: str, found: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for value in found:
        other = seen.setdefault(_readable(value), value)
        if other is not value:
            raise BadUsage(f"--over {key}: {other} and {value} are the same value; leave one of them out")


def _refuse_too_many(counts: Sequence[int]) -> None:
    total = 1
    for count in counts:
        total *= count
    if total > MOST:
        raise BadUsage(f"--over: {total} members are more than {MOST}; write fewer values, or --together")


def _loaded(family: Family, rows: Sequence[tuple[str, ...]]) -> list[Case]:
    """The case of each member. A mistake that all of them have is told once, without a name."""
    cases: list[Case] = []
    found: dict[Mistake, list[str]] = {}
    for row in rows:
        try:
            cases.append(load(family.case, family.overrides(row)))
        except BadCase as error:
            for mistake in error.mistakes:
                found.setdefault(mistake, []).append(member_name(family.keys, row))
    if found:
        raise BadCase(_named(mistake, names, len(rows), family.keys) for mistake, names in found.items())
    return cases


def _named(mistake: Mistake, names: Sequence[str], total: int, keys: Sequence[str]) -> Mistake:
    if mistake.file == OVERRIDE and any(mistake.key == key or mistake.key.startswith(f"{key}.") for key in keys):
        mistake = replace(mistake, file=_OVER)
    if len(names) == total > 1:
        return mistake
    others = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return replace(mistake, key=f"{'; '.join(names[:_NAMED])}{others}: {mistake.key}")


def labels(keys: Sequence[str]) -> list[str]:
    """Short names of the keys: their last parts, where these differ."""
    short = [key.rpartition(".")[2] for key in keys]
    return short if len(set(short)) == len(short) else list(keys)


def member_name(keys: Sequence[str], row: Sequence[str]) -> str:
    """The name of a member's folder. It depends on nothing but keys and values, so that a family can grow."""
    name = ",".join(f"{label}={_readable(value)}" for label, value in zip(labels(keys), row, strict=True))
    return name if len(name) <= 4 * _LONGEST else f"{name[: 3 * _LONGEST]}~{_hashed(name)}"


def _readable(text: str) -> str:
    """A value as part of a file name; where signs had to be left out, with a few digits of its hash."""
    value = toml_value(text)
    shown = _shown(value)
    plain = re.sub(r"[^\w.+-]+", "_", shown, flags=re.ASCII)[:_LONGEST].strip("_")
    return plain if plain == shown else f"{plain}~{_hashed(shown)}"


def _shown(value: object) -> str:
    """In one spelling; numbers of a list as 8x6."""
    if isinstance(value, list) and value and all(isinstance(part, int | float) for part in value):
        return "x".join(map(_shown, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e6 else str(value)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:6]
