"""A case from text with its mesh and model, as a run would hand them to a problem."""

from __future__ import annotations

from pathlib import Path

from fpsolver import load
from fpsolver.domain.box import box_mesh
from fpsolver.model import build
from fpsolver.problems.base import Setting, Silent
from tests.equations import COMM


def setting(folder: Path, text: str) -> Setting:
    """The setting of a case; the folder is the same on all ranks. Collective."""
    path = folder / "case.toml"
    if COMM.rank == 0:
        path.write_text(text, encoding="utf-8")
    COMM.barrier()
    case = load(path)
    COMM.barrier()
    box = case.domain
    domain = box_mesh(COMM, box.lower, box.upper, box.cells, box.diagonal or "right")
    return Setting(
        case, domain, build(case), Silent(), _nothing, lambda: None, lambda line: None, earlier=_no_earlier_run
    )


def _nothing(share: float, words: str) -> None:
    """Progress that nobody watches."""


def _no_earlier_run(folder: Path) -> tuple[object, object]:
    raise AssertionError(folder)
