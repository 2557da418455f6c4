"""Directions in the space of parameters: random ones, those of steepest curvature, those of largest gradient noise.

All are found by products alone: of the Hessian with a vector, or of the covariance of the gradients with one, in Krylov
spaces of Lanczos with full reorthogonalisation. Vectors are rows of tensors (count, parameters) in double precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

ITERATIONS = 60
"""Dimension of the Krylov space, unless there are fewer parameters."""

DEPENDENT = 1e-8
"""A direction with less than this share of its length across the others is none of its own."""


def orthonormal(directions: Tensor) -> Tensor:
    """Directions (d, p) made orthonormal one after the other, by Gram and Schmidt, twice.

    Only in orthonormal coordinates is the projection of SGD again a gradient descent, with the projected noise.

    Raises:
        ValueError: They depend on one another.
    """
    import torch

    found: list[Tensor] = []
    for i, direction in enumerate(directions):
        vector = direction.double()
        length = vector.norm()
        for _ in range(2):
            for other in found:
                vector = vector - (vector @ other) * other
        if not vector.norm() > DEPENDENT * length:
            raise ValueError(f"direction {i + 1} depends on those before it, or is 0; give others")
        found.append(vector / vector.norm())
    return torch.stack(found)


def filter_normalised(parameters: dict[str, Tensor], count: int, generator: torch.Generator) -> Tensor:
    """Random directions (count, p) whose filters are as long as those of the network.

    Each row of a matrix, or filter of a convolution, of a normal direction is scaled to the length of that of the
    parameters; biases and other vectors are left out. Li, Xu, Taylor, Studer and Goldstein (2018).

    Args:
        parameters: Of the module, by name.
        count: How many.
        generator: Of the random numbers.
    """
    import torch

    rows = []
    for _ in range(count):
        parts = []
        for value in parameters.values():
            part = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            if value.dim() < 2:
                parts.append(torch.zeros(value.numel(), dtype=torch.float64))
                continue
            flat, own = part.reshape(len(part), -1), value.detach().double().reshape(len(part), -1)
            scale = own.norm(dim=1, keepdim=True) / flat.norm(dim=1, keepdim=True)
            parts.append((flat * scale).reshape(-1))
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def leading(
    product: Callable[[Tensor], Tensor], size: int, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Eigenvectors (count, p) of a symmetric matrix with the largest eigenvalues (count,), by Lanczos.

    Args:
        product: From a vector (p,) to the matrix times it.
        size: p.
        count: How many.
        generator: Of the first vector.

    Raises:
        ValueError: The matrix has no so many directions.
    """
    import torch

    steps = min(size, max(ITERATIONS, 4 * count))
    vector = torch.randn(size, generator=generator, dtype=torch.float64)
    basis: list[Tensor] = []
    images: list[Tensor] = []
    for _ in range(steps):
        for _ in range(2):
            for other in basis:
                vector = vector - (vector @ other) * other
        length = vector.norm()
        scale = max((float(image.norm()) for image in images), default=float(length))
        if not length > 1e-12 * scale:
            break  # the space is invariant
        basis.append(vector / length)
        images.append(product(basis[-1]))
        vector = images[-1]
    space, mapped = torch.stack(basis), torch.stack(images)
    small = space @ mapped.T
    values, vectors = np.linalg.eigh(((small + small.T) / 2.0).numpy())
    if count > len(values):
        raise ValueError(f"{count} directions are wanted, and there are {len(values)}; write fewer")
    best = np.argsort(values)[::-1][:count].copy()
    chosen = torch.from_numpy(np.ascontiguousarray(vectors[:, best].T)) @ space
    # the sign that makes the largest entry positive: the same in every run
    largest = chosen.abs().argmax(dim=1)
    signs = torch.sign(chosen[torch.arange(count), largest])
    return chosen * signs[:, None], torch.from_numpy(values[best].copy())
