"""Convergence studies: orders on a case whose answer is known, files, messages and rules of the folder."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fpsolver import load
from fpsolver.errors import BadUsage, ExitCode
from fpsolver.study.converge import converge_case, levels_of
from tests.equations import COMM

OU = """title = "Ornstein-Uhlenbeck"
[domain]
shape = "box"
lower = [-3.0, -3.0]
upper = [3.0, 3.0]
cells = [{cells}, {cells}]
[loss]
expression = "x**2/2 + y**2"
[noise]
diffusion = 0.2
[regions]
right = "x > 0"
[discretization]
degree = {degree}
[evolution]
initial = {{ gaussian = {{ mean = [0.6, -0.4], std = 0.5 }} }}
end_time = 0.5
output_times = [0.5]
[output]
figures = false
"""

DECAY = math.exp(-0.5)
MEAN = 0.6 * DECAY
VARIANCE = 0.25 * DECAY**2 + 0.2 * (1 - DECAY**2)
RIGHT = 0.5 * math.erfc(-MEAN / math.sqrt(2 * VARIANCE))


def converged(folder: Path, text: str, **options: Any) -> tuple[ExitCode, dict[str, Any]]:
    """The exit code and convergence.json."""
    path = folder / "case.toml"
    if COMM.rank == 0:
        path.write_text(text, encoding="utf-8")
    COMM.barrier()
    code = converge_case(load(path), folder / "out", COMM, **options)
    return code, json.loads((folder / "out" / "convergence.json").read_text())


def named(content: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in content["quantities"] if entry["name"] == name)


@pytest.mark.parallel
@pytest.mark.parametrize(("degree", "cells"), [(1, 16), (2, 16)])
def test_orders_and_limits_of_an_evolution_that_is_known(shared_folder: Path, degree: int, cells: int) -> None:
    """The density stays a Gaussian, and the mass of a half plane converges like h^2k."""
    code, content = converged(shared_folder, OU.format(cells=cells, degree=degree))
    assert code is ExitCode.DONE
    assert [level["cells"] for level in content["levels"]] == [[cells << i] * 2 for i in range(3)]
    assert [level["degree"] for level in content["levels"]] == [degree] * 3
    assert content["levels"][0]["unknowns"] == (degree * cells + 1) ** 2
    entry = named(content, "evolution.regions.right")
    assert entry["expected_order"] == 2 * degree
    assert entry["order"] == pytest.approx(2 * degree, abs=0.5)
    assert entry["asymptotic"]
    assert entry["note"] == ""
    assert entry["differences"] == pytest.approx([b - a for a, b in pairwise(entry["values"])])
    assert abs(entry["extrapolated"] - RIGHT) < min(abs(entry["values"][-1] - RIGHT), 2 * entry["uncertainty"])


def test_by_degree_the_limit_is_better_than_the_last_value(shared_folder: Path) -> None:
    code, content = converged(shared_folder, OU.format(cells=10, degree=3), by="degree")
    assert code is ExitCode.DONE
    assert [level["degree"] for level in content["levels"]] == [1, 2, 3]
    assert len({tuple(level["cells"]) for level in content["levels"]}) == 1
    entry = named(content, "evolution.regions.right")
    assert abs(entry["extrapolated"] - RIGHT) < 1e-4
    assert entry["expected_order"] is None


def test_outside_the_asymptotic_range_there_is_a_warning(
    shared_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = OU.format(cells=3, degree=1).replace("std = 0.5", "std = 0.1")
    code, content = converged(shared_folder, text)
    assert code in (ExitCode.DONE, ExitCode.CERTIFICATE_FAILED)
    outside = [entry for entry in content["quantities"] if not entry["asymptotic"]]
    assert outside
    for entry in outside:
        assert entry["note"]
        assert entry["extrapolated"] == entry["values"][-1]
    message = capsys.readouterr().err
    assert "outside the asymptotic range" in message
    assert "smaller cells (domain.cells) or more levels" in message


def test_files_and_the_rules_of_the_folder(shared_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = OU.format(cells=4, degree=1)
    code, content = converged(shared_folder, text, levels=2)
    out = shared_folder / "out"
    lines = (out / "convergence.csv").read_text().splitlines()
    assert lines[0].startswith("quantity,value_1,value_2,order,expected_order")
    assert len(lines) == 1 + len(content["quantities"])
    before = (out / "convergence.json").stat().st_mtime_ns
    assert converged(shared_folder, text, levels=2)[0] == code
    assert "finished already" in capsys.readouterr().out
    assert (out / "convergence.json").stat().st_mtime_ns == before
    with pytest.raises(BadUsage, match="--fresh"):
        converged(shared_folder, text, levels=3)
    assert len(converged(shared_folder, text, levels=3, fresh=True)[1]["levels"]) == 3
    foreign = shared_folder / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("mine")
    with pytest.raises(BadUsage, match="not"):
        converge_case(load(shared_folder / "case.toml"), foreign, COMM, fresh=True)
    assert [path.name for path in foreign.iterdir()] == ["letter.txt"]


def test_a_large_case_is_the_last_level(shared_folder: Path) -> None:
    (shared_folder / "case.toml").write_text(OU.format(cells=80, degree=4))
    cells = [case.domain.cells for case in levels_of(load(shared_folder / "case.toml"), 3, "h")]
    assert cells == [(20, 20), (40, 40), (80, 80)]
    (shared_folder / "case.toml").write_text(OU.format(cells=10, degree=2))
    cells = [case.domain.cells for case in levels_of(load(shared_folder / "case.toml"), 3, "h")]
    assert cells == [(10, 10), (20, 20), (40, 40)]


@pytest.mark.parametrize(("levels", "by", "word"), [(1, "h", "one level"), (11, "degree", "10 degrees")])
def test_levels_that_make_no_sense_are_refused(shared_folder: Path, levels: int, by: str, word: str) -> None:
    (shared_folder / "case.toml").write_text(OU.format(cells=4, degree=2))
    with pytest.raises(BadUsage, match=word):
        levels_of(load(shared_folder / "case.toml"), levels, by)
