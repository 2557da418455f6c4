"""Launchers of processes: which one has started us, as its variables say, and which one belongs to this Python."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Launcher:
    """A launcher, known by the variables that it sets for the processes it starts."""

    name: str
    rank: str
    size: str


# The most specific first: hydra in a Slurm job sets PMI_*, and the SLURM_* beside them count its proxies (one per
# node), not the ranks.
LAUNCHERS = (
    Launcher("a launcher of the MPICH family", "PMI_RANK", "PMI_SIZE"),
    Launcher("mpirun of Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    Launcher("mpirun_rsh of MVAPICH", "MV2_COMM_WORLD_RANK", "MV2_COMM_WORLD_SIZE"),
    Launcher("jsrun", "JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"),
    Launcher("flux run", "FLUX_TASK_RANK", "FLUX_JOB_SIZE"),
    Launcher("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    Launcher("a launcher with PMIx", "PMIX_RANK", "PMIX_SIZE"),
)

_SLURM_PLUGIN = {"Open MPI": "pmix"}
_USUAL_PLUGIN = "pmi2"  # MPICH and all that came of it


@dataclass(frozen=True)
class Launch:
    """That a launcher has started this process.

    Attributes:
        by: The launcher.
        rank: Number of this process among its siblings.
        size: How many they are.
    """

    by: Launcher
    rank: int
    size: int


def launch(environment: Mapping[str, str]) -> Launch | None:
    """How this process was started, as the environment has it; None without a launcher."""
    for launcher in LAUNCHERS:
        try:
            number, count = int(environment[launcher.rank]), int(environment[launcher.size])
        except (KeyError, ValueError):
            continue
        if 0 <= number < count:
            return Launch(launcher, number, count)
    return None


def launcher_of_this_python(which: Callable[[str], str | None] = shutil.which) -> str | None:
    """The launcher beside this Python, else the first one on the PATH; None where there is none."""
    beside = Path(sys.prefix) / "bin" / "mpiexec"
    return str(beside) if beside.exists() else which("mpiexec") or which("mpirun")


def slurm_plugin(vendor: str) -> str:
    """What ``srun --mpi=`` has to say for an MPI, by the name of its vendor."""
    return _SLURM_PLUGIN.get(vendor, _USUAL_PLUGIN)


def aborts(environment: Mapping[str, str], library: str) -> bool:
    """Whether MPI would abort when it is started: an MPICH that sees PMIx and was built without it.

    Args:
        environment: Of this process.
        library: What ``MPI_Get_library_version`` says.
    """
    is_plain = library.startswith("MPICH") and "pmix" not in library.lower()
    return is_plain and "PMIX_RANK" in environment and not {"PMI_RANK", "PMI_FD", "PMI_PORT"} & set(environment)


def strangers(started: Launch, vendor: str, version: str) -> str:
    """What to say where a launcher and MPI, which is that of ``vendor``, do not know of each other."""
    beside = Path(sys.prefix) / "bin" / "mpiexec"
    mpiexec = str(beside) if beside.exists() else f"the mpiexec of {vendor}"
    n, by = started.size, started.by
    processes, end = (f"{n} processes", "each would be rank 0 of 1") if n > 1 else ("this process", "it cannot start")
    ours = f"{vendor} {version}"
    if by.name == "srun":
        plugin = f"--mpi={slurm_plugin(vendor)}"
        reason = f"but without {plugin}, which {ours} of this Python needs"
        remedy = f"srun {plugin} -n {n} fpsolver ...   or   {mpiexec} -n {n} fpsolver ..."
    else:
        reason, remedy = f"but this Python has {ours}, another MPI", f"{mpiexec} -n {n} fpsolver ..."
    return (
        f"{by.name} started {processes} ({by.size}={n}), {reason}; {end}\n"
        f"write instead: {remedy}\n"
        f"fpsolver doctor tries the launchers that are here"
    )
