"""Where a run leaves its files: frames, curves and static fields in one results folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.case import Case
from fpsolver.domain.lattice import Lattice
from fpsolver.model import Model
from fpsolver.output.collective import on_root
from fpsolver.output.curves import CurveWriter, covariance_column, evolution_columns, mean_column, region_column
from fpsolver.output.frames import FORMATS, FrameWriter
from fpsolver.output.state import NAME as STATE
from fpsolver.output.state import write_state
from fpsolver.problems.observables import Moments
from fpsolver.runtime import agree, atomic
from fpsolver.state import FinalState

Array = npt.NDArray[np.float64]


class Records:
    """Frames, curves and static fields, opened when the first of each arrives. All methods are collective.

    Args:
        comm: All ranks.
        case: The case, for names and format.
        model: For loss and diffusion, which are always among the static fields.
        folder: The results folder, for messages.
        claim: Gives the path of a file of the results folder, noting it and the templates of numbered files beside
            it as ours; called on rank 0 only.
    """

    def __init__(
        self,
        comm: MPI.Intracomm,
        case: Case,
        model: Model,
        folder: Path,
        claim: Callable[[str, Sequence[str]], Path],
    ) -> None:
        self._comm = comm
        self._case = case
        self._model = model
        self._folder = folder
        self._claim = claim
        self._format = FORMATS[case.output.format]
        self._frames: FrameWriter | None = None
        self._curves: CurveWriter | None = None
        self._time: float | None = None
        self._resumed: float | None = None
        self._lattice: Lattice | None = None
        self._fields: dict[str, Array] = {}

    @property
    def time(self) -> float | None:
        """Of the last row, None before the first."""
        return self._time

    def resume(self, time: float | None) -> None:
        """Go on with the frames and rows of an earlier part of the run, those up to a time; None: start over."""
        self._resumed = self._time = time

    def frame(self, time: float, lattice: Lattice, density: Array) -> None:
        """Append a frame of the density; the first one also writes loss and diffusion on the same lattice."""
        if self._frames is None:
            self._frames = self._format.series(self._comm, self._fields_path("density"), lattice, self._resumed)
            self.fields(lattice, {})
        self._frames.write(time, {"density": density})

    def fields(self, lattice: Lattice, fields: Mapping[str, Array]) -> None:
        """Write fields beside those of earlier calls: the file is whole, and up to date, after each call.

        Args:
            lattice: This rank's piece, the same in all calls and for all frames.
            fields: Name -> values at its points, (n,) or, of vectors, (n, d). A field of the same name is replaced.

        Raises:
            OutputFailed: The file could not be written.
            ValueError: A field does not fit, or the lattice is another one.
        """
        failure: Exception | None = None
        if self._lattice is None:
            self._lattice = lattice
            self._fields = self._of_model(lattice)
        elif not _same(lattice, self._lattice):
            failure = ValueError(f"fields {sorted(fields)} are given on another lattice than those before them")
        agree(self._comm, failure)
        merged = self._fields | dict(fields)
        self._format.fields(self._comm, self._fields_path("fields"), self._lattice, merged)
        self._fields = merged

    @property
    def static(self) -> Mapping[str, Array]:
        """Names and values of the static fields so far, at this rank's points."""
        return self._fields

    def table(self, name: str, columns: Sequence[str], rows: Array) -> None:
        """Write a whole table, the same on all ranks."""

        def write() -> None:
            writer = CurveWriter(self._claim(name, ()), columns)
            for row in rows:
                writer.write(row)
            writer.close()

        on_root(self._comm, write, self._folder / name)

    def row(self, time: float, step: int, moments: Moments, min_density: float, more: Mapping[str, float]) -> None:
        """Append a row of ``curves.csv``; the first one says which further columns there are."""
        coordinates = self._case.coordinates
        row: dict[str, float] = {"time": time, "step": step, "mass": moments.mass, "min_density": min_density}
        for i, name in enumerate(coordinates):
            row[mean_column(name)] = float(moments.mean[i])
            for j in range(i, len(coordinates)):
                row[covariance_column(name, coordinates[j])] = float(moments.covariance[i, j])
        row |= {region_column(name): mass for name, mass in moments.regions.items()}

        row |= more

        def write() -> None:
            if self._curves is None:
                columns = evolution_columns(coordinates, list(self._case.regions), list(more))
                self._curves = CurveWriter(self._claim("curves.csv", ()), columns, self._resumed)
            self._curves.write(row)

        on_root(self._comm, write, self._folder / "curves.csv")
        self._time = time

    def state(self, state: FinalState) -> None:
        """Write ``final_state.npz``."""
        write_state(self._comm, self._path(STATE), state)

    def close(self) -> None:
        """Give the files their final names, also those of an earlier part of the run to which nothing was added."""

        def close_rest() -> None:
            if self._curves is not None:
                self._curves.close()
            for name in ("curves.csv", f"density{self._format.suffix}"):
                if self._resumed is not None and atomic.part_of(self._folder / name).exists():
                    atomic.publish(self._folder / name)

        if self._frames is not None:
            self._frames.close()
        on_root(self._comm, close_rest, self._folder / "curves.csv")

    def _of_model(self, lattice: Lattice) -> dict[str, Array]:
        values = self._model(lattice.points[:, : lattice.dimension])
        return {
            "loss": values.loss,
            "diffusion_trace": np.trace(values.diffusion, axis1=1, axis2=2),
        }

    def _fields_path(self, name: str) -> Path:
        return self._path(f"{name}{self._format.suffix}", self._format.templates(name))

    def _path(self, name: str, templates: Sequence[str] = ()) -> Path:
        return on_root(self._comm, lambda: self._claim(name, templates), self._folder / name)


def _same(one: Lattice, other: Lattice) -> bool:
    return one is other or (np.array_equal(one.points, other.points) and np.array_equal(one.cells, other.cells))
