"""fpsolver itself, Python, and the packages that it names as its own needs."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from fpsolver.doctor.finding import Finding, ok, problem
from fpsolver.doctor.surroundings import Surroundings

PICTURES = "vtk"
"""Comes with pyvista and is listed beside it: the two have to fit."""


def packages(about: Surroundings) -> Iterator[Finding]:
    """Versions, from what is written beside the packages; nothing is loaded."""
    try:
        version, needed = about.version("fpsolver"), metadata.requires("fpsolver") or []
    except metadata.PackageNotFoundError:
        yield problem("fpsolver", "not installed; this is its source", "pip install --no-deps -e . in its folder")
        return
    yield ok("fpsolver", f"{version}, in {Path(__file__).parents[1]}")
    yield ok("Python", f"{platform.python_version()}, {sys.executable}")
    found, missing, old = [], [], []
    for name, least in [*_requirements(needed), (PICTURES, "0")]:
        try:
            version = about.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        found.append(f"{name} {version}")
        if _numbers(version) < _numbers(least):
            old.append(f"{name} {version} (needs {least})")
    if missing or old:
        what = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"too old: {', '.join(old)}"] * bool(old)
        names = " ".join(missing + [entry.split()[0] for entry in old])
        yield problem("packages", "; ".join(what), f"{sys.executable} -m pip install --upgrade {names}")
    else:
        yield ok("packages", ", ".join(found))


def _requirements(needed: list[str]) -> Iterator[tuple[str, str]]:
    """(name, least version) of those that are not extras."""
    for line in needed:
        if ";" not in line and (parts := re.match(r"([A-Za-z0-9._-]+)(?:>=([0-9.]+))?", line)):
            yield parts[1], parts[2] or "0"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])
