"""Files that appear whole or not at all.

Two patterns cover every output of a run:

* a file written once (``results.json``, one frame of a PVD series) goes to a temporary name in the same folder and is
  renamed over its final name, which POSIX makes atomic;
* a file that grows during the run (``density.vtkhdf``, ``curves.csv``) grows under ``<name>.part``, which is complete
  after each step, is copied to its final name after 1, 2, 4, 8, ... steps (so copying costs no more than twice the
  final size in all), and is renamed at the end. A killed run leaves both: the final name with at least half of
  the steps, and the part with all of them, from which the same run continues.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_PART = ".part"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the name ``path`` when the block ends, and vanishes when the block raises.

    Args:
        path: Final name; its folder must exist. An earlier file of that name stays intact until the rename.

    Raises:
        OSError: The folder does not exist, is read-only or full.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes private files; results are for colleagues too
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically; raises OSError as ``replacing`` does."""
    with replacing(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` atomically in UTF-8; raises OSError as ``replacing`` does."""
    write_bytes(path, content.encode())


def part_of(path: Path) -> Path:
    """The name under which a growing file is written until it is complete."""
    return path.with_name(path.name + _PART)


def final_name(name: str) -> str:
    """The final name of what a killed run may have left: ``.curves.csv.part.k3x_0a9b.tmp`` -> ``curves.csv``."""
    temporary = re.fullmatch(r"\.(.+)\.[a-z0-9_]{8}\.tmp", name)
    return (temporary[1] if temporary else name).removesuffix(_PART)


def copy_due(steps: int) -> bool:
    """Whether the growing file is copied to its final name after that many steps: 1, 2, 4, 8, ..."""
    return steps > 0 and steps & (steps - 1) == 0


def publish_copy(path: Path) -> None:
    """Copy the part of a growing file to its final name, atomically."""
    with open(part_of(path), "rb") as source, replacing(path) as target:
        shutil.copyfileobj(source, target, 1 << 20)


def publish(path: Path) -> None:
    """Give the part of a growing file its final name; the part is gone afterwards."""
    part = part_of(path)
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.replace(part, path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
