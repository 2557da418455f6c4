"""Random numbers that depend on the seed alone, and not on how walkers are shared among ranks.

Philox is a function of a key and a counter. Each block of walkers has a key of its own, so whoever works on a block
draws the same numbers.
"""

from __future__ import annotations

import numpy as np

NORMALS, FINE, COARSE, BATCHES, STARTS = range(5)
"""What a stream is for: increments of W, exits between steps (of both step sizes), minibatches, first positions."""

_ENSEMBLES = 2**24
_BLOCKS = 2**32


def stream(seed: int, ensemble: int, block: int, purpose: int) -> np.random.Generator:
    """The stream of one block of walkers for one purpose.

    Args:
        seed: Of the simulation, in [0, 2^63).
        ensemble: Number of the ensemble, below 2^24.
        block: Number of the block, below 2^32.
        purpose: One of the constants of this module.
    """
    assert 0 <= ensemble < _ENSEMBLES
    assert 0 <= block < _BLOCKS
    label = (purpose * _ENSEMBLES + ensemble) * _BLOCKS + block
    return np.random.Generator(np.random.Philox(key=np.array([seed, label], dtype=np.uint64)))
