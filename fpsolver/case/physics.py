"""``[data]``, ``[drift]`` and ``[noise]``: what is solved, beside the loss."""

from __future__ import annotations

from typing import Any, Literal

from fpsolver.case.data import read_data
from fpsolver.case.data_classes import read_classes
from fpsolver.case.expressions import Expression, constant_expression
from fpsolver.case.reading import Reader, Values, exactly_one
from fpsolver.case.schema_loss import is_of_data
from fpsolver.case.sections import Data, Loss, Matrix, Noise

Word = Literal["samples", "table", "python"]
"""Where a covariance comes from that is no formula."""


def read_columns(reader: Reader, values: Values | None) -> Data | None:
    """The data, read from its file."""
    if values is None:
        return None
    if not is_of_data(reader.raw):
        advice = "write loss.per_sample, or remove the section"
        reader.ledger.add(("data",), "only a loss per sample uses data", advice)
    classes = read_classes(values.get("classes", {}), values.get("columns", {}), reader.ledger)
    if "file" not in values or "columns" not in values or not reader.ledger.clean("data"):
        return None
    return read_data(values["file"], values["columns"], classes, values.get("standardize", False), reader.ledger)


def read_drift(reader: Reader) -> tuple[Expression, ...] | None:
    """The drift beside -grad f, one expression per coordinate."""
    values = reader.section("drift")
    return None if values is None else values.get("extra")


def read_noise(reader: Reader, loss: Loss | None) -> Noise | None:
    """The noise, None where it is absent or wrong.

    Args:
        reader: Reads over the coordinates that the noise depends on.
        loss: Of the case; a table may hold the covariance.
    """
    ledger = reader.ledger
    values = reader.section("noise")
    if values is None:
        if "noise" not in reader.raw:
            ledger.add(("noise",), "the section is missing", "write [noise] with diffusion = 0.05, or learning_rate")
        return None
    table = reader.raw["noise"]
    exactly_one(ledger, ("noise",), table, ("diffusion", "learning_rate"))
    covariance: tuple[str, Any] | Word | None = None
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
    if covariance == "samples" or covariance == "python":
        return Noise("learning_rate", None, "matrix", rate, batch, covariance, regularization, potential, order)
    if not isinstance(covariance, tuple):
        found = None if loss is None or loss.table is None else loss.table.covariance
        if found is None and loss is not None:
            wrong = "the table has no array covariance, and no factor of one"
            ledger.add(("noise", "covariance"), wrong, "save one in the table, or write a matrix of expressions")
        return (
            None
            if found is None
            else Noise("learning_rate", None, "matrix", rate, batch, found, regularization, potential, order)
        )
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


def _covariance(reader: Reader, table: dict[str, Any], values: Values) -> tuple[str, Any] | Word | None:
    """``samples``, ``table``, ``python`` or a tensor; what it needs is there."""
    ledger = reader.ledger
    loss, of_data = reader.raw.get("loss"), is_of_data(reader.raw)
    loss = loss if isinstance(loss, dict) else {}
    if "batch_size" not in table:
        ledger.add(("noise", "batch_size"), "missing", "write batch_size = 8")
    if "covariance" not in table and not of_data:
        own = next((f'covariance = "{source}"' for source in ("table", "python") if source in loss), "")
        advice = (
            f"write {own}, or a matrix of expressions"
            if own
            else ('write a matrix of expressions, or "samples" with loss.per_sample')
        )
        ledger.add(("noise", "covariance"), "missing", advice)
    found: tuple[str, Any] | Word | None = values.get("covariance", None if "covariance" in table else "samples")
    if found == "samples" and "covariance" in table and not of_data:
        advice = "write a matrix of expressions, or loss.per_sample with [data]"
        ledger.add(("noise", "covariance"), '"samples" needs a loss per sample', advice)
    for source in ("table", "python"):
        if found == source and source not in loss:
            ledger.add(("noise", "covariance"), f'"{source}" needs loss.{source}', "write a matrix of expressions")
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
