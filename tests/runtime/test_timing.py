"""Stages of wall-clock time."""

from __future__ import annotations

import time

import pytest

from fpsolver.runtime import Timing


def test_a_stage_adds_up_and_the_total_holds_all() -> None:
    timing = Timing()
    for _ in range(2):
        with timing.stage("assembly"):
            time.sleep(0.02)
    with timing.stage("solve"):
        pass
    seconds = timing.as_json()
    assert list(seconds) == ["total", "assembly", "solve"]
    assert seconds["assembly"] >= 0.04
    assert seconds["total"] >= seconds["assembly"] + seconds["solve"]


def test_a_stage_that_fails_is_counted() -> None:
    timing = Timing()
    with pytest.raises(KeyError), timing.stage("assembly"):
        raise KeyError("lost")
    assert "assembly" in timing.as_json()


def test_total_is_no_name_of_a_stage() -> None:
    with pytest.raises(ValueError, match="another name"), Timing().stage("total"):
        pass
