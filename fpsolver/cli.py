"""The command line: verbs and nothing else. A verb imports what it needs when it runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fpsolver.batch import command as batch
from fpsolver.doctor import command as doctor
from fpsolver.errors import ExitCode, FpsolverError
from fpsolver.runtime import OutputRefused, StopFlag, is_root, say, silenced, speak_plainly, start_mpi, tell
from fpsolver.runtime.naming import results_folders
from fpsolver.study.sweep import command as family

if TYPE_CHECKING:
    from fpsolver.case import Case


@dataclass(frozen=True)
class Verb:
    """A verb of the command line: what it does, its arguments, one line of help."""

    run: Callable[[argparse.Namespace], ExitCode]
    arguments: Callable[[argparse.ArgumentParser], None]
    help: str


def main(words: Sequence[str] | None = None) -> int:
    """Run a verb; returns the exit code, the same on all ranks."""
    given = list(sys.argv[1:] if words is None else words)
    speak_plainly()
    split = given.index("--") if "--" in given else len(given)
    args = _parser().parse_args(given[:split])
    args.petsc = given[split + 1 :]
    try:
        return int(VERBS[args.verb].run(args))
    except FpsolverError as error:  # agreed by all ranks: one message, no traceback
        return tell(error)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr, flush=True)
        return 130
    except OutputRefused as refused:
        return silenced(refused)


def _run(args: argparse.Namespace) -> ExitCode:
    """Solve cases one after the other; the worst outcome is the exit code."""
    with StopFlag() as stop:
        prepared = stop.unless_asked(lambda: _prepared(args))
        comm = start_mpi(args.petsc)
        stop.end_if_asked(comm, "before the run began")
        run_case = stop.unless_asked(_solver)
        stop.end_if_asked(comm, "before the run began")
        assert prepared is not None  # as nobody has asked
        assert run_case is not None
        outcomes = [run_case(case, folder, comm, fresh=args.fresh, stop=stop) for case, folder in prepared]
    return max(outcomes)


def _prepared(args: argparse.Namespace) -> list[tuple[Case, Path]]:
    """The cases and where their results go."""
    from fpsolver.case import load_all

    cases = load_all(args.cases, args.set + ["run.errors=false"] * args.no_errors)
    return list(zip(cases, results_folders([case.path for case in cases], args.output), strict=True))


def _converge(args: argparse.Namespace) -> ExitCode:
    """Solve a case at several levels."""
    from fpsolver.case import load_all

    with StopFlag() as stop:
        (case,) = load_all([args.case], args.set)
        comm = start_mpi(args.petsc)
        stop.end_if_asked(comm, "before the run began")
        from fpsolver.study.converge import converge_case

        default = Path("results") / f"{case.path.name.removesuffix('.toml')}_converge"
        folder = default if args.output is None else Path(args.output)
        return converge_case(case, folder, comm, levels=args.levels, by=args.by, fresh=args.fresh, stop=stop)


def _simulate(args: argparse.Namespace) -> ExitCode:
    """Follow walkers of a case, beside the numbers of its run."""
    from fpsolver.case import load_all

    with StopFlag() as stop:
        kind = ["simulation.kind=sgd"] if args.learning_rates else []
        (case,) = load_all([args.case], [*args.set, *kind])
        if case.simulation is None:  # by its defaults, checked as if they stood in the file
            (case,) = load_all([args.case], ["simulation.kind=sde", *args.set])
        comm = start_mpi(args.petsc)
        stop.end_if_asked(comm, "before the run began")
        from fpsolver.study.simulate import simulate_case

        name = case.path.name.removesuffix(".toml")
        if args.learning_rates:
            from fpsolver.study.sgd_limit import sgd_limit

            folder = Path("results") / f"{name}_sgd_limit" if args.output is None else Path(args.output)
            return sgd_limit(case, folder, comm, args.learning_rates, args.time, fresh=args.fresh, stop=stop)
        folder = Path("results") / f"{name}_simulate" if args.output is None else Path(args.output)
        against = Path("results") / name if args.against is None else Path(args.against)
        return simulate_case(case, folder, comm, against=against, fresh=args.fresh, stop=stop)


def _solver() -> Callable[..., ExitCode]:
    """`run_case`; its import takes about a second, most of it for DOLFINx."""
    from fpsolver.study.solving import run_case

    return run_case


def _validate(args: argparse.Namespace) -> ExitCode:
    """Check cases. Needs neither FEniCS nor MPI and writes nothing."""
    from fpsolver.case import advise, load_all, summary

    for case in load_all(args.cases, args.set):
        if is_root():
            lines = [f"{case.path}: ok, {summary(case)}", *(f"  {advice}" for advice in advise(case))]
            say("\n".join(lines))
    return ExitCode.DONE


def _show(args: argparse.Namespace) -> ExitCode:
    """Print the results of a finished run, or the table of a sweep."""
    from fpsolver.output.show import show

    if is_root() and not family.show(Path(args.folder), as_json=args.json):
        show(Path(args.folder), as_json=args.json)
    return ExitCode.DONE


def _plot(args: argparse.Namespace) -> ExitCode:
    """Draw the figures of a run, or of a sweep, again, from its files."""
    from fpsolver.output.figures import draw

    if is_root():
        folder, what, formats = Path(args.folder), args.what or None, args.format or ("png",)
        drawn = family.plot(folder, what, formats)
        for path in draw(folder, what, formats) if drawn is None else drawn:
            say(str(path))
    return ExitCode.DONE


def _case_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cases", nargs="+", metavar="CASE", help="case file (TOML)")
    _set_argument(parser)


def _set_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change an entry, such as parameters.d=0.05"
    )


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    _case_arguments(parser)
    parser.add_argument("-o", "--output", metavar="DIR", help="results folder (default results/<name of the case>)")
    parser.add_argument("--fresh", action="store_true", help="discard earlier results of ours in that folder")
    parser.add_argument("--no-errors", action="store_true", help="leave the estimates of errors out (run.errors)")
    parser.epilog = "What follows -- goes to PETSc, for example: -- -evolution_pc_factor_mat_solver_type superlu_dist"


def _converge_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE", help="case file (TOML)")
    _set_argument(parser)
    parser.add_argument("--levels", type=int, default=3, metavar="N", help="how many levels (default 3)")
    parser.add_argument(
        "--by", choices=("h", "degree"), default="h", help="halve the cells (default), or raise the degree"
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="folder (default results/<name of the case>_converge)")
    parser.add_argument("--fresh", action="store_true", help="discard earlier results of ours in that folder")


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("case", metavar="CASE", help="case file (TOML)")
    _set_argument(parser)
    parser.add_argument(
        "--against", metavar="DIR", help="results of a run to compare with (default results/<name of the case>)"
    )
    parser.add_argument(
        "--learning-rates", type=_rates, metavar="V1,V2,...", help="instead: SGD beside its diffusion at each of them"
    )
    parser.add_argument(
        "--time", type=float, metavar="T", help="when, with --learning-rates (default first output time)"
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="folder (default results/<name of the case>_simulate)")
    parser.add_argument("--fresh", action="store_true", help="discard earlier results of ours in that folder")


def _rates(text: str) -> list[float]:
    """Positive numbers between commas."""
    found = [float(part) for part in text.split(",")]
    if not all(0.0 < rate < float("inf") for rate in found):
        raise argparse.ArgumentTypeError(f"{text!r}: learning rates are positive numbers, such as 0.5,0.25,0.125")
    return found


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="results folder")
    parser.add_argument("--json", action="store_true", help="print results.json itself")


def _plot_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="results folder")
    parser.add_argument("--what", nargs="+", metavar="FIGURE", help="only these figures; of a sweep: these quantities")
    parser.add_argument("--format", nargs="+", metavar="FORMAT", help="png, svg or both")


VERBS: dict[str, Verb] = {  # the table of contents of the program
    "run": Verb(_run, _run_arguments, "solve all that the cases ask for"),
    "validate": Verb(_validate, _case_arguments, "check cases without FEniCS or MPI, with advice on resolution"),
    "converge": Verb(_converge, _converge_arguments, "solve a case on finer and finer meshes: orders and limits"),
    "simulate": Verb(_simulate, _simulate_arguments, "follow walkers of a case, SGD itself too, beside its run"),
    "sweep": Verb(family.run, family.arguments, "run a case with many values: one table, one figure"),
    "submit": Verb(batch.run, batch.arguments, "queue a case on a cluster, again and again until it is done"),
    "show": Verb(_show, _show_arguments, "print the results of a run"),
    "plot": Verb(_plot, _plot_arguments, "draw the figures of a run again"),
    "doctor": Verb(doctor.run, doctor.arguments, "say what is installed, what works, and what a run would use"),
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fpsolver", description="What SGD, or any small-noise diffusion, does to a density of parameters."
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        verb.arguments(verbs.add_parser(name, help=verb.help, description=verb.help))
    return parser
