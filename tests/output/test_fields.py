"""Fields written and read back: by VTK's own readers and ours, from 1, 2 and 3 ranks, and after a killed run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import example
import numpy as np
import numpy.typing as npt
import pytest
import pyvista
from mpi4py import MPI
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkUnstructuredGrid
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline
from vtkmodules.vtkIOHDF import vtkHDFReader
from vtkmodules.vtkIOXML import vtkXMLPUnstructuredGridReader

from fpsolver.output import pvd, vtu
from fpsolver.output.frames import FORMATS
from fpsolver.output.reader import open_frames
from fpsolver.runtime import RunFolder, atomic

HERE = Path(__file__).parent
TIMES = (0.0, 0.5, 1.0, 2.0)
Array = npt.NDArray[np.float64]


def python(ranks: int, *args: object) -> None:
    """Run a script of this folder on that many ranks."""
    mpiexec = Path(sys.executable).with_name("mpiexec")
    command = [str(mpiexec), "-n", str(ranks), sys.executable, *map(str, args)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, cwd=HERE)
    assert done.returncode == 0, done.stdout + done.stderr


def vtk_frames(path: Path) -> list[tuple[float, list[vtkUnstructuredGrid]]]:
    """Times and pieces as VTK reads them."""
    frames = []
    if path.suffix == ".pvd":
        for time, file in vtu.read_collection(path):
            reader = vtkXMLPUnstructuredGridReader()
            reader.SetFileName(str(path.parent / file))
            reader.Update()
            frames.append((time, [reader.GetOutput()]))
        return frames
    reader = vtkHDFReader()
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    for time in reader.GetOutputInformation(0).Get(vtkStreamingDemandDrivenPipeline.TIME_STEPS()) or [0.0]:
        reader.UpdateTimeStep(time)
        data = reader.GetOutputDataObject(0)
        many = data.IsA("vtkPartitionedDataSet")
        grids = [data.GetPartition(i) for i in range(data.GetNumberOfPartitions())] if many else [data]
        copies = [vtkUnstructuredGrid() for _ in grids]
        for copy, grid in zip(copies, grids, strict=True):
            copy.DeepCopy(grid)  # the reader reuses its output
        frames.append((time, copies))
    return frames


def sorted_rows(points: Array, *columns: Array) -> Array:
    """Points with their values, without the doubles on seams, in an order that does not depend on the ranks."""
    return np.unique(np.column_stack([points, *columns]), axis=0)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_what_ranks_wrote_is_what_vtk_reads(tmp_path: Path, form: str, ranks: int) -> None:
    """Wrong offsets of pieces or steps show as values of another place or time."""
    python(ranks, HERE / "writer.py", tmp_path, form)
    for dimension in (1, 2, 3):
        whole = example.box(dimension)
        frames = vtk_frames(tmp_path / f"density{dimension}{FORMATS[form].suffix}")
        assert [time for time, _ in frames] == list(TIMES)
        ours = open_frames(tmp_path, f"density{dimension}")
        assert ours is not None
        assert ours.times == TIMES
        for step, (time, grids) in enumerate(frames):
            assert sum(grid.GetNumberOfCells() for grid in grids) == len(whole.cells)
            assert {grid.GetCellType(0) for grid in grids} == {{1: 3, 2: 5, 3: 10}[dimension]}
            points = np.concatenate([vtk_to_numpy(grid.GetPoints().GetData()) for grid in grids])
            read = {
                name: np.concatenate([vtk_to_numpy(grid.GetPointData().GetArray(name)) for grid in grids])
                for name in ("density", 'a <"&> b')
            }
            expected = sorted_rows(whole.points, example.density(whole.points, time, dimension))
            np.testing.assert_array_equal(sorted_rows(points, read["density"]), expected)
            np.testing.assert_array_equal(read['a <"&> b'], points[:, 0])
            np.testing.assert_array_equal(ours.mesh(step).points, points)
            np.testing.assert_array_equal(ours.values(step, "density"), read["density"])
            assert volume(grids) == pytest.approx(np.prod((example.UPPER - example.LOWER)[:dimension]))
        static = open_frames(tmp_path, f"fields{dimension}")
        assert static is not None
        np.testing.assert_array_equal(static.values(-1, "loss"), example.loss(static.mesh().points))
        [(_, grids)] = vtk_frames(tmp_path / f"fields{dimension}{FORMATS[form].suffix}")
        assert set(static.names) == {"loss", "exit_time", "current"}
        for name in static.names:
            arrays = [grid.GetPointData().GetArray(name) for grid in grids]
            values = np.concatenate([vtk_to_numpy(array) for array in arrays])
            np.testing.assert_array_equal(values, static.values(-1, name))
        points = static.mesh().points
        np.testing.assert_array_equal(static.values(-1, "current"), points * [1.0, 2.0, 3.0])  # padded by zeros
        np.testing.assert_array_equal(np.isnan(static.values(-1, "exit_time")), points[:, 0] < 0)
        leaves = points[:, 0] >= 0
        np.testing.assert_array_equal(static.values(-1, "exit_time")[leaves], example.loss(points)[leaves])


@pytest.mark.parametrize("form", FORMATS)
def test_viewers_leave_points_without_value_out_of_their_ranges(tmp_path: Path, form: str) -> None:
    """NaN marks points from where the process never leaves; colours come from the finite values alone."""
    lattice = example.box(2)
    values = np.where(lattice.points[:, 0] < 0, np.nan, lattice.points[:, 0])
    path = tmp_path / f"fields{FORMATS[form].suffix}"
    FORMATS[form].fields(MPI.COMM_SELF, path, lattice, {"exit_time": values})
    [(_, [grid])] = vtk_frames(path)
    assert grid.GetPointData().GetArray("exit_time").GetRange() == (0.0, 2.0)
    opened = pyvista.read(path)
    block = opened[0] if isinstance(opened, pyvista.MultiBlock) else opened
    assert block.get_data_range("exit_time") == (0.0, 2.0)
    assert np.isnan(block["exit_time"]).sum() == np.isnan(values).sum()


def test_a_static_file_in_pvd_is_exchanged_not_torn(tmp_path: Path) -> None:
    """The list names the old frame until the new one is whole, and nothing of the old one is left behind."""
    lattice, path = example.box(2), tmp_path / "fields.pvd"
    pvd.write_fields(MPI.COMM_SELF, path, lattice, {"loss": lattice.points[:, 0]})
    before = path.read_text()
    with pytest.raises(ValueError, match="has shape"):
        pvd.write_fields(MPI.COMM_SELF, path, lattice, {"loss": lattice.points[:-1, 0]})
    assert path.read_text() == before
    pvd.write_fields(MPI.COMM_SELF, path, lattice, {"current": lattice.points[:, :2]})
    frames = open_frames(tmp_path, "fields")
    assert frames is not None
    assert frames.names == ("current",)
    assert len(list((tmp_path / "fields_frames").iterdir())) == 2  # the frame and its one piece


def volume(grids: list[vtkUnstructuredGrid]) -> float:
    """Of all cells as VTK connects them; wrong corners would change it."""
    total = 0.0
    for grid in grids:
        points = vtk_to_numpy(grid.GetPoints().GetData())
        corners = vtk_to_numpy(grid.GetCells().GetConnectivityArray()).reshape(grid.GetNumberOfCells(), -1)
        edges = points[corners[:, 1:]] - points[corners[:, :1]]
        edges = edges[:, :, : edges.shape[1]]
        factorial = (1, 1, 2, 6)[edges.shape[1]]
        total += float(np.abs(np.linalg.det(edges)).sum()) / factorial
    return total


@pytest.mark.parametrize("form", FORMATS)
def test_a_run_continues_on_another_number_of_ranks(tmp_path: Path, form: str) -> None:
    """Frames up to the restart stay, later ones are written anew on the new pieces."""
    python(2, HERE / "writer.py", tmp_path, form)
    python(3, HERE / "writer.py", tmp_path, form, "continue")
    for dimension in (1, 2, 3):
        frames = open_frames(tmp_path, f"density{dimension}")
        assert frames is not None
        assert frames.times == TIMES
        for step, time in enumerate(TIMES):
            expected = example.density(frames.mesh(step).points, time, dimension)
            np.testing.assert_array_equal(frames.values(step, "density"), expected)
        path = tmp_path / f"density{dimension}{FORMATS[form].suffix}"
        for time, grids in vtk_frames(path):
            for grid in grids:
                expected = example.density(vtk_to_numpy(grid.GetPoints().GetData()), time, dimension)
                np.testing.assert_array_equal(vtk_to_numpy(grid.GetPointData().GetArray("density")), expected)


KILLED = """
import os, sys
from pathlib import Path
import example
from mpi4py import MPI
from fpsolver.output.frames import FORMATS
chosen = FORMATS[sys.argv[2]]
lattice = example.box(2)
series = chosen.series(MPI.COMM_SELF, Path(sys.argv[1]) / f"density{chosen.suffix}", lattice)
for time in range(7):
    series.write(float(time), {"density": example.density(lattice.points, time, 2)})
