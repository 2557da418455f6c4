"""The shares of the basins at each stage of a split, and the time scales between the stages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Stages:
    """The shares of the basins at each stage, (m,) each, or why there are none.

    Attributes:
        deterministic: Without noise; ``elsewhere`` is what ends at walls, at rest elsewhere, or nowhere, (3,), and
            ``deterministic_error`` the error of all of them, (m + 3,). Nothing of a companion.
        committor: By the minimum reached first; ``lost`` is the rest.
        plateau: On the plateau of the evolution.
        final: At its end.
        predicted: At its end, by the chain of jumps from ``committor``.
        stationary: Of the stationary density in the basins of attraction.
        settled: The same by the minimum reached first.
        chain: The stationary vector of the chain of jumps.
    """

    deterministic: Array
    elsewhere: Array
    deterministic_error: Array
    committor: Array | str
    lost: float
    plateau: Array | str
    final: Array
    predicted: Array | str
    stationary: Array | str
    settled: Array | str
    chain: Array | str


@dataclass(frozen=True)
class Scales:
    """The time scales of a split.

    Attributes:
        relaxation: Until the mass has come to rest in the basins: the longer one of the mean time until the
            neighbourhood of a minimum is reached and of 1 / the smallest eigenvalue of a Hessian; None: not known.
        escape: The shortest escape time, None where there is none.
        spectral: Ratio of the slowest eigenvalue but those of the exchange, to the fastest of these, or why not known.
        why: Whether there is a plateau, in words.
        exists: Whether there is.
    """

    relaxation: float | None
    escape: float | None
    spectral: float | str
    why: str
    exists: bool
