"""A Python with PyTorch for programs of the tests: this one, another that is named, or one installed for them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "2.13.0"
"""Installed where FPSOLVER_TORCH=install is set."""

PYTHONS = ("python3.11", sys.executable)
"""Tried one after the other: wheels for a CPU alone may exist for one of them only."""


class NoTorch(Exception):
    """There is no PyTorch; the text says what was tried."""


def python_with_torch(folder: Path) -> str:
    """A Python that can import torch.

    Args:
        folder: Where an environment is made with FPSOLVER_TORCH=install.

    Raises:
        NoTorch: There is none.
    """
    if importlib.util.find_spec("torch") is not None:
        return sys.executable
    wanted = os.environ.get("FPSOLVER_TORCH", "")
    if not wanted:
        raise NoTorch("it is not installed; FPSOLVER_TORCH names a Python that has it, or install")
    if wanted != "install":
        return wanted
    tried = [found for name in PYTHONS if (found := shutil.which(name))]
    for python in tried:
        made = folder / Path(python).name
        commands = (
            [python, "-m", "venv", str(made)],
            [str(made / "bin" / "pip"), "install", "-q", "--only-binary", ":all:", f"torch=={VERSION}", "numpy"],
        )
        if all(subprocess.run(words, capture_output=True, check=False).returncode == 0 for words in commands):
            return str(made / "bin" / "python")
    raise NoTorch(f"torch {VERSION} could not be installed by {', '.join(tried)}")