os._exit(9)
"""


@pytest.mark.parametrize(("form", "published"), [("vtkhdf", 4), ("pvd", 7)])
def test_a_killed_run_leaves_frames_that_open_and_continue(tmp_path: Path, form: str, published: int) -> None:
    """After 7 frames: vtkhdf shows the copy made after 4 and keeps all 7 in the part; pvd shows all."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE.parents[1]), str(HERE)])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), form], env=environment, timeout=60)
    assert done.returncode == 9
    path = tmp_path / f"density{FORMATS[form].suffix}"
    frames = open_frames(tmp_path, "density")
    assert frames is not None
    assert frames.times == tuple(float(time) for time in range(published))
    assert len(vtk_frames(path)) == published
    series = FORMATS[form].series(MPI.COMM_SELF, path, example.box(2), keep_until=6.0)
    assert series.times == tuple(float(time) for time in range(7))
    series.close()
    frames = open_frames(tmp_path, "density")
    assert frames is not None
    assert len(frames.times) == 7
    assert sorted(file.name for file in tmp_path.iterdir() if "part" in file.name or "tmp" in file.name) == []


@pytest.mark.parametrize("form", FORMATS)
def test_the_templates_cover_all_that_a_series_writes(tmp_path: Path, form: str) -> None:
    """What is not noted would stay for ever, and be shown beside the frames of the next run."""
    chosen, lattice = FORMATS[form], example.box(2)
    with RunFolder.open(tmp_path) as results:
        path = results.path(f"density{chosen.suffix}", chosen.templates("density"))
        series = chosen.series(MPI.COMM_SELF, path, lattice)
        for time in TIMES:
            series.write(time, {"density": lattice.points[:, 0]})
        path = results.path(f"fields{chosen.suffix}", chosen.templates("fields"))
        chosen.fields(MPI.COMM_SELF, path, lattice, {"loss": lattice.points[:, 0]})
        before = len(list(tmp_path.rglob("*")))
        results.clear()  # with the series still growing
        assert before > 2
    assert [file.name for file in tmp_path.iterdir()] == [".fpsolver"]


