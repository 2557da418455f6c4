"""From text to an expression graph: a precedence parser that knows the listed words and nothing else.

The language is Python's arithmetic with Python's precedence (``-x**2`` is ``-(x**2)``, ``**`` groups to the right,
comparisons chain). It is read by its own small parser and not through ``ast``, because names such as ``lambda`` or
``in`` are allowed for parameters; nothing is ever executed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fpsolver.case.expressions.expression import Expression
from fpsolver.case.expressions.grammar import COMPARISONS, CONSTANTS, FUNCTIONS, MAX_DEPTH, PYTHON, WORDS
from fpsolver.case.expressions.nodes import Node, apply, constant, variable
from fpsolver.case.expressions.tokens import ExpressionError, Token, tokenize, trouble
from fpsolver.case.suggest import listed, nearest

OR, AND, NOT, COMPARE, SUM, PRODUCT, SIGN, POWER = range(1, 9)  # precedence, loosest first
_BINARY = {"+": (SUM, "add"), "-": (SUM, "sub"), "*": (PRODUCT, "mul"), "/": (PRODUCT, "div"), "**": (POWER, "pow")}


def parse(source: str, names: Collection[str], parameters: Mapping[str, float] | None = None) -> Expression:
    """The expression that ``source`` writes.

    Args:
        source: Text such as ``"(x**2 - 1)**2/4 + d*y"``.
        names: Variables that may occur: coordinates, and data columns where they are allowed.
        parameters: Names that stand for numbers; they are substituted.

    Raises:
        ExpressionError: The text is not an expression; says at which column and what to write.
    """
    return Expression(_Parser(source, names, parameters or {}).whole(), source)


class _Parser:
    def __init__(self, source: str, names: Collection[str], parameters: Mapping[str, float]) -> None:
        self.source = source
        self.names = names
        self.parameters = parameters
        self.tokens = tokenize(source)
        self.place = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def advance(self) -> Token:
        token = self.token
        self.place += 1
        return token

    def error(self, token: Token, what: str, write: str) -> ExpressionError:
        return trouble(self.source, token.column, what, write)

    def whole(self) -> Node:
        node = self.operation(OR)
        if self.token.kind != "end":
            raise self.unexpected(self.token)
        return node

    def operation(self, level: int) -> Node:
        """An operation whose operators bind at least as tightly as ``level``."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(
                self.token,
                f"more than {MAX_DEPTH} levels of nesting",
                "write it flatter, or name parts in [parameters]",
            )
        left = self.operand(level)
        while True:
            sign = self.token.text
            if sign in _BINARY and _BINARY[sign][0] >= level:
                strength, op = _BINARY[sign]
                self.advance()
                # powers group to the right and take a signed exponent; the others group to the left
                left = apply(op, left, self.operation(SIGN if strength == POWER else strength + 1))
            elif sign in COMPARISONS and level <= COMPARE:
                left = self.comparison(left)
            elif sign in ("and", "or") and level <= (AND if sign == "and" else OR):
                self.advance()
                left = apply(sign, left, self.operation(NOT if sign == "and" else AND))
            else:
                break
        self.depth -= 1
        return left

    def comparison(self, left: Node) -> Node:
        """``a < b <= c`` means ``a < b and b <= c``."""
        result: Node | None = None
        while self.token.text in COMPARISONS:
            op = COMPARISONS[self.advance().text]
            right = self.operation(SUM)
            step = apply(op, left, right)
            result = step if result is None else apply("and", result, step)
            left = right
        assert result is not None  # called at a comparison sign
        return result

    def operand(self, level: int) -> Node:
        token = self.advance()
        if token.kind == "number":
            return self.number(token)
        if token.text == "not":
            if level > NOT:
                raise self.error(token, "'not' stands inside arithmetic", "write parentheses around (not ...)")
            return apply("not", self.operation(NOT))
        if token.kind == "name" and token.text not in WORDS:
            return self.name(token)
        if token.text in ("-", "+"):
            inner = self.operation(SIGN)
            return apply("neg", inner) if token.text == "-" else inner
        if token.text == "(":
            return self.parenthesis(token)
        if token.kind == "end":
            raise self.error(token, "the expression ends too early", "write what follows the last operator")
        raise self.error(token, f"'{token.text}' stands where a value is expected", "write a number, a name or ( ... )")

    def number(self, token: Token) -> Node:
        try:
            value = float(token.text)
        except ValueError:
            raise self.error(token, f"'{token.text}' is not a number", "write it like 1000.0 or 1e3") from None
        return constant(value)

    def name(self, token: Token) -> Node:
        name = token.text
        if self.token.text == "(" and name not in self.names and name not in self.parameters:
            return self.call(token)
        if name in self.names:
            return variable(name)
        if name in self.parameters:
            return constant(self.parameters[name])
        if name in CONSTANTS:
            return constant(CONSTANTS[name])
        if name in FUNCTIONS:
            raise self.error(token, f"the function {name} has no arguments", f"write {name}(...)")
        raise self.unknown(token)

    def unknown(self, token: Token) -> ExpressionError:
        name = token.text
        known = [*self.names, *self.parameters, *CONSTANTS, *FUNCTIONS]
        close = nearest(name, known)
        usable = listed(dict.fromkeys([*self.names, *self.parameters]))
        other = (
            f"write one of {usable}, or define {name} in [parameters]" if usable else f"define {name} in [parameters]"
        )
        write = PYTHON.get(name) or (f"did you mean {close}?" if close else other)
        return self.error(token, f"unknown name {name}", write)

    def parenthesis(self, opening: Token) -> Node:
        node = self.operation(OR)
        if self.token.text != ")":
            if self.token.kind == "end":
                raise self.error(opening, "'(' is never closed", "write the missing )")
            raise self.unexpected(self.token)
        self.advance()
        return node

    def call(self, token: Token) -> Node:
        name = token.text
        if name not in FUNCTIONS:
            close = nearest(name, FUNCTIONS)
            if name in CONSTANTS:
                write = f"write {name}*(...)"
            else:
                write = PYTHON.get(name) or (
                    f"did you mean {close}?" if close else f"write one of {listed(FUNCTIONS, 20)}"
                )
            raise self.error(token, f"{name} is not a known function", write)
        opening = self.advance()
        args: list[Node] = []
        while self.token.text != ")":
            args.append(self.operation(OR))
            if self.token.text == ",":
                self.advance()
            elif self.token.kind == "end":
                raise self.error(opening, "'(' is never closed", "write the missing )")
            elif self.token.text != ")":
                raise self.unexpected(self.token)
        self.advance()
        return self.called(token, args)

    def called(self, token: Token, args: list[Node]) -> Node:
        name = token.text
        fewest, most = FUNCTIONS[name]
        if not fewest <= len(args) <= most:
            given = f"{len(args)} argument{'' if len(args) == 1 else 's'}"
            write = f"write {name}(value)" if most == 1 else f"write {name}(one, other)"
            raise self.error(token, f"{name} is called with {given}", write)
        node = args[0] if most > 1 else apply(name, args[0])
        for other in args[1:]:
            node = apply(name, node, other)
        return node

    def unexpected(self, token: Token) -> ExpressionError:
        """Two values beside each other, or a stray sign."""
        before = self.tokens[self.place - 1]
        if token.kind in ("number", "name") or token.text == "(":
            if token.text in PYTHON and token.text not in self.names and token.text not in self.parameters:
                return self.error(token, f"'{token.text}' is not part of the language", PYTHON[token.text])
            if token.text == "not":
                return self.error(token, "'not' follows a value", "write and not, or or not")
            write = f"write {before.text}*{token.text} for a product"
            return self.error(token, f"an operator is missing between '{before.text}' and '{token.text}'", write)
        if token.text == ")":
            return self.error(token, "')' closes nothing", "leave it out, or write the missing (")
        if token.text == ",":
            return self.error(token, "',' stands outside a function", "write a decimal point, or one expression only")
        return self.error(token, f"'{token.text}' is not expected", "write parentheses around the part meant")
