"""The density that a run ends with, as a later run may start from it. A leaf: imports nothing of the project."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FinalState:
    """A density w h at one time, nodes in any order.

    Attributes:
        time: Time of the earlier run.
        degree: Degree of the Lagrange elements.
        points: Nodes, (n, d).
        values: h there, (n,).
        kind: Of the weight: where its potential comes from.
        floor: Of the weight.
        ceiling: Of the weight.
        ratio: Of the weight: by what the noise of the case was multiplied for it.
        spline: Coefficients of a weight that was refined in that run, else None.
    """

    time: float
    degree: int
    points: Array
    values: Array
    kind: str
    floor: float
    ceiling: float
    ratio: float = 1.0
    spline: Array | None = None
