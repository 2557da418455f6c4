"""The program started by tests as its users start it, in processes of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
LAUNCHER_VARIABLES = ("PMI", "MPI", "OMPI", "HYDRA", "SLURM", "SBATCH", "PBS")


def without_launcher(*more: str) -> dict[str, str]:
    """Our environment without traces of a launcher or job that may have started these tests, and of more prefixes."""
    return {name: value for name, value in os.environ.items() if not name.startswith((*LAUNCHER_VARIABLES, *more))}


def clean_environment() -> dict[str, str]:
    """As a user's shell has it, with this project's sources."""
    return without_launcher() | {"PYTHONPATH": str(PROJECT), "OMP_NUM_THREADS": "1"}


def on_ranks(words: list[str], ranks: int) -> list[str]:
    """A command on so many ranks."""
    return words if ranks == 1 else [str(Path(sys.executable).with_name("mpiexec")), "-n", str(ranks), *words]


def fpsolver_command(*words: str, ranks: int = 1) -> list[str]:
    """The program on so many ranks."""
    return on_ranks([sys.executable, "-m", "fpsolver", *words], ranks)
