"""What this computer lets us have: cores and memory, as Linux says and as a container or a scheduler limits them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def affinity() -> int:
    """Cores that this process may run on; a scheduler or taskset may have left it few."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def quota(root: Path = ROOT) -> float | None:
    """Cores' worth of time that a control group grants us, None without a limit.

    Args:
        root: Of the file system.
    """
    found = []
    for group in _groups("cpu", root):
        limit = _words(group / "cpu.max") or [*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")]
        if len(limit) == 2 and limit[0] not in ("max", "-1"):
            found.append(float(limit[0]) / float(limit[1]))
    return min(found, default=None)


def cores(root: Path = ROOT) -> int:
    """Cores that a run can keep busy."""
    limit = quota(root)
    return affinity() if limit is None else max(1, min(affinity(), int(limit)))


def free_memory(root: Path = ROOT) -> float | None:
    """Bytes that a new program can have on this computer; None where that cannot be found out."""
    found = _entry(root / "proc/meminfo", "MemAvailable:")
    if found is None:
        return None
    return min([1024.0 * found, *_left_in_groups(root)])


def _left_in_groups(root: Path) -> Iterator[float]:
    """Bytes that each control group still grants. Its pages of files that nobody uses are given back when needed."""
    for group in _groups("memory", root):
        for limit, used, idle in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            most, held = _words(group / limit), _words(group / used)
            if most and held and most != ["max"]:
                yield float(most[0]) - float(held[0]) + (_entry(group / "memory.stat", idle) or 0.0)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Folders of the control groups that we are in, innermost first: a limit of any of them holds."""
    mounted = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = mounted / controller if names else mounted  # without names: the second version, one tree for all
        inner = top / path.strip("/")
        yield from (group for group in (inner, *inner.parents) if group.is_relative_to(top))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _entry(path: Path, name: str) -> float | None:
    """The number behind a name at the start of a line."""
    return next((float(line.split()[1]) for line in _lines(path) if line.startswith(name + " ")), None)
