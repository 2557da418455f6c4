"""From text to the words of the expression language, with the column of each; foreign signs are explained here."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fpsolver.case.expressions.grammar import FOREIGN, MAX_LENGTH
from fpsolver.errors import ExitCode, FpsolverError


class ExpressionError(FpsolverError):
    """A formula that cannot be read.

    Attributes:
        wrong: What is wrong, with its column.
        write: What to write instead.
    """

    exit_code = ExitCode.BAD_CASE

    def __init__(self, wrong: str, write: str) -> None:
        super().__init__(f"{wrong}; {write}")
        self.wrong = wrong
        self.write = write


@dataclass(frozen=True)
class Token:
    """A number, name, operator or the end, at ``column`` (counted from 1)."""

    kind: str  # number | name | sign | end
    text: str
    column: int


_PATTERN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>\*\*|<=|>=|==|!=|//|&&|\|\||:=|<>|\S)|$)"
)
_SIGNS = frozenset(["+", "-", "*", "/", "**", "(", ")", ",", "<", "<=", ">", ">=", "==", "!="])


def trouble(source: str, column: int, what: str, write: str) -> ExpressionError:
    """An error at a column, quoting the source (its neighbourhood, where it is long)."""
    start = max(0, column - 25) if len(source) > 60 else 0
    excerpt = ("..." if start else "") + source[start : start + 60] + ("..." if len(source) > start + 60 else "")
    return ExpressionError(f'{what} at column {column} of "{" ".join(excerpt.split())}"', write)


def tokenize(source: str) -> list[Token]:
    """The words of ``source``, ended by one of kind ``end``.

    Raises:
        ExpressionError: The text is too long, empty, or holds a sign that the language does not know.
    """
    if len(source) > MAX_LENGTH:
        raise ExpressionError(
            f"the expression has {len(source)} characters", f"write at most {MAX_LENGTH}, naming parts in [parameters]"
        )
    if not source.strip():
        raise ExpressionError("the expression is empty", 'write a formula such as "x**2"')
    tokens: list[Token] = []
    place = 0
    while place < len(source):
        found = _PATTERN.match(source, place)
        if found is None or found.lastgroup is None:  # only blanks were left
            break
        kind, text = found.lastgroup, found[found.lastgroup]
        column = found.start(kind) + 1
        if kind == "sign" and text not in _SIGNS:
            shown = text if text.isprintable() else repr(text)
            advice = FOREIGN.get(text, "write + - * / **, comparisons, and, or, not, and the listed functions")
            raise trouble(source, column, f"the sign {shown} is not part of the language", advice)
        tokens.append(Token(kind, text, column))
        place = found.end()
    tokens.append(Token("end", "", len(source.rstrip()) + 1))
    return tokens
