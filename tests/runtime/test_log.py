"""What is told, where, and how often."""

from __future__ import annotations

import io
import logging
import re
from pathlib import Path

import pytest

from fpsolver.runtime import Console, RunLog, log


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still until its only entry is changed."""
    now = [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    return now


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FPSOLVER_COLUMNS", "NO_COLOR", "FORCE_COLOR", "PMI_RANK", "PMI_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_lines_go_to_console_and_log(tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with RunLog(tmp_path / "run.log") as run_log:
        console = Console(run_log)
        console.say("first [bold]line[/bold]\nand its second")
        clock[0] += 1.5
        console.warn("thin air")
        written = (tmp_path / "run.log").read_text()  # while it is open: each line is flushed
    out, err = capsys.readouterr()
    assert out == "first [bold]line[/bold]\nand its second\n"
    assert err == "warning: thin air\n"
    lines = written.splitlines()
    assert re.match(r" +0\.000 s  started \d{4}-\d\d-\d\dT", lines[0])
    assert lines[1:] == [
        "     0.000 s  first [bold]line[/bold]",
        "              and its second",
        "     1.500 s  warning: thin air",
    ]


def test_a_continued_run_appends(tmp_path: Path) -> None:
    for _ in range(2):
        with RunLog(tmp_path / "run.log"):
            pass
    assert (tmp_path / "run.log").read_text().count("started") == 2


def test_without_a_terminal_progress_is_a_line_now_and_then(clock: list[float]) -> None:
    """Catches a log full of bars, and one that is silent for hours."""
    stream = io.StringIO()
    with Console(stream=stream).progress("evolution") as progress:
        for step in range(801):
            progress(step / 800, f"t = {step / 8:g}")
            clock[0] += 0.125
    lines = stream.getvalue().splitlines()
    assert len(lines) == 9
    assert lines[4] == "evolution:  50%, t = 50, 0:00:50 so far, about 0:00:50 left"
    assert "\x1b" not in stream.getvalue()


def test_a_slow_stage_is_not_silent_for_hours(clock: list[float]) -> None:
    stream = io.StringIO()
    with Console(stream=stream).progress("evolution") as progress:
        for minute in range(61):
            progress(minute / 10_000)
            clock[0] += 60.0
    assert len(stream.getvalue().splitlines()) == 6


def test_a_quick_stage_says_nothing(clock: list[float]) -> None:
    stream = io.StringIO()
    with Console(stream=stream).progress("evolution") as progress:
        for step in range(101):
            progress(step / 100)
    assert stream.getvalue() == ""


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    with Console(stream=stream, terminal_width=100).progress("evolution") as progress:
        progress(0.5, "t = 5")
        progress(1.0, "t = 10")
    assert "━" in stream.getvalue()
    assert "evolution  t = 10" in stream.getvalue()


def test_the_cursor_stays_for_a_run_that_is_killed() -> None:
    stream = Terminal()
    with Console(stream=stream, terminal_width=100).progress("evolution") as progress:
        progress(0.5)
    assert "\x1b[?25l" not in stream.getvalue()


def test_what_libraries_log_is_a_warning_of_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(tmp_path / "run.log") as run_log, Console(run_log).hearing("fpsolver"):
        logging.getLogger("fpsolver.output.some").warning("drawn with %s", "matplotlib")
        logging.getLogger("fpsolver.output.some").info("not worth a line")
    logging.getLogger("fpsolver.output.some").warning("nobody listens")
    assert capsys.readouterr().err.splitlines()[0] == "warning: drawn with matplotlib"
    assert "warning: drawn with matplotlib" in (tmp_path / "run.log").read_text()
    assert "nobody" not in (tmp_path / "run.log").read_text()


def test_a_log_on_a_full_disk_does_not_end_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    with RunLog(Path("/dev/full")) as run_log:
        Console(run_log).say("still here")
    assert capsys.readouterr().out == "still here\n"


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with Console(stream=stream, terminal_width=100).progress("evolution") as progress:
        progress(0.5)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", stream.getvalue())


def test_a_width_from_outside_makes_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Console(stream=io.StringIO()).is_terminal
    monkeypatch.setenv("FPSOLVER_COLUMNS", "72")
    assert Console(stream=io.StringIO()).is_terminal


def test_a_table_loses_nothing_where_no_width_is_set(tmp_path: Path) -> None:
    stream = io.StringIO()
    long = "an exit from a region with a rather long name " * 5
    with RunLog(tmp_path / "run.log") as run_log:
        Console(run_log, stream).table("Results [x]", ["quantity", "value"], [[long, 1.5], ["gap", "3e-5"]])
    for text in (stream.getvalue(), (tmp_path / "run.log").read_text()):
        assert "Results [x]" in text
        assert long.strip() in text
        assert "\x1b" not in text
    assert re.search(r"gap +3e-5", stream.getvalue())


def test_a_narrow_terminal_folds_the_table() -> None:
    stream = Terminal()
    Console(stream=stream, terminal_width=30).table("T", ["quantity", "value"], [["q" * 60, "1.5"]])
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert max(map(len, text.splitlines())) <= 30
    assert text.count("q") == 60 + 1  # the heading has one


def test_other_ranks_are_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log, "is_root", lambda: False)
    console = Console()
    console.say("x")
    console.warn("x")
    console.table("x", ["a"], [["b"]])
    with console.progress("x") as progress:
        progress(1.0)
    assert capsys.readouterr() == ("", "")


def test_a_terminal_without_greek_shows_a_substitute() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    console = Console(stream=stream)
    console.say("ρ = 1")
    console.table("ψ", ["λ"], [["ε"]])
    stream.flush()
    assert raw.getvalue().startswith(b"? = 1\n")
