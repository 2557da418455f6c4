"""Make ring.msh: the annulus 0.5 < |x| < 1.5 in triangles, with the region and both circles named.

    pip install gmsh
    python meshes/make_ring.py [--size 0.1]

On a bare Debian or Ubuntu, gmsh also wants: apt-get install libglu1-mesa libxrender1 libxcursor1 libxft2 libxinerama1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gmsh

INNER, OUTER = 0.5, 1.5


def make_ring(target: Path, size: float) -> None:
    """Write the annulus with triangles of edge length ``size`` to ``target``, MSH 4.1 in text."""
    gmsh.initialize()
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.option.setNumber("Mesh.MeshSizeMin", size)
        gmsh.option.setNumber("Mesh.MeshSizeMax", size)
        gmsh.option.setNumber("Mesh.MshFileVersion", 4.1)
        gmsh.option.setNumber("Mesh.Binary", 0)
        gmsh.model.add("ring")
        geometry = gmsh.model.geo
        center = geometry.addPoint(0.0, 0.0, 0.0)
        circles = {}
        for name, radius in (("inner", INNER), ("outer", OUTER)):
            corners = [geometry.addPoint(radius * x, radius * y, 0.0) for x, y in ((1, 0), (0, 1), (-1, 0), (0, -1))]
            circles[name] = [geometry.addCircleArc(corners[i], center, corners[(i + 1) % 4]) for i in range(4)]
        loops = [geometry.addCurveLoop(circles[name]) for name in ("outer", "inner")]
        ring = geometry.addPlaneSurface(loops)
        geometry.synchronize()
        gmsh.model.addPhysicalGroup(2, [ring], name="ring")
        for name, arcs in circles.items():
            gmsh.model.addPhysicalGroup(1, arcs, name=name)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(target))
    finally:
        gmsh.finalize()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make meshes/ring.msh with gmsh.")
    parser.add_argument("--size", type=float, default=0.1, help="edge length of the triangles (default 0.1)")
    make_ring(Path(__file__).with_name("ring.msh"), parser.parse_args().size)