def test_a_torn_part_is_replaced_by_the_copy(tmp_path: Path) -> None:
    """A run killed in the middle of an append continues from the frames that were published."""
    path, lattice = tmp_path / "density.vtkhdf", example.box(2)
    series = FORMATS["vtkhdf"].series(MPI.COMM_SELF, path, lattice)
    for time in (0.0, 1.0, 2.0):
        series.write(time, {"density": lattice.points[:, 0]})
    part = atomic.part_of(path)
    part.write_bytes(part.read_bytes()[:3000])
    assert FORMATS["vtkhdf"].series(MPI.COMM_SELF, path, lattice, keep_until=9.0).times == (0.0, 1.0)


def test_frames_must_ascend_and_keep_their_fields(tmp_path: Path) -> None:
    """Otherwise viewers show frames in another order than the run, or stale values."""
    lattice = example.box(1)
    for form, chosen in FORMATS.items():
        series = chosen.series(MPI.COMM_SELF, tmp_path / f"density{chosen.suffix}", lattice)
        series.write(1.0, {"density": lattice.points[:, 0]})
        with pytest.raises(ValueError, match="ascend"):
            series.write(1.0, {"density": lattice.points[:, 0]})
        with pytest.raises(ValueError, match="write the same each time"):
            series.write(2.0, {"mass": lattice.points[:, 0]})
        assert series.times == (1.0,), form
