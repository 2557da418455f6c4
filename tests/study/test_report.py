"""The last words of a run: every quantity with its error, and the reason where there is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import cast

from fpsolver.generator.generator import Generator
from fpsolver.problems import Answer
from fpsolver.quantity import Quantity
from fpsolver.runtime import Console
from fpsolver.study.report import report

VERDICT = {"passed": True, "checks": [{"name": "mass", "value": 1e-15, "limit": 1e-11, "passed": True}]}


def test_answers_are_shown_with_errors_and_reasons() -> None:
    summary = [
        ("stationary states", "1"),
        ("spectral gap", Quantity(6.15e-12, 2e-16)),
        ("slowest rotation", Quantity(1.5, 1e-3, imag=-2.0)),
        ("mean time from (0)", Quantity(None, why="the noise vanishes at 0", infinite=True)),
        ("mean time from (1)", Quantity(None, why="the noise vanishes at 0", infinite=True)),
        ("mass in left", Quantity(0.5, None, "switched off")),
    ]
    stream = io.StringIO()
    answer = Answer("stationary", {}, cast(Generator, None), (), summary=summary)
    report(Console(stream=stream), [answer], VERDICT, Path("results/wells"), 1.25)
    lines = [" ".join(line.split()) for line in stream.getvalue().splitlines()]
    for line in (
        "quantity value error",
        "stationary states 1",
        "spectral gap 6.15e-12 2.0e-16",
        "slowest rotation 1.5 - 2 i 1.0e-03",
        "mean time from (0) infinite – (1)",
        "mean time from (1) infinite – (1)",
        "mass in left 0.5 – (2)",
        "(1) the noise vanishes at 0",
        "(2) switched off",
        "certificate passed; 1.2 s; results in results/wells",
    ):
        assert line in lines, line
