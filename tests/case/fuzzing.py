"""Wrong, odd and absurd inputs from a seed: what people, editors and other programs leave in case files and data."""

# ruff: noqa: E501 (lists of odd values)

from __future__ import annotations

import random
import re

from fpsolver.case.keys import Key
from fpsolver.case.schema import KEYS, LISTS, SECTIONS, Kind

NUMBERS = [
    "0", "-0.0", "1", "-1", "3", "0.5", "1e-3", "1e9", "1e16", "1e-16", "1e150", "1e308", "-1e308", "1e-320", "1e400",
    "-1e400", "nan", "inf", "-inf", "1_000", "0x7f", "0b1", "0o7", "9" * 20, "2147483648", "1e1_0", "9" * 400,
    "0x" + "f" * 400, "1.0000000000000002", "4.9e-324", "100000", "1000000", "1000001", "0.1e-5",
]  # fmt: skip
WORDS = [
    "x", "y", "z", "d", "e", "pi", "left", "right", "a", "b", "t", "samples", "auto", "table", "mesh", "ball", "box", "",
    "interval", "monotone", "weighted", "krylov", "sdirk", "pvd", "kl", " ", "é", "数", "a.b", "a b", "__class__", "exp",
    "and", "lambda", "x" * 300, "\\u0000", "\\u001b[31m", "\\n", "\\t", "..", "/dev/null", "/dev/zero", "/", "~", ".",
    "~/iris.csv", "../../../etc/passwd", "iris.csv", "a/" * 200, "$(id)", "`id`", "%s%n", "{0}", "crossed", "loop",
]  # fmt: skip
FORMULAS = [
    "x", "x < 0", "x > 0 and y < 1", "not x < 0", "x == 0", "1/0", "0/0", "1/x", "log(x)", "sqrt(x)", "9**9**9", "2x",
    "10**10**10", "x**1e9", "x**-1e9", "1e400", "1e400*x", "exp(exp(exp(x)))", "exp(1000*x)", "exp(-1e6*x**2)", "x**x**x",
    "sqrt(-1)", "tan(x)", "abs(x)", "sign(x)", "min(x, 0)", "max(x, y)", "(x > 0)*x", "1e-300*x", "1e300*x**2", "x y", "",
    "1e308*x + 1e308", "x**0.5", "(x**2)**0.25", "__import__('os').system('id')", "x.__class__", "().__class__", "open('f')",
    "x[0]", "lambda: 0", "f'{x}'", "x if x else 0", "x;y", "x\\ny", "#", "x#", "((((x))))", "(" * 200, "-" * 200 + "x",
    "x" + "**x" * 150, "x" + "+x" * 1500, "x" + "*x" * 1500, "sin(" * 90 + "x" + ")" * 90, "exp(" * 50 + "x" + ")" * 50,
    "max(" + ", ".join(["x"] * 500) + ")", "x" * 5000, "1" * 3999, "0.1" + "0" * 3000, "1e" + "9" * 300, "x²", "x^2", "x <",
    "np.exp(x)", "x = 1", "x := 1", "x,y", "true", "True", "None", " ", "\\t", "٣", "x٣", "1_0", "1__0", "_", "feature", "d",
    "target*feature", "n", "half", "width", "u", "v", "u*v", "u**2 - v", "a", "b*a", "d*x", "x*y - y*x", "0*x", "erf(1e400)",
    "1e-17*(x - 1e-3)", "0.5 - 1e-14*x", "-1e-13", "-1e-18*x**2", "x**2 - 1e-15", "abs(x) - 1e-15", "(x > 1.9999999)*1.0",
    "exp(-((x+1)**2)/2/0.04)", "(abs(x) < 1e-9)*1.0", "1/(x - 0.123456)", "1/(1e-300 + x**2)", "erf(x)", "1e60*x", "1e200*x",
]  # fmt: skip
HEADINGS = [
    "[parameters]", "[a.b]", "[regions.x]", "[[domain]]", "[domain.x]", "[]", "[[]]", "[.]", "[ parameters ]", '["domain"]',
    "[evolution.initial]", "[exit]", "[[parameters]]", "[parameters", "[" * 30, "[" + ".".join("a" * 30) + "]",
    *(f"[{name}]" for name in SECTIONS if name), *(f"[[{name}]]" for name in LISTS),
]  # fmt: skip
SIGNS = "[]{}\"'=.,# \t\\é0x-*\x00\x0b\x7f\u2028\ufeff\r\n"
ATOMS = ["x", "y", "z", "x", "y", "d", "pi", "e", "1", "0", "2", "0.5", "1e-8", "1e308", "1e400", "3", "10"]
NAMES = ["abs", "sign", "sqrt", "exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "erf", "min", "max", "gamma"]
ASKED = [
    "discretization", "evolution", "stationary", "exit", "committor", "probe", "entropy", "splitting", "concentration",
    "simulation", "output", "run", "boundary", "data",
]  # fmt: skip
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "utf-7", "cp037"]
FIELDS = [
    "1", "-2.5", "1e308", "-1e308", "1e400", "nan", "inf", "", " ", "x", '"1"', '"1\n2"', '"', "1,5", "1_000", "٣", "0x10",
    "1e-320", "NA", "1;2", '"a,b"', "\0", "é", "1" * 400, "1e", "--1", "1.0.0", "true", "2", "3", "4", "5", "0.1", "0.2",
]  # fmt: skip
HEADERS = ["petal length", "petal_width", " petal_width ", '"petal_width"', "PETAL LENGTH", "x", "", "é", '"a\nb"']


