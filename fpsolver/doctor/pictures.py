"""3-D pictures without a display, and the ParaView that will open the files."""

from __future__ import annotations

import re

from fpsolver.doctor.finding import Finding, ok, warning
from fpsolver.doctor.surroundings import NoAnswer, Surroundings

INSTEAD = "3-D scenes are drawn with matplotlib"
READS = {"vtkhdf": (5, 12), "pvd": (5, 11)}
"""First ParaView that reads a format."""


def rendering(about: Surroundings) -> Finding:
    """A small scene is drawn in another process, as VTK may crash."""
    try:
        found = about.ask("picture", timeout=120.0)
    except NoAnswer as error:
        return warning("3-D pictures", f"{INSTEAD}, as VTK fails: {error}", "reinstall pyvista and vtk")
    if found["window"] is None:
        remedy = "apt-get install libegl1 libgl1-mesa-dri, or conda install mesalib, or the module of Mesa"
        return warning("3-D pictures", f"neither libEGL nor libOSMesa is here, so {INSTEAD}", remedy)
    where = f"VTK {found['vtk']}, {found['window']}"
    if not found["drawn"]:
        remedy = "install another driver: apt-get install libosmesa6, or libgl1-mesa-dri for EGL"
        return warning("3-D pictures", f"{where} draws nothing, so {INSTEAD}", remedy)
    return ok("3-D pictures", f"{where} drew one in {found['seconds']:.1f} s")


def paraview(about: Surroundings) -> Finding:
    """Its version decides on output.format."""
    rule = ", ".join(f'"{name}" for ParaView >= {_text(oldest)}' for name, oldest in READS.items())
    found = next((path for path in map(about.which, ("pvpython", "pvbatch", "paraview")) if path is not None), None)
    if found is None:
        return ok("ParaView", f"not on the PATH; output.format is {rule}")
    try:
        outcome = about.start([found, "--version"], 30.0)
    except NoAnswer as error:
        return warning("ParaView", f"{error}; output.format is {rule}", "start it by hand and see Help > About")
    number = re.search(r"version\s+v?(\d+)\.(\d+)", outcome.output + outcome.errors)
    if number is None:
        text = f"{found} does not tell its version; output.format is {rule}"
        return warning("ParaView", text, "start it by hand and see Help > About")
    version = int(number[1]), int(number[2])
    name = f"{_text(version)}, {found}"
    if version >= READS["vtkhdf"]:
        return ok("ParaView", f"{name}: reads what runs write by default")
    if version >= READS["pvd"]:
        return warning("ParaView", f'{name}: cannot read output.format = "vtkhdf", the default',
                       'write format = "pvd" under [output], or --set output.format=pvd')  # fmt: skip
    return warning("ParaView", f"{name}: too old; output.format is {rule}", "install a newer one")


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
