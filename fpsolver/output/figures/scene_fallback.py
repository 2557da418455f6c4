"""The scene of ``scene`` by matplotlib, for machines without OpenGL: plainer, but always there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

_POINTS = 5000  # drawn from a 3-D density


def draw(axes: Any, arrays: Arrays) -> None:
    """Draw a landscape or a cloud of points into a 3-D Axes (which has no types)."""
    if "height" in arrays:
        _landscape(axes, arrays)
    else:
        _clouds(axes, arrays)


def _landscape(axes: Any, arrays: Arrays) -> None:
    x, y = np.meshgrid(arrays["x"], arrays["y"])
    height = np.where(arrays["height"] <= arrays["bounds"][5], arrays["height"], np.nan)
    hues = matplotlib.colormaps["YlGnBu"](arrays["colour"])
    axes.plot_surface(x, y, height, facecolors=hues, rcount=70, ccount=70, shade=False)
    axes.plot(*arrays["path"].T, color="#D55E00", linewidth=2, zorder=10)
    axes.set_zticks([])  # heights are in units of the plane
    axes.set_box_aspect(np.ptp(arrays["bounds"].reshape(3, 2), axis=1))
    axes.view_init(elev=55, azim=-75)


def _clouds(axes: Any, arrays: Arrays) -> None:
    """Random draws from the density, in the colour of the smallest surface around them; the outer ones first."""
    random = np.random.default_rng(0)
    corners, density = arrays["points"][arrays["cells"]], arrays["density"][arrays["cells"]]
    masses = density.mean(axis=1) * np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    drawn = random.choice(len(masses), _POINTS, p=masses / masses.sum())
    places = random.dirichlet(np.ones(4), _POINTS)
    points = np.einsum("nc,ncx->nx", places, corners[drawn])
    height = np.log(np.maximum((places * density[drawn]).sum(axis=1), 1e-300))
    shells = np.searchsorted(-arrays["levels"], -height)  # 0 within the innermost surface
    for shell in reversed(range(len(arrays["levels"]))):
        inside = points[shells == shell]
        colour = arrays["colours"][shell]
        axes.scatter(inside[:, 0], inside[:, 1], inside[:, 2], s=5, color=colour, linewidths=0, depthshade=False)
    axes.set_box_aspect(np.ptp(arrays["bounds"].reshape(3, 2), axis=1))
