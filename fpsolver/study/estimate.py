"""The estimate of an error from two cruder answers: one of lower degree, one on a coarser mesh.

Functionals of Galerkin solutions of degree k on cells of size h converge like h^2k. So with q_j of a lower degree j on
the same mesh, and Q of the same degree on cells twice as large,

    a = |q - q_j| ~ h^2j,      b = |q - Q| ~ (2h)^2k,      (a b)^(k/(j + k)) ~ h^2k

are all powers of the error wanted. Each difference alone is now and then small by accident, or large because one of the
two has not begun to converge; their geometric mean is so more rarely. With s the size of the quantity,

    error = SAFETY sqrt(a b) min(1, sqrt(a b)/s)^(2k/(j + k) - 1)

where positive quantities that vary over orders of magnitude are compared in their logarithms, and s = 1.
"""

from __future__ import annotations

import cmath
import math

from fpsolver.quantity import Quantity

SAFETY = 0.7
"""Calibrated on reference values, see benchmarks/README.md."""

SAFETY_ALONE = 1.0
"""Of a single difference, which is an error of the cruder answer and so far too large for the better one."""

SAFETY_COARSE = 0.5
"""Of the difference to a coarser mesh alone, for elements of degree 1; order 2 would be a third."""

ROUND_OFF = 1e-13
"""Relative; no error is stated to be smaller."""

LARGEST = 40.0
"""An error in the logarithm beyond which all is lost; keeps the exponential finite."""


def error(quantity: Quantity, lower: Quantity | None, coarser: Quantity | None, degree: int, below: int) -> float:
    """The estimate, in the unit of the quantity.

    Args:
        quantity: With a finite value.
        lower: The same of lower degree on the same mesh, None where there is none.
        coarser: The same of the same degree on cells twice as large, None where there is none.
        degree: Of the elements.
        below: The lower degree.
    """
    assert quantity.value is not None
    size = max(abs(_number(quantity)), quantity.size)
    in_log = _in_log(quantity)
    found = _combined(
        None if lower is None else _difference(quantity, lower),
        None if coarser is None else _difference(quantity, coarser),
        1.0 if in_log else size,
        2.0 * degree / (degree + below) - 1.0,
    )
    if in_log:
        found = abs(_number(quantity)) * math.expm1(min(found, LARGEST))
    return found + quantity.floor + ROUND_OFF * abs(_number(quantity))


def _combined(a: float | None, b: float | None, size: float, power: float) -> float:
    if a is None:
        return SAFETY_COARSE * b if b is not None else math.inf
    if b is None:
        return SAFETY_ALONE * a
    mean = math.sqrt(a) * math.sqrt(b)
    return SAFETY * mean * min(1.0, mean / size) ** power if mean > 0.0 else 0.0


def _difference(quantity: Quantity, other: Quantity) -> float:
    """Between two values, or their logarithms; infinite where the other one is no number."""
    if other.value is None:
        return math.inf
    one, two = _number(quantity), _number(other)
    if not _in_log(quantity):
        return abs(one - two)
    if two == 0.0 or (quantity.imag is None and two.real <= 0.0):
        return LARGEST
    return abs(cmath.log(one) - cmath.log(two)) if quantity.imag is None else abs(cmath.log(one / two))


def _in_log(quantity: Quantity) -> bool:
    number = _number(quantity)
    return quantity.scale == "log" and (number.real > 0.0 if quantity.imag is None else number != 0.0)


def _number(quantity: Quantity) -> complex:
    assert quantity.value is not None
    return complex(quantity.value, quantity.imag or 0.0)
