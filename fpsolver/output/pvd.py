"""Fields as PVD + PVTU + VTU, which any ParaView from 5.0 opens; ParaView 5.11 cannot read time from VTKHDF.

``density.pvd`` lists the frames; each frame is one ``density_frames/000012.pvtu`` joining one ``.vtu`` per rank. All
are written atomically, the list last, so that a run killed at any moment leaves a series that opens, with every frame
so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fpsolver.output import vtu
from fpsolver.output.collective import on_root, together
from fpsolver.output.pieces import Piece, joined_fields

if TYPE_CHECKING:
    from mpi4py import MPI

    from fpsolver.domain.lattice import Lattice

Array = npt.NDArray[np.float64]


class PvdSeries:
    """A time series as PVD; see ``vtkhdf.VtkHdfSeries`` for the arguments and errors, which are the same."""

    suffix = ".pvd"

    def __init__(self, comm: MPI.Intracomm, path: Path, lattice: Lattice, keep_until: float | None = None) -> None:
        self._comm, self._path = comm, Path(path)
        self._piece = Piece.of(lattice)
        self._names: tuple[str, ...] | None = None
        self._frames = on_root(comm, lambda: self._start(keep_until), self._path)

    @property
    def times(self) -> tuple[float, ...]:
        """Times written so far, those of a continued run included."""
        return tuple(time for time, _ in self._frames)

    def write(self, time: float, fields: Mapping[str, Array]) -> None:
        """Append a frame; the arguments and errors are those of ``VtkHdfSeries.write``. Collective."""
        number = 1 + max((vtu.frame_number(file) for _, file in self._frames), default=-1)
        stem, folder = f"{number:06d}", vtu.frames_folder(self._path)

        if not self._frames:
            on_root(self._comm, self._clear, self._path)

        def write_own() -> None:
            if self._frames and time <= self._frames[-1][0]:
                raise ValueError(f"frame at time {time!r} after {self._frames[-1][0]!r}; times must ascend")
            checked = joined_fields([len(self._piece.points)], [fields], self._names)
            vtu.write_piece(folder / f"{stem}_p{self._comm.rank}.vtu", self._piece, checked)

        def list_frame() -> list[tuple[float, str]]:
            names = [f"{stem}_p{rank}.vtu" for rank in range(self._comm.size)]
            vtu.write_parallel(folder / f"{stem}.pvtu", list(fields), names)
            frames = [*self._frames, (float(time), f"{folder.name}/{stem}.pvtu")]
            vtu.write_collection(self._path, frames)
            return frames

        together(self._comm, write_own, self._path)
        self._frames = on_root(self._comm, list_frame, self._path)
        self._names = tuple(fields)

    def close(self) -> None:
        """Nothing is left to do: every frame was published when written."""

    def _start(self, keep_until: float | None) -> list[tuple[float, str]]:
        vtu.frames_folder(self._path).mkdir(exist_ok=True)
        if keep_until is None or not self._path.exists():
            return []
        latest = keep_until + 1e-12 * abs(keep_until)
        frames = [(time, file) for time, file in vtu.read_collection(self._path) if time <= latest]
        vtu.write_collection(self._path, frames)  # before the files of later frames are written anew
        return frames

    def _clear(self) -> None:
        """Remove an earlier series of this name, first the list and then what it listed; nothing else."""
        self._path.unlink(missing_ok=True)
        for file in vtu.frames_folder(self._path).iterdir():
            if vtu.is_frame_file(file.name):
                file.unlink()


def write_fields(comm: MPI.Intracomm, path: Path, lattice: Lattice, fields: Mapping[str, Array]) -> None:
    """Write point fields without time, a PVD with one frame; otherwise as ``vtkhdf.write_fields``. Collective."""
    PvdSeries(comm, path, lattice).write(0.0, fields)
