"""What a run leaves in its static fields: all of every call, on one lattice, and readable after each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import pyvista
from mpi4py import MPI

from fpsolver.case import Case, load
from fpsolver.domain.box import box_mesh
from fpsolver.domain.lattice import Lattice, sublattice
from fpsolver.model import build
from fpsolver.output.frames import FORMATS
from fpsolver.output.reader import Frames, open_frames
from fpsolver.study.api import Memory
from fpsolver.study.records import Records

pytestmark = pytest.mark.parallel
Array = npt.NDArray[np.float64]
COMM = MPI.COMM_WORLD

CASE = """[domain]
shape = "box"
lower = {lower}
upper = {upper}
cells = {cells}
[drift]
extra = {drift}
[noise]
diffusion = 0.1
[output]
format = "{form}"
"""


def make_case(folder: Path, dimension: int, form: str) -> Case:
    path = folder / "case.toml"
    if COMM.rank == 0:
        corner, names = [1.0, 2.0, 1.5][:dimension], ["-x", "-y", "-z"][:dimension]
        lower, cells = [-end for end in corner], [5, 4, 3][:dimension]
        path.write_text(CASE.format(lower=lower, upper=corner, cells=cells, drift=names, form=form))
    COMM.barrier()
    return load(path)


def lattice_of(case: Case, degree: int = 2) -> Lattice:
    from dolfinx import fem

    box = case.domain
    domain = box_mesh(COMM, box.lower, box.upper, box.cells, box.diagonal)
    return sublattice(fem.functionspace(domain, ("Lagrange", degree)))[0]


def records_of(case: Case, folder: Path) -> Records:
    return Records(COMM, case, build(case), folder, lambda name, templates: folder / name)


def read(folder: Path) -> Frames:
    """The fields as a reader finds them now; all ranks look before anything is written again."""
    COMM.barrier()
    frames = open_frames(folder, "fields")
    assert frames is not None
    return frames


def density(points: Array) -> Array:
    return np.exp(-(points**2).sum(axis=1))


def exit_time(points: Array) -> Array:
    """Infinite on one side."""
    return np.where(points[:, 0] < 0, np.nan, 1.0 + points[:, 0])


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_fields_of_all_calls_are_in_the_file_after_each(shared_folder: Path, dimension: int, form: str) -> None:
    case = make_case(shared_folder, dimension, form)
    lattice, records = lattice_of(case), records_of(case, shared_folder)
    points = lattice.points
    records.fields(lattice, {"stationary_density": density(points)})
    assert set(read(shared_folder).names) == {"loss", "diffusion_trace", "stationary_density"}
    COMM.barrier()
    records.fields(lattice, {"current": points[:, :dimension], "exit_time_a": exit_time(points)})
    records.fields(lattice_of(case), {"stationary_density": 2 * density(points)})  # another object, the same place
    frames = read(shared_folder)
    assert set(frames.names) == {"loss", "diffusion_trace", "stationary_density", "current", "exit_time_a"}
    written = frames.mesh().points
    assert len(written) == COMM.allreduce(len(points))
    np.testing.assert_array_equal(frames.values(-1, "current"), written)
    np.testing.assert_array_equal(frames.values(-1, "stationary_density"), 2 * density(written))
    np.testing.assert_array_equal(frames.values(-1, "exit_time_a"), exit_time(written))
    np.testing.assert_allclose(frames.values(-1, "diffusion_trace"), 0.1 * dimension)


@pytest.mark.parametrize("form", FORMATS)
def test_vtk_opens_the_fields(shared_folder: Path, form: str) -> None:
    """Vectors with three components, missing values kept, every piece in its place."""
    case = make_case(shared_folder, 2, form)
    lattice, records = lattice_of(case), records_of(case, shared_folder)
    records.fields(lattice, {"current": lattice.points[:, :2], "exit_time_a": exit_time(lattice.points)})
    COMM.barrier()
    if COMM.rank == 0:
        opened = pyvista.read(shared_folder / f"fields{FORMATS[form].suffix}")
        blocks = [opened] if isinstance(opened, pyvista.DataSet) else [block for block in opened if block is not None]
        grid = pyvista.merge(blocks, merge_points=False)
        np.testing.assert_array_equal(grid["current"], grid.points)
        np.testing.assert_array_equal(grid["exit_time_a"], exit_time(np.asarray(grid.points)))
        assert grid.area == pytest.approx(8.0)
        assert grid.get_data_range("exit_time_a") == (1.0, 2.0)
    COMM.barrier()


def test_fields_join_the_frames_of_an_evolution(shared_folder: Path) -> None:
    case = make_case(shared_folder, 2, "vtkhdf")
    lattice, records = lattice_of(case), records_of(case, shared_folder)
    records.frame(0.0, lattice, density(lattice.points))
    records.fields(lattice, {"stationary_density": density(lattice.points)})
    records.close()
    assert set(read(shared_folder).names) == {"loss", "diffusion_trace", "stationary_density"}


def test_another_lattice_is_refused_on_all_ranks(shared_folder: Path) -> None:
    """Fields of one file share their points; silently they would be drawn at wrong places."""
    case = make_case(shared_folder, 2, "vtkhdf")
    lattice, records = lattice_of(case), records_of(case, shared_folder)
    records.fields(lattice, {"one": density(lattice.points)})
    finer = lattice_of(case, degree=3)
    with pytest.raises(ValueError, match=r"fields \['two'\] are given on another lattice"):
        records.fields(finer, {"two": density(finer.points)})
    assert "one" in read(shared_folder).names


def test_a_field_that_does_not_fit_leaves_the_earlier_ones(shared_folder: Path) -> None:
    case = make_case(shared_folder, 2, "vtkhdf")
    lattice, records = lattice_of(case), records_of(case, shared_folder)
    records.fields(lattice, {"one": density(lattice.points)})
    with pytest.raises(ValueError, match="field two has shape"):
        records.fields(lattice, {"two": density(lattice.points)[:-1]})
    records.fields(lattice, {"three": density(lattice.points)})
    assert set(read(shared_folder).names) == {"loss", "diffusion_trace", "one", "three"}


def test_memory_keeps_fields_with_their_points(shared_folder: Path) -> None:
    lattice, memory = lattice_of(make_case(shared_folder, 1, "vtkhdf")), Memory()
    memory.fields(lattice, {"one": density(lattice.points)})
    memory.fields(lattice, {"current": lattice.points[:, :1]})
    assert memory.lattice is lattice
    assert set(memory.static) == {"one", "current"}
