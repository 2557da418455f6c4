"""The environment for conda and the refusal of a DOLFINx that is too old say the same as pyproject.toml."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from fpsolver.errors import BadUsage
from fpsolver.runtime import stack

PROJECT = Path(__file__).parents[2]
CONDA = {"matplotlib": "matplotlib-base"}  # names that differ


def entries() -> dict[str, str]:
    """Name -> what follows it, of environment.yml."""
    lines = (PROJECT / "environment.yml").read_text(encoding="utf-8").split("dependencies:\n")[1].splitlines()
    found = [re.fullmatch(r"  - ([a-z0-9-]+)(.*)", line) for line in lines if not line.lstrip().startswith("#")]
    assert all(found)
    return {entry[1]: entry[2] for entry in found if entry}


def test_conda_has_all_that_pip_would_install() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    conda = entries()
    for requirement in project["dependencies"]:
        name, least = re.fullmatch(r"([A-Za-z0-9-]+)>=(.*)", requirement).groups()
        assert conda[CONDA.get(name, name.lower())] == f">={least}"
    (wheels,) = project["optional-dependencies"]["solver"]
    oldest = re.search(r">=([\d.]+)", wheels)[1]
    assert conda["fenics-dolfinx"] == f"={oldest}"
    assert tuple(int(part) for part in oldest.split(".")) == stack.OLDEST_DOLFINX
    assert conda["petsc"] == "=*=real_*"


@pytest.mark.parametrize(
    ("version", "works"),
    [("0.9.0.post1", False), ("0.10.0", False), ("0.11.0", True), ("0.12.0.dev0", True), ("?", True)],
)
def test_an_older_dolfinx_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, version: str, works: bool) -> None:
    """Its calls differ (create_mesh, partitioners, geometry), so a run would end with a traceback."""
    monkeypatch.setattr(metadata, "version", lambda name: version)
    if works:
        stack.refuse_old_dolfinx()
        return
    with pytest.raises(BadUsage, match=rf"DOLFINx {re.escape(version)} is installed, .* needs 0\.11"):
        stack.refuse_old_dolfinx()


def test_wheels_are_pinned_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    stack.refuse_old_dolfinx()


FOREIGN = """
import sys
sys.modules["dolfinx_solver"] = None  # what `import` takes for a module that is not there
from fpsolver.cli import main
sys.exit(main())
"""


def test_a_dolfinx_that_is_no_wheel_runs_a_case(tmp_path: Path) -> None:
    """As with conda or modules of a cluster: only the loader's path says where MPI is. The same numbers."""
    wheel = [sys.executable, "-m", "fpsolver"]
    libraries = str(Path(sys.prefix) / "lib")
    foreign = [sys.executable, "-c", FOREIGN]
    found = []
    for name, words in (("wheel", wheel), ("foreign", foreign)):
        command = [*words, "run", str(PROJECT / "cases" / "interval.toml"), "-o", str(tmp_path / name), "--no-errors"]
        done = subprocess.run(
            [*command, "--set", "output.figures=false"],
            env=os.environ | {"LD_LIBRARY_PATH": libraries, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / name / "results.json").read_text())["evolution"])
    for name in found[0]["regions"]:
        one, other = (each["regions"][name]["value"] for each in found)
        assert one == pytest.approx(other, rel=1e-12)