def quoted(text: str) -> str:
    """As a text of TOML."""
    return '"' + text.replace('"', '\\"') + '"'


def some_value(chance: random.Random, depth: int = 0) -> str:
    """Any value of TOML, and some that are none."""
    match chance.randrange(12 if depth < 4 else 8):
        case 0 | 1 | 2:
            return chance.choice(NUMBERS)
        case 3:
            return quoted(chance.choice(NUMBERS))
        case 4:
            return quoted(chance.choice(WORDS))
        case 5 | 6:
            return quoted(chance.choice(FORMULAS))
        case 7:
            return chance.choice(["true", "false", "1979-05-27", "07:32:00", "'''\n'''", '"""x"""', "True", "x"])
        case 8 | 9 | 10:
            return "[" + ", ".join(some_value(chance, depth + 1) for _ in range(chance.randrange(5))) + "]"
    entries = [f"{chance.choice(KEYS).name} = {some_value(chance, depth + 1)}" for _ in range(chance.randrange(3))]
    return "{ " + ", ".join(entries) + " }"


def formula(chance: random.Random, depth: int = 0) -> str:
    """A formula that mostly parses."""
    if chance.random() < 0.08:
        return chance.choice(FORMULAS)
    kind = chance.randrange(10) if depth < 5 else 0
    if kind <= 3:
        return chance.choice(ATOMS)
    inner = formula(chance, depth + 1)
    if kind <= 6:
        return (
            f"{inner} {chance.choice(['+', '-', '*', '/', '**', '<', '>', 'and', 'or'])} {formula(chance, depth + 1)}"
        )
    if kind <= 8:
        return f"({inner})" if kind == 7 else f"-{inner}"
    name = chance.choice(NAMES)
    return f"{name}({inner}, {formula(chance, depth + 1)})" if name in ("min", "max") else f"{name}({inner})"


def fitting_value(chance: random.Random, key: Key, dimension: int) -> str:
    """A value of about the right kind for a key, with odd numbers in it."""

    def number() -> str:
        return chance.choice(NUMBERS) if chance.random() < 0.3 else f"{chance.uniform(-2, 2):.3g}"

    def row(entry: str | None = None) -> str:
        return "[" + ", ".join(number() if entry is None else quoted(formula(chance)) for _ in range(dimension)) + "]"

    if key.choices and chance.random() < 0.7:
        return quoted(chance.choice(key.choices))
    match key.kind:
        case Kind.NUMBER | Kind.INTEGER:
            return number() if chance.random() < 0.5 else str(chance.randrange(1, 40))
        case Kind.NUMBERS | Kind.TIMES:
            return row()
        case Kind.INTEGERS:
            return str([chance.choice([1, 2, 3, 10, 40, 1000, 10**6, 0, -1]) for _ in range(dimension)])
        case Kind.POINTS:
            return "[" + ", ".join(row() for _ in range(chance.randrange(4))) + "]"
        case Kind.EXPRESSION:
            return quoted(formula(chance))
        case Kind.EXPRESSIONS:
            return row("formula")
        case Kind.TENSOR:
            rows = "[" + ", ".join(row("formula") for _ in range(dimension)) + "]"
            return chance.choice([quoted(formula(chance)), row("formula"), rows])
        case Kind.CONDITION:
            return quoted(f"{formula(chance)} {chance.choice(['<', '>', '<=', '==', '', 'and'])} {formula(chance)}")
        case Kind.NAMES:
            return "[" + ", ".join(quoted(chance.choice(WORDS)) for _ in range(dimension)) + "]"
        case Kind.BOOLEAN:
            return chance.choice(["true", "false", "1"])
    return some_value(chance)


