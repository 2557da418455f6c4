"""Who am I, among how many, and in which MPI? Where that MPI would abort, each is alone."""

from __future__ import annotations

import json
import os
import warnings

from fpsolver.runtime import launchers


def main() -> None:
    import mpi4py

    mpi4py.rc.initialize, mpi4py.rc.finalize = False, True
    from mpi4py import MPI

    if launchers.aborts(os.environ, MPI.Get_library_version()):
        print(json.dumps({"rank": 0, "size": 1, "met": 1, "library": _library()}) + "\n", end="", flush=True)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what mpi4py suspects is what we are about to see
        MPI.Init_thread()
    comm = MPI.COMM_WORLD
    answer = {"rank": comm.rank, "size": comm.size, "met": comm.allreduce(1), "library": _library()}
    print(json.dumps(answer) + "\n", end="", flush=True)  # in one piece: ranks share a pipe


def _library() -> str:
    from mpi4py import MPI

    vendor, version = MPI.get_vendor()
    return f"{vendor} {'.'.join(str(part) for part in version)}"
