"""Cases from text for the tests of the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpsolver.case import Case, load
from tests.model.kinds import Write


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Loads a case from its loss, drift and noise; the box and, where given, the data file are supplied here."""

    def case(text: str, dimension: int = 2, data: str = "") -> Case:
        box = f"[domain]\nshape = 'box'\nlower = {[-2.0] * dimension}\nupper = {[2.0] * dimension}\n"
        box += f"cells = {[4] * dimension}\n"
        (tmp_path / "data.csv").write_text(data, encoding="utf-8")
        path = tmp_path / "case.toml"
        path.write_text(f"title = 'a test'\n{box}{text}", encoding="utf-8")
        return load(path)

    return case
