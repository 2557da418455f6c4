"""What the folder given can: be written, be locked, hold a file of HDF5."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

SIZE = 1 << 20


def main() -> None:
    """Each question stops the ones after it, so what is asked first is what others need."""
    place = Path(sys.argv[1])
    answer: dict[str, object] = {"free": shutil.disk_usage(place).free}
    try:
        with tempfile.TemporaryDirectory(prefix=".fpsolver-doctor-", dir=place) as made:
            folder = Path(made)
            with open(folder / "file", "wb") as file:
                file.write(bytes(SIZE))
                file.flush()
                os.fsync(file.fileno())
            answer["lock"] = _lock(folder / "file")
            answer["hdf5"] = _hdf5(folder / "file.h5")
    except OSError as error:
        answer["refused"] = str(error.strerror or error)
    print(json.dumps(answer))


def _lock(path: Path) -> str:
    """``works``, ``ignored``, or why it fails."""
    import fcntl

    with open(path, "rb") as first, open(path, "rb") as second:
        try:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return str(error.strerror or error)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "works"
        return "ignored"


def _hdf5(path: Path) -> str:
    """Empty, or why a file of HDF5 cannot be written and read back."""
    import h5py
    import numpy as np

    values = np.arange(100.0)
    try:
        with h5py.File(path, "w") as file:
            file["values"] = values
        with h5py.File(path, "r") as file:
            same = bool((file["values"][()] == values).all())
    except OSError as error:
        return " ".join(str(error).split())
    return "" if same else "what was read back is not what was written"
