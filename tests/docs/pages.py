"""The code blocks of README and docs, and how a test runs what a user would type."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.launching import without_launcher

PROJECT = Path(__file__).parents[2]
PAGES = sorted([PROJECT / "README.md", PROJECT / "benchmarks" / "README.md", *(PROJECT / "docs").glob("*.md")])

LONG = r"(iris_neuron|kinetic|maier_stein|ornstein_uhlenbeck|three_dimensional)"
"""Cases that are validated instead of run."""

ELSEWHERE = ("scripts/test", "pip ", "conda ", "pvpython ", "mpirun ", ".venv/bin/python benchmarks/")
"""Lines that need another machine, or too long; what they name must exist."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text and the line where it begins."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(page, text[: match.start()].count("\n") + 1, match[1], match[2]) for match in found]


def quickened(script: str, *, errors: bool = False) -> str:
    """A shell block with the same meaning in a test's time: no figures, long cases only checked, set-up left out.

    Without ``errors`` no error is estimated either.
    """
    lines = []
    for line in script.splitlines():
        if line.startswith(ELSEWHERE):
            line = " && ".join(f"test -e {path}" for path in _named(line)) or ":"
        line = line.replace("scripts/run ", "fpsolver run ").replace(".venv/bin/", "")
        if re.search(rf"fpsolver run cases/{LONG}", line):
            line = re.sub(r"fpsolver run (\S+).*", r"fpsolver validate \1", line)
        line = re.sub(r"(fpsolver (run|sweep) \S+)", r"\1 --set output.figures=false", line)
        if not errors and "--no-errors" not in line:
            line = re.sub(r"(fpsolver (run|sweep) \S+)", r"\1 --no-errors", line)
        lines.append(line)
    return "\n".join(lines) + "\n"


def _named(line: str) -> list[str]:
    """Files of the project that a command names."""
    return [word for word in line.split() if word.startswith(("scripts/", "cases/", "benchmarks/"))]


def workplace(folder: Path) -> Path:
    """A folder where the files of the project are found as a user finds them, and nothing is written into it."""
    for name in ("cases", "data", "meshes", "scripts", "benchmarks"):
        (folder / name).symlink_to(PROJECT / name)
    return folder


def run(command: list[str], folder: Path) -> None:
    """Run a command as in a user's shell; its output is shown where it fails."""
    kept = without_launcher()
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"
    environment = kept | {"PATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
