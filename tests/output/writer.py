"""Run under mpiexec by the tests: write the example in one format on all ranks, then fail on rank 0 only.

writer.py FOLDER FORMAT [continue]
"""

from __future__ import annotations

import sys
from pathlib import Path

import example
import numpy as np
from mpi4py import MPI

from fpsolver.output.collective import OutputFailed, on_root
from fpsolver.output.frames import FORMATS

comm = MPI.COMM_WORLD
folder, chosen = Path(sys.argv[1]), FORMATS[sys.argv[2]]
keep_until = 0.5 if "continue" in sys.argv else None
for dimension in (1, 2, 3):
    lattice = example.box(dimension, comm.rank, comm.size)
    path = folder / f"density{dimension}{chosen.suffix}"
    series = chosen.series(comm, path, lattice, keep_until=keep_until)
    for time in (0.0, 0.5, 1.0, 2.0):
        if time not in series.times:
            fields = {"density": example.density(lattice.points, time, dimension), 'a <"&> b': lattice.points[:, 0]}
            series.write(time, fields)
    assert series.times == (0.0, 0.5, 1.0, 2.0)
    series.close()
    series.close()
    path = folder / f"fields{dimension}{chosen.suffix}"
    loss = example.loss(lattice.points)
    chosen.fields(comm, path, lattice, {"loss": loss})
    never = np.where(lattice.points[:, 0] < 0, np.nan, loss)  # an exit time that is infinite in places
    vector = lattice.points[:, :dimension] * [1.0, 2.0, 3.0][:dimension]
    chosen.fields(comm, path, lattice, {"loss": loss, "exit_time": never, "current": vector})


def refused(error: type[Exception], words: str) -> None:
    """What the block raises must be the same on all ranks."""
    caught = sys.exc_info()[1]
    assert isinstance(caught, error), caught
    assert all(words in text for text in comm.allgather(str(caught))), str(caught)


try:
    on_root(comm, lambda: (folder / "absent" / "file").write_text(""), folder / "absent" / "file")
except Exception:
    refused(OutputFailed, "could not be written, No such file or directory")
else:
    raise AssertionError("rank 0 failed, and this rank did not hear of it")
try:
    chosen.series(comm, folder / "absent" / f"density{chosen.suffix}", lattice)
except Exception:
    refused(OutputFailed, "No such file or directory")
else:
    raise AssertionError("a folder that is not there was accepted")
try:  # a field that does not fit, on the last rank alone
    short = lattice.points[:-1, 0] if comm.rank == comm.size - 1 else lattice.points[:, 0]
    chosen.fields(comm, folder / f"short{chosen.suffix}", lattice, {"loss": short})
except Exception:
    refused(ValueError, "has shape")
else:
    raise AssertionError("a field of wrong length was accepted")
assert not (folder / f"short{chosen.suffix}").exists()
