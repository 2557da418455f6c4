"""How far the stated errors are from the true ones, and what they cost, measured here and now.

    .venv/bin/python benchmarks/calibration.py [NAME...] [--degrees 2 3 4] [--factors 0.5 1 2]

Cases and reference values are in benchmarks/references: `values.csv` says where each number comes from. Each case is
solved on its own cells times each factor, with each degree. A number counts as covered if its stated error is at least
the true one. Ratios are of numbers whose true error is known, that is larger than the uncertainty of the reference,
than what is stated for time integration and than round-off. Runs that warn that they are under-resolved are listed, and
counted apart.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from fpsolver.runtime import start_mpi

start_mpi()

from fpsolver import load  # noqa: E402
from fpsolver.errors import FpsolverError  # noqa: E402
from fpsolver.quantity import Quantity  # noqa: E402
from fpsolver.study.api import Solution, solve  # noqa: E402
from fpsolver.study.errors import TOO_COARSE  # noqa: E402
from fpsolver.study.trees import dotted, quantities  # noqa: E402

REFERENCES = Path(__file__).parent / "references"

FACTORS = (0.5, 2 / 3, 1.0, 1.5, 2.0)
"""Of the cells of the case."""

DEGREES = (2, 3, 4)

LARGEST = 30_000
"""Unknowns beyond which a level is left out; the cases themselves are solved whatever their size."""

ROUND_OFF = 1e-11


@dataclass(frozen=True)
class Compared:
    """A number beside its reference.

    Attributes:
        case: Name of the case.
        degree: Of the elements.
        cells: Of the box.
        place: Of the number in results.json.
        relative: True error over the value.
        stated: Stated error over the value, None where there is none.
        known: The true error is larger than all uncertainties.
        warned: The run said that it is under-resolved.
    """

    case: str
    degree: int
    cells: tuple[int, ...]
    place: str
    relative: float
    stated: float | None
    known: bool
    warned: bool

    @property
    def covered(self) -> bool:
        return self.stated is not None and self.stated >= self.relative


def references(names: Sequence[str] = ()) -> list[tuple[str, str, list[dict[str, str]]]]:
    """(case, settings, rows of values.csv) for every case, or for those named."""
    with (REFERENCES / "values.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not names or row["case"] in names]
    grouped = groupby(
        sorted(rows, key=lambda row: (row["case"], row["set"])), key=lambda row: (row["case"], row["set"])
    )
    return [(case, settings, list(group)) for (case, settings), group in grouped]


def compare(
    names: Sequence[str] = (), degrees: Sequence[int] = DEGREES, factors: Sequence[float] = FACTORS
) -> Iterator[Compared]:
    """All numbers that have a reference."""
    for name, settings, rows in references(names):
        path = REFERENCES / f"{name}.toml"
        box = load(path, settings.split()).domain
        for factor in factors:
            cells = [max(1, round(factor * count)) for count in box.cells]
            for degree in degrees:
                unknowns = np.prod([degree * count + 1 for count in cells])
                if (factor != 1 and unknowns > LARGEST) or (len(cells) == 3 and degree > 2):
                    continue
                overrides = [*settings.split(), f"domain.cells={cells}", f"discretization.degree={degree}"]
                try:
                    solution = solve(load(path, overrides))
                except FpsolverError as failure:
                    print(f"{name} {settings} {cells} degree {degree}: {str(failure).splitlines()[0]}", flush=True)
                    continue
                yield from _compared(solution, name, rows, degree, tuple(cells))


def _compared(
    solution: Solution, name: str, rows: Sequence[dict[str, str]], degree: int, cells: tuple[int, ...]
) -> Iterator[Compared]:
    found: dict[str, Quantity] = {}
    warned = False
    for answer in solution.answers.values():
        found |= {dotted(place): quantity for place, quantity in quantities(answer).items()}
        warned = warned or any(warning.startswith(TOO_COARSE) for warning in answer.warnings)
    for row in rows:
        quantity, value, uncertainty = found[row["quantity"]], float(row["value"]), float(row["uncertainty"])
        if quantity.value is None:
            continue
        size = abs(value)
        true = abs(quantity.value - value)
        stated = None if quantity.error is None else quantity.error / size
        known = true > 3.0 * uncertainty + 2.0 * quantity.floor + ROUND_OFF * size
        relative = max(true - uncertainty, 0.0) / size
        yield Compared(name, degree, cells, row["quantity"], relative, stated, known, warned)


def line(title: str, numbers: Sequence[Compared]) -> str:
    """A row of the table."""
    ratios = [n.stated / n.relative for n in numbers if n.known and n.stated is not None]
    covered = np.mean([n.covered for n in numbers])
    spread = f"{np.median(ratios):6.1f} | {np.quantile(ratios, 0.9):6.0f}" if ratios else "       |       "
    return f"| {title:24s} | {len(numbers):5d} | {100 * covered:5.1f} % | {spread} |"


def cost(names: Sequence[str]) -> None:
    """What the estimates cost on top."""
    print("\n| case | cells | seconds without | seconds with / without |\n| --- | --- | ---: | ---: |")
    for name, settings, _ in references(names):
        seconds = []
        for switch in ("false", "true"):
            case = load(REFERENCES / f"{name}.toml", [*settings.split(), f"run.errors={switch}"])
            times = []
            for _ in range(3):
                begin = time.perf_counter()
                solve(case)
                times.append(time.perf_counter() - begin)
            seconds.append(min(times))
        cells = " x ".join(map(str, case.domain.cells))
        print(f"| {name} {settings} | {cells} | {seconds[0]:.2f} | {seconds[1] / seconds[0]:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases of benchmarks/references; all by default")
    parser.add_argument("--degrees", nargs="+", type=int, default=DEGREES)
    parser.add_argument("--factors", nargs="+", type=float, default=FACTORS)
    parser.add_argument("--cost", action="store_true", help="measure what the estimates cost instead")
    args = parser.parse_args()
    if args.cost:
        cost(args.names)
        return
    numbers = []
    for number in compare(args.names, args.degrees, args.factors):
        numbers.append(number)
        if not number.covered:
            stated = "none" if number.stated is None else f"{number.stated:.0e}"
            cells = " x ".join(map(str, number.cells))
            note = " (run warned)" if number.warned else ""
            print(
                f"not covered: {number.case} {cells} degree {number.degree} {number.place}: "
                f"true {number.relative:.0e}, stated {stated}{note}",
                flush=True,
            )
    resolved = [number for number in numbers if not number.warned]
    print("\n| numbers | count | covered | median stated/true | 90 % |\n| --- | ---: | ---: | ---: | ---: |")
    print(line("all resolved", resolved))
    for degree in args.degrees:
        print(line(f"degree {degree}", [number for number in resolved if number.degree == degree]))
    for name in sorted({number.case for number in resolved}):
        print(line(name, [number for number in resolved if number.case == name]))
    warned = [number for number in numbers if number.warned]
    if warned:
        print(line("under-resolved, warned", warned))


if __name__ == "__main__":
    main()
