"""The rooms of the program, read from its source: imports run one way, files stay small, nothing evaluates text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "fpsolver"
FILES = sorted(PACKAGE.rglob("*.py"))

# room -> rooms that it may import from; rooms not named here may be imported from nowhere but themselves
LEAVES = {"errors", "quantity", "certificate", "state", "wrapping", "solvers"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "quantity": set(),
    "certificate": set(),
    "state": set(),
    "wrapping": set(),
    "solvers": set(),
    "runtime": {"errors"},
    "case": {"errors", "wrapping", "solvers"},
    "model": {"case"} | LEAVES,
    "simulation": {"model", "case"} | LEAVES,
    "domain": {"case", "runtime"} | LEAVES,
    "linalg": LEAVES,
    "generator": {"domain", "model", "linalg", "runtime"} | LEAVES,
    "propagation": {"generator", "linalg"} | LEAVES,
    "problems": {"propagation", "generator", "simulation", "domain", "model", "case", "linalg", "runtime"} | LEAVES,
    "output": {"domain", "case", "runtime"} | LEAVES,
    "doctor": {"output", "runtime"} | LEAVES,
    "slices": set(),
    "study": {"output", "problems", "simulation", "generator", "domain", "model", "case", "runtime", "batch"} | LEAVES,
    "batch": {"case", "runtime"} | LEAVES,
    "cli": {"study", "output", "batch", "case", "runtime", "doctor"} | LEAVES,
    "__init__": {"study", "case", "runtime"},
    "__main__": {"cli"},
}
WITHOUT_FENICS = ("case", "runtime", "batch", "cli", "doctor", "model", "simulation", "slices", *sorted(LEAVES))
HEAVY = ("dolfinx", "petsc4py", "slepc4py", "mpi4py", "basix", "ufl", "dolfinx_solver")
LONGEST = 300


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path, *, at_module_level: bool = False) -> list[tuple[int, str]]:
    """(line, module) of each import; those for type checkers alone do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: list[tuple[int, str]] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if at_module_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.Import):
            found.extend((node.lineno, alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of the module"
            found.append((node.lineno, node.module or ""))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


def upward(path: Path) -> list[str]:
    """Imports that run against the order of the rooms."""
    here = room(path)
    wrong = []
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] != "fpsolver":
            continue
        if len(parts) == 1:
            wrong.append(f"{path.name}:{line}: imports the package root from inside")
        elif parts[1] != here and parts[1] not in MAY_IMPORT[here]:
            wrong.append(f"{here}/{path.name}:{line}: {here} must not import {name}")
    return wrong


def test_imports_run_one_way() -> None:
    assert [message for path in FILES for message in upward(path)] == []


def test_the_order_of_the_rooms_has_no_circle() -> None:
    left = {name: set(others) for name, others in MAY_IMPORT.items()}
    while left:
        free = {name for name, others in left.items() if not others & set(left)}
        assert free, f"a circle among {sorted(left)}"
        left = {name: others for name, others in left.items() if name not in free}


def test_every_room_has_its_place_in_the_order() -> None:
    assert {room(path) for path in FILES} <= set(MAY_IMPORT)


def test_an_upward_import_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On an offender: the test above is able to fail."""
    bad = tmp_path / "domain" / "offender.py"
    bad.parent.mkdir()
    bad.write_text("def f():\n    from fpsolver.problems import base\n")
    monkeypatch.setattr("test_structure.PACKAGE", tmp_path)
    assert upward(bad) == ["domain/offender.py:2: domain must not import fpsolver.problems"]


@pytest.mark.parametrize("name", WITHOUT_FENICS)
def test_what_must_work_without_fenics_imports_none_of_it(name: str) -> None:
    """At module level; the case nowhere."""
    wrong = [
        f"{path.relative_to(PACKAGE)}:{line}: {module}"
        for path in FILES
        if room(path) == name
        for line, module in imports(path, at_module_level=name != "case")
        if module.split(".")[0] in HEAVY
    ]
    assert wrong == []


def test_files_are_short_enough_to_be_read() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def calls(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.append(node.func.id)
    return found


def test_text_is_never_evaluated() -> None:
    forbidden = {"eval", "exec", "compile", "__import__"}
    assert {str(path): forbidden & set(calls(path)) for path in FILES if forbidden & set(calls(path))} == {}


def test_nothing_reads_pickles_or_starts_a_shell() -> None:
    """runtime/ranks.py may see whether an exception can travel between ranks, which is no reading from outside."""
    wrong = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        names = {module.split(".")[0] for _, module in imports(path)}
        for module in ("pickle", "marshal", "shelve", "dill", "joblib"):
            if module in names and path.name != "ranks.py":
                wrong.append(f"{path}: {module}")
        wrong += [f"{path}: {phrase}" for phrase in ("allow_pickle=True", "shell=True", "os.system") if phrase in text]
        if "np.load(" in text and "allow_pickle=False" not in text:
            wrong.append(f"{path}: np.load without allow_pickle=False")
    assert wrong == []


def test_names_say_what_things_are() -> None:
    assert [path for path in FILES if path.stem in {"utils", "util", "helpers", "misc", "common"}] == []
