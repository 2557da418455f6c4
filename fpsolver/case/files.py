"""Files that a case names: they must exist, and are found relative to the case file."""

from __future__ import annotations

import os
from pathlib import Path as FilePath

from fpsolver.case.ledger import Ledger
from fpsolver.case.positions import Path
from fpsolver.case.suggest import nearest
from fpsolver.case.wording import shown


def existing(text: str, path: Path, ledger: Ledger, base: FilePath, folder: bool = False) -> FilePath | None:
    """The absolute path of a file (or folder) that is there."""
    full = os.path.abspath(os.path.join(base, text))
    if os.path.isdir(full) if folder else os.path.isfile(full):
        return FilePath(full)
    other = os.path.isfile(full) if folder else os.path.isdir(full)
    if other:
        what = "a file, not a results folder" if folder else "a folder, not a file"
        ledger.add(path, f"{shown(text)} is {what}", f"write the path of a {'results folder' if folder else 'file'}")
        return None
    if os.path.exists(full):
        ledger.add(path, f"{shown(text)} is not an ordinary file", "write the path of a file that can be read twice")
        return None
    if text.startswith("~"):
        ledger.add(path, f"{shown(text)} does not exist", "write a whole path: ~ stands for nothing here")
        return None
    try:
        entries = os.listdir(os.path.dirname(full))[:1000]
    except (OSError, ValueError):
        entries = []
    close = nearest(os.path.basename(full), entries)
    write = (
        f"did you mean {os.path.join(os.path.dirname(text), close)}?"
        if close
        else "write a path relative to the case file"
    )
    ledger.add(path, f"{shown(text)} does not exist", write)
    return None