def mutated(text: str, chance: random.Random) -> str:
    """One to five changes of the kind that people and editors make."""
    for _ in range(chance.randint(1, 5)):
        lines = text.splitlines() or [""]
        line = chance.randrange(len(lines))
        match chance.randrange(12):
            case 0:
                del lines[line]
            case 1:
                lines.insert(line, lines[chance.randrange(len(lines))])
            case 2 | 3 | 4:
                lines[line] = re.sub("= .*", lambda _: f"= {some_value(chance)}", lines[line])
            case 5:
                key = chance.choice(KEYS)
                lines.insert(line, f"{key.name} = {fitting_value(chance, key, chance.randint(1, 3))}")
            case 6:
                lines[line] = re.sub(r"[-\d.]+", lambda _: chance.choice(NUMBERS), lines[line], count=1)
            case 7:
                lines.insert(line, chance.choice(HEADINGS))
            case 8:
                place = chance.randrange(len(lines[line]) + 1)
                lines[line] = lines[line][:place] + chance.choice(SIGNS) + lines[line][place:]
            case 9:
                lines[line] = re.sub('"[^"]*"', lambda _: quoted(formula(chance)), lines[line], count=1)
            case 10:
                first, last = sorted((chance.randrange(len(lines) + 1), chance.randrange(len(lines) + 1)))
                lines[first:last] = reversed(lines[first:last]) if chance.random() < 0.5 else []
            case 11:
                name = chance.choice([*WORDS, "x"])
                lines.insert(line, f"{quoted(name) if chance.random() < 0.7 else name} = {some_value(chance)}")
        text = "\n".join(lines) + "\n"
    return text


def drawn_up(chance: random.Random) -> str:
    """A case from the schema: most keys fit, some do not."""
    dimension = chance.randint(1, 3)
    ordinary = chance.random() < 0.8
    low = f"{chance.uniform(-3, 0):.4g}" if ordinary else chance.choice(NUMBERS)
    high = f"{chance.uniform(0, 3):.4g}" if ordinary else chance.choice(NUMBERS)
    corners = [", ".join([corner] * dimension) for corner in (low, high)]
    text = f"[domain]\nlower = [{corners[0]}]\nupper = [{corners[1]}]\n"
    counts = [chance.choice([1, 4, 10, 30])] * dimension
    text += chance.choice([f"cells = {counts}\n", "cell_size = 0.1\n", "", f"cell_size = {chance.choice(NUMBERS)}\n"])
    text += "[parameters]\nd = 0.1\n"
    if chance.random() < 0.9:
        text += f"[loss]\nexpression = {quoted(formula(chance) if chance.random() < 0.7 else 'x**2/2')}\n"
    if chance.random() < 0.3:
        text += "[drift]\nextra = [" + ", ".join(quoted(formula(chance)) for _ in range(dimension)) + "]\n"
    if chance.random() < 0.95:
        text += f"[noise]\ndiffusion = {chance.choice(['0.1', quoted(formula(chance)), some_value(chance)])}\n"
    text += "[regions]\n"
    for name in ("left", "right", "a", "b"):
        if chance.random() < 0.5:
            odd = f"{formula(chance)} < {formula(chance)}"
            text += f"{name} = {quoted(chance.choice(['x < 0', 'x > 0', 'x < -0.5', 'x > 0.5', odd]))}\n"
    for section in ASKED:
        if section in SECTIONS and chance.random() < 0.3:
            text += _section(chance, section, dimension)
    return text


def _section(chance: random.Random, section: str, dimension: int) -> str:
    text = f"[[{section}]]\n" if section in LISTS else f"[{section}]\n"
    for key in SECTIONS[section].values():
        if not key.required and chance.random() < 0.7:
            continue
        value = fitting_value(chance, key, dimension)
        if key.kind is Kind.TABLE:
            inner = chance.choice(list(SECTIONS.get(f"{section}.{key.name}", SECTIONS["evolution.initial"]).values()))
            value = f"{{ {inner.name} = {fitting_value(chance, inner, dimension)} }}"
            if inner.name == "gaussian":
                value = f"{{ gaussian = {{ mean = {[0.0] * dimension}, std = {chance.choice(NUMBERS)} }} }}"
        if key.name in ("region", "source", "target", "uniform"):
            value = quoted(chance.choice(["left", "right", "a", "b", "c"]))
        text += f"{key.name} = {value}\n"
    return text


