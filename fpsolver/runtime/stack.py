"""Which DOLFINx this is: that of a wheel, of conda or of a cluster. All in which they differ stands here.

The rest of the program imports ``dolfinx``, ``petsc4py`` and ``slepc4py`` by their own names, after `load_wheel`.
"""

from __future__ import annotations

from importlib import metadata

from fpsolver.errors import BadUsage

# Older ones have other calls: create_mesh, partitioners of cells, the maps of the geometry, curved meshes.
OLDEST_DOLFINX = (0, 11)


def load_wheel() -> None:
    """Let a wheel load its libraries, MPI before all that is compiled against it; others find theirs by themselves."""
    try:
        import dolfinx_solver  # noqa: F401
    except ModuleNotFoundError as missing:
        if missing.name != "dolfinx_solver":
            raise


def refuse_old_dolfinx() -> None:
    """Say which DOLFINx is needed before one that is older fails somewhere; wheels are pinned and have another name.

    Raises:
        BadUsage: It is too old.
    """
    try:
        found = metadata.version("fenics-dolfinx")
    except metadata.PackageNotFoundError:
        return
    if is_too_old(found):
        raise BadUsage(
            f"DOLFINx {found} is installed, and fpsolver needs {needed()}: conda env create -f environment.yml, or "
            "scripts/run, which sets it up from wheels"
        )


def is_too_old(version: str) -> bool:
    """Whether a DOLFINx of this version lacks what is called; one that cannot be read is believed."""
    try:
        return tuple(int(part) for part in version.split(".")[:2]) < OLDEST_DOLFINX
    except ValueError:
        return False


def needed() -> str:
    """The oldest version that serves."""
    return ".".join(str(part) for part in OLDEST_DOLFINX)
