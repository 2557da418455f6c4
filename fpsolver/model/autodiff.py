"""Derivatives of a user's functions by PyTorch or JAX.

The functions take all points at once and treat each for itself, so the derivative of their sum with respect to one
point is that of its own value. Needs nothing else of the program.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

FRAMEWORKS = ("jax", "torch")


class Torch:
    """Functions from points (n, d) to tensors, as PyTorch tensors in double precision."""

    def __init__(self) -> None:
        self._torch: Any = importlib.import_module("torch")

    def given(self, points: Any) -> Any:
        """Points as the user's code gets them."""
        return self._torch.tensor(np.ascontiguousarray(points), dtype=self._torch.float64)

    def plain(self, values: Any) -> Any:
        """What the user's code gave back, as a numpy array."""
        return values.detach().cpu().numpy() if isinstance(values, self._torch.Tensor) else np.asarray(values)

    def slopes(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """From points to the derivatives (n, ..., d) of values (n, ...)."""

        def differentiated(points: Any) -> Any:
            at = points.detach().clone().requires_grad_(True)
            values = function(at)
            flat = values.reshape(len(at), -1)
            rows = [self._of_sum(flat[:, i], at) for i in range(flat.shape[1])]
            return self._torch.stack(rows, dim=1).reshape(*values.shape, at.shape[1])

        return differentiated

    def bends(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """From points to the second derivatives (n, d, d) of values (n,)."""

        def differentiated(points: Any) -> Any:
            at = points.detach().clone().requires_grad_(True)
            first = self._of_sum(function(at), at)
            return self._torch.stack([self._of_sum(first[:, i], at) for i in range(at.shape[1])], dim=1)

        return differentiated

    def _of_sum(self, values: Any, at: Any) -> Any:
        if not values.requires_grad:  # does not depend on the points
            return self._torch.zeros_like(at)
        (slope,) = self._torch.autograd.grad(values.sum(), at, create_graph=True, allow_unused=True)
        return self._torch.zeros_like(at) if slope is None else slope


class Jax:
    """Functions from points (n, d) to arrays, as JAX arrays in double precision."""

    def __init__(self) -> None:
        self._jax: Any = importlib.import_module("jax")
        self._jax.config.update("jax_enable_x64", True)

    def given(self, points: Any) -> Any:
        """Points as the user's code gets them."""
        return self._jax.numpy.asarray(points, dtype="float64")

    def plain(self, values: Any) -> Any:
        """What the user's code gave back, as a numpy array."""
        return np.asarray(values)

    def slopes(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """From points to the derivatives (n, ..., d) of values (n, ...)."""

        def differentiated(points: Any) -> Any:
            summed = self._jax.jacrev(lambda at: function(at).sum(axis=0))(points)  # (..., n, d)
            return self._jax.numpy.moveaxis(summed, -2, 0)

        return differentiated

    def bends(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """From points to the second derivatives (n, d, d) of values (n,)."""
        return self.slopes(self.slopes(function))


def framework(name: str) -> Torch | Jax:
    """The framework of that name, one of `FRAMEWORKS`.

    Raises:
        ImportError: It is not installed.
    """
    return Torch() if name == "torch" else Jax()
