"""What walkers say beside what the equation for the density says: one table, read from the files of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from mpi4py import MPI

from fpsolver.output.collective import on_root
from fpsolver.output.curves import read_curves
from fpsolver.problems import Answer
from fpsolver.problems.simulation.slower import slower
from fpsolver.quantity import Quantity

Row = dict[str, Any]
Array = npt.NDArray[np.float64]

UNKNOWN_ERROR = "errors are estimated at the end time alone"
NOT_COMPUTED = "the run did not compute it"
SAME_TIME = 1e-9

CHANCE = 0.05
"""Of intervals of 99 % so many may miss before it is told; their rows depend on one another."""

FAR = 1.5
"""One that misses by so many times what is allowed is told by itself."""

NOTICEABLE = 0.1
"""Relative difference of other numbers for that."""


def compared(answer: Answer, results: Mapping[str, Any] | None, folder: Path, comm: MPI.Intracomm) -> Answer:
    """The answer of a simulation with the numbers of a run beside its own. Collective.

    Args:
        answer: Of the simulation.
        results: ``results.json`` of the run; None: there is none to compare with.
        folder: Where its tables are.
        comm: All ranks.
    """
    assert isinstance(answer.results, dict)
    rows = answer.results["rows"]
    assert isinstance(rows, list)
    beside = on_root(comm, lambda: [_beside(row, results, folder) for row in rows], folder)
    found = [{**row, "pde": pde, "agrees": _agrees(row, pde)} for row, pde in zip(rows, beside, strict=True)]
    warnings = [*answer.warnings, *_disagreements(found), *breaks(found)]
    return replace(answer, results={**answer.results, "rows": found}, warnings=warnings)


def _beside(row: Row, results: Mapping[str, Any] | None, folder: Path) -> Quantity | None:
    if results is None:
        return None
    entry = _entry(results, row.get("entry", []))
    if "column" not in row:
        known = entry if isinstance(entry, Mapping) and "value" in entry else None
        return Quantity(None, why=NOT_COMPUTED) if known is None else _quantity(known)
    name = "curves.csv"
    if "entry" in row:
        tables = entry.get("tables", {}) if isinstance(entry, Mapping) else {}
        name = str(tables.get("survival", ""))
    if not name or not (folder / name).exists():
        return Quantity(None, why=NOT_COMPUTED)
    curves = read_curves(folder / name)
    value = _at(curves, row["column"], row["time"])
    if value is None:
        return Quantity(None, why=NOT_COMPUTED)
    last = results.get("evolution", {})
    if "entry" not in row and abs(last.get("time", -1.0) - row["time"]) <= SAME_TIME * row["time"]:
        at_end = _of_column(last, row["column"], curves)
        return Quantity(value, why=UNKNOWN_ERROR) if at_end is None else _quantity(at_end)
    return Quantity(value, why=UNKNOWN_ERROR)


def _quantity(entry: Mapping[str, Any]) -> Quantity:
    return Quantity(entry["value"], entry["error"], entry.get("why"), infinite=bool(entry.get("infinite")))


def _entry(tree: Any, path: Sequence[Any]) -> Any:
    for key in path:
        known = isinstance(tree, Mapping) and key in tree
        if not known and not (isinstance(tree, list) and isinstance(key, int) and key < len(tree)):
            return None
        tree = tree[key]
    return tree


def _at(curves: Mapping[str, Array], column: str, time: float) -> float | None:
    if column not in curves:
        return None
    places = np.flatnonzero(np.abs(curves["time"] - time) <= SAME_TIME * time)
    return float(curves[column][places[-1]]) if len(places) else None


def _of_column(evolution: Mapping[str, Any], column: str, curves: Mapping[str, Array]) -> Mapping[str, Any] | None:
    """The entry of the results that a column ends with."""
    kind, _, name = column.partition("_")
    found: Any = None
    if column in ("mass", "mean_loss"):
        found = evolution.get(column)
    elif kind == "region":
        found = evolution.get("regions", {}).get(name)
    else:
        means = [other for other in curves if other.startswith("mean_") and other != "mean_loss"]
        pairs = [(i, j) for i in range(len(means)) for j in range(i, len(means))]
        columns = [other for other in curves if other.startswith("covariance_")]
        if kind == "mean" and column in means:
            found = _entry(evolution, ["mean", means.index(column)])
        elif kind == "covariance" and column in columns and len(columns) == len(pairs):
            found = _entry(evolution, ["covariance", *pairs[columns.index(column)]])
    return found if isinstance(found, Mapping) else None


def _allowed(row: Row, pde: Quantity) -> float:
    sde = row["sde"]
    return float((sde.error or 0.0) + (pde.error or 0.0) + abs(row.get("step_bias") or 0.0))


def _agrees(row: Row, pde: Quantity | None) -> bool | None:
    """Whether equation and diffusion differ by no more than the interval, the error and the step explain."""
    sde = row["sde"]
    if pde is None or pde.value is None or sde.value is None or sde.why is not None:
        return None
    return bool(abs(pde.value - sde.value) <= _allowed(row, pde))


def _disagreements(rows: Sequence[Row]) -> list[str]:
    judged = [row for row in rows if row["agrees"] is not None]
    wrong = [row for row in judged if not row["agrees"]]
    excess = [abs(row["pde"].value - row["sde"].value) / max(_allowed(row, row["pde"]), 1e-300) for row in wrong]
    if not wrong or (len(wrong) <= CHANCE * len(judged) + 1.0 and max(excess) < FAR):
        return []
    worst = wrong[int(np.argmax(excess))]
    return [
        f"simulation: {len(wrong)} of {len(judged)} numbers differ from those of the equation by more than interval, "
        f"error and step explain, most of all the {_name(worst)}: {worst['pde'].value:.6g} by the equation, "
        f"{worst['sde'].value:.6g} +- {_allowed(worst, worst['pde']):.1g} by walkers; "
        "write a smaller simulation.step or more domain.cells"
    ]


def breaks(rows: Sequence[Row]) -> list[str]:
    """Where SGD does something else than its diffusion, in sentences."""
    found: list[str] = []
    worst, shown = NOTICEABLE, ""
    for row in rows:
        one, other = row.get("sgd"), _reference(row)
        if one is None or other is None or other.value is None:
            continue
        if row.get("entry", [])[-1:] == ["mean"]:
            found += slower(str(row["quantity"]), one, row.get("sgd_above"), other)
        elif "entry" not in row and one.value is not None:
            apart = abs(one.value - other.value)
            share = apart / max(abs(other.value), 1e-300)
            if apart > (one.error or 0.0) + (other.error or 0.0) and share > worst:
                worst = share
                shown = f"the {_name(row)} is {one.value:.4g} for SGD and {other.value:.4g} for its diffusion"
    return found + ([f"simulation: SGD is not close to its diffusion: {shown}"] if shown else [])


def _reference(row: Row) -> Quantity | None:
    """The diffusion: by the equation where that was solved, else by walkers."""
    pde, sde = row.get("pde"), row["sde"]
    known = pde if isinstance(pde, Quantity) and pde.value is not None else sde
    return known if isinstance(known, Quantity) else None


def _name(row: Row) -> str:
    return str(row["quantity"]) + (f" at t = {row['time']:.4g}" if row.get("time") is not None else "")
