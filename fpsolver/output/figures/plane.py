"""What pictures of the plane share: images of fields, contours of the loss, the size of a panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fpsolver.output.figures import style
from fpsolver.output.figures.folder import Run
from fpsolver.output.figures.raster import COARSE, Raster, raster

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.image import AxesImage

Array = npt.NDArray[np.float64]


def show(axes: Axes, run: Run, grid: Raster, image: Array, colours: Colormap, norm: Normalize) -> AxesImage:
    """An image with the names of the coordinates on its axes."""
    left, right, bottom, top = grid.extent
    drawn = axes.imshow(image, origin="lower", extent=grid.extent, aspect="auto", cmap=colours, norm=norm)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    style.label_plane(axes, run)
    return drawn


def height(grid: Raster, width: float, most: float) -> float:
    """Height of a panel, in the shape of the domain as far as that fits on a page."""
    left, right, bottom, top = grid.extent
    return float(np.clip(width * (top - bottom) / (right - left), 0.47 * width, most))


def loss_contours(axes: Axes, run: Run) -> bool:
    """Level lines of the loss in grey; False where the run has none, or a constant one."""
    loss = run.field("loss")
    if loss is None or run.fields is None or not np.ptp(loss) > 0:
        return False
    grid = raster(run.fields.mesh(), COARSE)
    image = grid.image(loss)
    axes.contour(grid.x, grid.y, image, levels=style.loss_levels(image), colors="0.5", linewidths=0.6, alpha=0.7)
    return True
