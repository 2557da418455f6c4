"""A run that was stopped, killed or moved to other ranks ends with the numbers of one that was not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from mpi4py import MPI

from fpsolver.case import load
from fpsolver.errors import ExitCode, Stopped
from fpsolver.output.curves import read_curves
from fpsolver.output.reader import Frames, open_frames
from fpsolver.runtime import StopFlag
from fpsolver.study.solving import run_case

COMM = MPI.COMM_WORLD

SAME = 1e-11
ROUND_OFF = 1e-13
"""Of numbers of size one: what differs by that does so between two uninterrupted runs, too."""

BEGIN = """
[domain]
shape = "box"
lower = [-2.0, -1.5]
upper = [2.0, 1.5]
cells = [6, 4]
[discretization]
degree = 2
[loss]
expression = "(x**2 - 1)**2/4 + 0.1*x + 2*y**2"
[regions]
left = "x < 0"
right = "x > 0"
[[probe]]
point = [0.5, 0.1]
[output]
figures = false
"""
NOISE = "[noise]\ndiffusion = 0.2\n"
EVOLUTION = "[evolution]\ninitial = { gaussian = { mean = [-1.0, 0.0], std = 0.4 } }\noutput_times = [0.1, 0.5, 1, 4]\n"

CASES = {
    "krylov": NOISE + EVOLUTION + "[entropy]\n",
    "errors": NOISE + EVOLUTION.replace("0.5, 1, 4", "1") + "[stationary]\neigenvalues = 2\n[run]\nerrors = true\n",
    "sdirk": NOISE + EVOLUTION + 'method = "sdirk"\ntolerance = 1e-2\n[entropy]\nkinds = ["kl"]\n',
    "schedule": "[noise]\nlearning_rate = 0.2\nbatch_size = 4\ncovariance = [[6, 0], [0, 6]]\n"
    '[schedule]\nlearning_rate = { decay = { from = 0.2, to = 0.05, time = 12.0, shape = "cosine" } }\n'
    + EVOLUTION
    + "tolerance = 1e-3\n",
    "open boundary": NOISE + EVOLUTION + '[boundary]\nabsorbing = "x > 1.9"\n',
    "splitting": NOISE + EVOLUTION + "[splitting]\nradius = 0.3\n",
    "concentration": NOISE + EVOLUTION + "[concentration]\nshare = 0.5\n",
    "point, pvd": NOISE + EVOLUTION.replace("gaussian = { mean = [-1.0, 0.0], std = 0.4 }", "point = [-1.0, 0.0]"),
    "exits": NOISE
    + '[[exit]]\nregion = "left"\nstart = [[-1, 0]]\n[[exit]]\nregion = "right"\nstart = [[1, 0]]\n'
    + '[[committor]]\nsource = "left_end"\ntarget = "right_end"\n',
    "arrhenius": NOISE
    + '[[exit]]\nregion = "slope"\nstart = [[-1, 0]]\nnoise_levels = [0.4, 0.2, 0.1]\n[run]\nerrors = true\n',
    "simulation": NOISE
    + EVOLUTION
    + '[[exit]]\nregion = "left"\nstart = [[-1, 0]]\n[simulation]\nwalkers = 20000\nstep = 0.05\nmax_time = 10.0\n',
    "noisy SGD": '[domain]\nshape = "interval"\nlower = [-2]\nupper = [2]\ncells = [12]\n'
    + '[loss]\nexpression = "(x**2 - 1)**2/4 + 0.1*x"\n[noise]\ndiffusion = "max(x + 1, 0)**2/4"\n'
    + "[stationary]\nregularizations = [0.3, 0.1]\n[output]\nfigures = false\n[run]\nerrors = true\n",
}


class After(StopFlag):
    """Stops a run at its n-th heartbeat, and counts them."""

    def __init__(self, beats: int = 10**9) -> None:
        super().__init__()
        self.left = beats
        self.seen = 0

    @property
    def reason(self) -> str:
        return "the test"

    def agreed(self, comm: MPI.Intracomm) -> bool:
        self.seen += 1
        self.left -= 1
        return self.left < 0


def write(folder: Path, name: str) -> Path:
    path = folder / f"{name.replace(' ', '_')}.toml"
    text = CASES[name] if "[domain]" in CASES[name] else BEGIN + CASES[name]
    further = {
        "exits": 'left_end = "x < -0.8"\nright_end = "x > 0.8"\n',
        "arrhenius": 'slope = "x + 0.2*y + 0.1*y**2 < -0.3"\n',
    }
    text = text.replace("[regions]\n", "[regions]\n" + further.get(name, ""))
    if "[run]" not in text:
        text += "[run]\nerrors = false\n"
    if name == "point, pvd":
        text = text.replace("figures = false\n", 'figures = false\nformat = "pvd"\n')
    if COMM.rank == 0:
        path.write_text(text)
    COMM.barrier()
    return path


def numbers(folder: Path) -> dict[str, Any]:
    """All that results.json says, but for times and work of the moment."""
    found: dict[str, Any] = {}

    def visit(entry: Any, place: str) -> None:
        if isinstance(entry, dict):
            for key, part in entry.items():
                visit(part, f"{place}.{key}")
        elif isinstance(entry, list):
            for i, part in enumerate(entry):
                visit(part, f"{place}.{i}")
        else:
            found[place] = entry

    results = json.loads((folder / "results.json").read_text())
    for name in ("timing", "ranks", "load", "versions"):
        results.pop(name)
    checks = results.pop("certificate")["checks"]
    results["certificate"] = {check["name"]: check["passed"] for check in checks}  # their values are round-off
    visit(results, "")
    return found


def densities(series: Frames, step: int) -> npt.NDArray[np.float64]:
    """At each point once, in the order of the points; ranks share some."""
    _, first = np.unique(np.round(series.mesh(step).points, 9), axis=0, return_index=True)
    return np.asarray(series.values(step, "density")[first])


def assert_same(one: Path, other: Path, tolerance: float = SAME) -> None:
    here, there = numbers(one), numbers(other)
    assert here.keys() == there.keys()
    for place, number in here.items():
        if not isinstance(number, float):
            assert number == there[place], place
        elif not place.endswith("error"):  # differences of numbers close to each other
            assert number == pytest.approx(there[place], rel=tolerance, abs=ROUND_OFF), place
        else:
            assert number == pytest.approx(there[place], rel=1e-3, abs=1e-9), place
    assert {path.name for path in one.iterdir()} == {path.name for path in other.iterdir()}
    if not (one / "curves.csv").exists():
        return
    rows, known = read_curves(one / "curves.csv"), read_curves(other / "curves.csv")
    assert rows.keys() == known.keys()
    for column, values in known.items():
        np.testing.assert_allclose(rows[column], values, rtol=tolerance, atol=1e-12, err_msg=column)
    series, earlier = open_frames(one, "density"), open_frames(other, "density")
    assert series is not None
    assert earlier is not None
    assert series.times == earlier.times
    for step in range(len(series.times)):
        # densities far down the tails are round-off of those near the maximum, which is about 1
        np.testing.assert_allclose(densities(series, step), densities(earlier, step), rtol=1e-9, atol=1e-10)


@pytest.fixture(scope="module")
def straight() -> Iterator[dict[str, tuple[Path, Path, int]]]:
    """Cases, the folders of their uninterrupted runs, and the heartbeats that those took; filled by the tests."""
    import tempfile

    made = tempfile.TemporaryDirectory() if COMM.rank == 0 else None
    root = Path(COMM.bcast(None if made is None else made.name))
    yield _Runs(root)
    COMM.barrier()
    if made is not None:
        made.cleanup()


class _Runs(dict[str, tuple[Path, Path, int]]):
    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def __missing__(self, name: str) -> tuple[Path, Path, int]:
        path, counter = write(self._root, name), After()
        folder = self._root / f"straight {name}"
        assert run_case(load(path), folder, COMM, stop=counter) in (ExitCode.DONE, ExitCode.CERTIFICATE_FAILED)
        self[name] = path, folder, counter.seen
        return self[name]


ON_RANKS = ("errors", "sdirk", "open boundary", "point, pvd")
"""Of the cases; the others keep nothing in another way."""


@pytest.mark.parallel
@pytest.mark.parametrize("name", CASES if COMM.size == 1 else ON_RANKS)
def test_a_run_that_is_stopped_again_and_again_ends_as_one_that_is_not(
    name: str, straight: _Runs, shared_folder: Path
) -> None:
    path, known, beats = straight[name]
    folder, case = shared_folder / "out", load(path)
    with pytest.raises(Stopped):
        run_case(case, folder, COMM, stop=After(int(0.4 * beats)))
    with suppress(Stopped):  # late enough that something is kept if nothing was before; else it comes to its end
        run_case(case, folder, COMM, stop=After(beats - 2))
    last = After()
    assert run_case(case, folder, COMM, stop=last) == run_case(case, known, COMM)
    assert last.seen < beats
    COMM.barrier()
    assert_same(folder, known)


def test_a_checkpoint_is_written_between_states_too(straight: _Runs, shared_folder: Path) -> None:
    """As a run does that is killed: nothing is done at its end."""
    path, known, beats = straight["sdirk"]
    folder = shared_folder / "out"
    case = load(path, ["run.checkpoint_states=2"])

    class Killed(BaseException):
        pass

    class Killing(After):
        def agreed(self, comm: MPI.Intracomm) -> bool:
            if super().agreed(comm):
                raise Killed
            return False

    with pytest.raises(Killed):
        run_case(case, folder, COMM, stop=Killing(beats // 3))
    taken = COMM.bcast([path.name for path in (folder / "checkpoint").glob("*.npz")])
    assert sorted(taken) == ["evolution.before.npz", "evolution.npz"]
    counter = After()
    run_case(case, folder, COMM, stop=counter)
    COMM.barrier()
    assert_same(folder, known)


def damage(path: Path, how: str) -> None:
    if how == "torn":
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x10
        path.write_bytes(bytes(content))
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        np.savez(path, something=np.zeros(3))
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["torn", "flipped", "empty", "foreign", "gone"])
def test_the_checkpoint_before_a_damaged_one_is_used(
    how: str, straight: _Runs, shared_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, known, beats = straight["sdirk"]
    folder, case = shared_folder / "out", load(path, ["run.checkpoint_states=3"])
    with pytest.raises(Stopped):
        run_case(case, folder, COMM, stop=After(beats // 3))
    if COMM.rank == 0:
        assert (folder / "checkpoint" / "evolution.before.npz").exists()
        damage(folder / "checkpoint" / "evolution.npz", how)
    COMM.barrier()
    run_case(case, folder, COMM)
    COMM.barrier()
    said = capsys.readouterr()
    if COMM.rank == 0:
        assert "taken up at t = " in said.out
        assert ("damaged" in said.err) == (how != "gone")
    assert_same(folder, known)


def test_without_any_sound_checkpoint_a_run_begins_again(straight: _Runs, shared_folder: Path) -> None:
    path, known, beats = straight["krylov"]
    folder, case = shared_folder / "out", load(path)
    with pytest.raises(Stopped):
        run_case(case, folder, COMM, stop=After(beats // 2))
    if COMM.rank == 0:
        for file in (folder / "checkpoint").glob("*.npz"):
            damage(file, "flipped")
    COMM.barrier()
    run_case(case, folder, COMM)
    COMM.barrier()
    assert_same(folder, known)


def test_what_is_solved_is_not_solved_again(
    straight: _Runs, shared_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, _, beats = straight["exits"]
    folder, case = shared_folder / "out", load(path)
    with pytest.raises(Stopped):
        run_case(case, folder, COMM, stop=After(beats - 2))
    counter = After()
    run_case(case, folder, COMM, stop=counter)
    assert counter.seen < beats / 2
    if COMM.rank == 0:
        assert "exit: solved before" in capsys.readouterr().out


def test_settings_of_the_job_may_change_but_not_the_case(straight: _Runs, shared_folder: Path) -> None:
    from fpsolver.errors import BadUsage

    path, _, beats = straight["krylov"]
    folder = shared_folder / "out"
    with pytest.raises(Stopped):
        run_case(load(path), folder, COMM, stop=After(beats // 2))
    with pytest.raises(BadUsage, match="another case"):
        run_case(load(path, ["noise.diffusion=0.3"]), folder, COMM)
    assert run_case(load(path, ["run.walltime='02:00:00'"]), folder, COMM) == ExitCode.DONE


def test_a_finished_run_leaves_no_checkpoint(straight: _Runs) -> None:
    _, known, _ = straight["krylov"]
    assert not (known / "checkpoint").exists()


def test_a_folder_that_was_moved_goes_on(straight: _Runs, tmp_path: Path) -> None:
    path, known, beats = straight["krylov"]
    with pytest.raises(Stopped):
        run_case(load(path), tmp_path / "out", COMM, stop=After(beats // 2))
    shutil.move(tmp_path / "out", tmp_path / "moved")
    run_case(load(path), tmp_path / "moved", COMM)
    assert_same(tmp_path / "moved", known)
