"""How thin the layers are that form around valleys of the loss where noise in some direction is small."""

from __future__ import annotations

import numpy as np

from fpsolver.generator.fitting import CELLS
from fpsolver.problems.base import Setting

LATTICE = {1: 101, 2: 25, 3: 13}
"""Points per direction at which the curvature of the drift is looked at."""

DEEP = 0.1
"""Share of those points, those of lowest loss, that count."""


def layers_shown(setting: Setting) -> float:
    """The least eps whose layers the lattice of a fitted weight shows: lambda (its spacing)^2, lambda of the drift.

    A weight that is fitted to less noise is worse than none.
    """
    box, d = setting.case.domain, setting.case.dimension
    if d == 1:
        return 0.0
    axes = [np.linspace(a, b, LATTICE[d]) for a, b in zip(box.lower, box.upper, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    loss = np.nan_to_num(setting.model.loss(points), nan=np.inf)
    points = points[loss <= np.quantile(loss, DEEP)]
    size = np.asarray(box.upper) - np.asarray(box.lower)
    slopes = np.empty((len(points), d, d))
    for axis, step in enumerate(1e-4 * size):
        apart = [setting.model(points + sign * step * np.eye(d)[axis]) for sign in (1.0, -1.0)]
        ahead, behind = (side.gradient - side.extra for side in apart)
        slopes[:, :, axis] = (ahead - behind) / (2.0 * step)
    curvature = np.linalg.eigvalsh((slopes + slopes.transpose(0, 2, 1)) / 2.0)[:, -1]
    spacing = float((size / (2.0 * np.array(CELLS[d]))).max())
    return float(max(np.median(np.nan_to_num(curvature)), 0.0)) * spacing**2
