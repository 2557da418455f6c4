"""What benchmarks/scaling.py makes of its runs: the model, ratios, sizes, and the row of a run that failed."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import scaling
from scaling_model import fitted, told

from fpsolver.case import load

PROJECT = Path(__file__).parents[2]
GRID = [(n, r) for n in (1_000, 4_000, 16_000) for r in (1, 2, 4)]


def test_the_model_finds_the_numbers_that_made_the_times() -> None:
    made = [(n, r, 2e-4 * n**1.2 / r**0.7 + 0.5) for n, r in GRID]
    model = fitted(made)
    assert model is not None
    assert (model.p, model.q, model.c, model.a) == pytest.approx((1.2, 0.7, 0.5, 2e-4), rel=1e-3)
    assert model.spread == pytest.approx(1.0, abs=1e-4)
    assert model(64_000, 8) == pytest.approx(2e-4 * 64_000**1.2 / 8**0.7 + 0.5, rel=1e-3)


def test_the_residual_says_how_far_runs_are_from_the_model() -> None:
    noise = np.exp(0.2 * np.random.default_rng(0).standard_normal(len(GRID)))
    model = fitted([(n, r, 1e-3 * n / r * e) for (n, r), e in zip(GRID, noise, strict=True)])
    assert model is not None
    assert 1.1 < model.spread < 1.4


def test_what_runs_cannot_tell_is_not_told() -> None:
    assert fitted([]) is None
    assert fitted([(1_000, 1, 2.0), (1_000, 2, 1.0)]) is None  # one size says nothing about sizes
    assert "No model" in "".join(told([(1_000, 1, 2.0)]))
    one_rank = fitted([(1_000, 1, 1.0), (2_000, 1, 2.0), (4_000, 1, 4.0)])
    assert one_rank is not None
    assert (one_rank.p, one_rank.q, one_rank.c) == pytest.approx((1.0, 0.0, 0.0))
    assert "Nothing is known about more ranks." in list(told([(1_000, 1, 1.0), (2_000, 1, 2.0)]))
    slower = list(told([(n, r, 1e-3 * n * r**0.5) for n, r in GRID]))
    assert "More ranks were slower, so nothing is predicted for still more." in slower
    assert [line.split()[3] for line in slower if " unknowns on " in line] == ["4"]


def test_unknowns_per_rank_stay_as_they_are() -> None:
    case = load(PROJECT / "cases" / "double_well.toml")
    assert scaling.with_unknowns(case, 4.0) == "domain.cells=[48, 36]"
    assert scaling.with_unknowns(load(PROJECT / "cases" / "disk_exit.toml"), 4.0) == "domain.cell_size=0.05"
    assert scaling.with_unknowns(load(PROJECT / "cases" / "ring.toml"), 4.0) is None


def test_ranks_are_those_of_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert scaling.powers(6) == [1, 2, 4, 6]
    assert scaling.powers(8) == [1, 2, 4, 8]
    nodes = tmp_path / "nodes"
    nodes.write_text("n1\nn1\nn2\n")
    monkeypatch.setenv("PBS_NODEFILE", str(nodes))
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    assert scaling.available() == 3
    monkeypatch.setenv("SLURM_NTASKS", "12")
    assert scaling.available() == 12


def run(part: str, ranks: int, unknowns: int, seconds: float, **load: object) -> scaling.Run:
    return scaling.Run(part, ranks, unknowns, {"total": seconds, "evolution": 0.9 * seconds}, seconds + 1, load or None)


def test_speed_up_counts_unknowns_per_second() -> None:
    first, more, larger = run("strong", 1, 100, 8.0), run("strong", 4, 100, 2.5), run("weak", 4, 420, 8.0)
    assert more.speed_up(first) == pytest.approx(3.2)
    assert more.efficiency(first) == pytest.approx(0.8)
    assert larger.efficiency(first) == pytest.approx(1.05)  # rounding of cells gave it more than its share


def test_the_csv_has_a_row_per_run_and_gaps_for_what_is_not_known() -> None:
    runs = [run("sizes", 1, 50, 4.0), run("strong", 2, 50, 2.0, memory=3e8, imbalance=1.1, ghost_share=0.05)]
    rows = list(csv.DictReader(io.StringIO(scaling.as_csv(runs))))
    assert [row["memory"] for row in rows] == ["", "300000000.0"]
    assert [row["evolution"] for row in rows] == ["3.6", "1.8"]
    assert [row["speed_up"] for row in rows] == ["1.0", "1.0"]  # each part has its own first row


def test_a_run_that_fails_is_told_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    launcher = tmp_path / "launcher"
    launcher.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    launcher.chmod(0o755)
    program = scaling.Program(PROJECT / "cases" / "double_well.toml", (), (str(launcher),), 1)
    assert program.run("strong", 2) is None
    assert capsys.readouterr().out == "strong, ranks 2: exit code 3: broken\n"
    assert [path.name for path in tmp_path.iterdir()] == ["launcher"]
