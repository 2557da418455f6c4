"""PETSc's table of options: what the user wrote there comes first, and nothing of ours stays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from petsc4py import PETSc


@contextmanager
def defaults(prefix: str, options: Mapping[str, str]) -> Iterator[None]:
    """Options of a prefix, each unless the user gave one of that name; taken out again in the end."""
    table = PETSc.Options()
    new = {prefix + name: value for name, value in options.items() if not table.hasName(prefix + name)}
    for name, value in new.items():
        table[name] = value
    try:
        yield
    finally:
        for name in new:
            table.delValue(name)


def preconditioner_asked(name: str) -> str | None:
    """What the user wants for a solver: the type of a preconditioner, such as ``lu`` or ``mg``; None: nothing."""
    table = PETSc.Options()
    option = f"{name}_pc_type"
    return str(table.getString(option)) if table.hasName(option) else None
