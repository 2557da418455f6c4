"""Expression graphs: interned nodes, so that equal subtrees are one object, built with light simplification.

A node is immutable. ``op`` names the operation, ``args`` are nodes, ``leaf`` is the value of a constant, the name of
a variable, or a function of the arguments that no formula gives. Equal operations on equal arguments give the *same*
node; comparing graphs is comparing identity, and what is shared is computed and differentiated once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol
from weakref import WeakValueDictionary

import numpy as np

from fpsolver.case.expressions.operations import OPERATIONS, Values

LOGIC = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})


class Field(Protocol):
    """A function of points that no formula gives; equal fields have equal hashes."""

    def __call__(self, *coordinates: Values) -> Values:
        """The values at points given by their coordinates."""

    def slope(self, axis: int) -> Field | None:
        """The derivative with respect to an argument; None: 0."""

    def __hash__(self) -> int: ...


Leaf = float | str | Field | None


class Node:
    """One operation of an expression graph; made by the functions of this module only."""

    __slots__ = ("__weakref__", "args", "leaf", "op")

    op: str
    args: tuple[Node, ...]
    leaf: Leaf

    def __repr__(self) -> str:
        return f"Node({self.op}, {self.leaf if not self.args else len(self.args)})"


_interned: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()


def make(op: str, args: tuple[Node, ...] = (), leaf: Leaf = None) -> Node:
    """The node of this operation, as is; :func:`apply` simplifies as well."""
    # float.hex tells 0.0 from -0.0 and makes every nan equal to itself
    key = (op, args, leaf.hex() if isinstance(leaf, float) else leaf)
    node = _interned.get(key)
    if node is None:
        node = Node()
        node.op, node.args, node.leaf = op, args, leaf
        _interned[key] = node
    return node


def constant(value: float) -> Node:
    """A number."""
    return make("constant", (), float(value))


def variable(name: str) -> Node:
    """A coordinate or a data column."""
    return make("variable", (), name)


def field_node(field: Field, names: Sequence[str]) -> Node:
    """A field over coordinates."""
    return make("field", tuple(variable(name) for name in names), field)


ZERO, ONE, MINUS_ONE, TWO = constant(0.0), constant(1.0), constant(-1.0), constant(2.0)


def number(node: Node) -> float | None:
    """The value of a constant node, None for every other node."""
    return node.leaf if node.op == "constant" and isinstance(node.leaf, float) else None


def apply(op: str, *args: Node) -> Node:
    """The simplified node for ``op`` applied to ``args``.

    Constants are folded (1/0 is the constant inf, 0/0 nan: evaluation and checks report them with a place), neutral
    elements vanish. Comparisons are left alone, because a region reads its level function from them.
    """
    if op not in LOGIC and all(arg.op == "constant" for arg in args):
        with np.errstate(all="ignore"):
            return constant(float(OPERATIONS[op](*[np.float64(number(arg)) for arg in args])))
    return _simplified(op, args) or make(op, args)


def _simplified(op: str, args: tuple[Node, ...]) -> Node | None:
    """A shorter node of the same value, None where there is none."""
    first, last = args[0], args[-1]
    match op:
        case "add":
            return last if first is ZERO else first if last is ZERO else None
        case "sub":
            return apply("neg", last) if first is ZERO else first if last is ZERO else None
        case "mul":
            return _simplified_product(first, last)
        case "div":
            return ZERO if first is ZERO else first if last is ONE else None
        case "pow":
            return ONE if last is ZERO else first if last is ONE else None
        case "neg":
            return first.args[0] if first.op == "neg" else None
        case "min" | "max":
            return first if first is last else None
        case "select":
            return last if args[1] is last else None
    return None


def _simplified_product(first: Node, last: Node) -> Node | None:
    if first is ZERO or last is ZERO:
        return ZERO
    if first is ONE:
        return last
    if last is ONE:
        return first
    if first is MINUS_ONE:
        return apply("neg", last)
    if last is MINUS_ONE:
        return apply("neg", first)
    return None


def ordered(roots: Sequence[Node]) -> list[Node]:
    """All nodes below ``roots``, each once, arguments before the operations that use them.

    Iterative: a sum of two thousand terms is a chain two thousand deep.
    """
    order: list[Node] = []
    done: set[Node] = set()
    for root in roots:
        stack: list[tuple[Node, Iterator[Node]]] = [] if root in done else [(root, iter(root.args))]
        done.add(root)
        while stack:
            node, remaining = stack[-1]
            child = next((arg for arg in remaining if arg not in done), None)
            if child is None:
                order.append(node)
                stack.pop()
            else:
                done.add(child)
                stack.append((child, iter(child.args)))
    return order
