"""Fields read back from a results folder, whichever format they were written in. No MPI, no DOLFINx."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import numpy.typing as npt

from fpsolver.errors import BadUsage
from fpsolver.output import vtu
from fpsolver.output.pieces import Piece, join

Array = npt.NDArray[np.float64]


class Frames(Protocol):
    """Point fields, as frames in time or as one static frame."""

    @property
    def times(self) -> tuple[float, ...]:
        """Of the frames; a static file has the one time 0."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields."""

    def mesh(self, step: int = -1) -> Piece:
        """The mesh of a frame, all pieces joined; the same object for frames on the same mesh."""

    def values(self, step: int, name: str) -> Array:
        """Values of a field in a frame, (points,), or (points, 3) of a vector; negative steps count from the end."""


def open_frames(folder: Path, name: str) -> Frames | None:
    """The fields ``name`` (``density``, ``fields``) of a results folder, the newer format first; None without any.

    Raises:
        BadUsage: A file is there but cannot be read.
    """
    for suffix, reader in ((".vtkhdf", VtkHdfFrames), (".pvd", PvdFrames)):
        path = Path(folder) / f"{name}{suffix}"
        if path.exists():
            try:
                return reader(path)
            except (OSError, KeyError, ValueError, SyntaxError) as error:  # ElementTree's errors are SyntaxErrors
                raise BadUsage(f"{path}: cannot be read ({error}); run the case again with --fresh") from None
    return None


class VtkHdfFrames:
    """Frames of a VTKHDF file that ``vtkhdf`` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        with h5py.File(self.path, "r") as file:
            root = file["VTKHDF"]
            self.names = tuple(root["PointData"])
            self._dimension = int(root.attrs["Dimension"])
            if "Steps" not in root:
                parts = len(root["NumberOfPoints"])
                self.times: tuple[float, ...] = (0.0,)
                self._meshes = [(0, parts, 0, 0)]
                self._begins = {name: [0] for name in self.names}
                return
            steps = root["Steps"]
            complete = int(steps.attrs["NSteps"])
            self.times = tuple(float(time) for time in steps["Values"][:complete]) if complete else ()
            columns = ("PartOffsets", "NumberOfParts", "PointOffsets", "ConnectivityIdOffsets")
            offsets = [np.ravel(steps[name][:complete]) for name in columns] if self.times else []
            self._meshes = [(int(a), int(b), int(c), int(d)) for a, b, c, d in zip(*offsets, strict=True)]
            self._begins = {name: [int(begin) for begin in steps["PointDataOffsets"][name][:]] for name in self.names}

    def mesh(self, step: int = -1) -> Piece:
        """See ``Frames``."""
        return self._mesh(self._meshes[step])

    def values(self, step: int, name: str) -> Array:
        """See ``Frames``."""
        begin, points = self._begins[name][step], len(self.mesh(step).points)
        with h5py.File(self.path, "r") as file:
            return np.asarray(file["VTKHDF/PointData"][name][begin : begin + points], dtype=np.float64)

    @lru_cache(maxsize=2)  # noqa: B019  a reader lives as long as the figures it serves
    def _mesh(self, offsets: tuple[int, int, int, int]) -> Piece:
        part, parts, point, corner = offsets
        pieces = []
        with h5py.File(self.path, "r") as file:
            root = file["VTKHDF"]
            points, corners = (
                root[name][part : part + parts] for name in ("NumberOfPoints", "NumberOfConnectivityIds")
            )
            for own, size in zip(points, corners, strict=True):
                cells = root["Connectivity"][corner : corner + size].reshape(-1, self._dimension + 1)
                pieces.append(Piece(root["Points"][point : point + own], cells))
                point, corner = point + own, corner + size
        return join(pieces)


class PvdFrames:
    """Frames of a PVD file that ``pvd`` wrote."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._frames = vtu.read_collection(self.path)
        self.times = tuple(time for time, _ in self._frames)
        self.names = tuple(self._frame(0)[1]) if self._frames else ()
        self._last: Piece | None = None

    def mesh(self, step: int = -1) -> Piece:
        """See ``Frames``."""
        mesh = self._frame(step % len(self.times))[0]
        if self._last is not None and np.array_equal(mesh.points, self._last.points):
            return self._last
        self._last = mesh
        return mesh

    def values(self, step: int, name: str) -> Array:
        """See ``Frames``."""
        return self._frame(step % len(self.times))[1][name]

    @lru_cache(maxsize=4)  # noqa: B019  as above
    def _frame(self, step: int) -> tuple[Piece, dict[str, Array]]:
        read = [vtu.read_piece(piece) for piece in vtu.read_parallel(self.path.parent / self._frames[step][1])]
        names = read[0][1]
        return join([piece for piece, _ in read]), {name: np.concatenate([f[name] for _, f in read]) for name in names}
