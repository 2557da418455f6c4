"""Names that users choose: their form, and that each means one thing only; the values of parameters."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from fpsolver.case.expressions import Expression, ExpressionError, parse
from fpsolver.case.expressions.grammar import CONSTANTS, FUNCTIONS, WORDS
from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path
from fpsolver.case.wording import shown

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
MOST_SIGNS = 100  # of a name: files are called after regions


def check_names(
    ledger: Ledger,
    coordinates: Iterable[tuple[str, Path]],
    parameters: Iterable[str],
    columns: Iterable[str],
    regions: Iterable[str],
) -> None:
    """Notes names that are malformed, or that stand for two things. The later kind in this order is blamed."""
    taken: dict[str, str] = {name: f"the function {name}" for name in FUNCTIONS}
    taken |= {name: f"the constant {name}" for name in CONSTANTS}
    words = {name: f"the operator {name}" for name in WORDS}
    columns_of_runs = {"loss": "the column mean_loss of curves.csv"}
    groups: list[tuple[str, list[tuple[str, Path]]]] = [
        ("coordinate", list(coordinates)),
        ("parameter", [(name, ("parameters", name)) for name in parameters]),
        ("data column", [(name, ("data", "columns", name)) for name in columns]),
        ("region", [(name, ("regions", name)) for name in regions]),
    ]
    for group, names in groups:
        for name, path in names:
            reserved = taken if group == "region" else taken | words  # regions stand in no expression
            if group == "coordinate":
                reserved = reserved | columns_of_runs
            if not _NAME.match(name):
                wrong = f"{shown(name)} cannot be the name of a {group}"
                ledger.add(path, wrong, "write letters, digits and _, not starting with a digit")
            elif len(name) > MOST_SIGNS:
                ledger.add(path, f"a name of {len(name)} signs", f"write at most {MOST_SIGNS}")
            elif name in reserved:
                ledger.add(path, f"the name {name} is taken by {reserved[name]}", f"write another name for the {group}")
            else:
                taken[name] = f"the {group} {name}"


def is_name(name: str, taken: Iterable[str]) -> bool:
    """Whether something that a file names can be called so in a case."""
    reserved = {*FUNCTIONS, *CONSTANTS, *taken}
    return bool(_NAME.match(name)) and len(name) <= MOST_SIGNS and name not in reserved


def resolve_parameters(raw: Mapping[str, Any], ledger: Ledger) -> dict[str, float]:
    """The values of all parameters. They may be expressions of one another, in any order but not in a circle.

    A parameter that is wrong is noted and stands for 1.0, so that what uses it is still checked.
    """
    values: dict[str, float] = {}
    formulas: dict[str, Expression] = {}
    for name, value in raw.items():
        path = ("parameters", name)
        if isinstance(value, str):
            try:
                formulas[name] = parse(value, [other for other in raw if _NAME.match(other)])
            except ExpressionError as error:
                ledger.add(path, error.wrong, error.write)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            ledger.add(path, f"{shown(value)} is not a number", f"write {name} = 0.1")
        else:
            values[name] = _finite(value)
            if not math.isfinite(values[name]):
                ledger.add(path, f"{shown(value)} is not finite", "write a number such as 0.1")
    broken = {name: 1.0 for name in raw if name not in values and name not in formulas}
    values |= broken
    while formulas:
        ready = [name for name, formula in formulas.items() if formula.names <= values.keys()]
        if not ready:
            break
        for name in ready:
            formula = formulas.pop(name)
            values[name] = float(formula.evaluate({other: values[other] for other in formula.names}))
            if not math.isfinite(values[name]) and not broken:
                ledger.add(("parameters", name), f"{shown(raw[name])} is not finite", "write a number such as 0.1")
    for name in formulas:
        chain = " and ".join(sorted(formulas))
        ledger.add(("parameters", name), f"defined in a circle ({chain})", "write a number for one of them")
        values[name] = 1.0
    return {name: value if math.isfinite(value) else 1.0 for name, value in values.items()}


def _finite(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
