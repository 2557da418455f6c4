"""What the user sees while a run works: console lines, a progress bar, tables, and ``run.log``.

Only rank 0 speaks. Without a terminal there are no colours and no bar, but a line now and then.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from fpsolver.runtime.ranks import is_root
from fpsolver.runtime.streams import to_nowhere

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.progress import Progress as RichProgress

# Without a terminal: a line after each tenth, but not more often than the first and, while there is
# something to tell, not more rarely than the second.
_SHORTEST_SILENCE = 10.0  # seconds
_LONGEST_SILENCE = 600.0
_UNLIMITED = 100_000  # columns, where no terminal limits them


class RunLog:
    """Appends lines with the time since its start to ``run.log``; each is on disk when `write` returns.

    Made on rank 0 only. A run that is continued appends to the log of its first part. A full disk costs
    lines of the log, never the run.
    """

    def __init__(self, path: Path) -> None:
        self._start = time.monotonic()
        self._file = path.open("ab", buffering=0)  # what a full disk has refused is not tried again at the end
        self.write(f"started {datetime.now().astimezone().isoformat(timespec='seconds')}")

    def write(self, text: str) -> None:
        """Write ``text``; further lines of it are indented under the time."""
        if self._file.closed:
            return
        stamp = f"{time.monotonic() - self._start:10.3f} s  "
        first, *others = text.splitlines() or [""]
        text = "\n".join([stamp + first, *(" " * len(stamp) + line for line in others)]) + "\n"
        with suppress(OSError):
            self._file.write(text.encode(errors="replace"))

    def close(self) -> None:
        """Close the file; later lines are dropped."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Console:
    """Speaks to the user on rank 0, silent on the others; all it says goes to ``log`` too.

    Args:
        log: The run's log, if there is one.
        stream: Where to write, standard output by default.
        terminal_width: Columns of a terminal that ``stream`` does not know of, because a launcher stands
            between; by default ``FPSOLVER_COLUMNS`` of the environment, which ``scripts/run`` sets.
    """

    def __init__(
        self, log: RunLog | None = None, stream: TextIO | None = None, terminal_width: int | None = None
    ) -> None:
        self._log = log
        self._stream = sys.stdout if stream is None else stream
        if isinstance(self._stream, io.TextIOWrapper):
            # A terminal that has no Greek letters shows a substitute instead of ending the run.
            self._stream.reconfigure(errors="replace")
        if terminal_width is None:
            columns = os.environ.get("FPSOLVER_COLUMNS", "")
            terminal_width = int(columns) if columns.isdecimal() and int(columns) > 0 else None
        self._width = terminal_width
        self._speaks = is_root()

    @property
    def is_terminal(self) -> bool:
        """True where a bar can be drawn and redrawn."""
        return (self._width is not None or self._stream.isatty()) and os.environ.get("TERM") != "dumb"

    def say(self, text: str) -> None:
        """One line (or a few) for the user."""
        if not self._speaks:
            return
        self._print(text + "\n")
        if self._log is not None:
            self._log.write(text)

    def warn(self, text: str) -> None:
        """The same on standard error, marked as a warning."""
        if not self._speaks:
            return
        with suppress(OSError):
            print(f"warning: {text}", file=sys.stderr, flush=True)
        if self._log is not None:
            self._log.write(f"warning: {text}")

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table with a title; the first column is text, the others are right-aligned."""
        if not self._speaks:
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for number, name in enumerate(columns):
            table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(str(entry)) for entry in row))
        console = self._rich()
        with console.capture() as captured:
            console.print(table)
        self._print(captured.get())
        if self._log is not None:
            drawn = io.StringIO()
            from rich.console import Console as RichConsole

            RichConsole(file=drawn, width=_UNLIMITED, color_system=None).print(table)
            self._log.write("\n".join(line.rstrip() for line in drawn.getvalue().splitlines() if line.strip()))

    def _print(self, text: str) -> None:
        """Write to the user. A reader who has gone, or a full disk, costs lines, never the run."""
        # A bar that is being drawn has put itself in the place of sys.stdout, so that lines go above it.
        stream = sys.stdout if self._stream is sys.__stdout__ else self._stream
        try:
            print(text, end="", file=stream, flush=True)
        except OSError:
            if stream is sys.stdout:
                to_nowhere(stream)

    @contextmanager
    def hearing(self, logger: str) -> Iterator[None]:
        """Warn of what the library code under the name ``logger`` logs as a warning while the block runs."""
        handler = _Warnings(self)
        logging.getLogger(logger).addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger(logger).removeHandler(handler)

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show how far a stage is: ``with console.progress("evolution") as progress: progress(0.3, "t = 30")``."""
        if not self._speaks:
            yield Progress(title)
        elif not self.is_terminal:
            yield _PlainProgress(title, self)
        else:
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
            )
            with RichProgress(*columns, console=self._rich()) as bar:
                yield _BarProgress(title, bar)

    def _rich(self) -> RichConsole:
        from rich.console import Console as RichConsole

        class Steady(RichConsole):
            """Leaves the cursor visible, so that a run that is killed leaves a terminal in order."""

            def show_cursor(self, show: bool = True) -> bool:
                return False

        terminal = self.is_terminal
        return Steady(
            file=None if self._stream is sys.__stdout__ else self._stream,
            force_terminal=terminal,
            # The width of a real terminal is asked for anew each time, so that the window may be resized.
            width=self._width if terminal else _UNLIMITED,
            color_system="auto" if terminal and not os.environ.get("NO_COLOR") else None,
            highlight=False,
            markup=False,
            emoji=False,
        )


class _Warnings(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        self._console.warn(record.getMessage())


class Progress:
    """How far a stage is. This one is silent: it is what all ranks but rank 0 get."""

    def __init__(self, title: str) -> None:
        self._title = title

    def __call__(self, share: float, text: str = "") -> None:
        """Report the finished share in [0, 1] and, in a few words, where the stage is."""


class _PlainProgress(Progress):
    def __init__(self, title: str, console: Console) -> None:
        super().__init__(title)
        self._console = console
        self._start = self._said_at = time.monotonic()
        self._tenths = 0

    def __call__(self, share: float, text: str = "") -> None:
        now = time.monotonic()
        silence = now - self._said_at
        tenths = int(10.0 * share + 1e-9)
        due = silence >= _SHORTEST_SILENCE if tenths > self._tenths else silence >= _LONGEST_SILENCE
        if not due or not 0.0 < share < 1.0:
            return
        self._tenths, self._said_at = tenths, now
        elapsed = now - self._start
        left = elapsed * (1.0 - share) / share
        note = f", {text}" if text else ""
        self._console.say(f"{self._title}: {share:4.0%}{note}, {_clock(elapsed)} so far, about {_clock(left)} left")


class _BarProgress(Progress):
    def __init__(self, title: str, bar: RichProgress) -> None:
        super().__init__(title)
        self._bar = bar
        self._task = bar.add_task(title, total=1.0)

    def __call__(self, share: float, text: str = "") -> None:
        self._bar.update(self._task, completed=share, description=f"{self._title}  {text}".rstrip())


def _clock(seconds: float) -> str:
    """``h:mm:ss``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
