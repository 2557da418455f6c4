"""The tables of docs/case-file.md from the schema of the case file.

.venv/bin/python tests/docs/reference.py      writes them anew
"""

from __future__ import annotations

from pathlib import Path

from fpsolver.case.schema import FREE, LISTS, SECTIONS, Key, Kind

PAGE = Path(__file__).parents[2] / "docs" / "case-file.md"
BEGIN = "<!-- keys: written by tests/docs/reference.py -->"
END = "<!-- end of keys -->"


def page() -> str:
    """The page with tables that agree with the schema."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{rest.split(END)[1]}"


def tables() -> str:
    """A table per section, in the order of the schema."""
    parts = [_section(name, keys) for name, keys in SECTIONS.items()]
    parts += [f"### `[{name}]`\n\n{help[0].upper()}{help[1:]}.\n" for name, help in FREE.items()]
    return "\n".join(parts)


def _section(name: str, keys: dict[str, Key]) -> str:
    head = f"`[[{name}]]`" if name in LISTS else f"`[{name}]`" if name else "Top of the file"
    rows = ["| key | what stands there | default | unit | meaning |", "|---|---|---|---|---|"]
    rows += [_row(key) for key in keys.values()]
    return f"### {head}\n\n" + "\n".join(rows) + "\n"


def _row(key: Key) -> str:
    cells = (f"`{key.name}`", _kind(key), _default(key), key.unit, _meaning(key))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(key: Key) -> str:
    words = [f'`"{word}"`' for word in key.choices]
    if words and key.kind is Kind.TEXT:
        return ", ".join(words)
    some = key.kind is Kind.CHOICES and words
    kind = f"a list of {', '.join(words)}" if some else " or ".join([key.kind.value, *words])
    limits = [f"> {key.above:g}"] if key.above is not None else []
    limits += [f"≥ {key.least:g}"] if key.least is not None else []
    limits += [f"≤ {key.most:g}"] if key.most is not None else []
    return f"{kind}, {', '.join(limits)}" if limits else kind


def _default(key: Key) -> str:
    if key.required:
        return "required"
    match key.default:
        case None:
            return "–"
        case bool():
            return "`true`" if key.default else "`false`"
        case str():
            return f'`"{key.default}"`'
        case tuple():
            return "`[" + ", ".join(f'"{word}"' for word in key.default) + "]`"
    return f"`{key.default}`"


def _meaning(key: Key) -> str:
    example = f" Example: `{key.example}`." if key.example else ""
    return f"{key.help}.{example}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
