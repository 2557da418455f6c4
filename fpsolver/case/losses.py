"""``[loss]``: a formula, a mean over data, a table or a class in Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fpsolver.case.expressions import Expression, applied, constant_expression
from fpsolver.case.files import existing
from fpsolver.case.reading import Reader, Values, exactly_one
from fpsolver.case.schema_loss import OF_DATA
from fpsolver.case.sections import Data, Loss, PythonClass
from fpsolver.case.table import read_table
from fpsolver.case.wording import shown

SOURCES = ("expression", "per_sample", "name", "table", "python")
NAMED = ("prediction", "target")


def read_loss(reader: Reader, data: Data | None) -> Loss | None:
    """The loss; None where it is absent or wrong.

    Args:
        reader: Reads over the coordinates that the loss depends on.
        data: Of the case; None where there is none, or it is wrong.
    """
    values = reader.section("loss")
    if values is None:
        if "loss" not in reader.raw and "drift" not in reader.raw:
            advice = 'write [loss] with expression = "x**2/2", or [drift]'
            reader.ledger.add(("loss",), "the case has neither [loss] nor [drift]", advice)
        return None
    given = reader.raw["loss"]
    exactly_one(reader.ledger, ("loss",), given, SOURCES)
    source = next((key for key in OF_DATA if key in given), None)
    if source is not None and "data" not in reader.raw:
        advice = "write [data] with file and columns"
        reader.ledger.add(("loss", source), "a loss per sample needs [data]", advice)
    _check_named(reader, given)
    if "table" in values and reader.scope.dimension is not None:
        table = read_table(values["table"], reader.scope.coordinates, reader.ledger)
        return None if table is None else Loss("table", table.loss, table=table)
    if "python" in values:
        return _python(reader, values["python"])
    if not reader.ledger.clean("loss"):
        return None
    if "name" in values:
        return _named(reader, values, data)
    if "expression" in values:
        return Loss("expression", values["expression"])
    return Loss("per_sample", values["per_sample"]) if "per_sample" in values else None


def _check_named(reader: Reader, given: Mapping[str, Any]) -> None:
    """A named loss has both of its keys, and no other loss has them."""
    for key in NAMED:
        if "name" in given and key not in given:
            example = 'prediction = "b*tanh(a*feature)"' if key == "prediction" else 'target = "width"'
            reader.ledger.add(("loss", key), "missing", f"write {example}")
        if "name" not in given and key in given:
            reader.ledger.add(("loss", key), "only used with name", 'remove it, or write name = "squared"')


def _named(reader: Reader, values: Values, data: Data | None) -> Loss:
    """The loss of a row as a formula.

    squared: (target - prediction)²/2. logistic: log(1 + exp(±prediction)) with + for class 0 and - for class 1, which
    is -log of the probability of the class if that of class 1 is 1/(1 + exp(-prediction)).
    """
    prediction, target = values["prediction"], values["target"]
    if values["name"] == "squared":
        apart = applied("sub", target, prediction)
        return Loss("per_sample", _halved(applied("mul", apart, apart)), name="squared")
    _check_classes(reader, target, data)
    sign = applied("sub", constant_expression(1.0), applied("mul", constant_expression(2.0), target))
    return Loss("per_sample", applied("softplus", applied("mul", sign, prediction)), name="logistic")


def _halved(expression: Expression) -> Expression:
    return applied("div", expression, constant_expression(2.0))


def _check_classes(reader: Reader, target: Expression, data: Data | None) -> None:
    """The target of a logistic loss is 0 or 1 in every row."""
    if data is None or not target.names <= set(data.columns):
        if data is not None:
            wrong = f"{shown(target.source)} depends on the coordinates"
            reader.ledger.add(("loss", "target"), wrong, "write the name of a column of [data]")
        return
    found = target.evaluate(data.columns)
    wrong_rows = np.flatnonzero((found != 0.0) & (found != 1.0))
    if wrong_rows.size:
        row = int(wrong_rows[0])
        advice = (
            "write a column of 0 and 1, or data.classes = { name = { one = 0, other = 1 } }, which is not standardised"
        )
        wrong = f"a logistic loss has classes 0 and 1, but {shown(target.source)} is {found[row]:g} in row {row + 1}"
        reader.ledger.add(("loss", "target"), wrong, advice)


def _python(reader: Reader, text: str) -> Loss | None:
    """``file.py:Class``, and the file exists. It is not loaded: that runs a user's code."""
    file, colon, name = text.rpartition(":")
    path = ("loss", "python")
    if not colon or not name.isidentifier() or not file.endswith(".py"):
        reader.ledger.add(path, f"{shown(text)} is not file.py:Class", 'write python = "model.py:Landscape"')
        return None
    found = existing(file, path, reader.ledger, reader.scope.folder)
    return None if found is None else Loss("python", None, python=PythonClass(found, name))
