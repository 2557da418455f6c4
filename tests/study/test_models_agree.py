"""The same landscape as formula, as class in Python and as table: the same numbers in the end, and the same errors."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fpsolver
from tests.launching import clean_environment, fpsolver_command

CASE = """\
[domain]
lower = [-2.0]
upper = [2.0]
cells = [24]
[loss]
{loss}
[noise]
learning_rate = 0.4
batch_size = 1
covariance = {covariance}
[regions]
left = "x < 0"
[evolution]
initial = {{ gaussian = {{ mean = [-1.0], std = 0.3 }} }}
end_time = 2.0
frames = 2
[[exit]]
region = "left"
start = [[-1.0]]
[output]
figures = false
[run]
errors = false
"""
FORMULA = CASE.format(loss='expression = "(x**2 - 1)**2/4"', covariance='[["0.5 + x**2/4"]]')
PYTHON = CASE.format(loss='python = "m.py:Well"', covariance='"python"')
TABLE = CASE.format(loss='table = "t.npz"', covariance='"table"')
CLASS = """\
import numpy as np


class Well:
    def loss(self, points):
        return (points[:, 0]**2 - 1)**2 / 4

    def gradient(self, points):
        return points * (points**2 - 1)

    def covariance(self, points):
        return (0.5 + points**2 / 4)[:, :, None]

    def covariance_divergence(self, points):
        return points / 2
"""


def numbers(folder: Path, text: str) -> dict[str, float]:
    """Mean time to leave, its deviation, and the mass on the left in the end."""
    (folder / "case.toml").write_text(text)
    answers: Any = fpsolver.solve(fpsolver.load(folder / "case.toml")).answers
    start = answers["exit"].results[0]["starts"][0]
    found = {name: start[name].value for name in ("mean", "standard_deviation")}
    return found | {"mass": answers["evolution"].results["regions"]["left"].value}


def table(folder: Path, count: int) -> None:
    x = np.linspace(-2.0, 2.0, count)
    np.savez(folder / "t.npz", axis_0=x, loss=(x**2 - 1) ** 2 / 4, covariance=0.5 + x**2 / 4)


def test_a_class_gives_the_numbers_of_its_formula(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(CLASS)
    formula, own = numbers(tmp_path, FORMULA), numbers(tmp_path, PYTHON)
    assert own == pytest.approx(formula, rel=1e-10)


def test_a_table_comes_closer_with_its_grid(tmp_path: Path) -> None:
    """At least as h⁵, the order of the drift."""
    formula = numbers(tmp_path, FORMULA)
    apart: list[dict[str, float]] = []
    for count in (11, 21):
        table(tmp_path, count)
        found = numbers(tmp_path, TABLE)
        apart.append({name: abs(found[name] / formula[name] - 1.0) for name in found})
    for name in formula:
        assert apart[1][name] < 1e-5
        assert np.log2(apart[0][name] / apart[1][name]) > 4.5, apart


BROKEN = {
    "everywhere": "        1 / 0\n",
    "on one rank": "        if (points > 1.99).any(): raise ValueError('too far')\n",
}


@pytest.mark.parametrize(("ranks", "where"), [(1, "everywhere"), (2, "everywhere"), (2, "on one rank")])
def test_an_error_in_a_class_ends_all_ranks_with_one_message(tmp_path: Path, ranks: int, where: str) -> None:
    """Also one that no trial meets, at a point that one rank has."""
    head = "    def loss(self, points):\n"
    (tmp_path / "m.py").write_text(CLASS.replace(head, head + BROKEN[where]))
    (tmp_path / "case.toml").write_text(PYTHON)
    words = fpsolver_command("run", "case.toml", ranks=ranks)
    done = subprocess.run(
        words, cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("loss.python") == 1, done.stderr
    assert "m.py:6: in loss: " in done.stderr


def test_a_changed_file_makes_another_run(tmp_path: Path) -> None:
    """The class, and the table: results of the old one are not taken for those of the new one."""
    table(tmp_path, 21)
    (tmp_path / "m.py").write_text(CLASS)
    for text in (PYTHON, TABLE):
        (tmp_path / "case.toml").write_text(text.replace('[[exit]]\nregion = "left"\nstart = [[-1.0]]\n', ""))

        def run() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                fpsolver_command("run", "case.toml"),
                cwd=tmp_path,
                env=clean_environment(),
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )

        assert run().returncode == 0
        assert "finished already" in run().stdout
        table(tmp_path, 31)
        (tmp_path / "m.py").write_text(CLASS + "# changed\n")
        changed = run()
        assert changed.returncode == 2
        assert "results of another case" in changed.stderr
        assert json.loads((tmp_path / "results" / "case" / "results.json").read_text())["status"] == "completed"
        shutil.rmtree(tmp_path / "results")
        table(tmp_path, 21)
