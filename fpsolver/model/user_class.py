"""A user's class as functions of arrays: what it lacks comes from its framework or from differences, and is tried out.

    loss(points)                      f, (n,)
    gradient(points)                  ∇f, (n, d)
    hessian(points)                   optional: ∇²f, (n, d, d)
    covariance(points)                Σ, (n, d, d), for noise.covariance = "python"
    covariance_divergence(points)     optional: (∇·Σ)_i = Σ_j ∂_j Σ_ij, (n, d)

A class with ``framework = "torch"`` or ``"jax"`` gets and gives arrays of it, and needs loss and covariance alone.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fpsolver.model.autodiff import FRAMEWORKS, Jax, Torch, framework
from fpsolver.model.coefficients import Array
from fpsolver.model.derivatives import slopes
from fpsolver.model.user_code import UserCodeFailed, told

BLOCK = 2**15
"""Points that the user's code gets at once."""

type Function = Callable[[Array], Array]


class UserClass:
    """The functions of an instance of a user's class.

    Args:
        instance: Of the class.
        file: Where it is written, for messages.
        lower: Lower corner of the box in which it may be evaluated, (d,).
        upper: Upper corner.

    Attributes:
        remarks: What was left to differences, in words.

    Raises:
        UserCodeFailed: Something is missing that cannot be made up for.
    """

    def __init__(self, instance: object, file: Path, lower: tuple[float, ...], upper: tuple[float, ...]) -> None:
        self._instance = instance
        self._name = type(instance).__name__
        self._file = file
        self._box = lower, upper
        self._dimension = d = len(lower)
        self._framework = self._of_class()
        self.remarks: tuple[str, ...] = ()
        if not self.has("loss"):
            raise self._lacks("loss", "write def loss(self, points), from (n, d) to (n,)")
        self.loss = self._function("loss", ())
        self.gradient = self._gradient()
        self.hessian = self._hessian()
        if self.has("covariance"):
            self.covariance = self._function("covariance", (d, d))
            self.covariance_divergence = self._covariance_divergence()

    def has(self, method: str) -> bool:
        """Whether the class has a method."""
        return callable(getattr(self._instance, method, None))

    def need_covariance(self) -> None:
        """Refuse a class without a covariance.

        Raises:
            UserCodeFailed: It has none.
        """
        if not self.has("covariance"):
            raise self._lacks("covariance", "write def covariance(self, points), from (n, d) to (n, d, d)")

    def wrong(self, what: str) -> UserCodeFailed:
        """An error about the class."""
        return UserCodeFailed(f"loss.python: {self._name} in {self._file}: {what}")

    def _lacks(self, method: str, write: str) -> UserCodeFailed:
        return self.wrong(f"there is no {method}(points); {write}")

    def _of_class(self) -> Torch | Jax | None:
        name = getattr(self._instance, "framework", None)
        if name is None:
            return None
        if name not in FRAMEWORKS:
            raise self.wrong(f'framework is {name!r}; write "jax" or "torch", or leave it out')
        try:
            return framework(name)
        except ImportError as missing:
            raise self.wrong(f'framework = "{name}" cannot be loaded ({missing}); install it') from missing

    def _gradient(self) -> Function:
        if self.has("gradient"):
            return self._function("gradient", (self._dimension,))
        if self._framework is None:
            raise self._lacks("gradient", 'write one, or framework = "jax" or "torch" in the class')
        return self._called(self._framework.slopes(self._method("loss")), "the gradient of loss", (self._dimension,))

    def _hessian(self) -> Function:
        shape = (self._dimension, self._dimension)
        if self.has("hessian"):
            return self._function("hessian", shape)
        if self._framework is not None and not self.has("gradient"):
            return self._called(self._framework.bends(self._method("loss")), "the second derivative of loss", shape)
        return lambda points: _symmetric(slopes(self.gradient, points, *self._box)[1])

    def _covariance_divergence(self) -> Function:
        d = self._dimension
        if self.has("covariance_divergence"):
            return self._function("covariance_divergence", (d,))
        if self._framework is not None:
            exact = self._called(
                self._framework.slopes(self._method("covariance")), "the derivative of covariance", (d, d, d)
            )
            return lambda points: np.asarray(np.einsum("nijj->ni", exact(points)))
        self.remarks = (
            f"loss.python: {self._name} has no covariance_divergence, so differences of sixth order take its place",
        )
        return lambda points: self.divergence_by_differences(points)

    def divergence_by_differences(self, points: Array) -> Array:
        """∇·Σ at points (n, d), (n, d)."""
        d = self._dimension
        _, first = slopes(lambda at: self.covariance(at).reshape(len(at), d * d), points, *self._box)
        return np.asarray(np.einsum("nijj->ni", first.reshape(len(points), d, d, d)))

    def _method(self, name: str) -> Callable[[Any], Any]:
        method: Callable[[Any], Any] = getattr(self._instance, name)
        return method

    def _function(self, name: str, shape: tuple[int, ...]) -> Function:
        return self._called(self._method(name), f"{name}(points)", shape)

    def _called(self, function: Callable[[Any], Any], what: str, shape: tuple[int, ...]) -> Function:
        """The function on numpy arrays, block by block, with what it gives back looked at."""
        given = np.array if self._framework is None else self._framework.given
        plain = np.asarray if self._framework is None else self._framework.plain

        def call(points: Array) -> Array:
            found = np.empty((len(points), *shape))
            for start in range(0, len(points), BLOCK):
                part = points[start : start + BLOCK]
                with told(self._file):
                    values = plain(function(given(part)))
                if values.shape != (len(part), *shape):
                    wanted = ", ".join(str(size) for size in (len(part), *shape))
                    raise self.wrong(f"{what} has the shape {values.shape} for {len(part)} points; make it ({wanted})")
                if values.dtype.kind not in "fiub":
                    raise self.wrong(f"{what} is an array of {values.dtype}; make it one of real numbers")
                found[start : start + BLOCK] = values
            return found

        return call


def _symmetric(matrices: Array) -> Array:
    return np.asarray((matrices + matrices.swapaxes(1, 2)) / 2.0)