def as_bytes(text: str, chance: random.Random) -> bytes:
    """The text in some encoding, with bytes lost or changed."""
    data = text.encode(chance.choice(ENCODINGS), errors="replace")
    for _ in range(chance.randrange(3)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(5):
            case 0:
                data = data[:place]
            case 1:
                data = data[:place] + bytes([chance.randrange(256)]) + data[place:]
            case 2:
                data = data[:place] + b"\0" * chance.randint(1, 5) + data[place:]
            case 3:
                data = data.replace(b"\n", chance.choice([b"\r\n", b"\r", b"\n\n", b"\x0b"]))
            case 4:
                data = data[:place] + data[place // 2 :]
    return data


def table(chance: random.Random) -> bytes:
    """A CSV file with gaps, words, ragged rows and strange headers."""
    if chance.random() < 0.1:
        return bytes(chance.randrange(256) for _ in range(chance.randrange(200)))
    header = "petal length,petal_width"
    if chance.random() < 0.3:
        header = ",".join(chance.choice(HEADERS) for _ in range(chance.randrange(5)))
    rows = []
    width = header.count(",") + 1
    for _ in range(chance.randrange(12)):
        count = width if chance.random() < 0.9 else chance.randrange(5)
        numbers = [
            f"{chance.gauss(0, 1):.3g}" if chance.random() < 0.85 else chance.choice(FIELDS) for _ in range(count)
        ]
        rows.append(",".join(numbers))
    text = chance.choice(["\n", "\n", "\r\n", "\r"]).join([header, *rows]) + chance.choice(["\n", "", "\n\n", '"'])
    return as_bytes(text, chance) if chance.random() < 0.3 else text.encode()


def mesh(whole: str, chance: random.Random) -> bytes:
    """A mesh file of which lines or words are gone, doubled, exchanged, or other ones."""
    lines = whole.splitlines()
    for _ in range(chance.randint(1, 3)):
        here = chance.randrange(len(lines))
        words = lines[here].split() or [""]
        word = chance.randrange(len(words))
        deed = chance.randrange(7)
        if deed == 0:
            del lines[here]
        elif deed == 1:
            lines.insert(chance.randrange(len(lines)), lines[here])
        elif deed == 2:
            lines = lines[: here + 1]
        elif deed == 3:
            words[word] = chance.choice(["nan", "inf", "-1", "0", "1e400", "99999999999", "2.5", "x", '"', "", "é"])
            lines[here] = " ".join(words)
        elif deed == 4:
            del words[word]
            lines[here] = " ".join(words)
        elif deed == 5:
            other = chance.randrange(len(lines))
            lines[here], lines[other] = lines[other], lines[here]
        else:
            chance.shuffle(words)
            lines[here] = " ".join(words)
        if not lines:
            break
    text = "\n".join(lines)
    return as_bytes(text, chance) if chance.random() < 0.2 else text.encode()


def overrides(chance: random.Random) -> list[str]:
    """What may stand after --set."""
    found = []
    for _ in range(chance.randint(1, 3)):
        key = chance.choice(KEYS)
        dotted = chance.choice(
            [key.dotted] * 8
            + [
                f"parameters.{chance.choice(WORDS)}",
                f"regions.{chance.choice(WORDS)}",
                "exit.0.start",
                "exit.1.start.0.1",
            ]
            + [
                "probe.0.point",
                "domain.cells.0",
                "exit." + "9" * chance.choice([1, 20, 5000]),
                "exit.-1",
                "exit.٣.region",
            ]
            + ["a.b.c", "", ".", "..", "domain..cells", "evolution.initial.point", "evolution.initial.gaussian.std"]
            + [".".join("a" * 40), key.name, key.section, f"{key.dotted}.x", f"{key.dotted}.0"]
        )
        values = [some_value(chance), chance.choice(NUMBERS), chance.choice(WORDS), chance.choice(FORMULAS)]
        value = chance.choice([*values, *values, "[" * 500, "\udcff", "1\n[noise]", "", "a." * 5000 + "a=1"])
        found.append(chance.choice([f"{dotted}={value}"] * 8 + [dotted, f"={value}", f"{dotted}=={value}"]))
    return found
