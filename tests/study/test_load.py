"""Shares of the ranks: they add up to the whole, and a rank alone has no ghosts."""

from __future__ import annotations

import json

import pytest

from fpsolver.generator.generator import weighted_generator
from fpsolver.study.load import load
from tests.equations import COMM, NO_WEIGHT, box, double_well


@pytest.mark.parallel
def test_shares_add_up_and_memory_is_what_processes_hold() -> None:
    domain = box([-2.0, -1.5], [2.0, 1.5], [12, 9])
    generator = weighted_generator(domain, double_well(0.1), 3, NO_WEIGHT)
    found = load(COMM, generator)
    ranks = found["ranks"]
    assert len(ranks) == COMM.size
    assert sum(entry["unknowns"] for entry in ranks) == generator.unknowns == 37 * 28
    assert sum(entry["cells"] for entry in ranks) == 2 * 12 * 9
    assert found["imbalance"] == pytest.approx(max(e["unknowns"] for e in ranks) * COMM.size / generator.unknowns)
    assert found["ghost_share"] == sum(entry["ghosts"] for entry in ranks) / generator.unknowns
    assert (found["ghost_share"] == 0.0) == (COMM.size == 1)
    assert found["memory"] == max(entry["memory"] for entry in ranks)
    with open("/proc/self/status", encoding="ascii") as file:
        peak = next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    assert ranks[COMM.rank]["memory"] == pytest.approx(peak, rel=0.05)
    assert json.loads(json.dumps(found)) == found == COMM.bcast(found)


@pytest.mark.parallel
def test_without_a_generator_there_is_memory_alone() -> None:
    found = load(COMM, None)
    assert set(found) == {"memory", "ranks"}
    assert found["memory"] == max(entry["memory"] for entry in found["ranks"]) > 0
