"""``[loss]``, ``[data]``, ``[drift]`` and ``[noise]``: what is solved."""

from __future__ import annotations

from typing import Any, Literal

from fpsolver.case.data import read_data
from fpsolver.case.expressions import Expression, constant_expression
from fpsolver.case.files import existing
from fpsolver.case.reading import Reader, Values, exactly_one
from fpsolver.case.sections import Data, Loss, Matrix, Noise
from fpsolver.case.wording import shown

SOURCES = ("expression", "per_sample", "table", "python")


def read_loss(reader: Reader) -> Loss | None:
    """The loss; None where it is absent, wrong, or of a kind that is no formula."""
    values = reader.section("loss")
    if values is None:
        if "loss" not in reader.raw and "drift" not in reader.raw:
            advice = 'write [loss] with expression = "x**2/2", or [drift]'
            reader.ledger.add(("loss",), "the case has neither [loss] nor [drift]", advice)
        return None
    table = reader.raw["loss"]
    exactly_one(reader.ledger, ("loss",), table, SOURCES)
    if "per_sample" in table and "data" not in reader.raw:
        advice = "write [data] with file and columns"
        reader.ledger.add(("loss", "per_sample"), "a loss per sample needs [data]", advice)
    if "table" in values and values["table"].suffix != ".npz":
        reader.ledger.add(("loss", "table"), f"{shown(table['table'])} is not a .npz file", "write a .npz file")
    if "python" in values:
        _check_python(reader, values["python"])
    kind: Literal["expression", "per_sample"]
    for kind in ("expression", "per_sample"):
        if kind in values:
            return Loss(kind, values[kind])
    return None


def _check_python(reader: Reader, text: str) -> None:
    """``file.py:Class``, and the file exists. It is not loaded: that runs a user's code."""
    file, colon, name = text.rpartition(":")
    path = ("loss", "python")
    if not colon or not name.isidentifier() or not file.endswith(".py"):
        reader.ledger.add(path, f"{shown(text)} is not file.py:Class", 'write python = "model.py:Landscape"')
    else:
        existing(file, path, reader.ledger, reader.scope.folder)


def read_columns(reader: Reader, values: Values | None) -> Data | None:
    """The data, read from its file."""
    if values is None:
        return None
    loss = reader.raw.get("loss")
    if not (isinstance(loss, dict) and "per_sample" in loss):
        advice = "write loss.per_sample, or remove the section"
        reader.ledger.add(("data",), "only a loss per sample uses data", advice)
    if "file" not in values or "columns" not in values or not reader.ledger.clean("data", "columns"):
        return None
    return read_data(values["file"], values["columns"], values.get("standardize", False), reader.ledger)


def read_drift(reader: Reader) -> tuple[Expression, ...] | None:
    """The drift beside -grad f, one expression per coordinate."""
    values = reader.section("drift")
    return None if values is None else values.get("extra")


def read_noise(reader: Reader) -> Noise | None:
    """The noise, None where it is absent or wrong."""
    ledger = reader.ledger
    values = reader.section("noise")
    if values is None:
        if "noise" not in reader.raw:
            ledger.add(("noise",), "the section is missing", "write [noise] with diffusion = 0.05, or learning_rate")
        return None
    table = reader.raw["noise"]
    exactly_one(ledger, ("noise",), table, ("diffusion", "learning_rate"))
    covariance: tuple[str, Any] | str | None = None
    if "diffusion" in table:
        for key in ("batch_size", "covariance"):
            if key in table and "learning_rate" not in table:
                ledger.add(("noise", key), "only used with learning_rate", "remove it, or write learning_rate")
    elif "learning_rate" in table:
        covariance = _covariance(reader, table, values)
    regularization = values.get("regularization", 0.0)
    potential = values.get("potential")
    order: Literal[1, 2] = 2 if values.get("order") == 2 else 1
    if order == 2:
        _check_second_order(reader, table, regularization)
    if not ledger.clean("noise"):
        return None
    if "diffusion" in values:
        shape, entries = values["diffusion"]
        matrix = _full(reader, shape, entries)
        return (
            None if matrix is None else Noise("diffusion", matrix, shape, None, None, None, regularization, potential)
        )
    rate, batch = values["learning_rate"], values["batch_size"]
    if covariance == "samples":
        return Noise("learning_rate", None, "matrix", rate, batch, "samples", regularization, potential, order)
    if not isinstance(covariance, tuple):
        return None  # a table: refused as not available
    matrix = _full(reader, *covariance)
    if matrix is None:
        return None
    return Noise("learning_rate", None, _shape(covariance[0]), rate, batch, matrix, regularization, potential, order)


def _check_second_order(reader: Reader, table: dict[str, Any], regularization: float) -> None:
    """Notes what the second order in the learning rate is not known for."""
    path, raw = ("noise", "order"), reader.raw
    first = "write order = 1"
    if "learning_rate" not in table:
        reader.ledger.add(path, "the order is one in the learning rate, which the case does not have", first)
    if regularization > 0.0:
        wrong = "noise.regularization adds noise that does not shrink with the learning rate"
        reader.ledger.add(path, f"{wrong}: this drift is not of second order then", f"{first}, or remove it")
    schedule = raw.get("schedule")
    reasons = {
        "drift": "the modified equation is that of gradient descent, without [drift]",
        "momentum": "with [momentum] the modified equation is another one",
    }
    for section, wrong in reasons.items():
        if section in raw:
            reader.ledger.add(path, wrong, f"{first}, or remove [{section}]")
    if isinstance(schedule, dict) and "learning_rate" in schedule:
        wrong = "the drift changes with the learning rate, which [schedule] changes"
        reader.ledger.add(path, wrong, f"{first}, or remove schedule.learning_rate")


def _shape(text: str) -> Literal["scalar", "diagonal", "matrix"]:
    return "scalar" if text == "scalar" else "diagonal" if text == "diagonal" else "matrix"


def _covariance(reader: Reader, table: dict[str, Any], values: Values) -> tuple[str, Any] | str | None:
    """``samples``, ``table`` or a tensor; what it needs is there."""
    ledger = reader.ledger
    loss = reader.raw.get("loss")
    loss = loss if isinstance(loss, dict) else {}
    if "batch_size" not in table:
        ledger.add(("noise", "batch_size"), "missing", "write batch_size = 8")
    if "covariance" not in table and "per_sample" not in loss:
        ledger.add(
            ("noise", "covariance"), "missing", 'write a matrix of expressions, or "samples" with loss.per_sample'
        )
    found: tuple[str, Any] | str | None = values.get("covariance", None if "covariance" in table else "samples")
    if found == "samples" and "covariance" in table and "per_sample" not in loss:
        advice = "write a matrix of expressions, or loss.per_sample with [data]"
        ledger.add(("noise", "covariance"), '"samples" needs a loss per sample', advice)
    if found == "table" and "table" not in loss:
        ledger.add(("noise", "covariance"), '"table" needs loss.table', "write a matrix of expressions")
    return found


def _full(reader: Reader, shape: str, entries: Any) -> Matrix | None:
    """The d x d matrix of a scalar, diagonal or matrix; None where the dimension is not known."""
    if shape == "matrix":
        return tuple(tuple(row) for row in entries)
    dimension = reader.scope.dimension
    if dimension is None:
        return None
    diagonal = (entries,) * dimension if shape == "scalar" else entries
    zero = constant_expression(0.0)
    return tuple(tuple(diagonal[i] if i == j else zero for j in range(dimension)) for i in range(dimension))
