"""Computers that we can only pretend to have: what programs and probes would say there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from fpsolver.doctor.surroundings import NoAnswer, Outcome, Surroundings

Reply = Outcome | Mapping[str, Any] | Sequence[Mapping[str, Any]] | str

HEALTHY: dict[str, Reply] = {
    "ranks": {"rank": 0, "size": 1, "met": 1, "library": "MPICH 5.0.2"},
    "stack": {
        "dolfinx": "0.11.0",
        "petsc": "3.25.5",
        "slepc": "3.25.1",
        "real": True,
        "indices": 32,
        "solvers": ["superlu_dist"],
        "mumps": True,
        "residual": 1e-14,
    },
    "form": {"cache": "/home/me/.cache/fenics", "refused": "", "forms": 3, "bytes": 4e6, "stale": [], "seconds": 1.0},
    "folder": {"free": 5e10, "lock": "works", "hdf5": ""},
    "picture": {"window": "vtkEGLRenderWindow", "vtk": "9.7.2", "seconds": 2.0, "drawn": True},
}
MET = [{"rank": rank, "size": 2, "met": 2, "library": "MPICH 5.0.2"} for rank in (0, 1)]
ALONE = [{"rank": 0, "size": 1, "met": 1, "library": "MPICH 5.0.2"}] * 2
HUNG = Outcome(None, "", "", 30.0)


def failed(code: int, errors: str) -> Outcome:
    return Outcome(code, "", errors, 0.1)


def patient(
    replies: Mapping[str, Reply] | None = None,
    environment: Mapping[str, str] | None = None,
    programs: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
    root: Path = Path("/"),
    folder: Path = Path("/tmp"),
) -> Surroundings:
    """A computer that is well but for what is said.

    Args:
        replies: By the name of a probe, or by the beginning of a command: what comes back.
        environment: Variables.
        programs: What is on the PATH, and where.
        missing: Packages that are not installed.
        root: Of its file system.
        folder: The current one.
    """
    known = HEALTHY | dict(replies or {})

    def run(command: Sequence[str], *, environment: Mapping[str, str], timeout: float) -> Outcome:
        line = " ".join(command)
        starts = [name for name in known if line.startswith(name)]
        probe = re.search(r"probes import (\w+)", line)
        if not starts and (probe is None or not command[0].endswith(("python", "python3"))):
            raise NoAnswer(f"{command[0]} cannot be started (No such file or directory)")
        reply = known[max(starts, key=len) if starts else probe[1]]
        if isinstance(reply, Outcome):
            return reply
        if isinstance(reply, str):
            return Outcome(0, reply, "", 0.1)
        lines = [reply] if isinstance(reply, Mapping) else reply
        return Outcome(0, "a library speaks\n" + "".join(json.dumps(dict(each)) + "\n" for each in lines), "", 0.1)

    def version(name: str) -> str:
        if name in missing:
            raise metadata.PackageNotFoundError(name)
        return metadata.version(name)

    which: Callable[[str], str | None] = (programs if programs is not None else {"gcc": "/usr/bin/gcc"}).get
    return Surroundings(environment or {}, folder, which, run, root, version)
