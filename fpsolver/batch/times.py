"""Times of jobs, as users write them and as schedulers read them."""

from __future__ import annotations

import re

from fpsolver.errors import BadUsage

_DAYS = re.compile(r"(?:(\d{1,4})-)?(\d{1,6}):([0-5]\d):([0-5]\d)|(\d{1,4})-(\d{1,2})(?::([0-5]\d))?", re.ASCII)
_MINUTES = re.compile(r"\d{1,8}", re.ASCII)


def seconds_of(text: str) -> int:
    """Seconds of ``HH:MM:SS``, ``D-HH:MM:SS``, ``D-HH:MM``, ``D-HH`` or minutes.

    Slurm reads ``MM:SS`` too; who writes 02:30 mostly means hours, so that is asked back.

    Raises:
        BadUsage: The text is no time, or none that a job can have.
    """
    if re.fullmatch(r"\d+:\d\d", text, re.ASCII):
        raise BadUsage(f"--time {text}: hours or minutes? write {text}:00 for HH:MM:SS, or 00:{text:0>5}")
    if _MINUTES.fullmatch(text):
        seconds = 60 * int(text)
    elif found := _DAYS.fullmatch(text):
        day, hour, minute, second, day_only, hour_only, minute_only = (int(part or 0) for part in found.groups())
        seconds = 86400 * (day + day_only) + 3600 * (hour + hour_only) + 60 * (minute + minute_only) + second
    else:
        raise BadUsage(
            f"--time {text!r} is no time; write 02:30:00 for HH:MM:SS, 1-12:00:00 for D-HH:MM:SS, or minutes such as 90"
        )
    if seconds < 60:
        raise BadUsage(f"--time {text}: a job needs a minute at least; write for example 00:30:00, or 30")
    return seconds


def hours(seconds: int) -> str:
    """``HH:MM:SS``, with as many hours as it takes; Slurm and PBS both read it."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def margin(seconds: int) -> int:
    """How long before its end a job is told to stop: time to end a step and to save.

    A twentieth, of short jobs a minute, of long ones ten; but never more than a quarter.
    """
    return min(max(seconds // 20, 60), 600, seconds // 4)
