"""Ways to load cases that are written inside the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from fpsolver.case import BadCase, Case, load, loading

Loader = Callable[..., Case]
Failing = Callable[..., list[str]]


@pytest.fixture
def everything_available(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if all sections went together."""
    monkeypatch.setattr(loading, "NOT_TOGETHER", {})


@pytest.fixture
def load_text(tmp_path: Path) -> Loader:
    """Loads a case from text; the file is called case.toml."""

    def run(text: str | bytes, overrides: Sequence[str] = (), name: str = "case.toml") -> Case:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, overrides)

    return run


@pytest.fixture
def mistakes(load_text: Loader, tmp_path: Path) -> Failing:
    """The messages of a wrong case, one per line and without the count, its folder cut off."""

    def run(text: str | bytes, overrides: Sequence[str] = ()) -> list[str]:
        with pytest.raises(BadCase) as caught:
            load_text(text, overrides)
        lines = str(caught.value).replace(f"{tmp_path}/", "").splitlines()
        assert lines[-1] == f"{len(lines) - 1} mistake{'s' if len(lines) > 2 else ''}; nothing was computed or written"
        assert all("; " in line for line in lines)
        return lines[:-1]

    return run
