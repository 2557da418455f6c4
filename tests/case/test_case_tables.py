"""Tables and their files: what is wrong with one is said by file, array and place, without FEniCS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

CASE = """\
[domain]
lower = [-1.0, -1.0]
upper = [1.0, 1.0]
cells = [4, 4]
[loss]
table = "t.npz"
[noise]
learning_rate = 1.0
batch_size = 1
covariance = "table"
"""


def arrays(**changes: Any) -> dict[str, Any]:
    """A right table on [-1, 1]², with changes; None leaves an array out."""
    x = np.linspace(-1.0, 1.0, 9)
    first, last = np.meshgrid(x, x, indexing="ij")
    covariance = np.stack([1.0 + first**2, 0.3 * first * last, 2.0 + 0.0 * last], axis=-1)
    found = {"axis_0": x, "axis_1": x, "loss": first**2 + last**2, "covariance": covariance} | changes
    return {name: value for name, value in found.items() if value is not None}


def test_a_right_table_is_read(load_text: Callable[..., Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **arrays())
    case = load_text(CASE)
    assert case.loss.kind == "table"
    assert case.files == (tmp_path / "t.npz",)
    assert case.loss.table.moved == 0.0


def test_hdf5_is_the_same(load_text: Callable[..., Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **arrays())
    with h5py.File(tmp_path / "t.h5", "w") as file:
        for name, value in arrays().items():
            file[name] = value
    assert load_text(CASE.replace("t.npz", "t.h5")).loss.expression == load_text(CASE).loss.expression


X = np.linspace(-1.0, 1.0, 9)
HOLE = arrays()["loss"].copy()
HOLE[3, 4] = np.nan
INDEFINITE = np.broadcast_to(np.array([1.0, 2.0, 1.0]), (9, 9, 3))
UNEVEN = np.broadcast_to(np.array([[1.0, 0.1], [0.2, 1.0]]), (9, 9, 2, 2))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"axis_1": None}, "t.npz has no array axis_1; save arrays axis_0, axis_1, loss"),
        ({"axis_2": X}, "t.npz has more axes than the domain has coordinates (x, y)"),
        ({"axis_0": X[::-1]}, "axis_0 does not ascend"),
        ({"axis_0": X[:3]}, "axis_0 has 3 points"),
        ({"loss": np.zeros((9, 8))}, "loss has the shape (9, 8); the axes ask for (9, 9)"),
        ({"loss": HOLE}, "loss is nan at x = -0.25, y = 0"),
        ({"loss": np.array([["a"] * 9] * 9)}, "loss is not an array of real numbers"),
        ({"loss": np.array([[None] * 9] * 9)}, "cannot be read"),
        ({"axis_0": X * 0.9}, "t.npz covers -0.9 <= x <= 0.9, and the domain -1 to 1"),
        ({"covariance": None}, "noise.covariance: the table has no array covariance"),
        ({"covariance": INDEFINITE}, "covariance has an eigenvalue -1 at"),
        ({"covariance": UNEVEN}, "covariance is not symmetric at"),
        ({"factor": np.ones((9, 9, 2, 1))}, "both covariance and factor are there"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_of_a_table(
    mistakes: Callable[..., list[str]], tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    np.savez(tmp_path / "t.npz", **arrays(**changes))
    found = mistakes(CASE)
    assert len(found) == 1
    assert said in found[0]


def test_a_file_that_is_no_archive_is_a_mistake(mistakes: Callable[..., list[str]], tmp_path: Path) -> None:
    (tmp_path / "t.npz").write_bytes(b"PK\x03\x04 not really")
    assert "case.toml:6: loss.table: t.npz cannot be read" in mistakes(CASE)[0]


def test_a_periodic_coordinate_needs_more_than_a_table(mistakes: Callable[..., list[str]], tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", **arrays())
    found = mistakes(CASE.replace("cells = [4, 4]", 'cells = [5, 5]\nperiodic = ["x"]'))
    assert any("a table knows one turn of x only" in message for message in found)


def test_what_was_moved_to_semidefiniteness_is_told(load_text: Callable[..., Any], tmp_path: Path) -> None:
    from fpsolver.case import advise

    covariance = np.broadcast_to(np.array([1.0, 0.0, -0.02]), (9, 9, 3))
    np.savez(tmp_path / "t.npz", **arrays(covariance=covariance))
    case = load_text(CASE)
    assert case.loss.table.moved == pytest.approx(0.02 / 1.02, rel=1e-12)
    assert any("made 0.02 of its trace" in advice.text and advice.warning for advice in advise(case))
