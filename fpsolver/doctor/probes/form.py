"""Compiles a tiny form into a fresh folder, and looks at the folder where forms are kept."""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from fpsolver.runtime.stack import load_wheel

YOUNG = 60.0
"""Seconds; a compiler may be at work on what is younger."""


def main() -> None:
    load_wheel()
    import dolfinx.jit

    cache = Path(dolfinx.jit.get_options()["cache_dir"])
    answer = {"cache": str(cache), "refused": _refused(cache), **_contents(cache), **_compiled()}
    print(json.dumps(answer))


def _compiled() -> dict[str, object]:
    """How long it took, or the error."""
    import basix.ufl
    import dolfinx.jit
    import ufl
    from mpi4py import MPI

    line = ufl.Mesh(basix.ufl.element("Lagrange", "interval", 1, shape=(1,)))
    space = ufl.FunctionSpace(line, basix.ufl.element("Lagrange", "interval", 1))
    form = ufl.TrialFunction(space) * ufl.TestFunction(space) * ufl.dx
    with tempfile.TemporaryDirectory(prefix="fpsolver-doctor-") as folder:
        began = time.monotonic()
        try:
            dolfinx.jit.ffcx_jit(MPI.COMM_SELF, form, jit_options={"cache_dir": Path(folder)})
        except Exception as error:  # of cffi, setuptools or the compiler
            return {"error": " ".join(f"{type(error).__name__}: {error}".split())[:300]}
        return {"seconds": time.monotonic() - began}


def _refused(cache: Path) -> str:
    """Why nothing can be written there; empty where it can."""
    there = next(folder for folder in (cache, *cache.parents) if folder.is_dir())
    try:
        with tempfile.NamedTemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        return str(error.strerror or error)
    return ""


def _contents(cache: Path) -> dict[str, object]:
    """Forms, bytes, and sources of compilers that were killed."""
    files = list(cache.glob("libffcx_*")) if cache.is_dir() else []
    names = {file.name for file in files}
    stale, size = [], 0
    for file in files:
        with suppress(FileNotFoundError):  # taken away by somebody else
            status = file.stat()
            size += status.st_size
            if file.suffix == ".c" and file.name + ".cached" not in names and time.time() - status.st_mtime > YOUNG:
                stale.append(file.name)
    return {"forms": sum(name.endswith(".cached") for name in names), "bytes": size, "stale": sorted(stale)}
