"""From a condition to a level function g: the condition holds on the open set {g < 0}.

``<`` and ``<=`` mean the same, and so do ``>`` and ``>=``; ``and`` is the maximum, ``or`` the minimum, ``not`` the
sign. So a union or an intersection of regions is again described by one continuous function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fpsolver.case.expressions.expression import Expression
from fpsolver.case.expressions.nodes import LOGIC, Node, apply, ordered
from fpsolver.case.expressions.parser import parse
from fpsolver.case.expressions.tokens import ExpressionError

_COMBINED = {"and": "max", "or": "min", "not": "neg"}


def outside(first: Expression, last: Expression) -> Expression:
    """The level function of what is in neither of two regions, from theirs."""
    return Expression(apply("neg", apply("min", first.node, last.node)), f"not ({first.source} or {last.source})")


def level(source: str, names: Collection[str], parameters: Mapping[str, float] | None = None) -> Expression:
    """The level function of the condition that ``source`` writes.

    Raises:
        ExpressionError: The text does not parse, is a number and not a condition, or compares with == or !=.
    """
    return Expression(_level(parse(source, names, parameters).node), source)


def _level(root: Node) -> Node:
    levels: dict[Node, Node] = {}
    wanted = _conditions(root)
    for node in ordered([root]):
        if node not in wanted:
            continue
        if node.op in ("lt", "le"):
            levels[node] = apply("sub", node.args[0], node.args[1])
        elif node.op in ("gt", "ge"):
            levels[node] = apply("sub", node.args[1], node.args[0])
        else:
            levels[node] = apply(_COMBINED[node.op], *(levels[arg] for arg in node.args))
    return levels[root]


def _conditions(root: Node) -> set[Node]:
    """The comparisons, ands, ors and nots that make up the condition; arithmetic below them is not entered."""
    found: set[Node] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node.op in ("eq", "ne"):
            raise ExpressionError("a condition with == or != has no inside", "write < or >, such as abs(x) < 0.1")
        if node.op not in LOGIC:
            raise ExpressionError("this is a number, not a condition", 'write a comparison, such as "x < 0"')
        if node not in found:
            found.add(node)
            if node.op in _COMBINED:
                waiting.extend(node.args)
    return found
