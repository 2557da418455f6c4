"""One sweep: family -> members, each run by itself -> table and figure."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fpsolver.errors import BadUsage, ExitCode
from fpsolver.runtime import Console, Progress, RunLog, StopFlag
from fpsolver.study.sweep.family import Family
from fpsolver.study.sweep.findings import chosen
from fpsolver.study.sweep.place import CSV, FIGURE, SweepFolder, opened
from fpsolver.study.sweep.record import status_of, verdict
from fpsolver.study.sweep.running import Ending, run_members
from fpsolver.study.sweep.table import Table, counts

Command = Callable[[Sequence[str], Path], Sequence[str]]
"""From the ``KEY=VALUE`` of a member and its folder to the command that runs it."""

_LONGEST = 160  # signs of a message on the terminal
_PAUSES = 10  # times as long as the last writing took nothing is written
_BAR = 90  # columns that the bar and its counts take; names of running members have what is left
_LEAST = 12


def sweep(
    family: Family,
    root: Path,
    command: Command,
    *,
    jobs: int = 1,
    plot: Sequence[str] = (),
    fresh: bool = False,
    retry: bool = False,
    stop: StopFlag | None = None,
) -> ExitCode:
    """Run all members of a family that are not finished, and leave their numbers in one table.

    Args:
        family: Checked already.
        root: Results folder; made if need be.
        command: Runs a member.
        jobs: How many run side by side.
        plot: Names of the quantities to draw; by default those of the last time, or the main ones.
        fresh: Discard earlier results of ours in that folder.
        retry: Run those that have failed once more.
        stop: Says when to end; by default signals are left to the caller.

    Returns:
        DONE if all are done, STOPPED if the same command has something to continue, else the worst of the members.

    Raises:
        BadUsage: The folder is not ours, in use, or holds something else.
    """
    stop, began = stop or StopFlag(), time.monotonic()
    with opened(root, family, fresh=fresh) as folder:
        table = Table(root, folder.record)
        if plot:
            if table.names():
                chosen(table.names(), plot)
            folder.record.plot = tuple(plot)
        with RunLog(folder.path("run.log")) as log:
            console = Console(log)
            _run(family, folder, table, command, console, jobs, retry, stop)
            _conclude(folder, table, console, stop, time.monotonic() - began)
        if stop.raised:
            console.say(f"stopped by {stop.reason}; the same command goes on with what is not done")
        return verdict([folder.record.entries[member.name] for member in family.members])


def pending(family: Family, folder: SweepFolder, *, retry: bool) -> list[str]:
    """Names of the members that are still to be run."""
    wanted = ("waiting", "running", "stopped", *(("failed",) if retry else ()))
    return [member.name for member in family.members if folder.record.entries[member.name].status in wanted]


def _run(
    family: Family,
    folder: SweepFolder,
    table: Table,
    command: Command,
    console: Console,
    jobs: int,
    retry: bool,
    stop: StopFlag,
) -> None:
    entries = folder.record.entries
    names = pending(family, folder, retry=retry)
    for name in names:
        entries[name] = replace(entries[name], status="waiting")
    folder.save(table.as_csv())
    total, known = len(family.members), len(family.members) - len(names)
    if not names:
        failed = any(entries[member.name].status == "failed" for member in family.members)
        again = "--retry runs those that failed once more" if failed else "--fresh computes them again"
        console.say(f"{folder.root}: nothing is left to do for {total} members; {again}")
        return
    earlier = f", {known} of them known already" if known else ""
    console.say(f"{family.title}: {total} members{earlier}, {jobs} at a time")
    with console.progress("sweep") as progress:
        watch = _Watch(folder, table, console, progress, [member.name for member in family.members], stop)
        run_members(
            names, lambda name: command(family.overrides(entries[name].values), folder.member(name)), jobs, stop, watch
        )
    for name in names:
        if entries[name].status == "running":
            entries[name] = replace(entries[name], status="stopped")
    folder.save(table.as_csv())


def _conclude(folder: SweepFolder, table: Table, console: Console, stop: StopFlag, seconds: float) -> None:
    """The table on the terminal, the figure, and how it all went."""
    try:
        table.tell(console)
    except BadUsage as unknown:
        console.warn(f"--plot: {unknown}")
        folder.record.plot = ()
        folder.save(table.as_csv())
        table.tell(console)
    drawn = stop.unless_asked(lambda: _drawn(folder, table, console))
    figure = f", figure in {folder.root / FIGURE}.png" if drawn else ""
    console.say(f"{counts(folder.record)}; {seconds:.1f} s; table in {folder.root / CSV}{figure}")


def _drawn(folder: SweepFolder, table: Table, console: Console) -> bool:
    if not table.names():
        return False
    from fpsolver.study.sweep.figure import draw

    try:
        return bool(draw(table))
    except Exception as error:  # a plotting library may raise anything; the numbers are safe by now
        console.warn(f"figure: {type(error).__name__}: {error}; try again with fpsolver plot {folder.root}")
        return False


class _Watch:
    """Keeps record and table up to date, and tells the user: of failures a line each, of all else a bar."""

    def __init__(
        self,
        folder: SweepFolder,
        table: Table,
        console: Console,
        progress: Progress,
        names: Sequence[str],
        stop: StopFlag,
    ) -> None:
        self._folder = folder
        self._table = table
        self._console = console
        self._progress = progress
        self._names = names
        self._stop = stop
        self._told = False
        self._silent_until = 0.0

    def began(self, name: str) -> None:
        entries = self._folder.record.entries
        entries[name] = replace(entries[name], status="running", message="")
        self._save()

    def ended(self, name: str, ending: Ending) -> None:
        entries = self._folder.record.entries
        status = status_of(ending.exit_code)
        message = ending.message if status == "failed" else ""
        entries[name] = replace(
            entries[name], status=status, exit_code=ending.exit_code, seconds=ending.seconds, message=message
        )
        if status == "failed":
            short = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}..."
            words = short or f"see run.log in {self._folder.member(name)}"
            self._console.say(f"{name}: exit code {ending.exit_code} after {ending.seconds:.1f} s: {words}")
        self._save()

    def beat(self, running: Sequence[str]) -> None:
        if self._stop.raised and running and not self._told:
            self._told = True
            self._console.say(f"{self._stop.reason}: members end in order; a second Ctrl-C ends them at once")
        entries = [self._folder.record.entries[name] for name in self._names]
        failed = sum(entry.status == "failed" for entry in entries)
        ended = sum(entry.status in ("done", "uncertain") for entry in entries)
        words = f"{ended} of {len(entries)} done" + (f", {failed} failed" if failed else "")
        self._progress((ended + failed) / len(entries), f"{words}; {_listed(running)}" if running else words)

    def _save(self) -> None:
        """A large table takes its time, which should not be that of the sweep; all is written in the end."""
        begin = time.monotonic()
        if begin >= self._silent_until:
            self._folder.save(self._table.as_csv())
            self._silent_until = begin + _PAUSES * (time.monotonic() - begin)


def _listed(names: Sequence[str]) -> str:
    """As many names as have room in a line of the terminal."""
    room = max(_LEAST, shutil.get_terminal_size().columns - _BAR)
    shown: list[str] = []
    for name in names:
        if shown and len(", ".join([*shown, name])) > room:
            return f"{', '.join(shown)}, +{len(names) - len(shown)}"
        shown.append(name if len(name) <= room else f"{name[: room - 3]}...")
    return ", ".join(shown)
