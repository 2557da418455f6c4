"""Make the meshes of this folder with Gmsh: all of them, or those that are named.

    pip install gmsh
    python meshes/make_meshes.py [ring] [rooms]

On a bare Debian or Ubuntu, gmsh also wants: apt-get install libglu1-mesa libxrender1 libxcursor1 libxft2 libxinerama1
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import gmsh

INNER, OUTER = 0.5, 1.5
ROOM, NECK, LENGTH = 1.0, 0.2, 0.6
"""Radius of the rooms, width and length of the neck between them."""


def ring() -> None:
    """The annulus 0.5 < |x| < 1.5; both circles have names."""
    gmsh.option.setNumber("Mesh.MeshSizeMax", 0.15)
    geometry = gmsh.model.geo
    center = geometry.addPoint(0.0, 0.0, 0.0)
    circles = {}
    for name, radius in (("inner", INNER), ("outer", OUTER)):
        corners = [geometry.addPoint(radius * x, radius * y, 0.0) for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1))]
        circles[name] = [geometry.addCircleArc(corners[i], center, corners[(i + 1) % 4]) for i in range(4)]
    loops = [geometry.addCurveLoop(circles[name]) for name in ("outer", "inner")]
    surface = geometry.addPlaneSurface(loops)
    geometry.synchronize()
    gmsh.model.addPhysicalGroup(2, [surface], name="ring")
    for name, arcs in circles.items():
        gmsh.model.addPhysicalGroup(1, arcs, name=name)


def rooms() -> None:
    """Two round rooms joined by a narrow neck; cells are finer at the corners of the neck."""
    geometry = gmsh.model.geo
    away = math.sqrt(ROOM**2 - (NECK / 2) ** 2) + LENGTH / 2
    centers = [geometry.addPoint(side * away, 0.0, 0.0) for side in (-1, 1)]
    corners = [
        geometry.addPoint(x * LENGTH / 2, y * NECK / 2, 0.0, 0.03) for x, y in ((-1, 1), (-1, -1), (1, -1), (1, 1))
    ]
    far = [geometry.addPoint(side * (away + ROOM), 0.0, 0.0, 0.25) for side in (-1, 1)]
    walls = [
        geometry.addCircleArc(corners[0], centers[0], far[0]),
        geometry.addCircleArc(far[0], centers[0], corners[1]),
        geometry.addLine(corners[1], corners[2]),
        geometry.addCircleArc(corners[2], centers[1], far[1]),
        geometry.addCircleArc(far[1], centers[1], corners[3]),
        geometry.addLine(corners[3], corners[0]),
    ]
    doors = [geometry.addLine(corners[0], corners[1]), geometry.addLine(corners[2], corners[3])]
    loops = {
        "left": [walls[0], walls[1], -doors[0]],
        "neck": [doors[0], walls[2], doors[1], walls[5]],
        "right": [walls[3], walls[4], -doors[1]],
    }
    surfaces = {name: geometry.addPlaneSurface([geometry.addCurveLoop(loop)]) for name, loop in loops.items()}
    geometry.synchronize()
    for name, surface in surfaces.items():
        gmsh.model.addPhysicalGroup(2, [surface], name=name)
    gmsh.model.addPhysicalGroup(1, walls, name="walls")


def write(target: Path, draw: Callable[[], None], version: float) -> None:
    """Triangles with quadratic edges, in text."""
    gmsh.initialize()
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.option.setNumber("Mesh.Binary", 0)
        gmsh.model.add(target.stem)
        draw()
        gmsh.model.mesh.generate(2)
        gmsh.model.mesh.setOrder(2)
        gmsh.write(str(target))
    finally:
        gmsh.finalize()


MESHES = {"ring": (ring, 4.1), "rooms": (rooms, 2.2)}

if __name__ == "__main__":
    for name in sys.argv[1:] or MESHES:
        write(Path(__file__).with_name(f"{name}.msh"), *MESHES[name])
