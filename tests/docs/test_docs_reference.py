"""docs/case-file.md lists every key of the schema as it is."""

from __future__ import annotations

from pathlib import Path

import reference

from fpsolver.case.schema import KEYS


def test_the_reference_agrees_with_the_schema() -> None:
    """A key that changes without its documentation; `.venv/bin/python tests/docs/reference.py` renews it."""
    assert Path(reference.PAGE).read_text(encoding="utf-8") == reference.page()


def test_every_key_has_a_row() -> None:
    tables = reference.tables()
    assert tables.count("\n| `") == len(KEYS)
