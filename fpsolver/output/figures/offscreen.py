"""Renders scenes in another process, so that a crash of VTK can never take a run with it."""

from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_WINDOWS = {"libEGL.so.1": "vtkEGLRenderWindow", "libOSMesa.so.8": "vtkOSOpenGLRenderWindow"}
_PATIENCE = 60.0  # seconds; a scene takes about two

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Picture:
    """What came back.

    Attributes:
        image: Colours, (rows, columns, 3 or 4).
        marks: Column and row of the scene's ``marks``, (n, 2).
    """

    image: npt.NDArray[np.generic]
    marks: npt.NDArray[np.float64]


class Rendering:
    """A scene that is being rendered.

    Args:
        arrays: What ``render.py`` draws.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        window = window_without_display()
        if window is None:
            _log.warning("density_3d: neither libEGL nor libOSMesa is installed; drawn with matplotlib instead")
            return
        self._folder = tempfile.TemporaryDirectory(prefix="fpsolver-")
        names = ("scene.npz", "picture.png", "marks.npy")
        scene, self._picture, self._marks = (Path(self._folder.name) / name for name in names)
        np.savez(scene, **dict(arrays))  # type: ignore[arg-type]  # numpy's stub has a keyword among the names
        command = [sys.executable, "-P", str(Path(__file__).with_name("render.py"))]
        self._process = subprocess.Popen(
            [*command, str(scene), str(self._picture), str(self._marks)],
            env=os.environ | {"VTK_DEFAULT_OPENGL_WINDOW": window},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def picture(self) -> Picture | None:
        """The picture, once it is there; None when rendering failed, with a line in the log."""
        if self._process is None:
            return None
        with self._folder:
            try:
                _, errors = self._process.communicate(timeout=_PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()
                reason = f"no picture after {_PATIENCE:.0f} s"
            else:
                if self._process.returncode == 0:
                    from matplotlib.image import imread

                    return Picture(np.asarray(imread(self._picture)), np.load(self._marks, allow_pickle=False))
                said = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
                reason = f"exit code {self._process.returncode}: {said[-1] if said else 'no message'}"
        _log.warning("density_3d: pyvista failed (%s); drawn with matplotlib instead", reason)
        return None


def window_without_display() -> str | None:
    """VTK's window class that works without a display here; None where VTK would crash."""
    for library, window in _WINDOWS.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            continue
        return window
    return None
