"""Figures: drawn from files alone, not blank, labelled; and never a crash where OpenGL is missing."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import example
import numpy as np
import pytest
from matplotlib.colors import LogNorm, Normalize
from matplotlib.image import imread

from fpsolver.errors import BadUsage
from fpsolver.output.figures import FIGURES, draw, offscreen, style
from fpsolver.output.figures.folder import load_run
from fpsolver.output.figures.raster import raster
from fpsolver.output.figures.scene import enclosing_levels
from fpsolver.output.pieces import Piece

ROOT = Path(__file__).parents[2]

DRAWN = {
    1: {"density", "regions", "mean_path", "fields", "entropy"},
    2: {"density", "regions", "mean_path", "fields", "entropy", "density_3d"},
    3: {"density", "regions", "mean_path", "entropy", "density_3d"},
}


@pytest.fixture(scope="module", params=[(1, "vtkhdf"), (2, "vtkhdf"), (3, "vtkhdf"), (2, "pvd")], ids=str)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    dimension, form = request.param
    return example.write_run(tmp_path_factory.mktemp(f"run{dimension}{form}"), dimension, form)


def test_all_figures_of_a_run_are_drawn_and_not_blank(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In the size asked for, with more than a few pixels of colour; with pyvista, not its fallback."""
    files = draw(folder)
    assert {file.stem for file in files} == DRAWN[load_run(folder).dimension]
    for file in files:
        pixels = imread(file)[..., :3]
        assert min(pixels.shape[:2]) >= 500
        assert pixels.std() > 0.02
        assert (pixels.min(axis=-1) < 0.95).mean() > 0.01
    if offscreen.window_without_display():
        assert not caplog.records
    assert not list(folder.glob(".*"))


def test_figures_can_be_vector_graphics(folder: Path) -> None:
    [png, svg] = draw(folder, ["regions"], formats=("png", "svg"))
    assert png.suffix == ".png"
    assert svg.read_text().startswith("<?xml")


def test_axes_say_what_they_show(folder: Path) -> None:
    """Names of the coordinates, the unit of the density, and of time."""
    run = load_run(folder)
    density = FIGURES["density"](run)()
    assert density is not None
    labels = {label for axes in density.axes for label in (axes.get_xlabel(), axes.get_ylabel())}
    assert set(run.coordinates) <= labels or run.dimension == 1
    assert any(label.startswith("probability per unit") for label in labels)
    assert run.title in density.get_suptitle()
    regions = FIGURES["regions"](run)()
    assert regions is not None
    assert regions.axes[0].get_xlabel() == "time t"
    sgd = FIGURES["regions"](replace(run, has_learning_rate=True))()
    assert sgd is not None
    assert sgd.axes[0].get_xlabel() == "time t (learning rate × iterations)"
    assert regions.axes[0].get_xscale() == "log"  # the example spans three decades
    assert [text.get_text() for text in regions.legends[0].get_texts()] == [
        "left: 0.503 at t = 100",
        "left: 0.5 stationary",
        "right: 0.497 at t = 100",
        "right: 0.5 stationary",
    ]


def test_the_frames_shown_include_the_first_and_the_last(folder: Path) -> None:
    chosen = load_run(folder).shown(6)
    assert chosen[0] == 0
    assert chosen[-1] == len(example.TIMES) - 1
    assert 4 <= len(chosen) <= 6
    assert chosen == sorted(set(chosen))


def test_images_show_linear_functions_exactly() -> None:
    """A wrong triangle or weight under a pixel shows at once; pixels off the mesh stay empty."""
    lattice = example.box(2)
    kept = lattice.cells[lattice.points[lattice.cells][:, :, 0].max(axis=1) <= 1.0]
    grid = raster(Piece(lattice.points, kept), 211)
    image = grid.image(3 * lattice.points[:, 0] - lattice.points[:, 1])
    x, y = np.meshgrid(grid.x, grid.y)
    covered = np.isfinite(image)
    np.testing.assert_allclose(image[covered], (3 * x - y)[covered], atol=1e-12)
    np.testing.assert_array_equal(covered, x <= 1.0 + 1e-12)


