"""What degree, time stepping and ranks are worth for the evolution, measured here and now.

    .venv/bin/python benchmarks/evolution.py [degrees] [methods] [ranks]

The case is cases/double_well.toml, whose density is a product of a spectral solution and a Gaussian. Every solve is a
run of the program, and what is compared are its files. Times depend on the machine and on what else it does, so they
are given as ratios; nothing passes or fails.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from spectral import spectral_density

from fpsolver.cli import main as fpsolver
from fpsolver.output.reader import open_frames

Array = npt.NDArray[np.float64]

CASE = Path(__file__).parents[1] / "cases" / "double_well.toml"
NOISE, START = 0.1, 0.1  # of that case: D, and the standard deviation of its start
OUTPUTS = (1.0, 10.0)

DEGREES = {1: (96, 72), 2: (48, 36), 4: (24, 18)}
"""Cells by degree: the nodes are the same 97 x 73 points each time."""

LARGE = (100, 60)
"""Cells of degree 4 with 96,641 unknowns."""

REPEATS = 3
"""The fastest of so many runs counts; a run before them compiles the forms."""


@dataclass(frozen=True)
class Measured:
    """One solve.

    Attributes:
        points: Nodes, (n, 3).
        density: By output time, (n,).
        unknowns, solves, factorizations: Work.
        seconds: From the generator to the last file, without figures.
    """

    points: Array
    density: dict[float, Array]
    unknowns: int
    solves: int
    factorizations: int
    seconds: float


def measure(
    cells: Sequence[int], degree: int, tolerance: float, method: str = "krylov", repeats: int = REPEATS
) -> Measured:
    """Solve the case a few times on this rank and keep the fastest."""
    with tempfile.TemporaryDirectory() as folder:
        results = [solve(Path(folder), cells, degree, tolerance, method) for _ in range(repeats + 1)][1:]
        frames = open_frames(Path(folder), "density")
        assert frames is not None
        density = {time: frames.values(step, "density") for step, time in enumerate(frames.times) if time > 0}
        points = frames.mesh().points
    evolution = results[0]["evolution"]
    seconds = min(result["timing"]["evolution"] for result in results)
    work = (results[0]["generator"]["unknowns"], evolution["solves"], evolution["factorizations"])
    return Measured(points, density, *work, seconds)


def solve(folder: Path, cells: Sequence[int], degree: int, tolerance: float, method: str) -> dict[str, dict]:
    """Run the program; its results. All ranks."""
    settings = {
        "domain.cells": list(cells),
        "discretization.degree": degree,
        "evolution.tolerance": tolerance,
        "evolution.method": method,
        "evolution.output_times": list(OUTPUTS),
        "output.figures": "false",
    }
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = fpsolver(["run", str(CASE), "-o", str(folder), "--fresh", *words])
    if code:
        raise SystemExit(f"the run ended with code {code}\n{said.getvalue()}")
    results: dict[str, dict] = json.loads((folder / "results.json").read_text())
    return results


def exact(time: float, points: Array) -> Array:
    """The density of the case at points (n, 3)."""
    x, y = points[:, 0], points[:, 1]
    across = spectral_density(lambda x: (x**2 - 1) ** 2 / 4, lambda x: x * (x**2 - 1), NOISE, (-2.0, 2.0), -1.0, START)
    variance = NOISE / 4 + (START**2 - NOISE / 4) * np.exp(-8 * time)  # dy = -4 y dt + noise
    return np.asarray(across(time, x) * np.exp(-(y**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance))


def distance(points: Array, one: Array, other: Array) -> float:
    """L1 distance of two densities from their values at the nodes of a uniform lattice."""
    area = np.prod(np.ptp(points[:, :2], axis=0)) / len(points)
    return float(np.abs(one - other).sum() * area)


def compare_degrees() -> None:
    """Error and time by degree on the same nodes."""
    found = {degree: measure(cells, degree, 1e-10) for degree, cells in DEGREES.items()}
    rows = []
    for degree, run in found.items():
        errors = [distance(run.points, run.density[t], exact(t, run.points)) for t in OUTPUTS]
        ratio = run.seconds / found[max(DEGREES)].seconds
        rows.append([str(degree), f"{run.unknowns:,}", *(f"{error:.1e}" for error in errors), f"{ratio:.2f}"])
    heads = ["degree", "unknowns", *(f"L1 error, t = {t:g}" for t in OUTPUTS), "time / degree 4"]
    table("Degree, on the same nodes (double well, D = 0.1)", heads, rows)


def compare_methods() -> None:
    """Krylov against SDIRK: what the same error in time costs."""
    finest = measure(DEGREES[4], 4, 1e-12, repeats=1)
    rows = []
    base = None
    for method, tolerance in (("krylov", 1e-6), ("sdirk", 1e-4), ("sdirk", 1e-5), ("sdirk", 1e-6)):
        run = measure(DEGREES[4], 4, tolerance, method, repeats=1)
        base = base or run
        error = max(distance(run.points, run.density[t], finest.density[t]) for t in OUTPUTS)
        work = [f"{error:.1e}", str(run.solves), str(run.factorizations)]
        ratios = [f"{run.solves / base.solves:.1f}", f"{run.seconds / base.seconds:.1f}"]
        rows.append([method, f"{tolerance:.0e}", *work, *ratios])
    heads = ["method", "tolerance", "L1 error in time", "solves", "factorisations", "solves / krylov", "time / krylov"]
    table("Time stepping, degree 4, outputs at t = 1 and t = 10", heads, rows)


def compare_ranks() -> None:
    """One rank against two, in processes of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PMI", "MPI", "HYDRA"))}
    launcher = Path(sys.executable).with_name("mpiexec")
    seconds: dict[int, float] = {}
    for ranks in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            command = [str(launcher), "-n", str(ranks), sys.executable, __file__, "--large", folder]
            for _ in range(REPEATS):
                subprocess.run(command, env=kept | {"OMP_NUM_THREADS": "1"}, check=True)
                results = json.loads((Path(folder) / "results.json").read_text())
                spent = results["timing"]["evolution"]
                seconds[ranks] = min(spent, seconds.get(ranks, spent))
    unknowns = results["generator"]["unknowns"]
    rows = [[str(ranks), f"{spent / seconds[1]:.2f}"] for ranks, spent in seconds.items()]
    table(f"Ranks, degree 4, {unknowns:,} unknowns", ["ranks", "time / 1 rank"], rows)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table in Markdown."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    print(f"\n### {title}\n")
    print("\n".join(f"| {' | '.join(line)} |" for line in lines), flush=True)


PARTS = {"degrees": compare_degrees, "methods": compare_methods, "ranks": compare_ranks}


def main() -> None:
    """Measure what is asked for; everything by default."""
    parser = argparse.ArgumentParser(description="Degree, time stepping and ranks for the evolution, as ratios.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {', '.join(PARTS)}")
    parser.add_argument("--large", type=Path, help=argparse.SUPPRESS)  # what compare_ranks starts
    args = parser.parse_args()
    if args.large:
        solve(args.large, LARGE, 4, 1e-7, "krylov")
        return
    unknown = sorted(set(args.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown part {', '.join(unknown)}; choose from {', '.join(PARTS)}")
    for name in args.parts or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
