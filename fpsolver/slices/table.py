"""The table of a slice: loss and covariance of the gradients on a grid, as the case file reads it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SliceTable:
    """A slice θ(a) = centre + Σ a_k v_k along d orthonormal directions v_k.

    Attributes:
        axes: Values of a_k on the grid, ascending.
        loss: f(θ(a)), (n_0, …, n_{d-1}).
        covariance: Of the gradients of single samples, seen along the directions, Σ_kl = Cov(v_k·g, v_l·g),
            (n_0, …, n_{d-1}, d, d).
        directions: The v_k, (d, parameters).
        centre: (parameters,).
    """

    axes: tuple[Array, ...]
    loss: Array
    covariance: Array
    directions: Array
    centre: Array

    def save(self, path: str | Path) -> None:
        """Write a ``.npz`` file that ``loss.table`` reads; it appears whole or not at all."""
        d = len(self.axes)
        upper = [(k, m) for k in range(d) for m in range(k, d)]
        arrays: dict[str, Any] = {f"axis_{k}": axis for k, axis in enumerate(self.axes)}
        arrays["loss"] = self.loss
        arrays["covariance"] = np.stack([self.covariance[..., k, m] for k, m in upper], axis=-1)
        arrays |= {"directions": self.directions, "centre": self.centre}
        part = Path(f"{path}.part")
        with open(part, "wb") as stream:
            np.savez_compressed(stream, **arrays)
        os.replace(part, path)
