"""Fields as PVD + PVTU + VTU, which any ParaView from 5.0 opens; ParaView 5.11 cannot read time from VTKHDF.

``density.pvd`` lists the frames; each frame is one ``density_frames/000012.pvtu`` joining one ``.vtu`` per rank. All
are written atomically, the list last, so that a run killed at any moment leaves a series that opens, with every frame
so far.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
        number = _next_number(self._frames)

        if not self._frames:
            on_root(self._comm, lambda: _clear(self._path), self._path)

        def check() -> None:
            if self._frames and time <= self._frames[-1][0]:
                raise ValueError(f"frame at time {time!r} after {self._frames[-1][0]!r}; times must ascend")

        together(self._comm, check, self._path)
        frame = _write_frame(self._comm, self._path, number, self._piece, fields, self._names)

        def list_frame() -> list[tuple[float, str]]:
            frames = [*self._frames, (float(time), frame)]
            vtu.write_collection(self._path, frames)
            return frames

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


def write_fields(comm: MPI.Intracomm, path: Path, lattice: Lattice, fields: Mapping[str, Array]) -> None:
    """Write point fields without time, a PVD with one frame; otherwise as ``vtkhdf.write_fields``. Collective.

    An earlier file of this name stays whole until the list names the new frame.
    """
    path = Path(path)

    def start() -> int:
        vtu.frames_folder(path).mkdir(exist_ok=True)
        return _next_number(vtu.read_collection(path)) if path.exists() else 0

    number = on_root(comm, start, path)
    frame = _write_frame(comm, path, number, Piece.of(lattice), fields, None)

    def exchange() -> None:
        vtu.write_collection(path, [(0.0, frame)])
        _remove_frames(path, but=number)

    on_root(comm, exchange, path)


def _write_frame(
    comm: MPI.Intracomm,
    path: Path,
    number: int,
    piece: Piece,
    fields: Mapping[str, Array],
    names: Sequence[str] | None,
) -> str:
    """Write a frame beside the list ``path``, which does not name it yet; returns what it should say. Collective."""
    stem, folder = f"{number:06d}", vtu.frames_folder(path)

    def write_own() -> dict[str, int]:
        checked = joined_fields([len(piece.points)], [fields], names)
        vtu.write_piece(folder / f"{stem}_p{comm.rank}.vtu", piece, checked)
        return {name: vtu.components(values) for name, values in checked.items()}

    written = together(comm, write_own, path)

    def join() -> None:
        vtu.write_parallel(folder / f"{stem}.pvtu", written, [f"{stem}_p{rank}.vtu" for rank in range(comm.size)])

    on_root(comm, join, path)
    return f"{folder.name}/{stem}.pvtu"


def _next_number(frames: Sequence[tuple[float, str]]) -> int:
    return 1 + max((vtu.frame_number(file) for _, file in frames), default=-1)


def _clear(path: Path) -> None:
    """Remove an earlier series of this name, first the list and then what it listed; nothing else."""
    path.unlink(missing_ok=True)
    _remove_frames(path)


def _remove_frames(path: Path, but: int | None = None) -> None:
    """Remove the files of all frames beside the list ``path``, or of all but one; nothing else."""
    for file in vtu.frames_folder(path).iterdir():
        if vtu.is_frame_file(file.name) and (but is None or int(re.split("[._]", file.name)[0]) != but):
            file.unlink()
