"""What is known of each member of a family, and how it is kept between sweeps: ``sweep.json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, get_args

from fpsolver.errors import BadUsage, ExitCode
from fpsolver.runtime import atomic

FILE = "sweep.json"
_SCHEMA = 1

Status = Literal["waiting", "running", "stopped", "done", "uncertain", "failed"]
"""A member is ``uncertain`` where it is solved, but a check of its certificate failed."""

SOLVED = ("done", "uncertain")


@dataclass(frozen=True)
class Entry:
    """One member.

    Attributes:
        values: One per key, as text.
        digest: Of all that its results depend on.
        status: How far it is.
        exit_code: Of its last run; None before the first one has ended.
        seconds: That its last run took.
        message: Why it failed.
    """

    values: tuple[str, ...]
    digest: str
    status: Status = "waiting"
    exit_code: int | None = None
    seconds: float | None = None
    message: str = ""


@dataclass
class Record:
    """All members that were ever asked for in a folder.

    Attributes:
        title: Of the case.
        keys: What is varied.
        plot: Names of the quantities to draw; empty for the main ones.
        entries: By the names of the members, in the order of the table.
    """

    title: str
    keys: tuple[str, ...]
    plot: tuple[str, ...] = ()
    entries: dict[str, Entry] = field(default_factory=dict)

    def count(self, *statuses: Status) -> int:
        """How many members have one of these."""
        return sum(entry.status in statuses for entry in self.entries.values())

    def write(self, path: Path) -> None:
        """Atomically; raises OSError as `atomic.write_text` does."""
        members = [{"name": name, **asdict(entry)} for name, entry in self.entries.items()]
        content = {"schema": _SCHEMA, "title": self.title, "over": self.keys, "plot": self.plot, "members": members}
        atomic.write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_record(path: Path) -> Record | None:
    """The record of earlier sweeps, None where there is none.

    Raises:
        BadUsage: The file cannot be understood.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != _SCHEMA:
            raise ValueError(f"schema {content['schema']}")
        entries = {str(part["name"]): _entry(part) for part in content["members"]}
        return Record(str(content["title"]), tuple(content["over"]), tuple(content["plot"]), entries)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        raise BadUsage(f"{path}: not the record of a sweep ({reason}); start the sweep again with --fresh") from None


def status_of(exit_code: int) -> Status:
    """What the end of a run makes of a member."""
    known: dict[int, Status] = {
        ExitCode.DONE: "done",
        ExitCode.CERTIFICATE_FAILED: "uncertain",
        ExitCode.STOPPED: "stopped",
    }
    return known.get(exit_code, "failed")


def verdict(entries: Sequence[Entry]) -> ExitCode:
    """The exit code of a sweep: 0 if all are done, 75 if some are still to be done, else the worst of all."""
    if any(entry.status in ("waiting", "running", "stopped") for entry in entries):
        return ExitCode.STOPPED
    codes = [entry.exit_code or 0 for entry in entries]
    return max(
        (ExitCode(code) if code in tuple(ExitCode) else ExitCode.SOLVER_FAILED for code in codes), default=ExitCode.DONE
    )


def _entry(part: dict[str, object]) -> Entry:
    status, code, seconds = part["status"], part["exit_code"], part["seconds"]
    if status not in get_args(Status):
        raise ValueError(f"status {status!r}")
    return Entry(
        tuple(str(value) for value in part["values"]),  # type: ignore[attr-defined]
        str(part["digest"]),
        status,  # type: ignore[arg-type]
        None if code is None else int(code),  # type: ignore[call-overload]
        None if seconds is None else float(seconds),  # type: ignore[arg-type]
        str(part["message"]),
    )
