"""The smooth parts of a level function: where max, min and abs give its zero set corners.

A mesh meets the corners of {max(g, h) < 0} only if it follows g = 0 and h = 0 one by one. So maxima, minima and
absolute values are drawn out of sums, differences and signs,

    max(a, b) - c = max(a - c, b - c),    c - max(a, b) = min(c - a, c - b),    |a| = max(a, -a),

and of products with numbers, until they stand on top, and what is below them is smooth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fpsolver.case.expressions.expression import Expression
from fpsolver.case.expressions.nodes import Node, apply, number, ordered

MOST = 32
"""A level with more parts than this is taken as a whole."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Parts:
    """A level function as maxima and minima of smooth ones.

    Attributes:
        leaves: The smooth parts.
    """

    leaves: tuple[Expression, ...]
    _root: Node

    def inside(self, negative: Bools) -> Bools:
        """Where the level is negative, (n,), from where its parts are, (n, leaves)."""
        marks: dict[Node, Bools] = {leaf.node: negative[:, i] for i, leaf in enumerate(self.leaves)}
        for node in ordered([self._root]):
            if node not in marks and all(arg in marks for arg in node.args) and node.op in ("max", "min"):
                first, last = (marks[arg] for arg in node.args)
                marks[node] = first & last if node.op == "max" else first | last
        return marks[self._root]


def smooth_parts(level: Expression) -> Parts:
    """The smooth parts of a level function; the level itself where there are too many of them."""
    root = _lifted(level.node)
    leaves = [] if root is None else _leaves(root)
    if root is None or len(leaves) > MOST:
        return Parts((level,), level.node)
    return Parts(tuple(Expression(node, f"a part of {level.source}") for node in leaves), root)


def _leaves(root: Node) -> list[Node]:
    """The nodes below the maxima and minima on top, each once, in the order in which they are written."""
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op in ("max", "min"):
            waiting.extend(reversed(node.args))
        else:
            found[node] = None
    return list(found)


def _lifted(root: Node) -> Node | None:
    """The graph with maxima and minima on top; None where that makes too many parts."""
    known: dict[Node, Node] = {}
    for node in ordered([root]):
        args = [known[arg] for arg in node.args]
        if node.op == "abs":
            known[node] = apply("max", args[0], _pushed("neg", [args[0]]))
        elif node.op in ("neg", "add", "sub") or _is_multiple(node):
            if np.prod([float(len(_leaves(arg))) for arg in args]) > MOST:
                return None
            known[node] = _pushed(node.op, args)
        elif node.op in ("max", "min"):
            known[node] = apply(node.op, *args)
        else:
            known[node] = node  # what is within a product or a function stays there
    return known[root]


def _is_multiple(node: Node) -> bool:
    """A number times something, or something divided by a number."""
    if node.op == "mul":
        return any(number(arg) is not None for arg in node.args)
    return node.op == "div" and number(node.args[1]) is not None


def _pushed(op: str, args: list[Node]) -> Node:
    """A sum, difference, sign or multiple with the maxima and minima of its arguments drawn out of it."""
    for i, arg in enumerate(args):
        if arg.op in ("max", "min"):
            factor = number(args[1 - i]) if op in ("mul", "div") else None
            turned = op == "neg" or (op == "sub" and i == 1) or (factor is not None and factor < 0)
            outer = {"max": "min", "min": "max"}[arg.op] if turned else arg.op
            return apply(outer, *(_pushed(op, [*args[:i], part, *args[i + 1 :]]) for part in arg.args))
    return apply(op, *args)
