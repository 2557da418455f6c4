"""Cores and memory within the limits of control groups, read from file systems that tests make."""

from __future__ import annotations

from pathlib import Path

import pytest

from fpsolver.runtime import machine


def files(root: Path, entries: dict[str, str]) -> Path:
    for name, text in entries.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_the_tightest_quota_of_all_groups_holds(tmp_path: Path) -> None:
    """Second version: one tree, and the limit may stand in a group above ours."""
    root = files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slice/job\n",
            "sys/fs/cgroup/slice/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slice/cpu.max": "150000 100000\n",
        },
    )
    assert machine.quota(root) == 1.5
    assert machine.cores(root) == 1


def test_a_quota_of_the_first_version(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/box\n3:cpu,cpuacct:/box\n0::/\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert machine.quota(root) == 0.5
    assert machine.cores(root) == 1  # never none


def test_no_limit_is_none(tmp_path: Path) -> None:
    assert machine.quota(tmp_path) is None
    assert machine.cores(tmp_path) == machine.affinity() >= 1
    assert machine.free_memory(tmp_path) is None


@pytest.mark.parametrize(
    "group",
    [
        {"0::/job": "", "job/memory.max": "5000000", "job/memory.current": "4000000", "stat": "inactive_file 500000\n"},
        {"0::/job": "", "job/memory.max": "max", "job/memory.current": "4000000", "stat": ""},
    ],
)
def test_memory_is_what_the_group_leaves_and_idle_pages(tmp_path: Path, group: dict[str, str]) -> None:
    entries = {"proc/self/cgroup": "0::/job\n", "proc/meminfo": "MemFree: 1 kB\nMemAvailable: 10000 kB\n"}
    entries |= {f"sys/fs/cgroup/{name}": text for name, text in group.items() if name.startswith("job")}
    root = files(tmp_path, entries | {"sys/fs/cgroup/job/memory.stat": "file 9\n" + group["stat"]})
    limited = group["job/memory.max"] != "max"
    assert machine.free_memory(root) == (1_500_000.0 if limited else 10_240_000.0)
