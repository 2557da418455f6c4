"""The compiler of forms: is it there, does it work, and where are its results kept?"""

from __future__ import annotations

import shlex
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from fpsolver.doctor.finding import Finding, ok, problem
from fpsolver.doctor.surroundings import NoAnswer, Surroundings

NEED = "forms are compiled when a run meets them first"


def compiler(about: Surroundings) -> Finding:
    """A C compiler, and the header of this Python."""
    command = compiler_command(about)
    found = about.which(command)
    if found is None:
        return problem(
            "C compiler",
            f"{command} is not on the PATH, and {NEED}",
            "install it (apt-get install gcc libc6-dev, conda install c-compiler, module load gcc), or export CC=...",
        )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        return problem(
            "C compiler",
            f"{found} works only with {header}, which is not there, and {NEED}",
            "install the headers of this Python, for example apt-get install python3-dev",
        )
    return ok("C compiler", f"{found}, with Python.h in {header.parent}")


def forms(about: Surroundings) -> Iterator[Finding]:
    """A tiny form is compiled in a folder of its own; then the folder where they are kept."""
    try:
        found = about.ask("form", timeout=120.0)
    except NoAnswer as error:
        yield problem("compiled forms", f"could not be tried: {error}", "see the lines above on the solver")
        return
    if "error" not in found:
        yield ok("compiled forms", f"a tiny one took {found['seconds']:.1f} s")
    elif about.which(compiler_command(about)) is not None:  # else all has been said
        remedy = "try the compiler by itself; export CC=... chooses another one"
        yield problem("compiled forms", found["error"], remedy)
    yield _cache(found)


def _cache(found: dict[str, object]) -> Finding:
    cache, stale = Path(str(found["cache"])), [str(name) for name in _list(found["stale"])]
    text = f"{cache}: {found['forms']} forms, {_number(found['bytes']) / 1e6:.0f} MB"
    if found["refused"]:
        reason = f"{text}, cannot be written ({found['refused']})"
        return problem("form cache", reason, "export XDG_CACHE_HOME=... to a folder that can be written")
    if stale:
        reason = f"{text}; a compiler was killed and left {', '.join(stale)}, for which runs wait in vain"
        return problem("form cache", reason, shlex.join(["rm", *(str(cache / name) for name in stale)]))
    return ok("form cache", text)


def compiler_command(about: Surroundings) -> str:
    """What setuptools starts: CC, else what this Python was built with."""
    words = shlex.split(about.environment.get("CC") or sysconfig.get_config_var("CC") or "cc")
    return words[0] if words else "cc"


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
