"""Draws a small landscape, by the very way that a run draws its 3-D scene."""

from __future__ import annotations

import json
import logging
import time

FEWEST = 10
"""Shades; a window that was opened and not drawn in has one or two."""


def main() -> None:
    import numpy as np

    from fpsolver.output.figures.offscreen import Rendering, window_without_display

    logging.basicConfig(format="%(message)s")
    window = window_without_display()
    answer: dict[str, object] = {"window": window}
    if window is not None:
        import vtkmodules

        x = np.linspace(-1.0, 1.0, 21)
        height = x[:, None] ** 2 + x[None, :] ** 2
        scene = {"x": x, "y": x, "height": height / 2, "colour": height / 2, "levels": np.array([0.25, 0.5])}
        view = {"path": np.zeros((0, 3)), "bounds": np.array([-1.0, 1.0, -1.0, 1.0, 0.0, 0.9])}
        place = {"direction": np.array([2.0, -3.0, 2.0]), "marks": np.zeros((1, 3))}
        began = time.monotonic()
        picture = Rendering(scene | view | place).picture()
        answer["seconds"] = time.monotonic() - began
        answer["vtk"] = vtkmodules.__version__
        answer["drawn"] = picture is not None and len(np.unique(picture.image)) > FEWEST
    print(json.dumps(answer))
