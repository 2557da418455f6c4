"""fpsolver show: tables of whatever sections the results have, the file itself, and folders without results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fpsolver.cli import main
from fpsolver.errors import BadUsage, ExitCode
from fpsolver.output.results import write_results
from fpsolver.output.show import show
from fpsolver.quantity import Quantity

RESULTS: dict[str, object] = {  # all sections of the format, those of later versions too
    "schema": 1,
    "title": "Two wells",
    "status": "completed",
    "mesh": {"dimension": 2, "vertices": 1234, "cells": 2345},
    "generator": {"degree": 4, "unknowns": 123456, "weight": "potential", "monotone": False, "reversible": True},
    "evolution": {
        "time": 10.0,
        "mass": Quantity(1.0, 1e-15),
        "min_density": 0.0,
        "mean": [Quantity(-0.68273602, 1e-6), Quantity(0.0, None, "no estimate")],
        "covariance": [[Quantity(1.1, 1e-6), Quantity(1.2, 1e-6)], [Quantity(1.2, 1e-6), Quantity(2.2, 1e-6)]],
        "regions": {"a_negative": Quantity(0.13, 1e-6)},
    },
    "stationary": {
        "states": 1,
        "classes": [{"kind": "point mass", "support": [0.0, 0.0], "regions": {"a_negative": Quantity(0.25, 1e-3)}}],
        "detailed_balance": False,
        "eigenvalues": [Quantity(0.0, 1e-9), {"value": 0.5, "error": 1e-3, "imag": -2.0}],
        "spectral_gap": Quantity(0.5, 1e-3),
        "modes": [{"point": [0.9, 0.0], "height": 0.25, "minimum": [1.0, 0.0], "distance": 0.1}],
        "metastable": {
            "sets": [{"point": [-1.0, 0.0], "mass": Quantity(0.5, 1e-9)}],
            "rates": [[Quantity(0.0, 0.0), Quantity(2e-3, 1e-5)], [Quantity(3e-3, 1e-5), Quantity(0.0, 0.0)]],
        },
    },
    "exit": [
        {
            "region": "left",
            "escape_rate": Quantity(0.25, 1e-3),
            "starts": [
                {"point": [-1.0, 0.0], "mean": Quantity(None, None, "it may never leave", infinite=True)},
                {"point": [-0.5, 0.0], "mean": Quantity(4.0, 1e-3), "kramers": None},
            ],
        },
        {"region": "right", "escape_rate": Quantity(0.5, None, "no estimate"), "starts": []},
    ],
    "probes": [{"point": [0.0, 0.5], "density": Quantity(0.3, 1e-4)}],
    "certificate": {
        "passed": False,
        "checks": [
            {"name": "mass drift", "value": 1e-15, "limit": 1e-11, "passed": True},
            {"name": "moved mass", "value": 0.5, "limit": 1e-2, "passed": False},
        ],
    },
    "timing": {"total": 1.234},
    "ranks": 2,
    "versions": {"numpy": "2"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_results(tmp_path, RESULTS)
    (tmp_path / "case.toml").write_text('[domain]\ncoordinates = ["a", "b"]\n')
    return tmp_path


def lines(text: str) -> list[str]:
    """Lines with single blanks, as columns are as wide as they must be."""
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize(
    "line",
    [
        "Two wells",
        "mesh vertices 1,234",
        "generator reversible yes",
        "timing total 1.23 s",
        "mass 1 1.0e-15",
        "min_density 0",
        "mean of a -0.68273602 1.0e-06",
        "mean of b 0 – (1)",
        "covariance of a, b 1.2 1.0e-06",
        "mass in a_negative 0.13 1.0e-06",
        "states 1",
        "classes 1 kind point mass",
        "classes 1 support (0, 0)",
        "classes 1 mass in a_negative 0.25 1.0e-03",
        "detailed_balance no",
        "eigenvalues 2 0.5 - 2 i 1.0e-03",
        "spectral_gap 0.5 1.0e-03",
        "mode at (0.9, 0): minimum (1, 0)",
        "metastable set at (-1, 0): mass 0.5 1.0e-09",
        "metastable rate from 1 to 2 0.002 1.0e-05",
        "metastable rate from 2 to 1 0.003 1.0e-05",
        "exit: left",
        "from (-1, 0): mean infinite – (2)",
        "from (-0.5, 0): kramers –",
        "exit: right",
        "escape_rate 0.5 – (1)",
        "at (0, 0.5): density 0.3 1.0e-04",
        "moved mass 0.5 0.01 FAILED",
        "(1) no estimate",
        "(2) it may never leave",
        "CERTIFICATE FAILED: do not trust the numbers above",
    ],
)
def test_every_form_of_entry_has_its_line(line: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(folder)
    assert line in lines(capsys.readouterr().out)


def test_rates_within_a_set_are_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(folder)
    assert "rate from 1 to 1" not in capsys.readouterr().out


def test_symmetric_entries_are_shown_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show(folder)
    assert "covariance of b, a" not in capsys.readouterr().out


def test_without_a_case_means_are_numbered(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "case.toml").unlink()
    show(folder)
    assert "mean 1 -0.68273602 1.0e-06" in lines(capsys.readouterr().out)


def test_json_is_the_file_itself(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(folder), "--json"]) == ExitCode.DONE
    out = capsys.readouterr().out
    assert out == (folder / "results.json").read_text()
    assert json.loads(out)["mesh"]["vertices"] == 1234


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "nowhere")]) == ExitCode.BAD_CASE
    assert "nowhere: no such folder; give the folder of a finished run" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True])
def test_folders_without_results_are_refused(tmp_path: Path, as_json: bool) -> None:
    """Also with --json, which must not print half of something."""
    with pytest.raises(BadUsage, match=r"results\.json: not there"):
        show(tmp_path, as_json)
    (tmp_path / "case.toml").write_text("")
    with pytest.raises(BadUsage, match="no results yet"):
        show(tmp_path, as_json)
    (tmp_path / "results.json").write_text("{")
    with pytest.raises(BadUsage, match="not JSON"):
        show(tmp_path, as_json)
