"""Expressions: parsed formulas that can be evaluated on arrays and differentiated exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fpsolver.case.expressions.derivative import differentiate
from fpsolver.case.expressions.nodes import Field, Leaf, Node, apply, constant, field_node, make, number, ordered
from fpsolver.case.expressions.operations import OPERATIONS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Expression:
    """A formula over named variables; parameters have been substituted by their values.

    Two expressions are equal when their graphs are, however they were written.

    Attributes:
        node: The graph; shared subtrees are one object.
        source: The text that it was parsed from.
    """

    node: Node = field(repr=False)
    source: str = field(compare=False)

    def evaluate(self, values: Mapping[str, ArrayLike]) -> Array:
        """The value for given values of the variables.

        Args:
            values: A number or array for each variable; shapes broadcast. More than the expression needs is fine.

        Returns:
            A new float64 array of the broadcast shape of all ``values``. Points outside the domain of a function give
            nan or inf, without a warning.

        Raises:
            KeyError: A variable of the expression has no value.
        """
        return self._program(values)[0]

    def derivative(self, name: str) -> Expression:
        """The exact partial derivative with respect to the variable ``name``; 0 where it does not occur."""
        return Expression(differentiate(self.node, name), f"d/d{name} ({self.source})")

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables that occur."""
        return frozenset(str(node.leaf) for node in ordered([self.node]) if node.op == "variable")

    @cached_property
    def size(self) -> int:
        """Number of operations, numbers and variables."""
        return len(ordered([self.node]))

    @property
    def is_constant(self) -> bool:
        """True where no variable occurs."""
        return not self.names

    @property
    def value(self) -> float | None:
        """The number that a constant expression is, None for one with variables."""
        folded = number(self.node)
        if folded is not None or not self.is_constant:
            return folded
        return float(self.evaluate({}))  # conditions are not folded

    @cached_property
    def _program(self) -> Program:
        return Program([self])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickled and copied as a flat list, so that neither depth nor sharing is lost."""
        nodes = ordered([self.node])
        place = {node: index for index, node in enumerate(nodes)}
        flat = tuple((node.op, tuple(place[arg] for arg in node.args), node.leaf) for node in nodes)
        return _rebuild, (flat, self.source)


def _rebuild(flat: Sequence[tuple[str, tuple[int, ...], Leaf]], source: str) -> Expression:
    nodes: list[Node] = []
    for op, places, leaf in flat:
        nodes.append(make(op, tuple(nodes[place] for place in places), leaf))
    return Expression(nodes[-1], source)


def constant_expression(value: float) -> Expression:
    """The expression that is this number."""
    return Expression(constant(value), repr(float(value)))


def field_expression(field: Field, names: Sequence[str], source: str) -> Expression:
    """A function of coordinates that no formula gives."""
    return Expression(field_node(field, names), source)


def applied(operation: str, *arguments: Expression) -> Expression:
    """An operation of the language, such as ``mul``, on expressions."""
    source = f"{operation}({', '.join(argument.source for argument in arguments)})"
    return Expression(apply(operation, *(argument.node for argument in arguments)), source)


def scaled(expression: Expression, factor: float) -> Expression:
    """The expression times a number."""
    return Expression(apply("mul", constant(factor), expression.node), f"{factor!r}*({expression.source})")


class Program:
    """Several expressions evaluated together: what they share is computed once, what is used up is freed.

    Example:
        ``Program([f, *(f.derivative(name) for name in names)])(values)`` is a list: f and its gradient.
    """

    def __init__(self, expressions: Sequence[Expression]) -> None:
        self._roots = [expression.node for expression in expressions]
        self._order = ordered(self._roots)
        kept = set(self._roots)
        last_use = {arg: node for node in self._order for arg in node.args}
        self._used_up: dict[Node, list[Node]] = {}
        for arg, node in last_use.items():
            if arg not in kept:
                self._used_up.setdefault(node, []).append(arg)

    def __call__(self, values: Mapping[str, ArrayLike]) -> list[Array]:
        """The values of all expressions, each a new float64 array of the broadcast shape of ``values``."""
        arrays = {name: np.asarray(value, dtype=np.float64) for name, value in values.items()}
        shape = np.broadcast_shapes(*(array.shape for array in arrays.values()))
        with np.errstate(all="ignore"):
            found = self.bare(arrays)
        inputs = {id(array) for array in arrays.values()}
        return [
            _own(array, shape, inputs, self._roots.count(root) > 1)
            for array, root in zip(found, self._roots, strict=True)
        ]

    def bare(self, arrays: Mapping[str, Array]) -> list[Array]:
        """The values as they come: not broadcast, and some of them may be one array, or one of ``arrays``, themselves.

        For whoever evaluates small arrays many times and only reads the values; warnings of numpy are the caller's.
        """
        known: dict[Node, Array] = {}
        for node in self._order:
            if node.op == "constant":
                known[node] = np.asarray(node.leaf, dtype=np.float64)
            elif node.op == "variable":
                known[node] = arrays[str(node.leaf)]
            else:
                operation = node.leaf if callable(node.leaf) else OPERATIONS[node.op]
                known[node] = operation(*[known[arg] for arg in node.args])
                for arg in self._used_up.get(node, ()):
                    del known[arg]
        return [known[root] for root in self._roots]


def _own(array: Array, shape: tuple[int, ...], inputs: set[int], shared: bool) -> Array:
    """A writable array of the full shape that is nobody else's."""
    if np.shape(array) != shape or id(array) in inputs or shared or not isinstance(array, np.ndarray):
        return np.array(np.broadcast_to(array, shape), dtype=np.float64)
    return array
