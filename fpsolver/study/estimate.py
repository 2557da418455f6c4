"""The estimate of an error from two cruder answers: one of lower degree, one on a coarser mesh.

Functionals of Galerkin solutions of degree k on cells of size h converge like h^2k: the error is a product of two
errors of approximation, that of the solution and that of an adjoint one. So with q_j of degree j < k on the same mesh
and Q of degree k on cells twice as large,

    a = |q - q_j| ~ h^2j,      b = |q - Q| ~ (2h)^2k,      (a b)^(k/(j + k)) ~ h^2k.

Each difference alone is now and then small by accident, or large because one of the two has not begun to converge, or
blind: degrees do not show the error of a curved boundary, nor meshes that of a layer within one graded cell. Their
geometric mean suffers less from all of it, and a share of the larger one is never left out. With s the size of the
quantity,

    error = max(c m min(1, m/s)^(2k/(j + k) - 1), LEAST max(a, b)),      m = sqrt(a b)

Quantities that vary over orders of magnitude are compared in their logarithms, with s = 1.
"""

from __future__ import annotations

import cmath
import math

from fpsolver.quantity import Quantity

# c by degree. SMOOTH: solution and adjoint are as smooth as the theory wants: detailed balance, straight boundaries,
# integrals. ROUGH: transport, fitted weights, curved boundaries, values at points. FAR: (smooth, rough) for companions
# of a degree that is lower by two. All are calibrated on reference values, see benchmarks/README.md.
SMOOTH = {2: 0.75, 3: 0.4, 4: 0.22}
ROUGH = {2: 4.0, 3: 3.0, 4: 3.0}
FAR = (0.3, 1.0)

LEAST = 0.035
"""Share of the larger difference that is always stated, where the degrees differ by one; calibrated too."""

COARSE = 1.0
"""Of the difference to a coarser mesh alone, which has at least that error where it has begun to converge."""

ROUND_OFF = 1e-13
"""Relative; no error is stated to be smaller."""

LARGEST = 40.0
"""An error in the logarithm beyond which all is lost; keeps the exponential finite."""


def error(
    quantity: Quantity, lower: Quantity | None, coarser: Quantity | None, degree: int, below: int, *, smooth: bool
) -> float:
    """The estimate, in the unit of the quantity.

    Args:
        quantity: With a finite value.
        lower: The same of lower degree on the same mesh, None where there is none.
        coarser: The same of the same degree on cells twice as large, None where there is none.
        degree: Of the elements.
        below: The lower degree.
        smooth: Nothing is known that spoils the order of theory.
    """
    size = 1.0 if _in_log(quantity) else max(abs(_number(quantity)), quantity.size)
    a = None if lower is None else _difference(quantity, lower)
    b = None if coarser is None else _difference(quantity, coarser)
    if a is None or b is None:
        found = COARSE * next((number for number in (a, b) if number is not None), math.inf)
    else:
        mean = math.sqrt(a) * math.sqrt(b)
        is_near = degree - below == 1
        factor = (SMOOTH if smooth else ROUGH)[min(degree, 4)] if is_near else FAR[0 if smooth else 1]
        gain = mean / size if mean < size else 1.0  # what has no size gains nothing
        found = factor * mean * gain ** (2.0 * degree / (degree + below) - 1.0)
        if is_near:
            found = max(found, LEAST * max(a, b))
    if _in_log(quantity):
        found = abs(_number(quantity)) * math.expm1(min(found, LARGEST))
    return found + quantity.floor + ROUND_OFF * max(abs(_number(quantity)), quantity.size)


def _difference(quantity: Quantity, other: Quantity) -> float:
    """Between two values, or their logarithms."""
    one, two = _number(quantity), _number(other)
    if not _in_log(quantity):
        return abs(one - two)
    if two == 0.0 or (quantity.imag is None and two.real <= 0.0):
        return LARGEST
    return min(abs(cmath.log(one) - cmath.log(two)) if quantity.imag is None else abs(cmath.log(one / two)), LARGEST)


def _in_log(quantity: Quantity) -> bool:
    number = _number(quantity)
    return quantity.scale == "log" and (number.real > 0.0 if quantity.imag is None else number != 0.0)


def _number(quantity: Quantity) -> complex:
    assert quantity.value is not None
    return complex(quantity.value, quantity.imag or 0.0)
