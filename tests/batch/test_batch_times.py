"""Times of jobs."""

from __future__ import annotations

import pytest

from fpsolver.batch.times import hours, margin, seconds_of
from fpsolver.errors import BadUsage


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("00:01:00", 60),
        ("02:30:00", 9000),
        ("100:00:01", 360001),
        ("1-12:00:00", 129600),
        ("2-03", 183600),
        ("2-03:30", 185400),
        ("1-36:00:00", 216000),
    ],
)
def test_times_are_read_as_slurm_reads_them(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds
    assert seconds_of(hours(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "00:00:00", "00:00:59", "1h", "1.5", "-5", "1:2:3", "12:60:00", "UNLIMITED", "1-", "10\n", "٣٠"]
)
def test_other_texts_are_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(BadUsage, match="write"):
        seconds_of(text)


def test_hours_and_minutes_are_not_mistaken_for_each_other() -> None:
    with pytest.raises(BadUsage, match=r"write 02:30:00 for HH:MM:SS, or 00:02:30"):
        seconds_of("02:30")


@pytest.mark.parametrize("seconds", [60, 120, 600, 3600, 86400, 10**7])
def test_a_run_has_time_to_save_and_most_of_it_to_work(seconds: int) -> None:
    assert 15 <= margin(seconds) <= 600
    assert margin(seconds) <= seconds / 4
