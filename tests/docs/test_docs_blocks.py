"""Every command, case and program in README and docs works: shell and Python are executed, cases are loaded."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pages
import pytest
import tomli_w
from pages import PAGES, PROJECT, Block, blocks

from fpsolver.case import load

BASE = """
[domain]
lower = [-2.0, -2.0]
upper = [2.0, 2.0]
cells = [8, 8]
[loss]
expression = "x**2 + y**2"
[noise]
diffusion = 0.1
"""

CASES = [block for page in PAGES for block in blocks(page) if block.language == "toml"]


@pytest.mark.parametrize("block", CASES, ids=lambda block: block.place)
def test_cases_load(block: Block, tmp_path: Path) -> None:
    """A case as it stands; a piece of one together with the sections that it lacks."""
    given = tomllib.loads(block.text)
    base = tomllib.loads(BASE)
    if "drift" in given:
        del base["loss"]
    folder = pages.workplace(tmp_path)
    (folder / "exam.csv").write_text("hours,score\n1.0,0.5\n2.0,0.1\n")
    (folder / "results" / "exam").mkdir(parents=True)
    own = folder / ("own" if "../" in block.text else "")
    own.mkdir(exist_ok=True)
    path = own / "case.toml"
    path.write_text(tomli_w.dumps(base | given))
    load(path)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_commands_and_programs_run(page: Path, tmp_path: Path) -> None:
    """All blocks of a page in order in one folder; cases with a `# file:` line are saved under that name."""
    folder = pages.workplace(tmp_path)
    for block in blocks(page):
        if block.language == "toml" and (name := re.match(r"# file: (\S+)", block.text)):
            (folder / name[1]).write_text(block.text)
        elif block.language == "sh":
            pages.run(["sh", "-e", "-c", pages.quickened(block.text, errors=page.stem == "output")], folder)
        elif block.language == "python":
            pages.run([sys.executable, "-c", block.text], folder)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Files and headings that a page points to exist."""
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if heading:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [_anchor(text) for text in headings], target


def test_code_that_theory_names_exists() -> None:
    text = (PROJECT / "docs" / "theory.md").read_text(encoding="utf-8")
    for path in re.findall(r"`(fpsolver/[\w/]+\.py)`", text):
        assert (PROJECT / path).exists(), path


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    """Also in the middle of a block."""
    with pytest.raises(AssertionError, match="nowhere"):
        pages.run(["sh", "-e", "-c", pages.quickened("fpsolver show nowhere\ntrue\n")], tmp_path)
    with pytest.raises(AssertionError, match="missing"):
        pages.run(["sh", "-e", "-c", pages.quickened("pvpython scripts/missing.py")], tmp_path)
