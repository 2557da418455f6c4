"""Advice before a run: how large it is, whether its cells and its box suit the formulas. Sampled, without a mesh."""

from __future__ import annotations

from fpsolver.case.advice.box import box_lines
from fpsolver.case.advice.line import Advice
from fpsolver.case.advice.picture import picture
from fpsolver.case.advice.resolution import initial_lines, resolution_lines
from fpsolver.case.advice.size import factor_bytes, memory, size_lines, suggested_ranks, summary, unknowns
from fpsolver.case.advice.table import table_lines
from fpsolver.case.sections import Box, Case, MeshFile

__all__ = ["Advice", "advise", "factor_bytes", "memory", "suggested_ranks", "summary", "unknowns"]


def advise(case: Case) -> list[Advice]:
    """Size, memory, time, resolution and box of a case; warnings name the key to change."""
    lines = [*_chosen(case), *size_lines(case)]
    if case.loss is not None and case.loss.table is not None:
        lines += table_lines(case.loss.table)
    seen = picture(case)
    if seen is not None:
        lines += resolution_lines(case, seen)
        lines += box_lines(case, seen)
    elif case.loss is not None and case.loss.python is not None:
        text = f"loss.python: {case.loss.python.file.name} is run only when the case is, so nothing of it is known here"
        lines.append(Advice("loss", text))
    elif case.loss is not None or case.drift is not None:
        lines.append(Advice("noise", "D is 0 at every point tried: the dynamics is deterministic"))
    lines += initial_lines(case)
    if not (case.evolution or case.stationary or case.exits or case.committors):
        lines.append(Advice("request", "the case asks for nothing to be solved: add [evolution]", True))
    return lines


def _chosen(case: Case) -> list[Advice]:
    """The cells that the program has chosen."""
    domain = case.domain
    if isinstance(domain, MeshFile) or domain.chosen is None:
        return []
    key = f"cells = {list(domain.cells)}" if isinstance(domain, Box) else f"cell_size = {domain.cell_size:g}"
    return [Advice("cells", f"domain.{key}, as the case names none: {domain.chosen}")]
