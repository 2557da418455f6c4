"""The keys of ``[loss]``, ``[data]`` and ``[drift]``, of which `fpsolver.case.schema` is the whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fpsolver.case.keys import Key, Kind

__all__ = ["LOSS", "OF_DATA", "is_of_data"]

K = Kind

OF_DATA = ("per_sample", "name")
"""Keys of losses that are means over the rows of the data."""

LOSS: tuple[Key, ...] = (
    Key("loss", "expression", K.EXPRESSION, "the loss f", unit="loss", example='"(x**2 - 1)**2/4"'),
    Key(
        "loss",
        "per_sample",
        K.EXPRESSION,
        "loss of one row of [data]; f is the mean",
        unit="loss",
        example='"(t - x)**2"',
    ),
    Key(
        "loss",
        "name",
        K.TEXT,
        "a loss per sample by its name, of prediction and target",
        choices=("squared", "logistic"),
        example='"logistic"',
    ),
    Key("loss", "prediction", K.EXPRESSION, "what a named loss compares: of one row", example='"b*tanh(a*feature)"'),
    Key("loss", "target", K.EXPRESSION, "with what; for logistic a column of 0 and 1", example='"width"'),
    Key(
        "loss",
        "table",
        K.FILE,
        "values on a grid (.npz or .h5: axis_0, axis_1, loss, optional covariance)",
        example='"landscape.npz"',
    ),
    Key("loss", "python", K.TEXT, "user's class: file.py:Class", example='"model.py:Landscape"'),
    Key("data", "file", K.FILE, "CSV file with a header line, or .npz", required=True, example='"../data/iris.csv"'),
    Key(
        "data",
        "columns",
        K.COLUMNS,
        'names of columns in expressions; of .npz: arrays, or columns "x[3]" of them',
        required=True,
        example='{ t = "petal_width" }',
    ),
    Key(
        "data",
        "classes",
        K.TABLE,
        "numbers for the words in columns of a CSV file; rows with other words are left out",
        example="{ t = { setosa = 0, versicolor = 1 } }",
    ),
    Key(
        "data",
        "standardize",
        K.BOOLEAN,
        "shift and scale columns, but classes, to mean 0, deviation 1",
        default=False,
    ),
    Key(
        "drift",
        "extra",
        K.EXPRESSIONS,
        "drift added to -grad f",
        required=True,
        unit="parameter/time",
        example='["-y", "x"]',
    ),
)


def is_of_data(raw: Mapping[str, Any]) -> bool:
    """Whether the loss of a case is a mean over the rows of its data."""
    loss = raw.get("loss")
    return isinstance(loss, dict) and any(key in loss for key in OF_DATA)
