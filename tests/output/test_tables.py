"""results.json, curves.csv, and files that appear whole."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import example
import numpy as np
import pytest
from mpi4py import MPI

from fpsolver.errors import BadUsage
from fpsolver.output.collective import OutputFailed, on_root, together
from fpsolver.output.curves import CurveWriter, evolution_columns, read_curves
from fpsolver.output.frames import FORMATS
from fpsolver.output.results import read_results, write_results
from fpsolver.quantity import Quantity
from fpsolver.runtime import atomic

ROOT = Path(__file__).parents[2]


def refuse(text: str) -> float:
    raise AssertionError(f"{text} in JSON")


def test_results_are_json_without_nan(tmp_path: Path) -> None:
    """Every kind of value, and every way not to be finite, in a strict parser."""
    given = {
        "schema": 1,
        "passed": np.bool_(True),
        "steps": np.int64(3),
        "path": Path("a/b"),
        "point": np.array([0.1, 0.2]),
        "good": Quantity(np.float64(0.1), 1e-9),
        "nan": Quantity(float("nan"), 1.0),
        "inf": {"value": np.float64("inf"), "error": 0.5},
        "blind": Quantity(2.0, float("inf")),
        "endless": Quantity(None, None, "the start never leaves", infinite=True),
        "eigenvalues": [{"value": 1.0, "imag": -2.0, "error": 1e-3}],
    }
    write_results(tmp_path, given)
    read = json.loads((tmp_path / "results.json").read_text(), parse_constant=refuse)
    assert read == read_results(tmp_path)
    assert read["passed"] is True
    assert read["point"] == [0.1, 0.2]
    assert read["good"] == {"value": 0.1, "error": 1e-9}
    assert read["nan"] == {"value": None, "error": None, "why": "the computed value is not a number"}
    assert read["inf"] == {"value": None, "error": None, "why": "the computed value is infinite"}
    assert read["blind"] == {"value": 2.0, "error": None, "why": "the computed error is infinite"}
    assert read["endless"] == {"value": None, "error": None, "infinite": True, "why": "the start never leaves"}
    assert read["eigenvalues"] == [{"value": 1.0, "imag": -2.0, "error": 1e-3}]


@pytest.mark.parametrize("bad", [float("nan"), np.float64("inf"), 1j, {1: 2}, object()])
def test_plain_values_without_json_form_are_refused_by_place(tmp_path: Path, bad: object) -> None:
    """And what was there before stays."""
    write_results(tmp_path, {"title": "before"})
    with pytest.raises(ValueError, match=r"results\.evolution\.mass\.1"):
        write_results(tmp_path, {"evolution": {"mass": [1.0, bad]}})
    assert read_results(tmp_path) == {"title": "before"}


def test_results_that_are_not_there_say_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="give the folder of a finished run"):
        read_results(tmp_path)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(BadUsage, match="not JSON"):
        read_results(tmp_path)


def test_curves_come_back_exactly(tmp_path: Path) -> None:
    """Full precision, empty fields as NaN, names of columns with commas."""
    columns = [*evolution_columns(["x", "y"], ["left, upper"], ["kl"])]
    assert columns[4:] == [
        *("kl", "mean_x", "mean_y", "covariance_x_x", "covariance_x_y", "covariance_y_y", "region_left, upper")
    ]
    rows = np.random.default_rng(0).random((5, len(columns)))
    rows[:, 0], rows[2, 4] = np.arange(5), np.nan
    writer = CurveWriter(tmp_path / "curves.csv", columns)
    for row in rows:
        writer.write(dict(zip(columns, row, strict=True)))
    assert len(read_curves(tmp_path / "curves.csv")["time"]) == 4  # the copy after 4 rows
    writer.close()
    read = read_curves(tmp_path / "curves.csv")
    assert list(read) == columns
    np.testing.assert_array_equal(np.column_stack(list(read.values())), rows)
    assert [file.name for file in tmp_path.iterdir()] == ["curves.csv"]


def test_curves_continue_after_a_torn_line(tmp_path: Path) -> None:
    """A run killed while writing leaves half a row; the next one drops it, and rows later than its restart."""
    path = tmp_path / "curves.csv"
    writer = CurveWriter(path, ["time", "mass"])
    for time in range(6):
        writer.write([time, 1.0])
    part = atomic.part_of(path)
    part.write_text(part.read_text() + "6,0.99")
    again = CurveWriter(path, ["time", "mass"], keep_until=3.0)
    again.write([3.5, 2.0])
    again.close()
    np.testing.assert_array_equal(read_curves(path)["time"], [0, 1, 2, 3, 3.5])
    with pytest.raises(BadUsage, match="columns differ"):
        CurveWriter(path, ["time", "kl"], keep_until=1.0)


def test_curves_refuse_rows_that_do_not_fit(tmp_path: Path) -> None:
    writer = CurveWriter(tmp_path / "curves.csv", ["time", "mass"])
    with pytest.raises(ValueError, match="3 values for 2 columns"):
        writer.write([1, 2, 3])
    with pytest.raises(ValueError, match="expected"):
        writer.write({"time": 1.0, "mas": 2.0})


def test_a_write_that_fails_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic.write_text(path, "before")

    def write_half() -> None:
        with atomic.replacing(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


KILLED = """
import os, sys
from pathlib import Path
from fpsolver.runtime import atomic
with atomic.replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), 9)
"""


def test_a_kill_in_the_middle_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    atomic.write_text(path, "before")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=environment, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "before"


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path, form: str) -> None:
    """A limit on file sizes stands for the full disk; the frames before it stay readable."""
    chosen, lattice = FORMATS[form], example.box(2)
    fields = {"density": np.random.default_rng(0).random(len(lattice.points))}
    series = chosen.series(MPI.COMM_SELF, tmp_path / f"density{chosen.suffix}", lattice)
    series.write(0.0, fields)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    largest = max(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file())
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1000, before[1]))
        with pytest.raises(OutputFailed, match="could not be written"):
            series.write(1.0, fields)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    again = chosen.series(MPI.COMM_SELF, tmp_path / f"density{chosen.suffix}", lattice, keep_until=5.0)
    assert again.times == (0.0,)


def test_a_row_on_a_full_disk_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    """Half a row would make the table unreadable when the run ends."""
    writer = CurveWriter(tmp_path / "curves.csv", ["time", "mass"])
    writer.write([0, 1.0])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (atomic.part_of(tmp_path / "curves.csv").stat().st_size + 3, before[1])
        )
        with pytest.raises(OSError, match=r"No space left|File too large"):
            writer.write([1, 1.0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    writer.close()
    np.testing.assert_array_equal(read_curves(tmp_path / "curves.csv")["time"], [0])


def test_an_error_of_the_disk_names_the_file() -> None:
    def work() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    for share in (together, on_root):
        with pytest.raises(OutputFailed, match=r"^results/file: could not be written, Permission denied; make room"):
            share(MPI.COMM_SELF, work, Path("results/file"))
