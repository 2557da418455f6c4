"""What each operation of an expression graph does to numpy arrays of float64. Conditions are 1.0 and 0.0."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Operation = Callable[..., Any]


def _condition(test: Operation) -> Operation:
    return lambda *args: np.asarray(test(*args), dtype=np.float64)


def _power(base: Values, exponent: Values) -> Values:
    """``base**exponent``; small whole powers by multiplication, which is several times faster than pow."""
    if np.ndim(exponent) == 0:
        match float(exponent):
            case 2.0:
                return np.square(base)
            case 3.0:
                return np.square(base) * base
            case 4.0:
                return np.square(np.square(base))
            case -1.0:
                return 1.0 / base
            case 0.5:
                return np.sqrt(base)
    return np.power(base, exponent)


def _erf(x: Values) -> Values:
    if np.size(x) == 1:
        return np.full(np.shape(x), math.erf(float(np.reshape(x, ()))))
    from scipy.special import erf  # only where it is used: importing it costs more than reading a case

    return np.asarray(erf(x), dtype=np.float64)


def _softplus(x: Values) -> Values:
    """log(1 + exp(x)), to full precision however large |x| is."""
    return np.asarray(np.logaddexp(0.0, x))


OPERATIONS: dict[str, Operation] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "neg": np.negative,
    "pow": _power,
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.abs,
    "sign": np.sign,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "erf": _erf,
    "softplus": _softplus,
    "lt": _condition(np.less),
    "le": _condition(np.less_equal),
    "gt": _condition(np.greater),
    "ge": _condition(np.greater_equal),
    "eq": _condition(np.equal),
    "ne": _condition(np.not_equal),
    "and": _condition(np.logical_and),
    "or": _condition(np.logical_or),
    "not": _condition(np.logical_not),
    "select": lambda condition, one, other: np.where(np.not_equal(condition, 0.0), one, other),
}
