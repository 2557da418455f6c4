"""One run per results folder at a time.

The lock file names host, process and Slurm job of its owner. Where the file system supports ``flock``
the kernel decides, and a killed owner leaves nothing behind; where not (some Lustre mounts), and for
owners on other hosts, the text in the file decides.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from fpsolver.errors import BadUsage

NAME = ".fpsolver.lock"


@dataclass(frozen=True)
class _Owner:
    host: str
    pid: int
    started: str  # clock ticks since boot: tells a process from a later one with the same number
    job: str  # Slurm job, or empty

    def is_gone(self, here: _Owner) -> bool:
        """True if the owner certainly runs no more, as seen from the process ``here``."""
        if self.host == here.host:
            return _start_of(self.pid) != self.started
        # A requeued job keeps its number and runs once at a time, so on another node it is its own heir.
        return bool(self.job) and self.job == here.job


class FolderLock:
    """Held from construction until `release`; raises `BadUsage` where another run holds it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        here = _this_process()
        while True:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                owner = _read(descriptor)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise BadUsage(_busy(folder, owner)) from None
                except OSError:
                    if owner is not None and owner.host == here.host and not owner.is_gone(here):
                        raise BadUsage(_busy(folder, owner)) from None
                if not _is_same_file(descriptor, self._path):
                    os.close(descriptor)  # its owner removed it while we were opening it
                    continue
                owner = _read(descriptor)
                if owner is not None and owner.host != here.host and not owner.is_gone(here):
                    raise BadUsage(_elsewhere(folder, owner, self._path))
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(asdict(here)).encode(), 0)
            except BaseException:
                os.close(descriptor)
                raise
            self._descriptor = descriptor
            return

    def release(self) -> None:
        """Remove the lock file; a second call does nothing."""
        if self._descriptor < 0:
            return
        self._path.unlink(missing_ok=True)  # before closing: nobody else can hold this very file
        os.close(self._descriptor)
        self._descriptor = -1


def _this_process() -> _Owner:
    pid = os.getpid()
    return _Owner(os.uname().nodename, pid, _start_of(pid), os.environ.get("SLURM_JOB_ID", ""))


def _start_of(pid: int) -> str:
    """When the process was started, empty if there is none with this number."""
    try:
        # The name in the second field may hold spaces and brackets; the start is the 20th field after it.
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _read(descriptor: int) -> _Owner | None:
    """The owner, or None where the text is empty or not ours to understand."""
    try:
        entry = json.loads(os.pread(descriptor, 4096, 0))
        return _Owner(str(entry["host"]), int(entry["pid"]), str(entry["started"]), str(entry["job"]))
    except (ValueError, KeyError, TypeError):
        return None


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _busy(folder: Path, owner: _Owner | None) -> str:
    who = f"process {owner.pid} on {owner.host}" if owner is not None else "another process"
    return f"{folder}: {who} is writing here; wait until it is done, or choose another folder with -o DIR"


def _elsewhere(folder: Path, owner: _Owner, path: Path) -> str:
    return (
        f"{folder}: a run on {owner.host} (process {owner.pid}) may still be writing here; "
        f"wait for it, choose another folder with -o DIR, or, if it is certainly over, delete {path}"
    )
