"""The whole case as plain TOML tables: defaults written in, ``auto`` resolved, file paths absolute."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpsolver.case.schema import DEFAULTED, LISTS, SECTIONS, Kind
from fpsolver.case.sections import Ball, Box, Case, Discretization, Domain, Evolution

_ORDER = ("title", "parameters", "domain", "loss", "data", "drift", "noise", "boundary", "regions", "discretization")


def dump(case: Case) -> str:
    """The resolved case as the text of a case file; loading it, from any folder, gives an equal case."""
    import tomli_w  # only runs write cases

    return tomli_w.dumps(dict(case.resolved), multiline_strings=False)


def resolve(
    raw: Mapping[str, Any], folder: Path, domain: Domain, discretization: Discretization, evolution: Evolution | None
) -> dict[str, object]:
    """A copy of ``raw`` that says everything; loading it gives an equal case."""
    case: dict[str, Any] = {"title": ""} | copy.deepcopy(dict(raw))
    for name in DEFAULTED:
        case.setdefault(name, {})
    for section in SECTIONS:
        for table in _tables(case, section):
            _complete(table, section, folder)
    if isinstance(domain, Box):
        case["domain"]["shape"] = "box"
    if isinstance(domain, Box) and domain.chosen is not None:
        case["domain"]["cells"] = list(domain.cells)
    elif isinstance(domain, Ball) and domain.chosen is not None:
        case["domain"]["cell_size"] = domain.cell_size
    case["domain"]["coordinates"] = list(domain.coordinates)
    if isinstance(domain, Box) and domain.dimension == 2:
        case["domain"]["diagonal"] = domain.diagonal
    case["discretization"]["degree"] = discretization.degree
    if evolution is not None:
        case["evolution"]["method"] = evolution.method
        case["evolution"].setdefault("tolerance", evolution.tolerance)
        case["evolution"].setdefault("end_time", evolution.end_time)
        if "output_times" in raw["evolution"]:
            del case["evolution"]["frames"]
    if "boundary" in case and "stationary" in case:
        del case["stationary"]["eigenvalues"]  # what stands between an influx and a sink has none
    noise = case["noise"]
    if "learning_rate" in noise:
        noise.setdefault("covariance", "samples")
    else:
        noise.pop("replacement", None)  # of batches, which there are none of
    first = {name: case[name] for name in _ORDER if name in case}
    return first | {name: value for name, value in case.items() if name not in first}


def _tables(case: dict[str, Any], section: str) -> list[dict[str, Any]]:
    """The tables of a section that are present."""
    if section == "":
        return [case]
    tables: list[Any] = [case]
    for name in section.split("."):
        tables = [table[name] for table in tables if isinstance(table, dict) and name in table]
    found = [entry for table in tables for entry in (table if section in LISTS else [table])]
    return [entry for entry in found if isinstance(entry, dict)]


def _complete(table: dict[str, Any], section: str, folder: Path) -> None:
    for name, key in SECTIONS[section].items():
        if key.default is not None and name not in table:
            table[name] = list(key.default) if isinstance(key.default, tuple) else key.default
        elif name in table and (key.kind is Kind.FILE or (section, name) == ("loss", "python")):
            table[name] = os.path.abspath(os.path.join(folder, table[name]))
