"""A network as a function of all of its parameters, and slices through it.

Gradients of single samples are never formed one by one: their components along a direction are one forward-mode
derivative of the vector of all losses, so a point of a slice costs as many passes through the network as there are
directions, however many parameters it has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fpsolver.slices import directions as _directions
from fpsolver.slices.table import SliceTable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Array = NDArray[np.float64]

BATCH = 4096
"""Samples per pass."""

TOGETHER = 2**16
"""Points of a grid times samples per pass."""


class Network:
    """A module with its data, at the parameters that it has now.

    Args:
        module: A PyTorch module; parameters and buffers are copied, in double precision. It is evaluated as in
            ``module.eval()``: losses of single samples must not depend on the batch that they are in.
        loss: From outputs (n, …) and targets (n, …) to the loss of every sample, (n,): no mean is taken in it.
        inputs: (n, …), or any iterable of batches (inputs, targets), such as a DataLoader; then without targets.
        targets: (n, …).
        decay: λ of a weight decay λ|θ|²/2, which is added to the loss of every sample.
        batch: Samples per pass.

    Raises:
        ImportError: PyTorch is not installed.
        ValueError: The loss does not give one number per sample.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        loss: Callable[[Tensor, Tensor], Tensor],
        inputs: Any,
        targets: Tensor | None = None,
        *,
        decay: float = 0.0,
        batch: int = BATCH,
    ) -> None:
        import copy

        self._module = copy.deepcopy(module).double().eval()
        self._loss = loss
        self._decay = decay
        self._batches = list(_batches(inputs, targets, batch))
        self._parameters = {name: value.detach().clone() for name, value in self._module.named_parameters()}
        for value in self._module.parameters():
            value.requires_grad_(False)
        self.samples = sum(len(pair[0]) for pair in self._batches)
        if not self.samples:
            raise ValueError("there are no samples; give inputs and targets")
        x, y = self._batches[0]
        shape = tuple(self._losses(self.centre, x, y).shape)
        if shape != (len(x),):
            raise ValueError(f'the loss has the shape {shape} for {len(x)} samples; write reduction="none" in it')

    @property
    def centre(self) -> Tensor:
        """All parameters in a row, (p,), in the order of ``module.named_parameters()``."""
        import torch

        return torch.cat([value.reshape(-1) for value in self._parameters.values()])

    @property
    def size(self) -> int:
        """The number p of parameters."""
        return sum(value.numel() for value in self._parameters.values())

    def value(self, point: Tensor) -> float:
        """The mean loss at parameters (p,)."""
        return float(sum(self._losses(point, x, y).sum() for x, y in self._batches)) / self.samples

    def gradient(self, point: Tensor) -> Tensor:
        """The gradient of the mean loss, (p,)."""
        from torch.func import grad

        slopes = (grad(lambda at, x=x, y=y: self._losses(at, x, y).sum())(point) for x, y in self._batches)
        total: Tensor = sum(slopes) / self.samples
        return total

    def random(self, count: int, seed: int = 0) -> Tensor:
        """Orthonormal random directions (count, p), filter-normalised before they are made so."""
        return _directions.orthonormal(_directions.filter_normalised(self._parameters, count, _generator(seed)))

    def top_hessian(self, count: int, seed: int = 0) -> Tensor:
        """The directions (count, p) in which the loss is curved most upwards at the centre."""
        from torch.func import jvp

        centre = self.centre

        def product(vector: Tensor) -> Tensor:
            return jvp(self.gradient, (centre,), (vector,))[1]

        return _directions.leading(product, self.size, count, _generator(seed))[0]

    def top_covariance(self, count: int, seed: int = 0) -> Tensor:
        """The directions (count, p) in which the gradients of single samples vary most at the centre."""
        from torch.func import vjp

        centre, gradient = self.centre, self.gradient(self.centre)

        def product(vector: Tensor) -> Tensor:
            total = -(gradient @ vector) * gradient * self.samples
            for x, y in self._batches:
                along = self._along(centre, vector, x, y)[1]
                total = total + vjp(lambda at, x=x, y=y: self._losses(at, x, y), centre)[1](along)[0]
            return total / self.samples

        return _directions.leading(product, self.size, count, _generator(seed))[0]

    def slice_along(self, directions: Tensor, axes: Sequence[Array]) -> SliceTable:
        """Loss and covariance on a grid of one, two or three directions through the centre.

        Args:
            directions: (d, p); they are made orthonormal, so coordinates are distances in the space of parameters.
            axes: d ascending arrays of coordinates.

        Raises:
            ValueError: Directions and axes do not go together, or directions depend on one another.
        """
        import torch

        d = len(axes)
        if tuple(directions.shape) != (d, self.size) or not 1 <= d <= 3:
            shape = tuple(directions.shape)
            raise ValueError(f"{shape} directions and {d} axes; give 1 to 3 of each, with {self.size} parameters")
        basis, centre = _directions.orthonormal(directions), self.centre
        grid = [np.asarray(axis, dtype=float) for axis in axes]
        places = np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1).reshape(-1, d)
        points = centre + torch.from_numpy(places) @ basis
        step = max(1, TOGETHER // max(len(x) for x, _ in self._batches))
        parts = [self._moments(points[start : start + step], basis) for start in range(0, len(points), step)]
        shape = tuple(len(axis) for axis in grid)
        loss = np.concatenate([part for part, _ in parts]).reshape(shape)
        covariance = np.concatenate([part for _, part in parts]).reshape(*shape, d, d)
        return SliceTable(tuple(grid), loss, covariance, basis.numpy(), centre.numpy())

    def _moments(self, points: Tensor, basis: Tensor) -> tuple[Array, Array]:
        """At m points the mean loss (m,), and the covariance of the gradients along d directions, (m, d, d)."""
        import torch
        from torch.func import vmap

        losses, components = [], []
        for x, y in self._batches:
            along = [vmap(self._along, in_dims=(0, None, None, None))(points, each, x, y) for each in basis]
            losses.append(along[0][0])
            components.append(torch.stack([slopes for _, slopes in along], dim=1))
        slopes = torch.cat(components, dim=2)  # m, d, samples
        centred = slopes - slopes.mean(dim=2, keepdim=True)
        covariance = centred @ centred.transpose(1, 2) / self.samples
        return torch.cat(losses, dim=1).mean(dim=1).numpy(), covariance.numpy()

    def _along(self, point: Tensor, direction: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of some samples, (n,), and their derivatives along a direction, (n,)."""
        from torch.func import jvp

        value, slope = jvp(lambda at: self._losses(at, x, y), (point,), (direction,))
        return value.detach(), slope.detach()

    def _losses(self, point: Tensor, x: Tensor, y: Tensor) -> Tensor:
        from torch.func import functional_call

        start, values = 0, {}
        for name, value in self._parameters.items():
            values[name] = point[start : start + value.numel()].reshape(value.shape)
            start += value.numel()
        losses = self._loss(functional_call(self._module, values, (x,)), y)
        return losses + 0.5 * self._decay * (point @ point) if self._decay else losses


def _batches(inputs: Any, targets: Tensor | None, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    if targets is None:
        for x, y in inputs:
            yield _double(x), _double(y)
        return
    if len(inputs) != len(targets):
        raise ValueError(f"{len(inputs)} inputs and {len(targets)} targets; give as many of each")
    for start in range(0, len(inputs), batch):
        yield _double(inputs[start : start + batch]), _double(targets[start : start + batch])


def _double(values: Tensor) -> Tensor:
    return values.double() if values.is_floating_point() else values


def _generator(seed: int) -> torch.Generator:
    import torch

    return torch.Generator().manual_seed(seed)
