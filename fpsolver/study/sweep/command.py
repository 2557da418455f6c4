"""``fpsolver sweep``: the words of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpsolver.errors import BadUsage, ExitCode
from fpsolver.runtime import Console, StopFlag, say, size
from fpsolver.runtime.launchers import launcher_of_this_python
from fpsolver.runtime.machine import cores

if TYPE_CHECKING:
    from fpsolver.study.sweep.sweeping import Command
    from fpsolver.study.sweep.table import Table

RECORD = "sweep.json"

ARRAY = {
    "--time": "of one turn of a task: HH:MM:SS, D-HH:MM:SS or minutes",
    "--partition": "partition (default: the cluster's)",
    "--account": "account to charge",
    "--memory": "memory of each task, such as 4G (default: the cluster's)",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb understands."""
    add = parser.add_argument
    add("case", metavar="CASE", help="case file (TOML)")
    add(
        "--over",
        action="append",
        default=[],
        metavar="KEY=V1,V2,...",
        help="values of a key; ranges are 0.1:0.5:5 (five, evenly) and 0.01:1:5:log (five, with even ratios)",
    )
    add("--together", action="store_true", help="take the lists side by side instead of all combinations")
    add("--jobs", type=int, metavar="N", help="members side by side (default: cores / ranks)")
    add("-n", "--ranks", type=int, default=1, metavar="N", help="ranks of each member (default 1)")
    add("-o", "--output", metavar="DIR", help="folder (default results/<name of the case>_sweep)")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change an entry of all members")
    add("--no-errors", action="store_true", help="leave the estimates of errors out (run.errors)")
    add("--retry", action="store_true", help="run members that have failed once more")
    add("--fresh", action="store_true", help="discard earlier results of ours in that folder")
    add(
        "--plot",
        nargs="+",
        default=[],
        metavar="QUANTITY",
        help="what to draw, such as exit.0.escape_rate or exit.*.escape_rate",
    )
    array = parser.add_argument_group("a job array of Slurm, instead of running here: ... --array --time T | sbatch")
    array.add_argument("--array", action="store_true", help="print its script, with a task for each member")
    for option, what in ARRAY.items():
        array.add_argument(option, metavar=option.strip("-")[0].upper(), help=what)
    parser.epilog = "What follows -- goes to PETSc, as with run"


def run(args: argparse.Namespace) -> ExitCode:
    """Run a family of a case.

    Raises:
        BadCase: With the mistakes of all members.
        BadUsage: The lists, the numbers or the folder do not allow it.
    """
    if size() > 1:
        raise BadUsage("sweep starts the ranks of its members itself; write fpsolver sweep ... -n N, without mpiexec")
    for option, number in (("--jobs", args.jobs), ("-n", args.ranks)):
        if number is not None and number < 1:
            raise BadUsage(f"{option} {number}: write a number from 1 on")
    for option in ARRAY:
        if getattr(args, option.strip("-")) is not None and not args.array:
            raise BadUsage(f"{option}: this is for a job array; write --array too, or leave it out")
    if args.array and args.time is None:
        raise BadUsage("--array: how long may a task take? write --array --time 01:00:00")
    from fpsolver.study.sweep.family import read_family
    from fpsolver.study.sweep.sweeping import sweep

    family = read_family(
        Path(args.case), args.over, args.set + ["run.errors=false"] * args.no_errors, together=args.together
    )
    default = Path("results") / f"{family.case.name.removesuffix('.toml')}_sweep"
    root = default if args.output is None else Path(args.output)
    if args.array:
        from fpsolver.study.sweep.array import print_array

        return print_array(args, family, root)
    jobs = args.jobs or max(1, cores() // args.ranks)
    with StopFlag() as stop:
        return sweep(
            family,
            root,
            member_command(family.case, args.ranks, args.petsc),
            jobs=jobs,
            plot=args.plot,
            fresh=args.fresh,
            retry=args.retry,
            stop=stop,
        )


def member_command(case: Path, ranks: int, petsc: Sequence[str]) -> Command:
    """How members are run: as ``fpsolver run`` by this Python, on several ranks by the launcher that belongs to it.

    Raises:
        BadUsage: There is no launcher.
    """
    launcher = launcher_of_this_python() if ranks > 1 else None
    if ranks > 1 and launcher is None:
        raise BadUsage(f"-n {ranks}: there is no mpiexec, neither beside {sys.executable} nor on the PATH; write -n 1")
    started = [launcher, "-n", str(ranks)] if launcher is not None else []

    def command(overrides: Sequence[str], folder: Path) -> Sequence[str]:
        changes = [f"--set={override}" for override in overrides]
        tail = ["--", *petsc] if petsc else []
        return [*started, sys.executable, "-m", "fpsolver", "run", str(case), "-o", str(folder), *changes, *tail]

    return command


def show(folder: Path, *, as_json: bool = False) -> bool:
    """Print the table of a sweep again, or its record; False where the folder is not one of a sweep."""
    table = _table(folder)
    if table is None:
        return False
    if as_json:
        say((folder / RECORD).read_text(encoding="utf-8").rstrip("\n"))
    else:
        table.tell(Console())
    return True


def plot(folder: Path, what: Sequence[str] | None, formats: Sequence[str]) -> list[Path] | None:
    """Draw the figure of a sweep again; None where the folder is not one of a sweep.

    Args:
        folder: Of the sweep.
        what: Names of quantities; by default those that were drawn the last time.
        formats: ``png`` and ``svg``.

    Raises:
        BadUsage: No member has such a quantity, or there is no such format.
    """
    table = _table(folder)
    if table is None:
        return None
    from fpsolver.output.figures import FORMATS
    from fpsolver.study.sweep.figure import draw

    for name in formats:
        if name not in FORMATS:
            raise BadUsage(f"format {name!r}: not known; choose from {', '.join(FORMATS)}")
    table.record.plot = tuple(what or table.record.plot)
    return draw(table, formats)


def _table(folder: Path) -> Table | None:
    from fpsolver.study.sweep.record import read_record
    from fpsolver.study.sweep.table import Table

    record = read_record(folder / RECORD)
    return None if record is None else Table(folder, record)
