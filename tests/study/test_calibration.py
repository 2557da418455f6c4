"""Stated errors against true ones: a fast part of benchmarks/calibration.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from calibration import compare

CASES = ("R1", "R1_tilted", "R2", "R6", "R6_slab", "R10b")


@pytest.mark.slow
def test_nine_in_ten_are_covered_and_half_are_within_a_factor_of_fifteen() -> None:
    """All cases, meshes and degrees together: 95 % and 10, see benchmarks/README.md."""
    numbers = [n for n in compare(CASES, degrees=(2, 4), factors=(1.0,)) if not n.warned]
    assert len(numbers) > 80
    ratios = [n.stated / n.relative for n in numbers if n.known and n.stated is not None]
    assert np.mean([n.covered for n in numbers]) >= 0.9
    assert 1.0 < np.median(ratios) < 15.0
