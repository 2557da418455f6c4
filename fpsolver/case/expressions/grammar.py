"""The words of the expression language: functions with their number of arguments, constants, operators."""

from __future__ import annotations

import math

MANY = 1000  # `min` and `max` take two or more arguments

FUNCTIONS: dict[str, tuple[int, int]] = {  # name: fewest and most arguments
    "min": (2, MANY),
    "max": (2, MANY),
    "abs": (1, 1),
    "sign": (1, 1),
    "sqrt": (1, 1),
    "exp": (1, 1),
    "log": (1, 1),
    "sin": (1, 1),
    "cos": (1, 1),
    "tan": (1, 1),
    "sinh": (1, 1),
    "cosh": (1, 1),
    "tanh": (1, 1),
    "erf": (1, 1),
    "softplus": (1, 1),
}

CONSTANTS: dict[str, float] = {"pi": math.pi, "e": math.e}

WORDS = ("and", "or", "not")  # operators that look like names

COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}

MAX_LENGTH = 4000  # characters of one expression
MAX_DEPTH = 100  # parentheses, signs and powers inside one another

FOREIGN: dict[str, str] = {  # what people write in other languages, and what to write here
    "^": "write ** for a power",
    "&&": "write and",
    "&": "write and",
    "||": "write or",
    "|": "write or, or abs(...) for an absolute value",
    "!": "write not",
    "~": "write not",
    "//": "write / (there is no integer division)",
    "%": "there is no remainder; write it with the listed functions",
    "=": "write < or > in a condition; an expression assigns nothing",
    ":=": "leave it out; an expression assigns nothing",
    "<>": "write !=",
    "[": "write parentheses ( )",
    "]": "write parentheses ( )",
    "{": "write parentheses ( )",
    "}": "write parentheses ( )",
    ".": "write a plain name or number; names have no parts",
    ";": "write one expression",
    ":": "write one expression, with min, max or a comparison for cases",
    "?": "write (condition)*value for cases",
    "@": "write * between numbers",
    "'": "write names without quotes",
    '"': "write names without quotes",
    "`": "write names without quotes",
    "#": "leave the comment out",
    "\\": "leave it out",
    "−": "write an ordinary minus sign -",
    "–": "write an ordinary minus sign -",
    "·": "write *",
    "×": "write *",
    "÷": "write /",
    "π": "write pi",
    "²": "write **2",
    "³": "write **3",
    "√": "write sqrt(...)",
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
}

PYTHON: dict[str, str] = {  # words of Python that are not words here
    "if": "write (condition)*value, min or max for cases",
    "else": "write (condition)*value, min or max for cases",
    "lambda": "write the formula itself",
    "for": "write the formula itself",
    "in": "write a comparison",
    "is": "write ==",
    "True": "write 1",
    "False": "write 0",
    "None": "write a number",
    "math": "write the function without math.",
    "np": "write the function without np.",
    "numpy": "write the function without numpy.",
    "ln": "write log",
    "arctan": "there is no inverse of tan; write it with the listed functions",
    "pow": "write a**b",
    "square": "write a**2",
    "sgn": "write sign",
    "heaviside": "write a comparison such as (x > 0)",
}
