"""A class from a file of the user's. This is the one place of the program that runs code which is not its own."""

from __future__ import annotations

import importlib.util
import inspect
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

from fpsolver.case.sections import PythonClass
from fpsolver.errors import BadUsage


class UserCodeFailed(BadUsage):
    """Code of the user's raised an error, or gave back something else than it should."""


def load_class(source: PythonClass, parameters: Mapping[str, float]) -> object:
    """An instance of a class in a file.

    Args:
        source: The file and the name of the class.
        parameters: Of the case; given to a class whose constructor takes them.

    Raises:
        UserCodeFailed: The file raises an error or has no such class; the message names its line.
    """
    name = f"fpsolver_user_{source.file.stem}"
    loader = _Unwritten(name, str(source.file))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    with told(source.file):
        loader.exec_module(module)
    kind = getattr(module, source.name, None)
    if not isinstance(kind, type):
        there = [key for key, value in vars(module).items() if isinstance(value, type) and value.__module__ == name]
        classes = f"its classes are {', '.join(there)}" if there else "it has none"
        raise UserCodeFailed(f"loss.python: {source.file.name} has no class {source.name}; {classes}")
    with told(source.file):
        takes = "parameters" in inspect.signature(kind).parameters
        return kind(parameters=dict(parameters)) if takes else kind()


@contextmanager
def told(file: Path) -> Iterator[None]:
    """Whatever the user's code raises becomes one message with the line where it did.

    Raises:
        UserCodeFailed: Instead of any other error.
    """
    try:
        yield
    except UserCodeFailed:
        raise
    except (Exception, SystemExit) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserCodeFailed(f"loss.python: {_place(error, file)}: {what}") from error


class _Unwritten(SourceFileLoader):
    """Reads the file as it is now: compiled code beside it is neither used nor written."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _place(error: BaseException, file: Path) -> str:
    """The innermost line of the user's file that led to the error."""
    if isinstance(error, SyntaxError) and error.filename == str(file):
        return f"{file}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    if not frames:
        return str(file)
    return f"{file}:{frames[-1].lineno}: in {frames[-1].name}"
