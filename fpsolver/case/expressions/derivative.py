"""Exact derivatives of expression graphs, one rule per operation.

At kinks (abs, min, max, sign) the derivative is that of one side: sign(0) = 0 for abs, the first argument for min and
max where both are equal. Conditions are piecewise constant, so their derivative is 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fpsolver.case.expressions.nodes import ONE, TWO, ZERO, Node, apply, constant, make, number, ordered

Rule = Callable[[Node], tuple[Node, ...]]


def differentiate(root: Node, name: str) -> Node:
    """∂root/∂name by the chain rule, each shared node once."""
    derivatives: dict[Node, Node] = {}
    for node in ordered([root]):
        derivatives[node] = _derivative(node, name, derivatives)
    return derivatives[root]


def _derivative(node: Node, name: str, known: dict[Node, Node]) -> Node:
    if node.op == "variable":
        return ONE if node.leaf == name else ZERO
    inner = [known[arg] for arg in node.args]
    if node.op == "field":
        return _of_field(node, inner)
    if node.op == "select":
        return apply("select", node.args[0], inner[1], inner[2])
    if node.op in ("min", "max"):
        return _extremum(node, inner[0], inner[1])
    if all(slope is ZERO for slope in inner) or node.op not in PARTIALS:
        return ZERO
    if node.op == "div":  # (f' - (f/g) g')/g needs no square of g, which might overflow
        return apply("div", apply("sub", inner[0], apply("mul", node, inner[1])), node.args[1])
    if node.op == "pow":
        return _power(node, inner[0], inner[1])
    total = ZERO
    for partial, slope in zip(PARTIALS[node.op](node), inner, strict=True):
        total = apply("add", total, apply("mul", partial, slope))
    return total


def _of_field(node: Node, inner: Sequence[Node]) -> Node:
    assert node.leaf is not None
    assert not isinstance(node.leaf, str | float)
    total = ZERO
    for axis, slope in enumerate(inner):
        partial = node.leaf.slope(axis)
        if partial is not None and slope is not ZERO:
            total = apply("add", total, apply("mul", make("field", node.args, partial), slope))
    return total


def _extremum(node: Node, first: Node, last: Node) -> Node:
    if first is last:
        return first
    test = "le" if node.op == "min" else "ge"
    return apply("select", apply(test, *node.args), first, last)


def _power(node: Node, slope: Node, exponent_slope: Node) -> Node:
    """x**y: y x**(y-1) x' + x**y log(x) y'. A constant exponent never meets the logarithm, so x may be negative."""
    base, exponent = node.args
    total = ZERO
    if slope is not ZERO:
        lower = apply("pow", base, apply("sub", exponent, ONE))
        total = apply("mul", apply("mul", exponent, lower), slope)
    if exponent_slope is not ZERO:
        growth = apply("mul", apply("mul", node, apply("log", base)), exponent_slope)
        if number(base) is None:  # 0**y log(0) is 0 in the limit, nan in floating point
            growth = apply("select", apply("eq", base, ZERO), ZERO, growth)
        total = apply("add", total, growth)
    return total


def _arg(node: Node, op: str) -> Node:
    return apply(op, node.args[0])


def _inverse_square(node: Node) -> Node:
    return apply("div", ONE, apply("pow", node, TWO))


PARTIALS: dict[str, Rule] = {  # partial derivatives with respect to each argument; absent: 0 (sign, conditions)
    "add": lambda node: (ONE, ONE),
    "sub": lambda node: (ONE, constant(-1.0)),
    "neg": lambda node: (constant(-1.0),),
    "mul": lambda node: (node.args[1], node.args[0]),
    "div": lambda node: (),
    "pow": lambda node: (),
    "abs": lambda node: (_arg(node, "sign"),),
    "sqrt": lambda node: (apply("div", constant(0.5), node),),
    "exp": lambda node: (node,),
    "log": lambda node: (apply("div", ONE, node.args[0]),),
    "sin": lambda node: (_arg(node, "cos"),),
    "cos": lambda node: (apply("neg", _arg(node, "sin")),),
    "tan": lambda node: (_inverse_square(_arg(node, "cos")),),
    "sinh": lambda node: (_arg(node, "cosh"),),
    "cosh": lambda node: (_arg(node, "sinh"),),
    "tanh": lambda node: (_inverse_square(_arg(node, "cosh")),),  # 1 - tanh² would cancel
    "erf": lambda node: (
        apply(
            "mul",
            constant(2.0 / math.sqrt(math.pi)),
            apply("exp", apply("neg", apply("pow", node.args[0], TWO))),
        ),
    ),
    # 1/(1 + exp(-x)), which is a small number to full precision in this form
    "softplus": lambda node: (apply("exp", apply("sub", node.args[0], node)),),
}
