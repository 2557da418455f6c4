"""Strong and weak scaling of a case, measured here and now, and a model of its time.

    .venv/bin/python benchmarks/scaling.py [CASE] [--parts sizes strong weak] [--ranks 1 2 4] [--set KEY=VALUE] [-o CSV]

Sizes: one rank, a quarter, a half and all of the unknowns. Strong: the case as it is, on more and more ranks. Weak: as
many unknowns per rank, by domain.cells or domain.cell_size. Every run is a process of its own under the launcher of
this Python, without error bars and figures; on a cluster start this program inside a job (salloc, or a batch script).
A run before them compiles the forms. Times depend on the machine and on what else it does; nothing passes or fails.

The model is t = a N^p / R^q + c with unknowns N and ranks R, fitted to the logarithms of all times by least squares.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolution import table
from scaling_model import told

from fpsolver.case import Case, load
from fpsolver.errors import FpsolverError
from fpsolver.runtime import atomic, machine
from fpsolver.runtime.launchers import launcher_of_this_python

CASE = Path(__file__).parents[1] / "cases" / "double_well.toml"
SHARES = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class Run:
    """One run of the program.

    Attributes:
        part: Of PARTS.
        ranks: Processes.
        unknowns: Of the generator.
        stages: Seconds by stage, ``total`` among them.
        wall: Seconds from its start to its end, start of Python and MPI included.
        load: As in ``results.json``: shares and memory of the ranks; None where the program does not say.
    """

    part: str
    ranks: int
    unknowns: int
    stages: dict[str, float]
    wall: float
    load: dict[str, Any] | None

    @property
    def seconds(self) -> float:
        """What is compared."""
        return self.stages["total"]

    def speed_up(self, first: Run) -> float:
        """How many times more unknowns per second than the first run."""
        return first.seconds / self.seconds * (self.unknowns / first.unknowns)

    def efficiency(self, first: Run) -> float:
        """Speed-up per rank: 1 is perfect. In weak scaling it counts the unknowns that the run really has."""
        return self.speed_up(first) * first.ranks / self.ranks


@dataclass(frozen=True)
class Program:
    """How runs are started.

    Attributes:
        case: Case file.
        settings: ``KEY=VALUE`` of the user.
        launcher: Command to which ``-n RANKS`` is added.
        repeats: The fastest of so many runs counts.
    """

    case: Path
    settings: tuple[str, ...]
    launcher: tuple[str, ...]
    repeats: int

    def run(self, part: str, ranks: int, more: Sequence[str] = ()) -> Run | None:
        """The fastest of some runs; None where one fails, with a line that says why."""
        runs = [self._once(part, ranks, more) for _ in range(self.repeats)]
        done = [run for run in runs if run is not None]
        return min(done, key=lambda run: run.seconds) if len(done) == len(runs) else None

    def _once(self, part: str, ranks: int, more: Sequence[str]) -> Run | None:
        words = [word for setting in (*self.settings, *more) for word in ("--set", setting)]
        with tempfile.TemporaryDirectory(prefix="scaling-", dir=".") as folder:  # all nodes see the current folder
            out = ["-o", f"{folder}/run", "--no-errors", "--set", "output.figures=false"]
            command = [*self.launcher, "-n", str(ranks), sys.executable, "-m", "fpsolver", "run", str(self.case)]
            environment = {"OMP_NUM_THREADS": "1"} | os.environ
            began = time.monotonic()
            done = subprocess.run([*command, *out, *words], env=environment, capture_output=True, text=True)
            wall = time.monotonic() - began
            if done.returncode not in (0, 4):  # 4: solved, and a check of the certificate failed
                said = (done.stderr.strip() or done.stdout.strip()).splitlines()
                print(f"{part}, ranks {ranks}: exit code {done.returncode}: {said[0] if said else 'no message'}")
                return None
            results = json.loads((Path(folder) / "run" / "results.json").read_text(encoding="utf-8"))
        return Run(part, ranks, results["generator"]["unknowns"], results["timing"], wall, results.get("load"))


def with_unknowns(case: Case, factor: float) -> str | None:
    """What to set for so many times the unknowns; None for a mesh from a file, which has only its own."""
    finer = factor ** (1.0 / case.dimension)
    if hasattr(case.domain, "cells"):
        return f"domain.cells={[max(1, round(count * finer)) for count in case.domain.cells]}"
    return f"domain.cell_size={case.domain.cell_size / finer:.6g}" if hasattr(case.domain, "cell_size") else None


def sizes(program: Program, case: Case, ranks: Sequence[int]) -> list[Run | None]:
    """One rank, more and more unknowns."""
    settings = [with_unknowns(case, share) for share in SHARES]
    return [program.run("sizes", 1, [setting]) for setting in settings if setting is not None]


def strong(program: Program, case: Case, ranks: Sequence[int]) -> list[Run | None]:
    """One problem, more and more ranks."""
    return [program.run("strong", number) for number in ranks]


def weak(program: Program, case: Case, ranks: Sequence[int]) -> list[Run | None]:
    """As many unknowns per rank."""
    settings = [(number, with_unknowns(case, number / ranks[0])) for number in ranks]
    return [program.run("weak", number, [setting]) for number, setting in settings if setting is not None]


PARTS: dict[str, Callable[[Program, Case, Sequence[int]], list[Run | None]]] = {
    "sizes": sizes,
    "strong": strong,
    "weak": weak,
}
TITLES = {
    "sizes": "Sizes, one rank",
    "strong": "Strong scaling: one problem",
    "weak": "Weak scaling: as many unknowns per rank",
}


def show(runs: Sequence[Run]) -> None:
    """A table of each part."""
    for part, title in TITLES.items():
        chosen = [run for run in runs if run.part == part]
        if not chosen:
            continue
        stages = [name for name in chosen[0].stages if name != "total"]
        heads = ["ranks", "unknowns", "s", *(f"{name} s" for name in stages), "speed-up", "efficiency"]
        heads += ["GB / rank", "largest / mean share", "ghosts"]
        table(title, heads, [_cells(run, chosen[0], stages) for run in chosen])


def _cells(run: Run, first: Run, stages: Sequence[str]) -> list[str]:
    load = run.load
    shares = ["–"] * 3
    if load is not None and "imbalance" in load:
        shares = [f"{load['memory'] / 1e9:.2f}", f"{load['imbalance']:.3f}", f"{100 * load['ghost_share']:.1f} %"]
    seconds = [f"{run.stages.get(name, 0.0):.2f}" for name in ("total", *stages)]
    ratios = [f"{run.speed_up(first):.2f}", f"{run.efficiency(first):.2f}"]
    return [str(run.ranks), f"{run.unknowns:,}", *seconds, *ratios, *shares]


def as_csv(runs: Sequence[Run]) -> str:
    """All runs, one row each, stages as columns of seconds."""
    stages = list(dict.fromkeys(name for run in runs for name in run.stages))
    heads = [
        "part",
        "ranks",
        "unknowns",
        "wall",
        *stages,
        "speed_up",
        "efficiency",
        "memory",
        "imbalance",
        "ghost_share",
    ]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    for run in runs:
        first = next(other for other in runs if other.part == run.part)
        load = run.load or {}
        row: list[object] = [
            run.part,
            run.ranks,
            run.unknowns,
            run.wall,
            *(run.stages.get(name, "") for name in stages),
        ]
        row += [run.speed_up(first), run.efficiency(first)]
        writer.writerow(row + [load.get(name, "") for name in ("memory", "imbalance", "ghost_share")])
    return text.getvalue()


def available() -> int:
    """Ranks that the job has, or cores of this computer."""
    tasks = os.environ.get("SLURM_NTASKS", "")
    if tasks.isdecimal():
        return int(tasks)
    try:
        return len(Path(os.environ["PBS_NODEFILE"]).read_text(encoding="ascii").split())
    except (KeyError, OSError):
        return machine.cores()


def powers(most: int) -> list[int]:
    """1, 2, 4, ... and the last."""
    return sorted({2**i for i in range(most.bit_length()) if 2**i <= most} | {most})


def main(words: Sequence[str] | None = None) -> int:
    """Measure what is asked for; everything by default."""
    parser = argparse.ArgumentParser(description="Strong and weak scaling of a case, and a model of its time.")
    parser.add_argument("case", nargs="?", type=Path, default=CASE, metavar="CASE", help=f"default {CASE.name}")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="only these")
    parser.add_argument("--ranks", nargs="+", type=int, metavar="N", help="default 1, 2, 4, ... up to what is there")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change an entry of the case")
    parser.add_argument("--launcher", metavar="COMMAND", help='such as "srun --mpi=pmi2"; default that of this Python')
    parser.add_argument("--repeats", type=int, default=1, metavar="N", help="the fastest of N runs counts (default 1)")
    parser.add_argument("-o", "--output", type=Path, metavar="CSV", help="default scaling_<case>.csv")
    args = parser.parse_args(words)
    ranks = sorted(set(args.ranks or powers(available())))
    if ranks[0] < 1 or args.repeats < 1:
        parser.error("--ranks, --repeats: write numbers from 1")
    launcher = shlex.split(args.launcher) if args.launcher else [launcher_of_this_python() or ""]
    if not launcher[0]:
        parser.error('no mpiexec is here; write --launcher "COMMAND"')
    try:
        case = load(args.case, args.set)
    except FpsolverError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    if with_unknowns(case, 1.0) is None:
        print("The mesh is from a file and has one size only: sizes and weak scaling are left out.")
    busy, here = os.getloadavg()[0], os.cpu_count() or 1
    if busy >= 0.5 * here:
        print(f"Others are at work here (load {busy:.1f} on {here} cores): all times below are longer for that.")
    program = Program(args.case, tuple(args.set), tuple(launcher), args.repeats)
    smallest = with_unknowns(case, SHARES[0])
    program.run("warm-up", 1, [smallest] if smallest else [])
    runs = [run for name in args.parts for run in PARTS[name](program, case, ranks) if run is not None]
    if not runs:
        return 3
    show(runs)
    print("\nSpeed-up: unknowns per second over those of the first row. GB: of the heaviest rank.")
    for line in told([(run.unknowns, run.ranks, run.seconds) for run in runs]):
        print(line)
    output = args.output or Path(f"scaling_{args.case.name.removesuffix('.toml')}.csv")
    atomic.write_text(output, as_csv(runs))
    print(f"\n{output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
