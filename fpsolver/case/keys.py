"""What a key of the case file is: its kind, default, range, unit and a line of help."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What stands at a key; the value is how messages call it."""

    TEXT = "a text in quotes"
    BOOLEAN = "true or false"
    INTEGER = "a whole number"
    NUMBER = "a number"
    NUMBERS = "a list of numbers"
    INTEGERS = "a list of whole numbers"
    SCALE = "a number, or a list with one per coordinate"
    POINTS = "a list of points"
    TIMES = "a list of times"
    SERIES = "a list of numbers, as many as you like"
    EXPRESSION = "an expression"
    EXPRESSIONS = "a list of expressions"
    TENSOR = "an expression, a list of expressions or a symmetric matrix of expressions"
    CONDITION = "a condition in quotes"
    NAMES = "a list of names"
    CHOICES = "a list of words"
    FILE = "the path of a file in quotes"
    COLUMNS = 'a table { name = "column of the file" }'
    TABLE = "a table"
    COURSE = "a number, an expression in t, or a table"
    PAIRS = "a list of [time, value]"


@dataclass(frozen=True)
class Key:
    """One key of the case file.

    Attributes:
        section: Dotted name of its table; empty for the top of the file.
        name: The key itself.
        kind: What stands there.
        help: One line.
        default: Written into the resolved case where the key is absent; None: there is no default.
        required: Whether the section cannot do without it.
        unit: Of its numbers; ``-`` for pure numbers.
        above: Numbers must be > this.
        least, most: Numbers must be >= and <= these.
        choices: Allowed words; for kinds other than text, words allowed beside the kind.
        example: What to write, as TOML, shown in messages.
    """

    section: str
    name: str
    kind: Kind
    help: str
    default: object = None
    required: bool = False
    unit: str = ""
    above: float | None = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    example: str = ""

    @property
    def dotted(self) -> str:
        return f"{self.section}.{self.name}" if self.section else self.name
