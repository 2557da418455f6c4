"""What three dimensions cost: memory and time per unknown at 10^4, 10^5 and 10^6 unknowns, measured here and now.

    .venv/bin/python benchmarks/size.py [exit] [evolution] [--largest N]

Exit: the mean time that a parabolic valley holds a walker in a ball, and its whole distribution; exact by an integral
over the radius. Evolution: cases/three_dimensional.toml until t = 10, over the barrier; exact by spectral modes in x.
Degree 2; the program chooses its solver. Each run is a process of its own on one core, and its memory is the most that
this process ever held. Without error bars and figures. The largest run takes 15 GB and half an hour.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from evolution import table
from scipy.integrate import quad
from spectral import spectral_density

CASES = Path(__file__).parents[1] / "cases"
NOISE, WELL_START, END_TIME = 0.1, 0.25, 10.0  # of cases/three_dimensional.toml
FRAMES = 2

BALL = """
[domain]
shape = "ball"
center = [0.0, 0.0, 0.0]
radius = 1.0
cell_size = 0.14

[loss]
expression = "(x**2 + y**2 + z**2)/2"

[noise]
diffusion = 0.1

[boundary]
absorbing = "x**2 + y**2 + z**2 > 0.9"

[regions]
ball = "x**2 + y**2 + z**2 < 4"

[[exit]]
region = "ball"
start = [[0.0, 0.0, 0.0]]
"""

CELL_SIZES = (0.18, 0.076, 0.0325)
BOXES = ((12, 10, 10), (28, 20, 20), (60, 45, 45))


@dataclass(frozen=True)
class Run:
    """One run of the program.

    Attributes:
        unknowns: Of the problem.
        seconds: From its start to its end.
        gigabytes: The most memory that it held.
        solves: Right-hand sides solved for.
        iterations: The most of one solve, 0 where the matrix was factorised.
        error: Relative, against the exact value.
    """

    unknowns: int
    seconds: float
    gigabytes: float
    solves: int
    iterations: int
    error: float

    @property
    def cells(self) -> list[str]:
        """A row of the table."""
        return [
            f"{self.unknowns:,}",
            f"{self.gigabytes:.2f}",
            f"{1e6 * self.gigabytes / self.unknowns:.1f}",
            f"{self.seconds:.0f}",
            f"{1e3 * self.seconds / self.unknowns:.2f}",
            str(self.solves),
            str(self.iterations or "factors"),
            f"{self.error:.1e}",
        ]


def run(case: Path, settings: Mapping[str, object]) -> tuple[dict[str, dict], float, float]:
    """Results, seconds and gigabytes of a run of the program."""
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "fpsolver", "run", str(case), "-o", folder, "--no-errors", *words]
        begin = time.monotonic()
        process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"the run ended with code {process.returncode}")
        results: dict[str, dict] = json.loads((Path(folder) / "results.json").read_text())
    return results, seconds, usage.ru_maxrss / 1e6


def exit_runs(largest: int) -> list[Run]:
    """Out of a ball."""

    def inner(r: float) -> float:
        return float(quad(lambda s: s**2 * np.exp(-(s**2) / (2 * NOISE)), 0, r, epsabs=1e-14, epsrel=1e-13)[0])

    exact = quad(lambda r: np.exp(r**2 / (2 * NOISE)) / r**2 * inner(r) / NOISE, 0, 1, epsrel=1e-11)[0]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "ball.toml"
        case.write_text(BALL)
        for size in CELL_SIZES[:largest]:
            results, seconds, memory = run(case, {"domain.cell_size": size, "output.figures": "false"})
            entry = results["exit"][0]
            error = abs(entry["starts"][0]["mean"]["value"] / exact - 1)
            found.append(Run(entry["unknowns"], seconds, memory, entry["solves"], entry["iterations"], error))
    return found


def evolution_runs(largest: int) -> list[Run]:
    """Over a barrier."""
    density = spectral_density(
        lambda x: (x**2 - 1) ** 2 / 4, lambda x: x * (x**2 - 1), NOISE, (-2.0, 2.0), -1.0, WELL_START
    )
    x = np.linspace(-2.0, 0.0, 20_001)
    exact = float(np.trapezoid(density(END_TIME, x), x))
    found = []
    for cells in BOXES[:largest]:
        settings = {"domain.cells": list(cells), "evolution.frames": FRAMES, "output.figures": "false"}
        results, seconds, memory = run(CASES / "three_dimensional.toml", settings)
        evolution = results["evolution"]
        error = abs(evolution["regions"]["left"]["value"] / exact - 1)
        unknowns = results["generator"]["unknowns"]
        found.append(Run(unknowns, seconds, memory, evolution["solves"], evolution["iterations"], error))
    return found


PARTS: dict[str, tuple[str, Callable[[int], list[Run]]]] = {
    "exit": ("Time to leave a ball, with its distribution", exit_runs),
    "evolution": ("Two wells in a box, until t = 10", evolution_runs),
}
HEADS = ["unknowns", "GB", "kB / unknown", "s", "ms / unknown", "solves", "iterations", "error"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is asked for; everything by default."""
    parser = argparse.ArgumentParser(description="Memory and time per unknown in three dimensions.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--largest", type=int, choices=(1, 2, 3), default=3, help="only the smallest so many sizes")
    args = parser.parse_args(arguments)
    unknown = sorted(set(args.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    for name in args.parts or PARTS:
        title, measured = PARTS[name]
        table(title, HEADS, [each.cells for each in measured(args.largest)])


if __name__ == "__main__":
    main()
