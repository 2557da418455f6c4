"""Points and probabilities in a user's words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ROUND_OFF = 1e-12
"""Numbers below this are written as 0."""


def number(value: float) -> str:
    """Six digits, without the traces of round-off."""
    return f"{0.0 if abs(value) < ROUND_OFF else value:.6g}"


def tuple_of(point: npt.ArrayLike) -> str:
    """A number in one dimension, (0.5, 1) in more."""
    values = [number(float(x)) for x in np.atleast_1d(np.asarray(point, dtype=float))]
    return values[0] if len(values) == 1 else f"({', '.join(values)})"


def placed(names: Sequence[str], point: npt.ArrayLike) -> str:
    """x = 0.5 in one dimension, (x, y) = (0.5, 1) in more."""
    return f"{names[0] if len(names) == 1 else f'({", ".join(names)})'} = {tuple_of(point)}"


def chance(probability: float) -> str:
    """A probability in words, the one of the opposite event beside it."""
    if not probability > ROUND_OFF:
        return "with a positive probability"
    if probability > 1.0 - ROUND_OFF:
        return "with probability 1"
    return f"with probability {probability:.4g} (and leaves with probability {1.0 - probability:.4g})"
