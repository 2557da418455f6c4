"""Sweeps of a tiny case whose members are fakes; as a program: python sweeps.py CASE FOLDER JOBS KEY=V1,V2,..."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fpsolver.errors import ExitCode
from fpsolver.runtime import StopFlag
from fpsolver.study.sweep.family import read_family
from fpsolver.study.sweep.sweeping import sweep

FAKE = Path(__file__).with_name("fake_member.py")

CASE = """title = "a small case"
[parameters]
x = 1.0
y = 1.0
[domain]
shape = "box"
lower = [-2.0]
upper = [2.0]
cells = [24]
coordinates = ["q"]
[loss]
expression = "(q**2 - 1)**2/4"
[noise]
diffusion = 0.1
[regions]
right = "q > 0"
[evolution]
initial = { gaussian = { mean = [-1.0], std = 0.2 } }
end_time = 1.0
frames = 3
[output]
figures = false
"""


def fake(overrides: Sequence[str], folder: Path) -> list[str]:
    return [sys.executable, str(FAKE), str(folder), *overrides]


def swept(case: Path, root: Path, *over: str, **options: Any) -> ExitCode:
    """Sweep with fakes."""
    together = options.pop("together", False)
    return sweep(read_family(case, over, together=together), root, fake, **options)


def rows(root: Path) -> list[dict[str, str]]:
    """The rows of sweep.csv."""
    with (root / "sweep.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def starts(root: Path, name: str) -> int:
    """How often a fake has been started."""
    return (root / "members" / name / "run.log").read_text().count("started")


if __name__ == "__main__":
    with StopFlag() as flag:
        code = swept(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[4:], jobs=int(sys.argv[3]), stop=flag)
    sys.exit(int(code))
