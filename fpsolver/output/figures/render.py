"""Renders one 3-D scene with pyvista. Run as a program: ``python render.py scene.npz picture.png marks.npy``.

A process of its own, because VTK without a working OpenGL kills the interpreter instead of raising. Text is left to
matplotlib: this program says where on the picture the marks of the axes are.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pyvista as pv

# Any below: pyvista's decorators hide the signatures of its methods from type checkers
Arrays = dict[str, npt.NDArray[np.float64]]

SIZE = (1320, 960)
ORANGE, DARK, PALE = "#D55E00", "#595959", "#b0b0b0"


def main(scene: str, picture: str, marks: str) -> None:
    """Draw the arrays of ``scene`` (see ``scene.py``) into ``picture``, and the pixels of its marks into ``marks``."""
    with np.load(scene, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    plotter: Any = pv.Plotter(off_screen=True, window_size=list(SIZE))
    plotter.set_background("white")
    (_landscape if "height" in arrays else _nested)(plotter, arrays)
    _box(plotter, arrays["bounds"])
    direction = arrays["direction"]
    plotter.camera_position = [tuple(direction), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)]
    plotter.reset_camera(bounds=arrays["bounds"].tolist())
    plotter.camera.zoom(1.05)
    plotter.enable_anti_aliasing("msaa", multi_samples=8)
    plotter.screenshot(picture)
    np.save(marks, _pixels(plotter, arrays["marks"]))


def _landscape(plotter: Any, arrays: Arrays) -> None:
    """The loss as a surface coloured by density; ``height`` in units of the plane, cut off at the top of ``bounds``."""
    x, y = np.meshgrid(arrays["x"], arrays["y"])
    grid = pv.StructuredGrid(x, y, np.nan_to_num(arrays["height"], nan=1e3 * np.ptp(arrays["bounds"])))
    grid["colour"] = arrays["colour"].ravel(order="F")  # a place on the colour map, 0 to 1
    grid["height"] = grid.points[:, 2].copy()
    surface = grid.clip_scalar(scalars="height", value=arrays["bounds"][5]).extract_surface(algorithm="dataset_surface")
    plotter.add_mesh(
        surface,
        scalars="colour",
        cmap="YlGnBu",
        clim=(0, 1),
        smooth_shading=True,
        specular=0.1,
        ambient=0.4,
        show_scalar_bar=False,
    )
    _lines(plotter, surface.contour(arrays["levels"].tolist(), scalars="height"))
    radius, path = 0.006 * float(np.ptp(arrays["bounds"][:4])), arrays["path"]
    if len(path) > 1:
        plotter.add_mesh(pv.lines_from_points(path).tube(radius=radius), color=ORANGE)
        plotter.add_mesh(pv.Sphere(radius=2.5 * radius, center=path[-1]), color=ORANGE)


def _nested(plotter: Any, arrays: Arrays) -> None:
    """Surfaces of equal density, one in the other, over level lines of the loss on the floor.

    Drawn from the inside out, which spares the renderer sorting. Contours are taken of log density: it is nearly
    quadratic where density is nearly Gaussian, so linear cells show smooth surfaces.
    """
    bounds = arrays["bounds"]
    mesh = pv.UnstructuredGrid({pv.CellType.TETRA: arrays["cells"].astype(np.int64)}, arrays["points"])
    mesh["log"], mesh["loss"] = arrays["log"], arrays["loss"]
    for level, colour, opacity in zip(arrays["levels"], arrays["colours"], arrays["opacities"], strict=True):
        surface = mesh.contour([float(level)], scalars="log")
        if surface.n_points:
            plotter.add_mesh(surface, color=colour.tolist(), opacity=float(opacity), smooth_shading=True, ambient=0.4)
    origin = arrays["origin"] + 1e-5 * np.ptp(bounds[4:])  # a slice along faces of cells would have holes
    plane = mesh.slice(normal=(0, 0, 1), origin=origin.tolist()).clip_box(bounds.tolist(), invert=False)
    if plane.n_points and np.ptp(plane["loss"]) > 0:
        floor: Any = plane.extract_surface(algorithm="dataset_surface")
        floor.points[:, 2] = bounds[4]
        low, high = floor["loss"].min(), floor["loss"].max()
        plotter.add_mesh(floor, scalars="loss", cmap="Greys", clim=(low, high + 1.5 * (high - low)), lighting=False,
                         show_scalar_bar=False)  # fmt: skip
        floor.points[:, 2] += 0.004 * np.ptp(bounds[4:])  # lines above the floor, not in it
        _lines(plotter, floor.contour(np.linspace(low, high, 14)[1:-1].tolist(), scalars="loss"))


def _lines(plotter: Any, lines: Any) -> None:
    """Level lines; a flat loss has none."""
    if lines.n_points:
        plotter.add_mesh(lines, color=DARK, line_width=1.5)


def _box(plotter: Any, bounds: npt.NDArray[np.float64]) -> None:
    plotter.add_mesh(pv.Box(bounds.tolist()).extract_all_edges(), color=PALE, line_width=1.5)


def _pixels(plotter: Any, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Where points are on the picture: column and row from the top left, (n, 2)."""
    near, far = plotter.camera.clipping_range
    matrix = plotter.camera.GetCompositeProjectionTransformMatrix(SIZE[0] / SIZE[1], near, far)
    entries = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    seen = np.column_stack([points, np.ones(len(points))]) @ entries.T
    plane = seen[:, :2] / seen[:, 3:]
    return np.column_stack([(plane[:, 0] + 1) / 2 * SIZE[0], (1 - plane[:, 1]) / 2 * SIZE[1]])


if __name__ == "__main__":
    main(*sys.argv[1:])
