"""A Python with PyTorch, and JAX where that can be had: this one, one that is named, or one made for the tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

VERSION = "2.13.0"
"""Installed where FPSOLVER_TORCH=install is set."""

JAX = "0.10.2"
"""Installed beside it; without it the tests of its derivatives alone are skipped."""

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
    pip = [str(made / "bin" / "pip"), "install", "-q", "--only-binary", ":all:"]
    _done([python, "-m", "venv", str(made)])
    _done([*pip, f"torch=={VERSION}", "numpy"])
    with suppress(NoTorch):
        _done([*pip, f"jax=={JAX}", f"jaxlib=={JAX}"])
    return str(made / "bin" / "python")


def _done(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NoTorch(f"{words[0]} took longer than {PATIENCE:g} s") from None
    if done.returncode:
        raise NoTorch(f"{' '.join(words)} failed: {done.stderr.strip().splitlines()[-1:]}")
