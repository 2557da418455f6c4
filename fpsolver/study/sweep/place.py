"""The folder of a sweep: the record, the table and the figure of the family; the members in folders of their own.

The rules are those of a run: a folder that is not ours is left alone, one sweep at a time works in it, and what is
there is kept as long as it belongs to the same case.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from fpsolver.case import BadCase, load
from fpsolver.errors import BadUsage, ExitCode, FpsolverError
from fpsolver.runtime import RunFolder, atomic
from fpsolver.runtime.folder import MARKER
from fpsolver.study.sweep import record as records
from fpsolver.study.sweep.family import Family, digest
from fpsolver.study.sweep.findings import completed
from fpsolver.study.sweep.record import SOLVED, Entry, Record, read_record, status_of

MEMBERS = "members"
CSV, FIGURE = "sweep.csv", "sweep"


class SweepFolder:
    """A folder that this sweep has locked; use `opened`.

    Attributes:
        root: The folder.
        record: What is known of the members.
    """

    def __init__(self, owned: RunFolder, record: Record) -> None:
        self.root = owned.root
        self.record = record
        self._owned = owned

    def member(self, name: str) -> Path:
        """The results folder of a member."""
        return member_folder(self.root, name)

    def path(self, name: str) -> Path:
        """The path of a file of ours, noted as such."""
        return self._owned.path(name)

    def save(self, table: str) -> None:
        """Write the record and the table.

        Raises:
            FpsolverError: The disk refuses.
        """
        try:
            self.record.write(self.path(records.FILE))
            atomic.write_text(self.path(CSV), table)
        except OSError as error:
            raise FpsolverError(
                f"{self.root}: {error.strerror or error}; what the members have found is in {self.root / MEMBERS}, and "
                "the same command goes on"
            ) from None


@contextlib.contextmanager
def opened(root: Path, family: Family, *, fresh: bool = False) -> Iterator[SweepFolder]:
    """The folder of a family, locked while the block runs.

    Args:
        root: Made if need be.
        family: Its members are entered, those that have finished since as such.
        fresh: Discard earlier results of ours.

    Raises:
        BadUsage: The folder or that of a member is not ours, in use, or holds results of another family or case.
    """
    with RunFolder.open(root) as owned:
        if fresh:
            _discard(owned)
        identity = f"sweep over {', '.join(family.keys)}"
        if owned.status != "empty" and owned.identity != identity:
            what = owned.identity if (owned.identity or "").startswith("sweep over ") else "a run"
            raise BadUsage(
                f"{root} holds the results of {what}, and this is a {identity}; choose another folder with -o DIR, or "
                "discard them with --fresh"
            )
        earlier = read_record(root / records.FILE)
        record = Record(family.title, family.keys)
        if earlier is not None:
            _refuse_changed(root, family, earlier)
            record.plot, record.entries = earlier.plot, earlier.entries
        _enter(record, family)
        for name, entry in record.entries.items():
            record.entries[name] = _as_found(member_folder(root, name), entry)
        owned.begin(identity)
        owned.paths([records.FILE, CSV, f"{FIGURE}.png", "run.log"])
        yield SweepFolder(owned, record)
        if all(entry.status in SOLVED for entry in record.entries.values()):
            owned.finish(identity)


def member_folder(root: Path, name: str) -> Path:
    """Where a member of a sweep has its results."""
    return root / MEMBERS / name


def _enter(record: Record, family: Family) -> None:
    """Put the members of this command first, in its order; earlier ones that it does not name follow."""
    earlier = record.entries
    named = {member.name: earlier.get(member.name, Entry(member.values, member.digest)) for member in family.members}
    record.entries = named | {name: entry for name, entry in earlier.items() if name not in named}


def _as_found(folder: Path, entry: Entry) -> Entry:
    """The entry by what is in the folder of the member: it may have ended without the sweep that began it.

    Raises:
        BadUsage: The folder is not ours, or the member is still running.
    """
    if not folder.exists():
        return replace(entry, status="waiting") if entry.status in (*SOLVED, "running", "stopped") else entry
    with RunFolder.open(folder) as member:
        finished = member.status == "finished"
    if not finished:
        return entry if entry.status == "failed" else replace(entry, status="stopped")
    passed, seconds = completed(folder)
    code = ExitCode.DONE if passed else ExitCode.CERTIFICATE_FAILED
    return replace(entry, status=status_of(code), exit_code=int(code), seconds=seconds, message="")


def _refuse_changed(root: Path, family: Family, earlier: Record) -> None:
    """Refuse a case that is not the one which earlier members, named by this command or not, were run with."""
    now = {member.name: member.digest for member in family.members}
    changed = []
    for name, entry in earlier.entries.items():
        if entry.status == "waiting" and not member_folder(root, name).exists():
            continue
        if name not in now:
            try:
                now[name] = digest(load(family.case, family.overrides(entry.values)))
            except BadCase:
                now[name] = ""
        if now[name] != entry.digest:
            changed.append(name)
    if changed:
        others = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise BadUsage(
            f"{root}: the case has been changed since it was run with {'; '.join(changed[:3])}{others}; choose another "
            "folder with -o DIR, or discard what is there with --fresh"
        )


def _discard(owned: RunFolder) -> None:
    """Remove what we wrote, the members first, unless one of them is in use."""
    with contextlib.ExitStack() as stack:
        folders = [marker.parent for marker in sorted((owned.root / MEMBERS).glob(f"*/{MARKER}"))]
        for member in [stack.enter_context(RunFolder.open(folder)) for folder in folders]:
            member.clear()
            (member.root / MARKER).unlink(missing_ok=True)
    for folder in [*folders, owned.root / MEMBERS]:
        with contextlib.suppress(OSError):  # it holds somebody else's files
            folder.rmdir()
    owned.clear()
