"""What is kept is found again, by whoever asks for it next."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from mpi4py import MPI

from fpsolver.case import load
from fpsolver.domain.adapted import AdaptedMesh, adapted_mesh
from fpsolver.domain.cells import Cells
from fpsolver.model import build
from fpsolver.output.checkpoint import Checkpoint
from fpsolver.problems import Setting
from fpsolver.problems.base import Silent
from fpsolver.problems.noisy.refinement import Refinement
from fpsolver.study.api import earlier_run
from fpsolver.study.beats import Beats
from fpsolver.study.keeping import Clock, Keeping

COMM = MPI.COMM_WORLD
CASES = Path(__file__).parents[2] / "cases"


def keeping(folder: Path, beats: Beats) -> Keeping:
    def claim(name: str) -> Path:
        (folder / name).parent.mkdir(exist_ok=True)
        return folder / name

    return Keeping(COMM, Checkpoint(COMM, folder, claim, "a test", pytest.fail), Clock(1e9), beats)


def middles(mesh: AdaptedMesh) -> npt.NDArray[np.float64]:
    """Of all cells, in an order that depends on them alone."""
    cells = Cells.of(mesh.mesh)
    mine = cells.points(np.full((1, 2), 1.0 / 3.0))[: cells.owned, 0]
    found = np.concatenate(COMM.allgather(mine))
    return np.asarray(found[np.lexsort(np.round(found, 9).T)])


@pytest.mark.parallel
def test_the_mesh_of_a_level_is_made_again_as_it_was(shared_folder: Path) -> None:
    beats = Beats(lambda: None)
    case = load(CASES / "double_well.toml", ["domain.cells=[4, 3]"])
    first = adapted_mesh(COMM, case.domain)
    setting = Setting(
        case,
        first.mesh,
        build(case),
        Silent(),
        lambda share, text: None,
        beats,
        lambda line: None,
        earlier_run,
        keeping(shared_folder, beats),
    )
    refinement, mesh = Refinement(setting, 0), first
    for turn in range(3):
        cells = Cells.of(mesh.mesh)
        near = np.linalg.norm(cells.points(np.full((1, 2), 1.0 / 3.0))[: cells.owned, 0], axis=1) < 1.0 / (turn + 1)
        mesh = refinement.finer(mesh, near.astype(np.int64) * (turn + 1))
    assert Refinement(setting, 0).recalled(first) is None  # not fine enough yet
    refinement.keep()
    again = Refinement(setting, 0).recalled(first)
    assert again is not None
    assert again.cells == mesh.cells > 4 * first.cells
    np.testing.assert_allclose(middles(again), middles(mesh), rtol=0, atol=1e-12)
    assert Refinement(setting, 1).recalled(first) is None


@pytest.mark.parallel
def test_work_is_counted_once_though_parts_of_it_are_kept_by_themselves(shared_folder: Path) -> None:
    """A whole of ten beats with a part of three: they count as ten when taken up from the part, or from the whole."""
    nowhere = np.zeros((0, 2))

    def work(keeper: Keeping, beats: Beats, *, stops: bool = False) -> None:
        if keeper.recall("whole"):
            return
        if not keeper.recall("part"):
            for _ in range(3):
                beats()
            keeper.keep("part", {}, nowhere, {})
        if stops:
            return
        for _ in range(7):
            beats()
        keeper.keep("whole", {}, nowhere, {})

    for stops, expected in ((True, 3), (False, 10), (False, 10)):
        beats = Beats(lambda: None)
        work(keeping(shared_folder, beats), beats, stops=stops)
        assert beats.count == expected
