"""Slices of large models: what a PyTorch network's loss and gradient noise are in the plane of two or three directions.

A slice is written as a table that `loss.table` and `noise.covariance = "table"` read. This room needs PyTorch and numpy
and nothing else of the program, so that it also works where the rest is not installed.

    network = Network(module, per_sample_loss, inputs, targets)
    plane = network.slice_along(network.top_hessian(2), [axis, axis])
    plane.save("landscape.npz")
"""

from __future__ import annotations

from fpsolver.slices.directions import filter_normalised, orthonormal
from fpsolver.slices.network import Network
from fpsolver.slices.table import SliceTable

__all__ = ["Network", "SliceTable", "filter_normalised", "orthonormal"]
