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

PYTHON = "python3.11"
"""Installed for it; `fpsolver.slices` needs no later one."""

PATIENCE = 600.0
"""Seconds for an installation."""


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
    python = shutil.which(PYTHON)
    if python is None:
        raise NoTorch(f"there is no {PYTHON} to install it for")
    made = folder / "torch"
    commands = (
        [python, "-m", "venv", str(made)],
        [str(made / "bin" / "pip"), "install", "-q", "--only-binary", ":all:", f"torch=={VERSION}", "numpy"],
    )
    for words in commands:
        try:
            done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise NoTorch(f"{words[0]} took longer than {PATIENCE:g} s") from None
        if done.returncode:
            raise NoTorch(f"torch {VERSION} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    return str(made / "bin" / "python")
