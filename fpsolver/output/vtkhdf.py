"""Fields as VTKHDF 2.0 (HDF5), which ParaView >= 5.12 and VTK >= 9.3 open.

One UnstructuredGrid whose pieces are those of the ranks. The mesh is stored once; ``Steps`` points every frame at it.
Rank 0 writes with plain h5py (the wheels have no parallel HDF5, and one writer cannot deadlock). Growing files follow
``atomic``: ``density.vtkhdf.part`` is closed after each frame, so a run killed between frames leaves a sound file.
HDF5 2.0 crashes when the disk is full, instead of raising; so the room for a frame is reserved before it is opened.
Format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/index.html
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import numpy.typing as npt

from fpsolver.output.collective import gather_pieces, on_root
from fpsolver.output.pieces import CELL_TYPES, VECTOR, Piece, joined_fields
from fpsolver.runtime import atomic

if TYPE_CHECKING:
    from mpi4py import MPI

    from fpsolver.domain.lattice import Lattice

Array = npt.NDArray[np.float64]

_LONGEST_CHUNK = 1 << 17  # values; 1 MB, what HDF5's cache holds
_OFFSETS = ("PartOffsets", "PointOffsets", "CellOffsets", "ConnectivityIdOffsets")  # of the mesh, per frame


class VtkHdfSeries:
    """A time series in one VTKHDF file.

    Args:
        comm: Ranks that write together.
        path: Final name, ``density.vtkhdf``; its folder must exist.
        lattice: This rank's piece; may be split differently from the run that is continued.
        keep_until: None starts afresh. A time continues the earlier file: frames up to it stay, later ones go.

    Raises:
        OutputFailed: On all ranks, when the file cannot be written.
    """

    suffix = ".vtkhdf"

    def __init__(self, comm: MPI.Intracomm, path: Path, lattice: Lattice, keep_until: float | None = None) -> None:
        self._comm, self._path = comm, Path(path)
        self._closed = False
        pieces = gather_pieces(comm, Piece.of(lattice))
        self._sizes = [len(piece.points) for piece in pieces]

        def start() -> tuple[float, ...]:
            if keep_until is None or not _recover(self._path, keep_until):
                image = _image(lambda file: _create(file, pieces[0].dimension))
                atomic.write_bytes(atomic.part_of(self._path), image)
            _reserve(self._path, sum(piece.points.size + 2 * piece.cells.size for piece in pieces), datasets=7)
            with h5py.File(atomic.part_of(self._path), "r+") as file:
                self._mesh = _add_mesh(file["VTKHDF"], pieces)
                return _times(file)

        self._times = on_root(comm, start, self._path)

    @property
    def times(self) -> tuple[float, ...]:
        """Times written so far, those of a continued run included."""
        return self._times

    def write(self, time: float, fields: Mapping[str, Array]) -> None:
        """Append a frame. Collective.

        Args:
            time: Of the frame; greater than all before.
            fields: Name -> this rank's values, (points,) or (points, d); the same names in every frame.

        Raises:
            OutputFailed: On all ranks, when the disk refuses.
            ValueError: On all ranks, when a field does not fit.
        """
        parts = gather_pieces(self._comm, dict(fields))

        def append() -> tuple[float, ...]:
            numbers = sum(VECTOR if np.ndim(values) == 2 else 1 for values in parts[0].values())  # per point
            _reserve(self._path, sum(self._sizes) * numbers, datasets=len(fields))
            with h5py.File(atomic.part_of(self._path), "r+") as file:
                root = file["VTKHDF"]
                earlier = _times(file)
                if earlier and time <= earlier[-1]:
                    raise ValueError(f"frame at time {time!r} after {earlier[-1]!r}; times must ascend")
                names = list(root["PointData"]) if earlier else None
                _append_frame(root, float(time), joined_fields(self._sizes, parts, names), self._mesh)
            times = (*earlier, float(time))
            if atomic.copy_due(len(times)):
                atomic.publish_copy(self._path)
            return times

        self._times = on_root(self._comm, append, self._path)

    def close(self) -> None:
        """Give the file its final name. Collective; a second call does nothing."""
        if not self._closed:
            on_root(self._comm, lambda: atomic.publish(self._path), self._path)
            self._closed = True


def write_fields(comm: MPI.Intracomm, path: Path, lattice: Lattice, fields: Mapping[str, Array]) -> None:
    """Write point fields without time to one VTKHDF file, atomically. Collective.

    Args:
        comm: Ranks that write together.
        path: ``fields.vtkhdf``; its folder must exist.
        lattice: This rank's piece.
        fields: Name -> this rank's values, (points,) or, of vectors, (points, d).

    Raises:
        OutputFailed: On all ranks, when the file cannot be written.
        ValueError: On all ranks, when a field does not fit.
    """
    path = Path(path)
    parts = gather_pieces(comm, (Piece.of(lattice), dict(fields)))

    def write() -> None:
        pieces = [piece for piece, _ in parts]
        joined = joined_fields([len(piece.points) for piece in pieces], [values for _, values in parts], None)

        def fill(file: h5py.File) -> None:
            _create(file, pieces[0].dimension, series=False)
            _extend_mesh(file["VTKHDF"], pieces)
            for name, values in joined.items():
                _append(file["VTKHDF/PointData"], name, values)

        atomic.write_bytes(path, _image(fill))

    on_root(comm, write, path)


def _image(fill: Callable[[h5py.File], None]) -> bytes:
    """A new HDF5 file as bytes, to be written by us: HDF5 never meets a full disk."""
    image = io.BytesIO()
    with h5py.File(image, "w", libver=("earliest", "v110")) as file:
        fill(file)
    return image.getvalue()


def _reserve(path: Path, values: int, datasets: int) -> None:
    """Make room on the disk for what will be appended at most; HDF5 gives back what it does not use.

    Args:
        path: Final name of the growing file.
        values: Numbers of 8 bytes that will be appended.
        datasets: Datasets they go to; each may open up to two new chunks.

    Raises:
        OSError: There is no room.
    """
    most = values + values // 100 + 2 * min(values, datasets * _LONGEST_CHUNK)
    with open(atomic.part_of(path), "ab") as file:
        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, 8 * most + (1 << 17))


def _create(file: h5py.File, dimension: int, series: bool = True) -> None:
    """The skeleton: empty mesh, empty steps."""
    root = file.create_group("VTKHDF")
    root.attrs["Version"] = np.array([2, 0], "i8")
    root.attrs.create("Type", b"UnstructuredGrid", dtype=h5py.string_dtype("ascii", 16))
    root.attrs["Dimension"] = np.int64(dimension)  # ours: readers need not guess it from the cell type
    for name in ("PointData", "CellData"):
        root.create_group(name)
    if series:
        steps = root.create_group("Steps")
        steps.attrs["NSteps"] = np.int64(0)
        steps.create_group("PointDataOffsets")


def _extend_mesh(root: h5py.Group, pieces: Sequence[Piece]) -> None:
    """Append the pieces of a mesh; indices stay local to their piece, as the format wants."""
    corners = pieces[0].dimension + 1
    _append(root, "NumberOfPoints", np.array([len(piece.points) for piece in pieces], "i8"))
    _append(root, "NumberOfCells", np.array([len(piece.cells) for piece in pieces], "i8"))
    _append(root, "NumberOfConnectivityIds", np.array([piece.cells.size for piece in pieces], "i8"))
    _append(root, "Points", np.concatenate([piece.points for piece in pieces]))
    _append(root, "Connectivity", np.concatenate([piece.cells.ravel() for piece in pieces]))
    _append(root, "Offsets", np.concatenate([corners * np.arange(len(piece.cells) + 1) for piece in pieces]))
    cells = sum(len(piece.cells) for piece in pieces)
    _append(root, "Types", np.full(cells, CELL_TYPES[pieces[0].dimension], "u1"))


def _add_mesh(root: h5py.Group, pieces: Sequence[Piece]) -> dict[str, int]:
    """Append the mesh unless the last frame used the same one; returns what its frames put into ``Steps``."""
    steps = root["Steps"]
    if steps.attrs["NSteps"]:
        last = {name: int(np.ravel(steps[name][-1])[0]) for name in (*_OFFSETS, "NumberOfParts")}
        if _same_mesh(root, last, pieces):
            return last
    if "Points" in root:
        begin = {
            "PartOffsets": len(root["NumberOfPoints"]),
            "PointOffsets": len(root["Points"]),
            "CellOffsets": len(root["Types"]),
            "ConnectivityIdOffsets": len(root["Connectivity"]),
        }
    else:
        begin = dict.fromkeys(_OFFSETS, 0)
    _extend_mesh(root, pieces)
    return begin | {"NumberOfParts": len(pieces)}


def _same_mesh(root: h5py.Group, last: Mapping[str, int], pieces: Sequence[Piece]) -> bool:
    part, point, corner = last["PartOffsets"], last["PointOffsets"], last["ConnectivityIdOffsets"]
    sizes = [len(piece.points) for piece in pieces]
    if list(root["NumberOfPoints"][part : part + last["NumberOfParts"]]) != sizes:
        return False
    connectivity = np.concatenate([piece.cells.ravel() for piece in pieces])
    points = np.concatenate([piece.points for piece in pieces])
    return np.array_equal(root["Connectivity"][corner : corner + len(connectivity)], connectivity) and np.array_equal(
        root["Points"][point : point + len(points)], points
    )


def _append_frame(root: h5py.Group, time: float, fields: Mapping[str, Array], mesh: Mapping[str, int]) -> None:
    steps = root["Steps"]
    for name, values in fields.items():
        begin = _append(root["PointData"], name, values)
        _append(steps["PointDataOffsets"], name, np.array([begin], "i8"))
    for name in ("PartOffsets", "PointOffsets", "NumberOfParts"):
        _append(steps, name, np.array([mesh[name]], "i8"))
    for name in ("CellOffsets", "ConnectivityIdOffsets"):  # one column per topology; an unstructured grid has one
        _append(steps, name, np.array([[mesh[name]]], "i8"))
    _append(steps, "Values", np.array([time]))
    root.file.flush()
    steps.attrs["NSteps"] = np.int64(steps.attrs["NSteps"] + 1)  # last: a frame counts once all of it is there


def _append(group: h5py.Group, name: str, values: npt.NDArray[np.generic]) -> int:
    """Append to a dataset of the group, made on first use; returns where the values begin."""
    if name not in group:
        chunk = min(max(len(values), 64), _LONGEST_CHUNK)
        shape, growing = (0, *values.shape[1:]), (None, *values.shape[1:])
        compress = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if values.size > 64 else {}
        chunks = (chunk, *values.shape[1:])
        group.create_dataset(name, shape, values.dtype, maxshape=growing, chunks=chunks, **compress)
    dataset = group[name]
    begin = len(dataset)
    dataset.resize(begin + len(values), axis=0)
    dataset[begin:] = values
    return begin


def _times(file: h5py.File) -> tuple[float, ...]:
    steps = file["VTKHDF/Steps"]
    complete = int(steps.attrs["NSteps"])
    return tuple(float(time) for time in steps["Values"][:complete]) if complete else ()


def _recover(path: Path, keep_until: float) -> bool:
    """Make a part that holds the earlier frames up to a time; False where there is nothing to continue.

    The part has more frames than the copy under the final name, unless the run was killed in the middle of an append.
    """
    part = atomic.part_of(path)
    for candidate in (part, path):
        with contextlib.suppress(OSError, KeyError):  # absent, or torn
            if candidate != part:
                shutil.copyfile(candidate, part)
            with h5py.File(part, "r+") as file:
                _truncate(file["VTKHDF"], keep_until)
            return True
    return False


def _truncate(root: h5py.Group, keep_until: float) -> None:
    """Drop the frames later than a time; their values are overwritten by the next ones."""
    steps = root["Steps"]
    complete = int(steps.attrs["NSteps"])
    values = steps["Values"][:complete] if complete else np.empty(0)
    kept = int(np.searchsorted(values, keep_until + 1e-12 * abs(keep_until), side="right"))
    for name, offsets in steps["PointDataOffsets"].items():
        if kept < len(offsets):
            root["PointData"][name].resize(int(offsets[kept]), axis=0)
        offsets.resize(kept, axis=0)
    steps.attrs["NSteps"] = np.int64(kept)
    for name in ("Values", "NumberOfParts", *_OFFSETS):
        if name in steps:
            steps[name].resize(kept, axis=0)
