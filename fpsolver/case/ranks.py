"""``python -m fpsolver.case.ranks CASE...``: prints the number of ranks that suits the cases; for ``scripts/run``."""

from __future__ import annotations

import argparse
import os
import sys

from fpsolver.case.advice import suggested_ranks
from fpsolver.case.loading import load_all


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("-o", "--output")
    parser.add_argument("--fresh", action="store_true")
    words = sys.argv[1:]  # all those of ``scripts/run``; what follows ``--`` is PETSc's
    arguments, _ = parser.parse_known_args(words[: words.index("--")] if "--" in words else words)
    cores = len(os.sched_getaffinity(0))
    print(max(suggested_ranks(case, cores) for case in load_all(arguments.cases, arguments.set)))


if __name__ == "__main__":
    main()
