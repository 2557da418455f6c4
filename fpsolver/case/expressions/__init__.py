"""The expression language of case files: parsed by whitelist, evaluated on arrays, differentiated exactly."""

from __future__ import annotations

from fpsolver.case.expressions.expression import (
    Expression,
    Program,
    applied,
    constant_expression,
    field_expression,
    scaled,
)
from fpsolver.case.expressions.level import level, outside
from fpsolver.case.expressions.nodes import Field
from fpsolver.case.expressions.parser import parse
from fpsolver.case.expressions.parts import Parts, smooth_parts
from fpsolver.case.expressions.tokens import ExpressionError

__all__ = [
    "Expression", "ExpressionError", "Field", "Parts", "Program", "applied", "constant_expression", "field_expression",
    "level", "outside", "parse", "scaled", "smooth_parts",
]  # fmt: skip
