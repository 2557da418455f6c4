"""Which matrices are factorised: what an estimate before a run and the run itself have to agree on."""

from __future__ import annotations

LARGEST_FACTORS = {1: 10**9, 2: 1_500_000, 3: 150_000}
"""Unknowns, by dimension, up to which a matrix is factorised; multigrid solves larger ones. Factors fill in 3-D."""

LARGEST_COARSE = 250_000
"""Unknowns of degree 1 up to which the coarse matrix of multigrid is factorised; of degree 2 there are 8 times more."""