def test_surfaces_enclose_the_stated_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a 3-D Gaussian is within 1.5382 standard deviations (χ², 3 degrees of freedom); second order in h."""
    errors = []
    for cells in ((24, 20, 16), (48, 40, 32)):
        monkeypatch.setitem(example.CELLS, 3, cells)
        lattice = example.box(3)
        values = np.exp(-(lattice.points**2).sum(axis=1) / (2 * 0.3**2))
        [level] = enclosing_levels(Piece(lattice.points, lattice.cells), values, (0.5,))
        errors.append(abs(np.sqrt(-2 * np.log(level)) - 1.5382))
    assert errors[0] < 0.06
    assert errors[1] < errors[0] / 3


def test_densities_of_very_different_height_get_a_logarithmic_scale() -> None:
    flat, peaked = np.array([0.0, 1.0]), np.array([0.0, 50.0])
    assert type(style.density_norm([flat, 1.5 * flat])) is Normalize
    norm = style.density_norm([flat, peaked])
    assert isinstance(norm, LogNorm)
    assert (norm.vmin, norm.vmax) == (pytest.approx(5e-3), 50.0)


@pytest.mark.parametrize("dimension", [2, 3])
def test_without_opengl_matplotlib_draws(
    tmp_path: Path, dimension: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    example.write_run(tmp_path, dimension)
    monkeypatch.setattr(offscreen, "_WINDOWS", {"libnosuch.so.1": "vtkEGLRenderWindow"})
    with caplog.at_level(logging.WARNING):
        [file] = draw(tmp_path, ["density_3d"])
    assert len(caplog.records) == 1
    assert "drawn with matplotlib instead" in caplog.text
    assert imread(file)[..., :3].std() > 0.02


def test_a_crash_of_the_renderer_is_one_line_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """VTK dies of a signal where OpenGL is broken; the run must not."""
    example.write_run(tmp_path, 2)
    killer = tmp_path / "python"
    killer.write_text("#!/bin/sh\nkill -SEGV $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(offscreen.sys, "executable", str(killer))
    monkeypatch.setattr(offscreen, "_WINDOWS", {"libc.so.6": "vtkEGLRenderWindow"})
    [file] = draw(tmp_path, ["density_3d"])
    assert "exit code -11" in caplog.text
    assert len(caplog.records) == 1
    assert file.exists()


def test_wrong_requests_say_what_to_ask(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match=r"case\.toml: not there; give the folder of a run"):
        draw(tmp_path)
    with pytest.raises(BadUsage, match="choose from density, regions"):
        draw(tmp_path, ["densty"])
    with pytest.raises(BadUsage, match="choose from png, svg"):
        draw(tmp_path, formats=("gif",))
    (tmp_path / "case.toml").write_text('[domain]\nlower = [0, 0]\ncoordinates = ["x", "y"]\n')
    assert draw(tmp_path) == []
    with pytest.raises(BadUsage, match="no data for it"):
        draw(tmp_path, ["regions"])


def test_figures_need_neither_mpi_nor_dolfinx() -> None:
    """`plot` works where results were copied to, on a laptop without the solver."""
    code = (
        "import sys, fpsolver.output.figures, fpsolver.output.reader\n"
        "found = {'mpi4py', 'petsc4py', 'dolfinx', 'pyvista', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})


def paraview(*args: object) -> subprocess.CompletedProcess[str]:
    """Run the script in ParaView's Python, with a display if there is one to be had."""
    # the server has ten seconds to start: on a busy machine the usual three are too few
    display = ["xvfb-run", "-a", "-w", "10"] if shutil.which("xvfb-run") else []
    script = ROOT / "scripts" / "paraview_density.py"
    # ParaView brings its own VTK and matplotlib; ours must not be found first
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [*display, "pvpython", str(script), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment)


@pytest.mark.skipif(shutil.which("pvpython") is None, reason="ParaView is not installed here (no pvpython on PATH)")
@pytest.mark.skipif(
    not os.environ.get("DISPLAY") and shutil.which("xvfb-run") is None, reason="no display, and no xvfb-run to make one"
)
def test_paraview_films_a_run(tmp_path: Path) -> None:
    """A picture per frame, all different, in the same colours."""
    example.write_run(tmp_path, 2, "pvd")
    done = paraview(tmp_path, "--log", "--size", "640x480")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "13 pictures" in done.stdout
    assert "colours from 0.00151 to 15.1" in done.stdout
    pictures = [imread(file) for file in sorted((tmp_path / "film").glob("density_*.png"))]
    assert len(pictures) == len(example.TIMES)
    assert {picture.shape[:2] for picture in pictures} == {(480, 640)}
    assert all((a != b).mean() > 1e-3 for a, b in pairwise(pictures))
    assert "film:" in done.stdout or "no film:" in done.stdout
    missing = paraview(tmp_path / "absent")
    assert missing.returncode != 0
    assert "give the folder of a run" in missing.stderr


def test_the_paraview_script_says_how_it_is_run() -> None:
    script = ROOT / "scripts" / "paraview_density.py"
    done = subprocess.run([sys.executable, str(script), "folder"], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "pvpython scripts/paraview_density.py FOLDER" in done.stderr
