"""Fields on linear triangles as images: fast where drawing half a million triangles is not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fpsolver.output.pieces import Indices, Piece

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Raster:
    """Pixels, and the triangle under each.

    Attributes:
        x: Centres of the columns.
        y: Centres of the rows.
        pixels: Flat indices of the pixels that lie on the mesh, (p,).
        corners: Points of the triangle under each, (p, 3).
        weights: Its barycentric coordinates, (p, 3).
    """

    x: Array
    y: Array
    pixels: Indices
    corners: Indices
    weights: Array

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom, top of the image, for ``imshow``."""
        half_x, half_y = (self.x[1] - self.x[0]) / 2, (self.y[1] - self.y[0]) / 2
        return (self.x[0] - half_x, self.x[-1] + half_x, self.y[0] - half_y, self.y[-1] + half_y)

    def image(self, values: Array) -> Array:
        """Point values as an image, (rows, columns), row 0 at the bottom; NaN off the mesh."""
        image = np.full(len(self.y) * len(self.x), np.nan)
        image[self.pixels] = (values[self.corners] * self.weights).sum(axis=1)
        return image.reshape(len(self.y), len(self.x))


FINE, COARSE = 400, 200  # pixels for densities, for losses


@lru_cache(maxsize=8)
def raster(mesh: Piece, longest: int) -> Raster:
    """Find the triangle under every pixel; remembered, as several figures show fields of the same mesh.

    Args:
        mesh: Triangles.
        longest: Pixels along the longer side.
    """
    points = mesh.points[:, :2]
    lower, upper = points.min(axis=0), points.max(axis=0)
    step = (upper - lower).max() / longest
    size = np.maximum(np.round((upper - lower) / step).astype(int), 2)
    x, y = (lower[i] + (np.arange(size[i]) + 0.5) * (upper[i] - lower[i]) / size[i] for i in (0, 1))

    corners = points[mesh.cells]  # (m, 3, 2)
    scaled = (corners - lower) / (upper - lower) * size - 0.5  # in pixels
    first = np.clip(np.ceil(scaled.min(axis=1) - 1e-9), 0, size).astype(np.int64)
    last = np.clip(np.floor(scaled.max(axis=1) + 1e-9), -1, size - 1).astype(np.int64)
    width, height = np.maximum(last - first + 1, 0).T
    cell = np.repeat(np.arange(len(mesh.cells)), width * height)  # every pixel in the box of every triangle
    rank = np.arange(len(cell)) - np.repeat(np.cumsum(width * height) - width * height, width * height)
    column, row = first[cell, 0] + rank % width[cell], first[cell, 1] + rank // width[cell]

    a, b, c = (scaled[cell, i] for i in range(3))
    det = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    px, py = column - a[:, 0], row - a[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):  # a flat triangle covers no pixel
        second = (px * (c[:, 1] - a[:, 1]) - py * (c[:, 0] - a[:, 0])) / det
        third = (py * (b[:, 0] - a[:, 0]) - px * (b[:, 1] - a[:, 1])) / det
    weights = np.column_stack([1 - second - third, second, third])
    inside = (weights >= -1e-9).all(axis=1)
    return Raster(x, y, (row * size[0] + column)[inside], mesh.cells[cell[inside]], weights[inside])
